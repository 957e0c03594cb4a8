//! What the source has published so far: the stream's ladder, once it is known, and each rendition's newest playlist.
//!
//! The source writes here; the feed reads at every request, so what it reads is behind atomic pointers. Who waits for a
//! segment (a relay) is woken when it is listed.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use delivery::{
    document::Document,
    feed::{Error, Playlist, Stream},
};
use hls::{Rendition, SwitchingSet, Template, window::LiveWindow};
use policy::StreamName;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How many target durations a request waits for a segment before it is answered with what there is (RFC 8216bis 6.2.5.2).
const PATIENCE_TARGET_DURATIONS: u32 = 3;

/// How far ahead of the newest segment one may be waited for (RFC 8216bis 6.2.5.2).
const MOST_AHEAD: u64 = 2;

/// The one stream of a primary.
#[derive(Debug)]
pub(crate) struct Publication {
    stream: StreamName,
    ladder: OnceLock<Ladder>,
    closed: CancellationToken,
}

#[derive(Debug)]
struct Ladder {
    template: Arc<Template>,
    shelves: BTreeMap<Rendition, Shelf>,
}

/// Where the newest playlist of one rendition is shown.
#[derive(Debug, Default)]
struct Shelf {
    playlist: ArcSwapOption<Playlist>,
    changed: watch::Sender<()>,
}

impl Publication {
    /// A stream of which nothing is known but its name.
    pub(crate) fn new(stream: StreamName) -> Self {
        Self { stream, ladder: OnceLock::new(), closed: CancellationToken::new() }
    }

    pub(crate) fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Makes the ladder known. The first one stays: what viewers were given must go on.
    pub(crate) fn open(&self, template: Template) {
        self.ladder.get_or_init(|| {
            let shelves =
                template.renditions().into_iter().map(|name| (name.clone(), Shelf::default())).collect();
            Ladder { template: Arc::new(template), shelves }
        });
    }

    /// Shows a rendition's newest list and wakes who waits for it; false where the ladder is not known or lacks it. The switching set
    /// is what is known of the media by now.
    pub(crate) fn show(
        &self,
        rendition: &Rendition,
        window: &LiveWindow,
        switching_set: Option<SwitchingSet>,
    ) -> bool {
        let Some(shelf) = self.ladder.get().and_then(|ladder| ladder.shelves.get(rendition)) else {
            return false;
        };
        shelf.playlist.store(Some(Arc::new(Playlist {
            body: Document::new(window.render()),
            given_at: None,
            target_duration: Duration::from_secs(window.target_duration_s()),
            newest: window.listed().map(|listed| *listed.end()),
            ended: window.has_ended(),
            switching_set,
        })));
        shelf.changed.send_replace(());
        true
    }

    /// Nothing more will be shown: who waits for a segment is answered with what there is, and holds up no shutdown.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    /// How the stream stands.
    pub(crate) fn state(&self) -> Stream {
        let shown: Vec<Arc<Playlist>> = self
            .ladder
            .get()
            .map(|ladder| ladder.shelves.values().filter_map(|shelf| shelf.playlist.load_full()).collect())
            .unwrap_or_default();
        Stream {
            name: self.stream.clone(),
            template: self.ladder.get().map(|ladder| Arc::clone(&ladder.template)),
            target_duration: shown.iter().map(|playlist| playlist.target_duration).max().unwrap_or_default(),
            live: shown.is_empty() || shown.iter().any(|playlist| !playlist.ended),
            ready: !shown.is_empty(),
        }
    }

    pub(crate) fn template(&self) -> Result<Arc<Template>, Error> {
        self.ladder().map(|ladder| Arc::clone(&ladder.template))
    }

    /// A rendition's playlist; with `msn`, as soon as it lists that segment.
    pub(crate) async fn playlist(&self, rendition: &str, msn: Option<u64>) -> Result<Playlist, Error> {
        let ladder = self.ladder()?;
        let shelf = ladder.shelves.get(rendition).ok_or_else(|| Error::UnknownRendition {
            stream: self.stream.clone(),
            name: rendition.to_owned(),
            known: ladder.shelves.keys().map(ToString::to_string).collect(),
        })?;
        let playlist = shelf.newest().ok_or_else(|| Error::NotReady(self.stream.clone()))?;
        match (msn, playlist.newest) {
            (Some(asked), Some(newest)) if asked > newest.saturating_add(MOST_AHEAD) && !playlist.ended => {
                Err(Error::TooFarAhead { asked, newest })
            }
            (Some(asked), _) if !lists(&playlist, asked) => Ok(tokio::select! {
                listed = shelf.wait_for(asked, playlist.clone()) => listed,
                () = self.closed.cancelled() => playlist,
            }),
            _ => Ok(playlist),
        }
    }

