//! Which rungs of a live source may stand for each other, and that a player does not notice when they do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fmt::Write as _, process::Command, time::Duration};

use tests::{
    Fleet, Program, Subnet, eventually,
    source::{Encoding, LiveSource},
};

/// From the start of a fleet to its first six segments on a busy machine.
const SETTLES: Duration = Duration::from_secs(60);

/// How long ffmpeg takes for a few seconds of small pictures on a busy machine.
const DECODES: Duration = Duration::from_secs(60);

const RUNGS: [&str; 3] = ["144p", "240p", "360p"];

/// Segments that are played, each of another rung than the one before.
const PLAYED: u64 = 5;

async fn fleet(encoding: Encoding) -> (LiveSource, Fleet) {
    let source = LiveSource::start_as(Subnet::unused().source(), encoding).await;
    let fleet = Fleet::builder().source(&source.url).start().await;
    (source, fleet)
}

/// Whether each rung is aligned, by the primary's metrics.
async fn aligned(fleet: &Fleet) -> BTreeMap<String, bool> {
    let url = format!("http://{}/metrics", fleet.subnet.admin(1));
    let (_, text) = fleet.get(&url).await.unwrap();
    let line = |line: &str| {
        let (rendition, value) =
            line.strip_prefix("spillway_rendition_aligned{rendition=\"")?.split_once("\"} ")?;
        Some((rendition.to_owned(), value == "1"))
    };
    text.lines().filter_map(line).collect()
}

async fn until_aligned(fleet: &Fleet, expected: [bool; 3]) {
    let expected = RUNGS.map(str::to_owned).into_iter().zip(expected).collect::<BTreeMap<_, _>>();
    eventually("the rungs are judged", SETTLES, async || {
        let now = aligned(fleet).await;
        if now == expected { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
}

/// A rung's media playlist: the lines of its maps, and its segments, by their URLs at the primary.
async fn listed(fleet: &Fleet, rung: &str) -> (Option<String>, Vec<String>) {
    let folder = format!("http://{}/live/{rung}/", fleet.subnet.viewers(1));
    let (_, text) = fleet.get(&format!("{folder}live.m3u8")).await.unwrap();
    let map = text.lines().rfind(|line| line.starts_with("#EXT-X-MAP"));
    let map = map.map(|line| line.replace("URI=\"", &format!("URI=\"{folder}")));
    let segments = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    (map, segments.map(|segment| format!("{folder}{segment}")).collect())
}

/// A list of the newest segments, each of the next rung, with nothing between them that would say so but the maps.
async fn swapping(fleet: &Fleet) -> Result<String, String> {
    let mut text = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n".to_owned();
    let mut rungs = Vec::new();
    for rung in RUNGS {
        rungs.push(listed(fleet, rung).await);
    }
    let last = |(_, segments): &(_, Vec<String>)| name(segments.last()?);
    let newest = rungs.iter().filter_map(last).min().unwrap_or_default();
    let numbers = (newest + 1).saturating_sub(PLAYED)..=newest;
    for (number, (map, segments)) in numbers.zip(rungs.iter().cycle()) {
        let segment = segments.iter().find(|segment| name(segment) == Some(number));
        let segment = segment.ok_or_else(|| format!("{number} is not in {segments:?}"))?;
        let map = map.as_ref().map(|map| format!("{map}\n")).unwrap_or_default();
        write!(text, "{map}#EXTINF:2,\n{segment}\n").unwrap();
    }
    text.push_str("#EXT-X-ENDLIST\n");
    Ok(text)
}

/// A segment's number, by its URL.
fn name(url: &str) -> Option<u64> {
    url.rsplit('/').next()?.split('.').next()?.parse().ok()
}

/// What ffmpeg says at `-v warning`, but for what it says of every second initialization section: it has one already.
async fn complaints(fleet: &Fleet, list: &str) -> Vec<String> {
    let path = fleet.file("swapping.m3u8");
    std::fs::write(&path, list).unwrap();
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "warning", "-protocol_whitelist", "file,http,tcp", "-i"]);
    command.arg(&path).args(["-f", "null", "-"]);
    let mut ffmpeg = Program::start("ffmpeg", command, &fleet.file(""));
    assert!(ffmpeg.ends_within(DECODES).await.success(), "{}", ffmpeg.log());
    let harmless =
        |line: &&str| line.contains("Found duplicated MOOV Atom") || line.contains("message repeated");
    ffmpeg
        .log()
        .lines()
        .filter(|line| !harmless(line) && !line.trim().is_empty())
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn segments_of_aligned_rungs_follow_one_another_and_the_decoder_says_nothing() {
    for encoding in [Encoding::Ts, Encoding::Fragments] {
        let (_source, fleet) = fleet(encoding).await;
        until_aligned(&fleet, [true; 3]).await;
        let list = eventually("enough is listed", SETTLES, async || swapping(&fleet).await).await;
        assert_eq!(complaints(&fleet, &list).await, Vec::<String>::new(), "{encoding:?}: {list}");
        assert_eq!(aligned(&fleet).await.values().filter(|aligned| **aligned).count(), 3);
    }
}

#[tokio::test]
async fn a_rung_with_other_groups_of_pictures_is_left_out_and_the_log_says_why() {
    let (_source, fleet) = fleet(Encoding::Unaligned).await;
    until_aligned(&fleet, [true, true, false]).await;
    let said = "rendition 360p starts segment ";
    eventually("the log says why", SETTLES, async || {
        let log = fleet.primary.log();
        let lines = log.lines().filter(|line| line.contains("WARN") && line.contains(said)).count();
        if lines == 1 { Ok(()) } else { Err(log) }
    })
    .await;
}
