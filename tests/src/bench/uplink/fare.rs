//! How viewers of one kind fared.

use std::{collections::BTreeSet, path::Path};

use serde::Deserialize;

use crate::{
    ladder::HEIGHTS,
    player::{Picture, Stall, Summary},
};

/// Viewers of one kind, together.
#[derive(Debug)]
pub(super) struct Fare {
    pub(super) name: &'static str,
    pub(super) viewers: usize,
    /// When pictures stood still.
    pub(super) stalls: Vec<Stall>,
    /// What ended viewers before their time.
    pub(super) fatal: Vec<String>,
    /// How high the picture was, of players that say so.
    pictures: Vec<Picture>,
}

/// A line of a crowd's log.
#[derive(Deserialize)]
struct Line {
    unix_ms: u64,
    viewer: u32,
    stalled_ms: Option<u64>,
}

impl Fare {
    /// One viewer's.
    pub(super) fn of_player(name: &'static str, summary: &Summary) -> Self {
        Self {
            name,
            viewers: 1,
            stalls: summary.stalls.clone(),
            fatal: summary.fatal.clone(),
            pictures: summary.pictures.clone(),
        }
    }

    /// A crowd's, by its log.
    pub(super) fn of_crowd(name: &'static str, log: &Path) -> Self {
        let text = std::fs::read_to_string(log).expect("the crowd has written a log");
        let lines: Vec<Line> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let viewers: BTreeSet<u32> = lines.iter().map(|line| line.viewer).collect();
        let stall = |line: &Line| {
            let ms = line.stalled_ms?;
            Some(Stall { at: line.unix_ms - ms, ms })
        };
        Self {
            name,
            viewers: viewers.len(),
            stalls: lines.iter().filter_map(stall).collect(),
            fatal: Vec::new(),
            pictures: Vec::new(),
        }
    }

    /// Both together.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.viewers += other.viewers;
        self.stalls.extend(other.stalls);
        self.fatal.extend(other.fatal);
        self
    }

    /// For how long pictures stood still, all viewers added up, in seconds.
    #[expect(clippy::cast_precision_loss, reason = "minutes")]
    pub(super) fn stalled_s(&self) -> f64 {
        self.stalls.iter().map(|stall| stall.ms as f64 / 1000.0).sum()
    }

    /// How many times pictures stood still in the second up to a moment.
    pub(super) fn standing_still(&self, unix_ms: u64) -> usize {
        let (from, to) = (unix_ms.saturating_sub(1000), unix_ms);
        self.stalls.iter().filter(|stall| stall.at < to && stall.at + stall.ms > from).count()
    }

    /// The rung whose picture was shown at a moment, where that is known.
    pub(super) fn rung(&self, unix_ms: u64) -> Option<usize> {
        let picture = self.pictures.iter().rfind(|picture| picture.at <= unix_ms)?;
        HEIGHTS.iter().position(|height| *height == picture.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_stands_still_from_when_a_stall_began_until_its_line() {
        let log = tempfile::NamedTempFile::new().expect("a temporary file");
        let lines = [
            r#"{"unix_ms":1000,"viewer":0,"event":"start","session":"","region":""}"#,
            r#"{"unix_ms":5000,"viewer":0,"session":"t","region":"","server":"http://127.0.0.1:8080"}"#,
            r#"{"unix_ms":9000,"viewer":1,"event":"stall","stalled_ms":1500,"session":"t","region":""}"#,
        ];
        std::fs::write(log.path(), lines.join("\n")).expect("a file can be written");
        let fare = Fare::of_crowd("crowd", log.path());
        let still = [7500, 7501, 9999, 10_000].map(|ms| fare.standing_still(ms));
        assert_eq!((fare.viewers, fare.stalled_s(), still), (2, 1.5, [0, 1, 1, 0]));
    }
}
