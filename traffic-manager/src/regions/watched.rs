//! A file that may change while it is in use.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// How one version of a file is told from another without reading it.
type Version = Option<(SystemTime, u64)>;

/// A file, and which version of it was seen last.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    path: PathBuf,
    seen: Version,
}

impl Watched {
    /// As it is now: make this before reading, so that no change in between is missed.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: version(path) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is another than when this was last asked.
    pub(super) fn has_changed(&mut self) -> bool {
        let now = version(&self.path);
        let changed = now != self.seen;
        self.seen = now;
        changed
    }
}

fn version(file: &Path) -> Version {
    let data = fs::metadata(file).ok()?;
    Some((data.modified().ok()?, data.len()))
}
