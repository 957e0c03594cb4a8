//! Sessions of their own for as many viewers as a measure needs, signed as the manager signs them, and what answering each of
//! them costs.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use policy::{
    Class, Region, ServerId, SessionId,
    session::{Keys, Session},
};

use super::{
    load::{Expected, ask_once, cpu_seconds},
    stage::{Server, Stage},
    table::median,
};

/// How long a session lives, which an epoch of keys does too: the manager's default.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// Connections that carry the viewers' requests, one after the other on each.
pub const CONNECTIONS: usize = 64;

/// A token for each of so many viewers of `class` who were first given `server`.
pub fn mint(stage: &Stage, class: Class, server: &ServerId, viewers: usize) -> Vec<String> {
    let secret = std::fs::read(stage.fleet.file("state/fleet-secret")).expect("the manager has drawn one");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs();
    let keys = Keys::derive(&secret, Keys::epoch(now, LIFE));
    let session = |number: usize| Session {
        id: SessionId::drawn(number as u128),
        stream: "live".parse().expect("a name"),
        region: Region::fallback(),
        class,
        server: server.clone(),
        expires_unix: now + LIFE.as_secs(),
    };
    (0..viewers).map(|number| keys.sign(&session(number))).collect()
}

/// What one server is asked, and what it is to answer.
#[derive(Debug, Clone)]
pub struct Questions {
    /// Who is asked.
    pub server: Server,
    /// A path for each viewer.
    pub paths: Arc<[String]>,
    /// What is an answer.
    pub expected: Expected,
}

impl Questions {
    /// Asks for a part of the paths; CPU seconds that one answer has cost the server.
    ///
    /// # Panics
    /// When an answer is not as expected.
    pub async fn cost(&self, part: Range<usize>) -> f64 {
        let (asked, before) = (part.len(), cpu_seconds(self.server.pid));
        let answered = self.ask(part).await;
        assert_eq!(answered, asked, "answers of {} that are as expected", self.server.address);
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let each = (cpu_seconds(self.server.pid) - before) / asked as f64;
        each
    }

    /// Asks for a part of the paths; how many answers were as expected.
    pub async fn ask(&self, part: Range<usize>) -> usize {
        ask_once(self.server.address, &self.paths, part, CONNECTIONS, self.expected).await
    }
}

/// The cost of an answer in microseconds of CPU, of ours and of the peer's: medians of `rounds` parts of `range` each, in turn.
pub async fn side_by_side(
    ours: &Questions,
    peer: &Questions,
    range: Range<usize>,
    rounds: usize,
) -> (f64, f64) {
    let step = range.len() / rounds;
    let mut costs = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let start = range.start + round * step;
        costs.0.push(ours.cost(start..start + step).await * 1e6);
        costs.1.push(peer.cost(start..start + step).await * 1e6);
    }
    (median(costs.0), median(costs.1))
}
