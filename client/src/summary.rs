//! What one viewer went through, as JSON says it.

use std::{collections::BTreeMap, fmt};

use policy::Class;
use serde::Serialize;

/// One viewer's time.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The stream.
    pub stream: String,
    /// What its player can do.
    pub class: Class,
    /// Its session's token.
    pub session: String,
    /// The server that it played from last.
    pub server: String,
    /// From its place to its end.
    pub watched_ms: u64,
    /// From pressing play to the first picture; null where there was none.
    pub start_up_ms: Option<u64>,
    /// How much was shown.
    pub played_ms: u64,
    /// How often the picture stood still.
    pub stalls: u32,
    /// For how long, in total.
    pub stalled_ms: u64,
    /// The longest of them.
    pub longest_stall_ms: u64,
    /// How often it went to another server.
    pub switches: u32,
    /// The number of the first segment.
    pub first_sequence: Option<u64>,
    /// The number of the newest segment.
    pub newest_sequence: Option<u64>,
    /// Segments between them that could not be had.
    pub gaps: u64,
    /// Segments loaded.
    pub segments: u64,
    /// Bytes of media loaded.
    pub bytes: u64,
    /// Requests that failed.
    pub errors: u32,
    /// The same, by kind.
    pub errors_by_kind: BTreeMap<&'static str, u32>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, tenths) = (self.played_ms / 1_000, self.played_ms % 1_000 / 100);
        write!(
            f,
            "played {seconds}.{tenths} s of {}, last from {}: {} switches, {} stalls ({} ms), {} gaps, {} errors",
            self.stream, self.server, self.switches, self.stalls, self.stalled_ms, self.gaps, self.errors
        )
    }
}
