//! The test card as a live stream: the compiled-in loop, one segment every two seconds, for ever.
//!
//! Every segment follows from its number alone. Segments keep step with the wall clock, so that the picture's clock runs through
//! one round of the loop as real time does, and decode times go on through the seam. Nothing is kept: what was listed once
//! can be made again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use delivery::object::{Fetch, FetchError, Fetched, Key};
use hls::{
    Container, Date, Keys, LiveWindow, Rendition, Rung, SwitchingSet, Template,
    mp4::{self, Timescales},
    numbering::{first_discontinuity_sequence, first_sequence},
    url::Kind,
    window::{Extent, Map, Segment, Settings},
};
use service::Latch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::card::{self, CardRung, LADDER, SEGMENT, SEGMENTS};
use crate::publication::Publication;

/// Segments listed at the start, as if the card had run before: players begin three target durations behind the newest.
const FIRST_WINDOW: u64 = 3;

/// Segments listed at most: 20 s for players that fell behind and for relays to bridge a restart.
const WINDOW: usize = 10;

/// All rungs: they were made so (`testcard/make`), and a test has them judged as any other source's.
const SWITCHING_SET: SwitchingSet = SwitchingSet::of_digest(0);

/// The card since a start of the primary. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TestCard {
    /// The number of the first segment.
    first: u64,
    /// The count of discontinuities that the stream begins with.
    discontinuity_sequence: u64,
    /// The two-second slot of wall time that the first segment fills, counted from the epoch.
    first_slot: u64,
    /// A moment on both clocks; the wall clock may be set later without the stream jumping.
    epoch: (Instant, Duration),
}

impl TestCard {
    /// The card as it starts now.
    pub(crate) fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::started(Instant::now(), unix)
    }

    fn started(now: Instant, unix: Duration) -> Self {
        let slot = unix.as_secs() / SEGMENT.as_secs();
        let first_slot = slot.saturating_sub(FIRST_WINDOW);
        let unix_ms = u64::try_from(unix.as_millis()).unwrap_or(u64::MAX);
        Self {
            first: first_sequence(unix_ms),
            discontinuity_sequence: first_discontinuity_sequence(unix_ms),
            first_slot,
            epoch: (now, unix),
        }
    }

    pub(crate) fn template() -> Template {
        let rungs: Vec<Rung> = LADDER
            .iter()
            .map(|rung| Rung {
                rendition: rendition(rung),
                bandwidth: rung.peak_bandwidth(),
                average_bandwidth: Some(rung.average_bandwidth()),
                resolution: Some((rung.width, rung.height)),
                codecs: Some(card::CODECS.to_owned()),
                frame_rate: Some(card::FRAME_RATE),
            })
            .collect();
        Template::of_rungs(&rungs, true)
    }

    /// Publishes segments as they fall due, until told to stop.
    pub(crate) async fn run(self, publication: &Publication, latch: &Latch, stop: &CancellationToken) {
        publication.open(Self::template());
        crate::metrics::source_healthy(true);
        // All rungs list the same, so one window serves for all of them.
        let mut window = LiveWindow::new(&self.settings());
        for sequence in self.first.. {
            tokio::select! {
                () = tokio::time::sleep_until(self.due(sequence)) => {}
                () = stop.cancelled() => return,
            }
            window.push(self.segment(sequence)).expect("the numbers go upwards by one");
            if sequence + 1 >= self.first + FIRST_WINDOW {
                for rung in &LADDER {
                    publication.show(&rendition(rung), &window, Some(SWITCHING_SET));
                }
                latch.release();
            }
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            extent: Extent::Live { limit: WINDOW },
            target_duration_s: SEGMENT.as_secs(),
            independent_segments: true,
            discontinuity_sequence: self.discontinuity_sequence,
        }
    }

    fn segment(&self, sequence: u64) -> Segment {
        let wall_ms = SEGMENT.as_secs() * 1000 * self.slot(sequence);
        Segment {
            sequence,
            container: Container::Mp4,
            duration: SEGMENT,
            discontinuity: sequence == self.first,
            gap: false,
            map: Some(Map { number: self.first, keys: Keys::default() }),
            keys: Keys::default(),
            program_date_time: Some(Date::from_unix_ms(wall_ms)),
            tags: Vec::new(),
        }
    }

    /// When the segment is complete: at the end of its slot.
    fn due(&self, sequence: u64) -> Instant {
        let end = Duration::from_secs(SEGMENT.as_secs() * (self.slot(sequence) + 1));
        self.epoch.0 + end.saturating_sub(self.epoch.1)
    }

    /// Whether there is such a segment by `now`: anybody may ask for any number.
    fn has(&self, sequence: u64, now: Instant) -> bool {
        let unix = self.epoch.1 + now.saturating_duration_since(self.epoch.0);
        let complete = (unix.as_secs() / SEGMENT.as_secs()).saturating_sub(self.first_slot);
        (self.first..self.first + complete).contains(&sequence)
    }

    fn slot(&self, sequence: u64) -> u64 {
        self.first_slot + (sequence - self.first)
    }

    /// The segment's media: a part of the loop, its decode times moved on by the rounds played since the start.
    fn media(&self, rung: &CardRung, sequence: u64) -> Bytes {
        let round = SEGMENTS as u64;
        let slot = self.slot(sequence);
        let rounds = slot / round - self.first_slot / round;
        let index = usize::try_from(slot % round).expect("below SEGMENTS");
        let mut media = rung.segments[index].to_vec();
        let timescales = Timescales::of(rung.init).expect("the card's own init section");
        mp4::move_on(&mut media, &timescales, rounds * round * SEGMENT.as_secs())
            .expect("the card's own media");
        media.into()
    }
}

