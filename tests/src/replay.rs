//! An encoded ladder played as a live stream: a window that moves with the clock, without an encoder that runs.
//!
//! Every run of a measure sees the same media, and the machine's cores are left to those who are measured.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};

use crate::ladder::{Ladder, SEGMENT};

/// Segments in the window, which is full from the start.
const WINDOW: u64 = 8;

/// Segments that can still be had when they have left the window.
const GRACE: u64 = 4;

/// A live stream that runs until the ladder is at its end.
#[derive(Debug)]
pub struct Replay {
    /// Its multivariant playlist.
    pub url: String,
}

struct Site {
    ladder: Arc<Ladder>,
    began: Instant,
}

impl Replay {
    /// For how long a ladder has to be so that it is live for `time`.
    #[must_use]
    pub fn length(time: Duration) -> Duration {
        #[expect(clippy::cast_possible_truncation, reason = "a handful")]
        let window = SEGMENT * WINDOW as u32;
        time + window
    }

    /// Plays it at `address`, from now on and until the runtime ends.
    pub async fn start(address: SocketAddr, ladder: Arc<Ladder>) -> Self {
        let listener = tokio::net::TcpListener::bind(address).await.expect("the source's address is free");
        let site = Arc::new(Site { ladder, began: Instant::now() });
        let router = Router::new().fallback(answer).with_state(site);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url: format!("http://{address}/master.m3u8") }
    }
}

impl Site {
    /// Segments that are complete.
    fn complete(&self) -> u64 {
        let since = self.began.elapsed().as_secs() / SEGMENT.as_secs();
        (WINDOW + since).min(self.ladder.segments)
    }

    /// Whether a segment such as `1-23.ts` can be had now.
    fn has(&self, segment: &str) -> bool {
        let number = segment.split(['-', '.']).nth(1).and_then(|number| number.parse::<u64>().ok());
        let complete = self.complete();
        number.is_some_and(|number| (complete.saturating_sub(WINDOW + GRACE)..complete).contains(&number))
    }

    async fn file(&self, name: &str) -> Option<Vec<u8>> {
        tokio::fs::read(self.ladder.file(name)).await.ok()
    }
}

async fn answer(State(site): State<Arc<Site>>, uri: Uri) -> Response {
    let name = uri.path().trim_start_matches('/');
    let body = match name.rsplit_once('.') {
        Some(("master", "m3u8")) => Some(site.ladder.multivariant()),
        Some((rung, "m3u8")) => rung.parse().ok().map(|rung| {
            let complete = site.complete();
            site.ladder.playlist(rung, complete.saturating_sub(WINDOW)..complete).into_bytes()
        }),
        Some((_, "ts" | "m4s")) if site.has(name) => site.file(name).await,
        Some((_, "mp4")) => site.file(name).await,
        _ => None,
    };
    body.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}
