//! What one player's viewer saw: what of it is not as promised, and its row in the table of docs/players.md.

use std::{fmt::Write as _, ops::Range};

use tests::{Player, player::Summary, sightings::Seen, wait::unix_ms};

/// What passes for no stall and no gap, in milliseconds.
const NO_STALL_MS: u64 = 500;

/// What video.js may stand still when its relay dies.
const VIDEO_JS_STALL_MS: u64 = 1_500;

/// The longest time to live of a steering answer in these tests (2 s and a fifth), the target duration, and two looks: how long a
/// move may take.
const MOVES_WITHIN_MS: u64 = 2_400 + 2_000 + 1_000;

/// What a player that ended with its relay may take to play again.
const AGAIN_WITHIN_MS: u64 = 1_000;

/// For how long a player that moves may be in two counts: it counts at the destination after one target duration, and the source
/// drops it within 2 s of that.
const TWICE_WITHIN_MS: u64 = 4_000;

/// For how long a player that was started again counts beside its former self: 2.5 target durations, a report, a look.
const FORMER_SELF_MS: u64 = 7_000;

/// From a player's first request for media until it is counted: one target duration, and 2 s.
const COUNTED_WITHIN_MS: u64 = 4_000;

/// The event after which players may stand still.
pub(crate) const KILLED: &str = "kill -9";

/// The event after which nobody counts.
pub(crate) const MANAGER_KILLED: &str = "manager killed";

/// What began with an event.
#[derive(Debug)]
pub(crate) struct Chapter {
    pub(crate) name: &'static str,
    pub(crate) began_at: u64,
    /// When media came from where they were to.
    pub(crate) moved_at: Option<u64>,
}

impl Chapter {
    pub(crate) fn begins(name: &'static str) -> Self {
        Self { name, began_at: unix_ms(), moved_at: None }
    }

    fn took_ms(&self) -> Option<u64> {
        Some(self.moved_at?.saturating_sub(self.began_at))
    }
}

/// A player that ended with its relay was started again with the same URL.
#[derive(Debug)]
pub(crate) struct Again {
    /// How long after the relay's death it had ended.
    pub(crate) ended_after_ms: u64,
    /// What its viewer saw from then on.
    pub(crate) summary: Summary,
}

/// What one player's viewer saw.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) player: Player,
    /// Of a start in the second in which a relay became ready.
    pub(crate) at_ready: Summary,
    pub(crate) chapters: Vec<Chapter>,
    /// Until its end.
    pub(crate) summary: Summary,
    pub(crate) again: Option<Again>,
    pub(crate) seen: Seen,
}

impl Row {
    /// What is not as promised.
    pub(crate) fn faults(&self) -> Vec<String> {
        let faults = [
            start_faults("as a relay became ready", &self.at_ready),
            self.ends(),
            self.stands_still(),
            self.moves_late(),
            self.again.as_ref().map(Again::faults).unwrap_or_default(),
            self.is_miscounted(),
        ];
        faults.concat().into_iter().map(|fault| format!("{}: {fault}", self.player)).collect()
    }

    fn ends(&self) -> Vec<String> {
        if self.again.is_some() { Vec::new() } else { self.summary.fatal.clone() }
    }

    fn stands_still(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (chapter, time) in self.timed() {
            let stall = self.summary.longest_stall(&time);
            if self.may_stand_still(chapter).is_some_and(|most| stall > most) {
                faults.push(format!("{}: stood still for {stall} ms", chapter.name));
            }
        }
        if self.summary.skipped > NO_STALL_MS {
            faults.push(format!("{} ms of media are missing", self.summary.skipped));
        }
        faults
    }

    /// For how long the picture may stand still, in milliseconds; `None` where that is the player's own affair.
    fn may_stand_still(&self, chapter: &Chapter) -> Option<u64> {
        match self.player {
            Player::VideoJs if chapter.name == KILLED => Some(VIDEO_JS_STALL_MS),
            Player::Native | Player::GStreamer | Player::Streamlink | Player::Ffmpeg | Player::Mpv
                if chapter.name == KILLED =>
            {
                None
            }
            _ => Some(NO_STALL_MS),
        }
    }

    fn moves_late(&self) -> Vec<String> {
        let late = self.chapters.iter().skip(1).filter(|chapter| {
            let ended = chapter.name == KILLED && self.again.is_some();
            !ended && chapter.took_ms().is_some_and(|ms| ms > MOVES_WITHIN_MS)
        });
        late.map(|chapter| format!("{}: moved after {} ms", chapter.name, chapter.took_ms().unwrap_or(0)))
            .collect()
    }

    fn is_miscounted(&self) -> Vec<String> {
        let Some(counted_at) = self.counted_at() else { return vec!["is never counted".to_owned()] };
        let mut faults = Vec::new();
        let asked_at = self.seen.moves.first().map_or(counted_at, |(at, _)| *at);
        if counted_at > asked_at + COUNTED_WITHIN_MS {
            faults.push(format!("is counted only {} ms after it asked for media", counted_at - asked_at));
        }
        for (chapter, time) in self.timed().filter(|(chapter, _)| chapter.name != MANAGER_KILLED) {
            let counted = self.seen.counted(&(time.start.max(counted_at)..time.end));
            let Some((least, most, twice_ms)) = counted else { continue };
            let longest =
                if chapter.name == KILLED && self.again.is_some() { FORMER_SELF_MS } else { TWICE_WITHIN_MS };
            if least < 1 || most > 2 || twice_ms > longest {
                faults.push(format!(
                    "{}: is counted as {least} to {most}, as two for {twice_ms} ms",
                    chapter.name
                ));
            }
        }
        faults
    }