impl Fetch for TestCard {
    async fn fetch(&self, key: &Key, _offset: u64) -> Result<Fetched, FetchError> {
        let resource = key.resource();
        let rung =
            LADDER.iter().find(|rung| Some(rung.name) == resource.rendition()).ok_or(FetchError::Gone)?;
        match resource.kind {
            Kind::Init { number, .. } if number == self.first => {
                Ok(Fetched::whole(Bytes::from_static(rung.init)))
            }
            Kind::Segment { sequence, container: Container::Mp4, .. }
                if self.has(sequence, Instant::now()) =>
            {
                Ok(Fetched::whole(self.media(rung, sequence)))
            }
            _ => Err(FetchError::Gone),
        }
    }
}

fn rendition(rung: &CardRung) -> Rendition {
    rung.name.parse().expect("the card's own names")
}

#[cfg(test)]
mod tests {
    use hls::switching::{Judge, Look};

    use super::*;

    /// 2026-11-20T13:37:01.5Z
    const START: Duration = Duration::from_millis(1_795_181_821_500);

    fn card() -> TestCard {
        TestCard::started(Instant::now(), START)
    }

    #[test]
    fn decode_times_go_on_through_the_seam_without_a_gap_in_both_tracks() {
        let card = card();
        for rung in &LADDER {
            let (mut video, mut audio) = (None, None);
            for sequence in card.first..card.first + 3 * SEGMENTS as u64 {
                let media = card.media(rung, sequence);
                let times = mp4::decode_times(&media).unwrap();
                let [(1, picture), (2, sound)] = times[..] else { panic!("{times:?}") };
                assert_eq!(picture % 180_000, 0);
                assert!(video.is_none_or(|before| picture == before + 180_000));
                // 2 s of sound are 93.75 frames.
                assert!(audio.is_none_or(|before: u64| [93, 94].contains(&((sound - before) / 1024))));
                assert_eq!(sound % 1024, 0);
                assert!((sound * 15).abs_diff(picture * 8) <= 1024 * 15, "sound {sound}, picture {picture}");
                (video, audio) = (Some(picture), Some(sound));
            }
        }
    }

