//! A rendition's list under a rung cap: from some segment on it lists another rung's segments in place of its own.
//!
//! The rules are those that eight players were found to need (ARCHITECTURE.md): numbers, durations, dates and discontinuities go on
//! as they are; the other rung's segment is named by its own URL, `../{rung}/{sequence}.ts`; MPEG-4 has an EXT-X-MAP of the rung at each
//! swap and before the first segment. **What is listed once never changes**: which rung a segment is taken from is decided
//! when it is first listed, and remembered here for as long as it is listed. What the other rung does not have yet is not
//! listed yet.
//!
//! It works on lists as [`crate::LiveWindow`] writes them, at the primary as at a relay, and changes nothing where nothing is swapped.

use std::{collections::VecDeque, fmt::Write as _};

use crate::url::Rendition;

/// How many segments another rung may be behind before a segment is taken from the rendition's own: a rung that has stopped must not
/// stop those above it.
const MOST_BEHIND: u64 = 1;

/// A list of our own, looked at line by line.
#[derive(Debug, Clone)]
pub struct List<'a> {
    head: &'a str,
    entries: Vec<Entry<'a>>,
    ended: bool,
}

/// One segment as it is listed.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    sequence: u64,
    /// From the end of the entry before to the end of this one's address.
    text: &'a str,
    name: &'a str,
    /// The initialization section that it needs, by its name.
    map: Option<&'a str>,
    encrypted: bool,
    gap: bool,
}

/// Which of the segments listed are taken from which rung.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swaps {
    /// The newest segment that was decided on.
    newest: Option<u64>,
    swaps: VecDeque<Swap>,
}

/// From a segment on, up to the next swap.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Swap {
    from: u64,
    /// The other rung; none where it is the rendition's own.
    rung: Option<Rendition>,
    /// The name of the other rung's initialization section.
    map: Option<Box<str>>,
}

impl<'a> List<'a> {
    /// Reads a list; none if it is not as this crate writes lists.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let mut list = Self { head: text, entries: Vec::new(), ended: false };
        let mut sequence = 0;
        let (mut map, mut encrypted, mut gap) = (None, false, false);
        let (mut begin, mut end, mut in_head) = (0, 0, true);
        for line in text.split_inclusive('\n') {
            let at = end;
            end += line.len();
            let line = line.trim_end();
            match line.split_once(':').map_or((line, ""), |(tag, value)| (tag, value)) {
                ("#EXT-X-MEDIA-SEQUENCE", value) => sequence = value.parse().ok()?,
                ("#EXT-X-ENDLIST", _) => list.ended = true,
                (tag, value) => {
                    if in_head && is_of_segment(tag) {
                        (list.head, begin, in_head) = (&text[..at], at, false);
                    }
                    match tag {
                        "#EXT-X-MAP" => map = Some(quoted(value, "URI")?),
                        "#EXT-X-KEY" => encrypted = !value.contains("METHOD=NONE"),
                        "#EXT-X-GAP" => gap = true,
                        _ if line.starts_with('#') || line.is_empty() => {}
                        _ => {
                            let text = &text[begin..end];
                            list.entries.push(Entry { sequence, text, name: line, map, encrypted, gap });
                            (begin, gap, sequence) = (end, false, sequence + 1);
                        }
                    }
                }
            }
        }
        Some(list)
    }

    fn newest(&self) -> Option<u64> {
        self.entries.last().map(|entry| entry.sequence)
    }

    fn entry(&self, sequence: u64) -> Option<&Entry<'a>> {
        let first = self.entries.first()?.sequence;
        self.entries.get(usize::try_from(sequence.checked_sub(first)?).ok()?)
    }
}