    /// When the manager first counted it.
    fn counted_at(&self) -> Option<u64> {
        self.seen.counts.iter().find(|(_, count)| *count > 0).map(|(at, _)| *at)
    }

    /// The chapters, each with its time.
    fn timed(&self) -> impl Iterator<Item = (&Chapter, Range<u64>)> {
        let ends = self.chapters.iter().skip(1).map(|chapter| chapter.began_at).chain([u64::MAX]);
        self.chapters.iter().zip(ends).map(|(chapter, end)| (chapter, chapter.began_at..end))
    }
}

impl Again {
    fn faults(&self) -> Vec<String> {
        let mut faults = start_faults("started again", &self.summary);
        if self.summary.started_at.is_none_or(|ms| ms > AGAIN_WITHIN_MS) {
            faults.push(format!("plays again only after {:?} ms", self.summary.started_at));
        }
        faults
    }
}

/// What is wrong with a start after which nothing happens.
fn start_faults(when: &str, seen: &Summary) -> Vec<String> {
    let mut faults: Vec<String> = seen.fatal.iter().map(|error| format!("{when}: {error}")).collect();
    let stall = seen.longest_stall(&(0..u64::MAX));
    if stall > NO_STALL_MS || seen.skipped > NO_STALL_MS {
        faults.push(format!("{when}: stood still for {stall} ms, {} ms of media are missing", seen.skipped));
    }
    faults
}

/// The rows as docs/players.md has them.
pub(crate) fn table(rows: &[Row]) -> String {
    const COLUMNS: [&str; 11] = [
        "player",
        "start-up",
        "start-up as a relay becomes ready",
        "moved to the relay",
        "left it as it drained",
        "moved to the second relay",
        "left it after kill -9",
        "longest stall",
        "frames dropped",
        "playlists and segments by server",
        "counted as",
    ];
    let mut text = format!("| {} |\n|{}\n", COLUMNS.join(" | "), "---|".repeat(COLUMNS.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.cells().join(" | "));
    }
    text
}

impl Row {
    fn cells(&self) -> [String; 11] {
        [
            self.player.to_string(),
            milliseconds(self.summary.started_at),
            milliseconds(self.at_ready.started_at),
            self.moved("relay comes"),
            self.moved("relay drains"),
            self.moved("second relay"),
            match &self.again {
                Some(Again { ended_after_ms, summary }) => format!(
                    "ended after {}; started again, played after {}",
                    seconds(*ended_after_ms),
                    milliseconds(summary.started_at)
                ),
                None => self.moved(KILLED),
            },
            self.stalls(),
            self.summary.dropped.map_or_else(|| "does not say".to_owned(), |frames| frames.to_string()),
            self.requests(),
            self.count(),
        ]
    }

    /// How long the move after an event took.
    fn moved(&self, name: &str) -> String {
        let took = self.chapters.iter().find(|chapter| chapter.name == name).and_then(Chapter::took_ms);
        if self.player.moves() {
            took.map_or_else(|| "never".to_owned(), seconds)
        } else {
            "stays".to_owned()
        }
    }

    fn stalls(&self) -> String {
        let stalls = self.timed().map(|(chapter, time)| (chapter.name, self.summary.longest_stall(&time)));
        let stalls: Vec<String> =
            stalls.filter(|(_, ms)| *ms > 0).map(|(name, ms)| format!("{name}: {ms} ms")).collect();
        if stalls.is_empty() { "none".to_owned() } else { stalls.join(", ") }
    }

    /// The primary's first.
    fn requests(&self) -> String {
        let servers = self.seen.playlists.iter();
        let asked = servers.filter(|(server, asked)| **asked > 0 || self.seen.media.contains_key(server));
        let asked = asked.map(|(server, playlists)| {
            format!("{playlists} + {}", self.seen.media.get(server).copied().unwrap_or(0))
        });
        asked.collect::<Vec<_>>().join(", ")
    }

    fn count(&self) -> String {
        let Some(counted_at) = self.counted_at() else { return "nobody".to_owned() };
        let end = self.chapters.iter().find(|chapter| chapter.name == MANAGER_KILLED);
        match self.seen.counted(&(counted_at..end.map_or(u64::MAX, |end| end.began_at))) {
            Some((1, 1, _)) => "1".to_owned(),
            Some((1, 2, twice_ms)) => format!("1; 2 for {} at most", seconds(twice_ms)),
            Some((least, most, _)) => format!("{least} to {most}"),
            None => "nobody".to_owned(),
        }
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

fn milliseconds(ms: Option<u64>) -> String {
    ms.map_or_else(|| "never".to_owned(), |ms| format!("{ms} ms"))
}
