//! What players that follow redirects cost the primary: it answers every reload of theirs by a 307 to a relay, and keeps a book
//! of who was sent where.
//!
//! nginx answers a constant 307 with the same address, without looking who asks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use policy::{Class, ServerId};

use super::{
    load::{Expected, private_bytes},
    sessions::{Questions, mint, side_by_side},
    stage::{REDIRECT_AT_NGINX, Stage},
    table::Row,
};

/// Sessions, as many as a primary remembers by default.
const SESSIONS: usize = 100_000;

/// Reloads of these in a second at target durations of 4 s and of 2 s.
const RELOADS_PER_SECOND: [(&str, f64); 2] =
    [("4 s, 25,000 307s/s", 25_000.0), ("2 s, 50,000 307s/s", 50_000.0)];

/// How long it may take until every reload is answered by a 307: the manager sees the viewers, gives the relay its target, and
/// tells the primary.
const SETTLES: Duration = Duration::from_secs(60);

/// All measures, one after the other.
pub async fn all(stage: &Stage, rounds: usize) -> Vec<Row> {
    let (ours, peer) = questions(stage);
    let before = private_bytes(stage.primary().pid);
    until_all_are_sent_on(&ours).await;
    let (primary, nginx) = side_by_side(&ours, &peer, 0..SESSIONS, rounds).await;
    let grown = private_bytes(stage.primary().pid).saturating_sub(before);
    let mut rows = vec![Row::less("primary: CPU of a 307", "µs", primary, nginx)];
    for (pace, reloads) in RELOADS_PER_SECOND {
        let measure = format!("primary: cores for 100,000 sessions that reload every {pace}");
        rows.push(Row::less(measure, "cores", primary * reloads / 1e6, nginx * reloads / 1e6));
    }
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let each = grown as f64 / SESSIONS as f64;
    rows.push(Row::alone("primary: private memory of a session that it sends on", "bytes", each));
    rows
}

fn questions(stage: &Stage) -> (Questions, Questions) {
    let tokens = mint(stage, Class::Redirects, &ServerId::primary(), SESSIONS);
    let at =
        |path: &str| -> Arc<[String]> { tokens.iter().map(|token| format!("{path}?s={token}")).collect() };
    let expected = Expected::RedirectTo(stage.relay().address);
    (
        Questions { server: stage.primary(), paths: at("/live/2000k/live.m3u8"), expected },
        Questions { server: stage.nginx(), paths: at(REDIRECT_AT_NGINX), expected },
    )
}

async fn until_all_are_sent_on(ours: &Questions) {
    let deadline = Instant::now() + SETTLES;
    loop {
        let redirected = ours.ask(0..SESSIONS).await;
        if redirected == SESSIONS {
            return;
        }
        assert!(Instant::now() < deadline, "only {redirected} of {SESSIONS} sessions are sent to the relay");
    }
}
