//! One byte range of an object (RFC 9110 14.2). Several at once, and what is no range, are answered with the whole, as the
//! RFC allows.

/// What of an object is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    /// Bytes `start..end` of it.
    Part { start: u64, end: u64 },
    /// Nothing that it has.
    Unsatisfiable,
}

/// What the header asks of an object of `len` bytes; none if that is the whole.
pub(super) fn parse(header: &str, len: u64) -> Option<Range> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    let (start, end) = match (first, last) {
        ("", last) => (len.saturating_sub(number(last)?), len),
        (first, "") => (number(first)?, len),
        (first, last) => (number(first)?, number(last)?.saturating_add(1).min(len)),
    };
    if first.is_empty() || last.is_empty() || number(first)? <= number(last)? {
        Some(if start < end { Range::Part { start, end } } else { Range::Unsatisfiable })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let part = |start, end| Some(Range::Part { start, end });
        for (header, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=2-4", part(2, 5)),
            ("bytes=2-", part(2, 10)),
            ("bytes=-3", part(7, 10)),
            ("bytes=-30", part(0, 10)),
            ("bytes=8-99", part(8, 10)),
            ("bytes=10-", Some(Range::Unsatisfiable)),
            ("bytes=10-12", Some(Range::Unsatisfiable)),
            ("bytes=-0", Some(Range::Unsatisfiable)),
            ("bytes=4-2", None),
            ("bytes=0-1,3-4", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=+1-2", None),
            ("items=0-1", None),
            ("bytes=99999999999999999999-", None),
        ] {
            assert_eq!(parse(header, 10), expected, "{header}");
        }
    }
}
