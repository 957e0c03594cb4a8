//! Who last reloaded a rendition from an address: by this a connection that carries segments alone is joined to a session ([`super::line`]).

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use super::{Asked, Census, Line, record::Record};

impl Census {
    /// Notes that the playlist on this connection names segments of another rendition than was asked for.
    pub fn names(&self, stream: &str, rendition: &str, line: &Line) {
        if let Some(record) = line.carried() {
            self.reloads(line, &record, stream, rendition);
        }
    }

    /// Notes that media of this rendition are asked for on this connection.
    pub fn media_asked(&self, stream: &str, rendition: &str, line: &Line) {
        if !line.has_carried() {
            let reloader = reloader(line, stream, rendition);
            line.joins(self.reloaders.pin().get(&reloader).cloned());
        }
        line.takes_media();
    }

    /// Notes whose playlist a connection carries, and of which rendition.
    pub(super) fn carried(&self, line: &Line, record: &Arc<Record>, asked: Asked<'_>) {
        line.carries(record);
        self.reloads(line, record, asked.stream.as_str(), asked.rendition);
    }

    fn reloads(&self, line: &Line, record: &Arc<Record>, stream: &str, rendition: &str) {
        let reloader = reloader(line, stream, rendition);
        let reloaders = self.reloaders.pin();
        if !reloaders.get(&reloader).is_some_and(|known| Arc::ptr_eq(known, record)) {
            reloaders.insert(reloader, Arc::clone(record));
        }
    }
}

fn reloader(line: &Line, stream: &str, rendition: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (line.peer(), stream, rendition).hash(&mut hasher);
    hasher.finish()
}