    fn ladder(&self) -> Result<&Ladder, Error> {
        self.ladder.get().ok_or_else(|| Error::NotReady(self.stream.clone()))
    }
}

impl Shelf {
    fn newest(&self) -> Option<Playlist> {
        self.playlist.load().as_deref().cloned()
    }

    /// The first playlist that lists `asked`, or after a while the one there is.
    async fn wait_for(&self, asked: u64, present: Playlist) -> Playlist {
        let patience = present.target_duration * PATIENCE_TARGET_DURATIONS;
        let listed = async {
            let mut changed = self.changed.subscribe();
            loop {
                if let Some(playlist) = self.newest().filter(|playlist| lists(playlist, asked)) {
                    return playlist;
                }
                if changed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        match tokio::time::timeout(patience, listed).await {
            Ok(playlist) => playlist,
            Err(_) => self.newest().unwrap_or(present),
        }
    }
}

/// Whether waiting for a segment has an end with this playlist.
fn lists(playlist: &Playlist, sequence: u64) -> bool {
    playlist.ended || playlist.newest.is_some_and(|newest| newest >= sequence)
}

#[cfg(test)]
mod tests {
    use hls::{
        Container, Keys, Rung,
        window::{Extent, Segment, Settings},
    };

    use super::*;

    const TARGET_S: u64 = 2;

    fn published(newest: u64) -> (Publication, Rendition, LiveWindow) {
        let rendition: Rendition = "720p".parse().unwrap();
        let rung = Rung {
            rendition: rendition.clone(),
            bandwidth: 1,
            average_bandwidth: None,
            resolution: None,
            codecs: None,
            frame_rate: None,
        };
        let publication = Publication::new("live".parse().unwrap());
        publication.open(Template::of_rungs(&[rung], true));
        let mut window = LiveWindow::new(&Settings {
            extent: Extent::Live { limit: 5 },
            target_duration_s: TARGET_S,
            independent_segments: true,
            discontinuity_sequence: 0,
        });
        push(&mut window, newest);
        assert!(publication.show(&rendition, &window, None));
        (publication, rendition, window)
    }

    fn push(window: &mut LiveWindow, sequence: u64) {
        let segment = Segment {
            sequence,
            container: Container::Ts,
            duration: Duration::from_secs(TARGET_S),
            discontinuity: false,
            gap: false,
            map: None,
            keys: Keys::default(),
            program_date_time: None,
            tags: Vec::new(),
        };
        window.push(segment).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_next_segment_is_woken_by_it() {
        let (publication, rendition, mut window) = published(10);
        let publish = async {
            tokio::task::yield_now().await;
            push(&mut window, 11);
            publication.show(&rendition, &window, None);
        };
        let (answer, ()) = tokio::join!(publication.playlist("720p", Some(11)), publish);
        assert_eq!(answer.unwrap().newest, Some(11));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_in_vain_gets_what_there_is_after_three_target_durations() {
        let (publication, ..) = published(10);
        let before = tokio::time::Instant::now();
        let answer = publication.playlist("720p", Some(11)).await.unwrap();
        assert_eq!((answer.newest, before.elapsed().as_secs()), (Some(10), 3 * TARGET_S));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_holds_up_no_shutdown() {
        let (publication, ..) = published(10);
        let close = async {
            tokio::task::yield_now().await;
            publication.close();
        };
        let before = tokio::time::Instant::now();
        let (answer, ()) = tokio::join!(publication.playlist("720p", Some(11)), close);
        assert_eq!((answer.unwrap().newest, before.elapsed().as_secs()), (Some(10), 0));
    }

    #[tokio::test]
    async fn what_cannot_be_waited_for_is_refused_and_what_is_over_is_answered_at_once() {
        let (publication, rendition, mut window) = published(10);
        let too_far = publication.playlist("720p", Some(13)).await.unwrap_err();
        assert_eq!(too_far, Error::TooFarAhead { asked: 13, newest: 10 });
        let unknown = publication.playlist("1080p", None).await.unwrap_err();
        assert!(unknown.to_string().contains("720p"), "{unknown}");
        window.end();
        publication.show(&rendition, &window, None);
        assert!(publication.playlist("720p", Some(13)).await.unwrap().ended);
    }

    #[tokio::test]
    async fn before_anything_is_known_the_stream_is_not_ready() {
        let publication = Publication::new("live".parse().unwrap());
        let not_ready = Error::NotReady("live".parse().unwrap());
        assert_eq!(publication.playlist("720p", None).await.unwrap_err(), not_ready);
        assert_eq!(publication.template().unwrap_err(), not_ready);
        assert!(!publication.state().ready);
    }
}
