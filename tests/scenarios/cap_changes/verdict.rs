//! What the players saw: what of it is not as promised, and the table.

use std::fmt::Write as _;

use tests::{
    Player,
    ladder::FRAMES_PER_SECOND,
    packets::{Copied, is_harmless},
    player::{Stall, Summary},
};

/// What passes for no stall and no freeze, in milliseconds.
const NO_STALL_MS: u64 = 500;

/// Frames that a player may have decoded ahead of its position, or that its position may be ahead of them: a second's.
const FRAMES_AHEAD: u64 = 25;

/// Changes of the picture that may be missing of those listed: a player that fetches several segments at once may leave out a list, and
/// one that adapts by itself starts low.
const PICTURES_MISSED: f64 = 0.1;

/// The same for Shaka, which obeys CMSD: it asks for the rung that it is told of, under whose list less is swapped.
const PICTURES_MISSED_BY_SHAKA: f64 = 0.5;

/// One player.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) player: Player,
    pub(crate) summary: Summary,
    /// When all had settled: a player that still starts, and the machine with it, is another story. Milliseconds since the Unix epoch.
    pub(crate) since: u64,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) rows: Vec<Row>,
    pub(crate) copied: Copied,
}

impl Verdict {
    /// What is not as promised, where the list swapped rungs so often.
    pub(crate) fn faults(&self, swaps: usize) -> Vec<String> {
        let of_copy = self.copied.faults.iter().map(|fault| format!("packets: {fault}"));
        let of_rows = self.rows.iter().flat_map(|row| row.faults(swaps));
        of_rows.chain(of_copy).collect()
    }

    pub(crate) fn table(&self) -> String {
        let mut text = String::from(
            "| player | starts | played | frames | frames due | dropped | longest stall | longest freeze | changes of the picture | errors | remarks |\n\
             |---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for row @ Row { player, summary, .. } in &self.rows {
            let said =
                |number: Option<u64>| number.map_or_else(|| "does not say".to_owned(), |n| n.to_string());
            let _ = writeln!(
                text,
                "| {player} | {} | {:.1} s | {} | {} | {} | {} ms | {} ms | {} | {} | {} |",
                summary.starts.max(1),
                std::time::Duration::from_millis(summary.played).as_secs_f64(),
                said(summary.frames),
                due(summary),
                said(summary.dropped),
                row.longest(&summary.stalls),
                row.longest(&summary.frozen),
                summary.pictures.len().saturating_sub(1),
                complaints(summary).len() + summary.fatal.len(),
                summary.errors.len() - complaints(summary).len(),
            );
        }
        let packets: Vec<String> = self.copied.packets.values().map(ToString::to_string).collect();
        let _ = writeln!(
            text,
            "packets that ffmpeg copied: {}; gaps and complaints: {}; remarks: {}",
            packets.join(" and "),
            self.copied.faults.len(),
            self.copied.remarks
        );
        text
    }
}

impl Row {
    fn faults(&self, swaps: usize) -> Vec<String> {
        let Summary { fatal, stalls, frozen, frames, skipped, .. } = &self.summary;
        let mut faults: Vec<String> = complaints(&self.summary).into_iter().chain(fatal.clone()).collect();
        for (what, longest) in
            [("stood still", self.longest(stalls)), ("showed no new frame", self.longest(frozen))]
        {
            if longest > NO_STALL_MS {
                faults.push(format!("{what} for {longest} ms"));
            }
        }
        if *skipped > NO_STALL_MS {
            faults.push(format!("{skipped} ms of media are missing"));
        }
        let due = due(&self.summary);
        if frames.is_some_and(|frames| frames.abs_diff(due) > FRAMES_AHEAD) {
            faults.push(format!("{frames:?} frames of {due}"));
        }
        faults.extend(self.saw_too_few(swaps));
        faults.into_iter().map(|fault| format!("{}: {fault}", self.player)).collect()
    }

    fn longest(&self, stalls: &[Stall]) -> u64 {
        stalls.iter().filter(|stall| stall.at >= self.since).map(|stall| stall.ms).max().unwrap_or(0)
    }

    /// Where the picture's height is known, the swaps have to have been seen: else nothing was proved.
    #[expect(clippy::cast_precision_loss, reason = "a hundred")]
    fn saw_too_few(&self, swaps: usize) -> Option<String> {
        let changes = self.summary.pictures.len().saturating_sub(1);
        let says = !self.summary.pictures.is_empty();
        let missed = if self.player == Player::Shaka { PICTURES_MISSED_BY_SHAKA } else { PICTURES_MISSED };
        let few = (changes as f64) < swaps as f64 * (1.0 - missed) - 2.0;
        (says && few).then(|| format!("its picture changed {changes} times at {swaps} swaps"))
    }
}

/// Frames of what was played.
fn due(summary: &Summary) -> u64 {
    summary.played * u64::from(FRAMES_PER_SECOND) / 1000
}

/// What the player said that means something; the rest are remarks.
fn complaints(summary: &Summary) -> Vec<String> {
    summary.errors.iter().filter(|line| !is_harmless(line)).cloned().collect()
}