    #[test]
    fn all_rungs_are_one_switching_set_by_the_judge_of_other_sources() {
        let card = card();
        let mut judge = Judge::new(LADDER.iter().map(rendition));
        for sequence in card.first..card.first + 2 * SEGMENTS as u64 {
            for rung in &LADDER {
                let look = Look::at(Container::Mp4, Some(rung.init), &card.media(rung, sequence));
                let turns = judge.observe(&rendition(rung), sequence, look);
                assert!(sequence <= card.first + 1 || turns.is_empty(), "{turns:?}");
            }
        }
        let sets: Vec<_> = LADDER.iter().map(|rung| judge.set_of(&rendition(rung))).collect();
        assert!(sets[0].is_some() && sets.iter().all(|set| *set == sets[0]), "{sets:?}");
    }

    #[test]
    fn every_segment_begins_with_its_own_parameter_sets() {
        for rung in &LADDER {
            for segment in rung.segments {
                let mdat = segment.windows(4).position(|name| name == b"mdat").unwrap() + 4;
                let unit_type = |at: usize| segment[at + 4] & 0x1f;
                let next =
                    |at: usize| at + 4 + u32::from_be_bytes(segment[at..at + 4].try_into().unwrap()) as usize;
                assert_eq!((unit_type(mdat), unit_type(next(mdat))), (7, 8), "SPS, PPS");
            }
        }
    }

    #[test]
    fn numbers_begin_with_the_time_of_the_start_and_grow_over_a_restart() {
        let first = card();
        assert_eq!(first.first, 111_824_886, "quarters of a second since 2026");
        for later in [1, 3, 20].map(Duration::from_secs) {
            let newest = first.first + FIRST_WINDOW - 1 + later.as_secs().div_ceil(SEGMENT.as_secs());
            assert!(TestCard::started(Instant::now(), START + later).first > newest, "{later:?}");
        }
        assert!(card().segment(first.first).discontinuity);
        assert!(!card().segment(first.first + 1).discontinuity);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_window_is_there_at_once_and_a_segment_follows_at_the_end_of_every_slot() {
        let card = card();
        let publication = std::sync::Arc::new(Publication::new("live".parse().unwrap()));
        let stop = CancellationToken::new();
        let (task, stopped) = (std::sync::Arc::clone(&publication), stop.clone());
        let latch = service::Readiness::default().latch("source", "no window yet");
        let running = tokio::spawn(async move { card.run(&task, &latch, &stopped).await });
        tokio::task::yield_now().await;

        let window = publication.playlist("720p", None).await.unwrap();
        assert_eq!(window.newest, Some(card.first + FIRST_WINDOW - 1));
        let before = Instant::now();
        let next = publication.playlist("240p", Some(card.first + FIRST_WINDOW)).await.unwrap();
        assert_eq!(next.newest, Some(card.first + FIRST_WINDOW));
        assert_eq!(
            before.elapsed(),
            Duration::from_millis(500),
            "13:37:01.5 is half a second before a slot's end"
        );
        let text = String::from_utf8(next.body.to_vec()).unwrap();
        assert!(text.contains("#EXT-X-PROGRAM-DATE-TIME:2026-11-20T13:37:00.000Z\n"), "{text}");
        stop.cancel();
        running.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_listed_can_be_had_and_what_was_not_cannot() {
        let card = card();
        let fetch = async |path: String| card.fetch(&Key::of(&hls::Resource::parse(&path).unwrap()), 0).await;
        assert!(fetch(format!("/live/360p/{}.m4s", card.first)).await.is_ok());
        assert!(fetch(format!("/live/360p/init-{}.mp4", card.first)).await.is_ok());
        for gone in [
            format!("/live/360p/{}.m4s", card.first - 1),
            format!("/live/360p/{}.m4s", card.first + FIRST_WINDOW),
            format!("/live/360p/{}.m4s", u64::MAX),
            format!("/live/360p/{}.m4s", u64::MAX / 2),
            format!("/live/1080p/{}.m4s", card.first),
            format!("/live/360p/{}.ts", card.first),
            "/live/360p/init-1.mp4".to_owned(),
        ] {
            assert_eq!(fetch(gone).await.unwrap_err(), FetchError::Gone);
        }
    }
}
