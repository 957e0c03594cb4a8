//! Watches the highest rung's media playlist at one server, as a player reads it: whose segments it lists, and that what was listed once
//! never changes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use hls::MediaPlaylist;
use tokio::task::JoinHandle;
use url::Url;

use crate::http;

/// Several looks at each segment.
const LOOK: Duration = Duration::from_millis(500);

/// Looks on until it is asked.
#[derive(Debug)]
pub struct ListWatch {
    seen: Arc<Mutex<Listed>>,
    task: JoinHandle<()>,
}

/// What was listed.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// By number: the folder of the segment, which is its rung's.
    pub rungs: BTreeMap<u64, String>,
    /// What may not be.
    pub faults: Vec<String>,
    uris: BTreeMap<u64, (Url, u64)>,
}

impl ListWatch {
    /// Watches the playlist at `url`.
    #[must_use]
    pub fn of(url: Url) -> Self {
        let seen = Arc::new(Mutex::new(Listed::default()));
        let task = tokio::spawn(look(url, Arc::clone(&seen)));
        Self { seen, task }
    }

    /// What was listed so far.
    #[must_use]
    pub fn listed(&self) -> Listed {
        self.seen.lock().expect("nobody panics while it is held").clone()
    }
}

impl Drop for ListWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listed {
    /// How often a segment was of another rung than the one before.
    #[must_use]
    pub fn swaps(&self) -> usize {
        self.rungs.values().zip(self.rungs.values().skip(1)).filter(|(one, next)| one != next).count()
    }

    fn take(&mut self, list: &MediaPlaylist) {
        for segment in &list.segments {
            let uri = &segment.source.uri;
            let now = (uri.clone(), segment.discontinuity_sequence);
            let before = self.uris.entry(segment.sequence).or_insert_with(|| now.clone());
            if *before != now {
                self.faults.push(format!("{} was {before:?} and is {now:?}", segment.sequence));
            }
            let map = segment.map.as_ref().map(|map| folder(&map.source.uri));
            if map.is_some_and(|map| map != folder(uri)) {
                self.faults.push(format!("{uri} has the map of {map:?}"));
            }
            self.rungs.insert(segment.sequence, folder(uri).to_owned());
        }
    }
}

/// The last folder of a URL's path.
fn folder(url: &Url) -> &str {
    url.path().rsplit('/').nth(1).unwrap_or_default()
}

async fn look(url: Url, seen: Arc<Mutex<Listed>>) {
    let http = http::http();
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let Ok(answer) = http.get(url.clone()).send().await else { continue };
        let Ok(body) = answer.bytes().await else { continue };
        let mut seen = seen.lock().expect("nobody panics while it is held");
        match MediaPlaylist::parse(&body, &url) {
            Ok(list) => seen.take(&list),
            Err(wrong) => seen.faults.push(wrong.to_string()),
        }
    }
}
