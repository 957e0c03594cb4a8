//! The crowd's log: what each viewer did and when, a line of JSON each, so that others can be measured against it.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde::Serialize;

use crate::{clock::unix_ms, exit::Failure};

/// An open log. A line is written when it happens, so that a crowd that is killed leaves what it knew.
#[derive(Debug)]
pub(super) struct Log {
    file: Mutex<File>,
}

#[derive(Serialize)]
struct Line<'a> {
    unix_ms: u64,
    viewer: u32,
    /// Set for `start`, `stall` and `stop`; a reload has a server instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    /// How long a stall took that ends now.
    #[serde(skip_serializing_if = "Option::is_none")]
    stalled_ms: Option<u64>,
    session: &'a str,
    region: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<&'a str>,
    /// The rendition of the newest segment that came.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<&'a str>,
}

impl Log {
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path)
            .map_err(|error| Failure::Usage(format!("cannot write {}: {error}", path.display())))?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// The viewer pressed play.
    pub(super) fn start(&self, viewer: u32, region: &str) {
        self.write(&Line { event: Some("start"), session: "", server: None, ..line(viewer, region) });
    }

    /// The answer to a reload of a media playlist came from `server`; the newest segment that came before was of `sent`.
    pub(super) fn reload(&self, viewer: u32, region: &str, session: &str, server: &str, sent: Option<&str>) {
        self.write(&Line { session, server: Some(server), sent, ..line(viewer, region) });
    }

    /// The picture moves again, or the viewer leaves while it stands still.
    pub(super) fn stall(&self, viewer: u32, region: &str, session: &str, stalled_ms: u64) {
        let stalled_ms = Some(stalled_ms);
        self.write(&Line { event: Some("stall"), session, stalled_ms, ..line(viewer, region) });
    }

    /// The viewer left.
    pub(super) fn stop(&self, viewer: u32, region: &str, session: &str) {
        self.write(&Line { event: Some("stop"), session, ..line(viewer, region) });
    }

    fn write(&self, line: &Line<'_>) {
        let mut text = serde_json::to_vec(line).expect("text and numbers always have a form in JSON");
        text.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(&text) {
            tracing::error!(%error, "the crowd's log cannot be written and is not complete");
        }
    }
}

fn line(viewer: u32, region: &str) -> Line<'_> {
    Line {
        unix_ms: unix_ms(),
        viewer,
        event: None,
        stalled_ms: None,
        session: "",
        region,
        server: None,
        sent: None,
    }
}
