//! A media playlist that lists, from some number on, the segments of lower rungs: what a server that caps rungs does, in the fewest
//! lines, for a server that does not do it itself.
//!
//! The rules are those of the design: no discontinuity at a swap, the rest of the list as it was, a map at each swap and before the
//! first segment, never above the rung asked, and what was listed once never changes.

use std::fmt::Write as _;

/// A media playlist, taken apart.
#[derive(Debug, Default)]
pub(crate) struct List {
    head: Vec<String>,
    segments: Vec<Segment>,
    tail: Vec<String>,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    tags: Vec<String>,
    map: Option<String>,
    uri: String,
}

/// From which number on a cap holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) from: u64,
    pub(crate) cap: usize,
}

/// The cap of a segment.
pub(crate) fn cap(changes: &[Change], number: u64) -> usize {
    changes.iter().rfind(|change| change.from <= number).map_or(usize::MAX, |change| change.cap)
}

impl List {
    pub(crate) fn parse(text: &str) -> Self {
        let mut list = Self::default();
        let (mut tags, mut map, mut next) = (Vec::new(), None, 0);
        for line in text.lines() {
            if let Some(first) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
                next = first.parse().unwrap_or(0);
            }
            if let Some(rest) = line.strip_prefix("#EXT-X-MAP:URI=\"") {
                map = rest.split('"').next().map(str::to_owned);
            } else if !line.starts_with('#') {
                let tags = std::mem::take(&mut tags);
                list.segments.push(Segment { number: next, tags, map: map.clone(), uri: line.to_owned() });
                next += 1;
            } else if is_of_a_segment(line) {
                tags.push(line.to_owned());
            } else if list.segments.is_empty() {
                list.head.push(line.to_owned());
            } else {
                list.tail.push(line.to_owned());
            }
        }
        list
    }

    /// Whether it needs a rung below `own`.
    pub(crate) fn needs(&self, own: usize, changes: &[Change]) -> impl Iterator<Item = usize> {
        (0..own).filter(|rung| self.segments.iter().any(|segment| cap(changes, segment.number) == *rung))
    }

    /// The list of the rung `own` under caps; `lower` gives the lists of lower rungs, and the folders that they lie in.
    ///
    /// It ends before the first segment that its rung does not list yet.
    pub(crate) fn capped<'a>(
        &self,
        own: usize,
        changes: &[Change],
        lower: impl Fn(usize) -> Option<(&'a str, &'a Self)>,
    ) -> (String, Option<u64>) {
        let mut text: String = self.head.iter().map(|line| format!("{line}\n")).collect();
        let (mut shown, mut newest) = (None, None);
        for segment in &self.segments {
            let cap = cap(changes, segment.number);
            let (folder, listed) = if cap < own {
                let Some((folder, list)) = lower(cap) else { break };
                let Some(listed) = list.segments.iter().find(|other| other.number == segment.number) else {
                    break;
                };
                (format!("../{folder}/"), listed)
            } else {
                (String::new(), segment)
            };
            let map = listed.map.as_ref().map(|map| format!("{folder}{map}"));
            if let Some(map) = map.as_ref().filter(|map| shown.as_ref() != Some(*map)) {
                let _ = writeln!(text, "#EXT-X-MAP:URI=\"{map}\"");
            }
            shown = map;
            segment.tags.iter().for_each(|tag| text += &format!("{tag}\n"));
            let _ = writeln!(text, "{folder}{}", listed.uri);
            newest = Some(segment.number);
        }
        self.tail.iter().for_each(|line| text += &format!("{line}\n"));
        (text, newest)
    }
}

/// Whether a tag stands before one segment, and not for the whole list.
fn is_of_a_segment(line: &str) -> bool {
    ["#EXTINF:", "#EXT-X-PROGRAM-DATE-TIME:", "#EXT-X-DISCONTINUITY", "#EXT-X-GAP", "#EXT-X-BYTERANGE:"]
        .iter()
        .any(|tag| line.starts_with(tag))
        && !line.starts_with("#EXT-X-DISCONTINUITY-SEQUENCE:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(first: u64, count: u64) -> String {
        let segments: String = (first..first + count).map(|n| format!("#EXTINF:2,\n{n}.m4s\n")).collect();
        format!("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-MAP:URI=\"init.mp4\"\n{segments}")
    }

    #[test]
    fn the_segments_of_the_cap_are_listed_from_its_number_on_with_a_map_at_each_swap() {
        let (top, low) = (List::parse(&list(5, 4)), List::parse(&list(5, 4)));
        let changes = [Change { from: 6, cap: 0 }, Change { from: 8, cap: 2 }];
        let (text, newest) = top.capped(2, &changes, |rung| (rung == 0).then_some(("low", &low)));
        let expected = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:5\n\
            #EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:2,\n5.m4s\n\
            #EXT-X-MAP:URI=\"../low/init.mp4\"\n#EXTINF:2,\n../low/6.m4s\n#EXTINF:2,\n../low/7.m4s\n\
            #EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:2,\n8.m4s\n";
        assert_eq!((text.as_str(), newest), (expected, Some(8)));
        assert_eq!(top.needs(2, &changes).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_list_ends_before_what_the_lower_rung_does_not_have_yet() {
        let (top, low) = (List::parse(&list(5, 4)), List::parse(&list(5, 2)));
        let (_, newest) = top.capped(1, &[Change { from: 5, cap: 0 }], |_| Some(("low", &low)));
        assert_eq!(newest, Some(6));
    }
}