impl Swaps {
    /// The newest segment that may be listed.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Decides on all that `own` lists beyond what was decided on before: it is taken from `other`, where that is given and has it.
    ///
    /// A list that has ended before it was ever given out is left alone: all of it would be decided on at once and for ever.
    pub fn extend(&mut self, own: &List<'_>, other: Option<(&Rendition, &List<'_>)>) {
        let other = other.filter(|_| self.newest.is_some() || !own.ended);
        for entry in &own.entries {
            if self.newest.is_some_and(|newest| entry.sequence <= newest) {
                continue;
            }
            let swap = match other.map(|(rung, list)| (rung, Taken::of(entry, own, list))) {
                Some((_, Taken::Late)) => break,
                Some((rung, Taken::Other(map))) => {
                    Swap { from: entry.sequence, rung: Some(rung.clone()), map: map.map(Box::from) }
                }
                Some((_, Taken::Own)) | None => Swap { from: entry.sequence, rung: None, map: None },
            };
            self.newest = Some(entry.sequence);
            let last = self.swaps.back().map(|last| (&last.rung, &last.map));
            if last.unwrap_or((&None, &None)) != (&swap.rung, &swap.map) {
                self.swaps.push_back(swap);
            }
        }
        self.forget(own.entries.first().map_or(0, |entry| entry.sequence));
    }

    /// Whether `own` is to be given out as it is: nothing listed is swapped or held back.
    #[must_use]
    pub fn leaves_alone(&self, own: &List<'_>) -> bool {
        self.newest >= own.newest() && self.swaps.iter().all(|swap| swap.rung.is_none())
    }

    /// The rung that a segment is taken from, if it is not the rendition's own.
    #[must_use]
    pub fn rung_of(&self, sequence: u64) -> Option<&Rendition> {
        self.swap_of(sequence)?.rung.as_ref()
    }

    /// `own` with what was decided.
    #[must_use]
    pub fn render(&self, own: &List<'_>) -> String {
        let mut text = String::from(own.head);
        let mut map = None;
        let mut held_back = false;
        for entry in &own.entries {
            held_back = self.newest.is_none_or(|newest| entry.sequence > newest);
            if held_back {
                break;
            }
            let swap = self.swap_of(entry.sequence);
            let rung = swap.and_then(|swap| swap.rung.as_ref());
            let needed = match rung {
                Some(_) => swap.and_then(|swap| swap.map.as_deref()).map(|map| address(rung, map)),
                None => entry.map.map(|map| address(None, map)),
            };
            write_entry(
                &mut text,
                entry,
                rung,
                needed.as_ref().filter(|needed| map.as_ref() != Some(*needed)),
            );
            map = needed;
        }
        if own.ended && !held_back {
            text.push_str("#EXT-X-ENDLIST\n");
        }
        text
    }

    fn swap_of(&self, sequence: u64) -> Option<&Swap> {
        self.swaps.iter().rev().find(|swap| swap.from <= sequence)
    }

    fn forget(&mut self, first: u64) {
        while self.swaps.get(1).is_some_and(|second| second.from <= first) {
            self.swaps.pop_front();
        }
        if self.swaps.len() == 1 && self.swaps[0].rung.is_none() {
            self.swaps.clear();
        }
    }
}

/// Where a segment is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken<'a> {
    Own,
    /// With the initialization section that it needs.
    Other(Option<&'a str>),
    /// The other rung is about to have it.
    Late,
}

impl<'a> Taken<'a> {
    fn of(entry: &Entry<'_>, own: &List<'_>, other: &List<'a>) -> Self {
        if entry.encrypted || entry.gap {
            return Self::Own;
        }
        if let Some(stands_in) = other.entry(entry.sequence) {
            let same = extension(stands_in.name) == extension(entry.name)
                && stands_in.map.is_some() == entry.map.is_some();
            let there = !stands_in.encrypted && !stands_in.gap;
            return if same && there { Self::Other(stands_in.map) } else { Self::Own };
        }
        let behind = own.newest().unwrap_or_default().saturating_sub(other.newest().unwrap_or_default());
        let comes = other.newest().is_some_and(|newest| newest < entry.sequence);
        if comes && behind <= MOST_BEHIND && !own.ended && !other.ended { Self::Late } else { Self::Own }
    }
}

/// The entry's lines, with the rung's address and, where it is not in effect already, its initialization section.
fn write_entry(text: &mut String, entry: &Entry<'_>, rung: Option<&Rendition>, map: Option<&String>) {
    let mut map = map;
    for line in entry.text.lines() {
        if line.starts_with("#EXT-X-MAP:") {
            continue;
        }
        if line != "#EXT-X-DISCONTINUITY"
            && let Some(map) = map.take()
        {
            let _ = writeln!(text, "#EXT-X-MAP:URI=\"{map}\"");
        }
        let _ = match line.starts_with('#') {
            true => writeln!(text, "{line}"),
            false => writeln!(text, "{}", address(rung, line)),
        };
    }
}

/// The address of a rung's object from the list of another.
fn address(rung: Option<&Rendition>, name: &str) -> String {
    match rung {
        Some(rung) => format!("../{rung}/{name}"),
        None => name.to_owned(),
    }
}

fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// Whether a line belongs to a segment rather than to the list: what comes before the first of these is the list's.
fn is_of_segment(tag: &str) -> bool {
    !matches!(
        tag,
        "#EXTM3U"
            | "#EXT-X-VERSION"
            | "#EXT-X-TARGETDURATION"
            | "#EXT-X-DISCONTINUITY-SEQUENCE"
            | "#EXT-X-PLAYLIST-TYPE"
            | "#EXT-X-INDEPENDENT-SEGMENTS"
    )
}

fn quoted<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) = attributes.split_once(name)?;
    value.strip_prefix("=\"")?.split('"').next()
}

#[cfg(test)]
mod tests;
