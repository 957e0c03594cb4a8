//! A file read into memory, whose size the config limits.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

/// How large a file may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// The key in `[region_map]` that says so.
    pub(super) key: &'static str,
    pub(super) max_bytes: u64,
}

/// A file that was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("it has more than {} bytes: raise {} in [region_map]", .0.max_bytes, .0.key)]
    TooLarge(Limit),
}

/// The whole file. Of one that is too large no more is read than tells that it is.
pub(super) fn read_bounded(path: &Path, limit: Limit) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(limit.max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    let fits = u64::try_from(read).is_ok_and(|read| read <= limit.max_bytes);
    if fits { Ok(bytes) } else { Err(Unread::TooLarge(limit)) }
}
