//! A pull source under test, seen as delivery sees it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use delivery::{
    feed::Health,
    object::{self, FetchError, Key, Store},
};
use futures::FutureExt as _;
use hls::{Container, Resource, SwitchingSet, View, url::segment_name};
use service::{BackoffConfig, Readiness};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::super::{Catalogue, Origin, Pull, PullConfig, Upstream};
use crate::publication::Publication;

/// How long a test waits for what must come.
const DEADLINE: Duration = Duration::from_secs(20);

/// How often it looks.
const LOOK: Duration = Duration::from_millis(10);

pub(crate) struct Pulled {
    publication: Arc<Publication>,
    store: Store<Origin>,
    readiness: Readiness,
    stop: CancellationToken,
}

impl Drop for Pulled {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Pulled {
    pub(crate) fn from(url: Url) -> Self {
        service::program::install_tls();
        let retry = BackoffConfig { first: Duration::from_millis(20), longest: Duration::from_millis(100) };
        let upstream = Upstream::new(PullConfig { retry, ..PullConfig::default() }).unwrap();
        let cache = object::Config::default();
        let catalogue = Arc::new(Catalogue::new(upstream, cache.max_object_bytes));
        let store = Store::new(Origin::Pull(Arc::clone(&catalogue)), cache);
        let publication = Arc::new(Publication::new("live".parse().unwrap()));
        let (readiness, stop) = (Readiness::default(), CancellationToken::new());
        let latch = readiness.latch("source", "no window yet");
        let pull = Pull::new(url, catalogue, store.clone(), Arc::clone(&publication), latch);
        let stopped = stop.clone();
        tokio::spawn(async move { pull.run(&stopped).await });
        Self { publication, store, readiness, stop }
    }

    /// Waits for a condition.
    pub(crate) async fn until(&self, condition: impl Fn() -> bool, what: &str) {
        let held = async {
            let mut look = tokio::time::interval(LOOK);
            while !condition() {
                look.tick().await;
            }
        };
        let waits = || self.waits_for();
        tokio::time::timeout(DEADLINE, held)
            .await
            .unwrap_or_else(|_| panic!("{what}; waiting for: {}", waits()));
    }

    pub(crate) async fn ready(&self) {
        self.until(|| self.readiness.waits().is_empty(), "the first window is there").await;
    }

    /// Why the program is not ready.
    pub(crate) fn waits_for(&self) -> String {
        self.readiness.waits().into_iter().map(|(_, reason)| reason).collect()
    }

    pub(crate) fn health(&self) -> Health {
        self.store.source().health()
    }

    pub(crate) fn multivariant(&self) -> String {
        self.publication.template().unwrap().render(&View { stream: "live", ..View::default() })
    }

    pub(crate) async fn newest(&self, rendition: &str) -> u64 {
        self.publication.playlist(rendition, None).await.unwrap().newest.unwrap()
    }

    pub(crate) async fn list(&self, rendition: &str) -> String {
        String::from_utf8(self.publication.playlist(rendition, None).await.unwrap().body.to_vec()).unwrap()
    }

    /// The set that its newest list says that it is in.
    pub(crate) fn switching_set(&self, rendition: &str) -> Option<SwitchingSet> {
        let newest = self.publication.playlist(rendition, None).now_or_never();
        newest.expect("nothing is waited for").ok()?.switching_set
    }

    /// The first list that has this segment.
    pub(crate) async fn list_with(&self, rendition: &str, sequence: u64) -> String {
        let listed = async {
            loop {
                let playlist = self.publication.playlist(rendition, Some(sequence)).await.unwrap();
                if playlist.newest >= Some(sequence) {
                    return String::from_utf8(playlist.body.to_vec()).unwrap();
                }
            }
        };
        tokio::time::timeout(DEADLINE, listed).await.expect("the segment is listed in time")
    }

    pub(crate) async fn segment(
        &self,
        rendition: &str,
        sequence: u64,
        container: Container,
    ) -> Result<Bytes, FetchError> {
        self.object(rendition, &segment_name(sequence, container)).await
    }

    pub(crate) async fn object(&self, rendition: &str, name: &str) -> Result<Bytes, FetchError> {
        let path = format!("/live/{rendition}/{name}");
        self.store.open(&Key::of(&Resource::parse(&path).unwrap())).await?.read().await
    }
}
