//! What a player says of how it plays: Common Media Client Data (CTA-5004), of which four keys are read.
//!
//! Players send a dictionary (`bl=21300,bs,mtp=25400,sid="…"`) in the query or in four headers. It comes from anybody, so
//! reading costs one pass without a copy, and nothing in it is an error: a key that is unknown, of the wrong type or out of
//! range is as good as absent, and the others hold. Version 2 (CTA-5004-B) may give a list where version 1 has a number;
//! its first number is taken.

use crate::url::parameter;

/// The query parameter that carries the dictionary (CTA-5004 3.2).
pub const QUERY: &str = "CMCD";

/// The headers among which the dictionary is spread (CTA-5004 3.1), in lower case. Which key comes in which is not held
/// against a player.
pub const HEADERS: [&str; 4] = ["cmcd-request", "cmcd-object", "cmcd-status", "cmcd-session"];

/// Bytes of one dictionary that are read; a longer one is not read at all. Players that send every key stay under 600.
pub const MAX_BYTES: usize = 2_048;

/// An hour. Nobody buffers more of a live stream; what says so is mistaken, or lies to spoil a sum.
const MOST_BUFFER_MS: u64 = 3_600_000;

/// 100 Gbit/s, which no player measures.
const MOST_THROUGHPUT_KBPS: u64 = 100_000_000;

/// What one request says of how its player plays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Milliseconds of media that the player holds (`bl`).
    pub buffer_ms: Option<u64>,
    /// Kilobits a second that it measured (`mtp`).
    pub throughput_kbps: Option<u64>,
    /// It ran out of media between its last request and this one (`bs`).
    pub stalled: Option<bool>,
    /// It needs what it asks for at once: it starts up, seeks, or recovers from a stall (`su`).
    pub urgent: Option<bool>,
}

/// What a key is given, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Integer(u64),
    Boolean(bool),
    /// A string, a token, a decimal, a negative number, or nothing that the standard knows.
    Other,
}

impl Report {
    /// Reads a dictionary; none if it is too long.
    #[must_use]
    pub fn parse(dictionary: &str) -> Option<Self> {
        if dictionary.len() > MAX_BYTES {
            return None;
        }
        let mut report = Self::default();
        let mut rest = dictionary;
        while !rest.is_empty() {
            let (pair, after) = rest.split_at(pair_len(rest));
            report.take(pair);
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        Some(report)
    }

    /// What the query of a request says; none if it says nothing.
    #[must_use]
    pub fn of_query(query: &str) -> Option<Self> {
        Self::parse(&parameter(query, QUERY)?)
    }

    /// The same, with what `other` says of the keys that this one leaves out.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            buffer_ms: self.buffer_ms.or(other.buffer_ms),
            throughput_kbps: self.throughput_kbps.or(other.throughput_kbps),
            stalled: self.stalled.or(other.stalled),
            urgent: self.urgent.or(other.urgent),
        }
    }

    /// Takes one `key=value`, or a bare key, which is true.
    fn take(&mut self, pair: &str) {
        let (key, value) = match pair.split_once('=') {
            Some((key, value)) => (key.trim(), Value::parse(value.trim())),
            None => (pair.trim(), Value::Boolean(true)),
        };
        let number = |most| value.integer().filter(|number| *number <= most);
        match key {
            "bl" => self.buffer_ms = number(MOST_BUFFER_MS).or(self.buffer_ms),
            "mtp" => self.throughput_kbps = number(MOST_THROUGHPUT_KBPS).or(self.throughput_kbps),
            "bs" => self.stalled = value.boolean().or(self.stalled),
            "su" => self.urgent = value.boolean().or(self.urgent),
            _ => {}
        }
    }
}

impl Value {
    fn parse(text: &str) -> Self {
        match text {
            "?1" => return Self::Boolean(true),
            "?0" => return Self::Boolean(false),
            _ => {}
        }
        // An item of a list may have parameters, as which kind of media it is about (RFC 9651 3.1.1).
        let number = text.strip_prefix('(').map_or(text, |list| {
            let first = list.trim_start();
            &first[..first.find([' ', ';', ')']).unwrap_or(first.len())]
        });
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        match number.parse() {
            Ok(integer) if digits => Self::Integer(integer),
            _ => Self::Other,
        }
    }

    const fn integer(self) -> Option<u64> {
        match self {
            Self::Integer(integer) => Some(integer),
            _ => None,
        }
    }

    const fn boolean(self) -> Option<bool> {
        match self {
            Self::Boolean(boolean) => Some(boolean),
            _ => None,
        }
    }
}

/// Bytes up to the comma that ends the first pair: one within a string ends nothing, nor does a quote behind a backslash.
fn pair_len(dictionary: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in dictionary.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    dictionary.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOTHING: Report = Report { buffer_ms: None, throughput_kbps: None, stalled: None, urgent: None };

    #[test]
    fn keys_are_read_as_the_standard_says() {
        let buffer = |ms| Report { buffer_ms: Some(ms), ..NOTHING };
        let throughput = |kbps| Report { throughput_kbps: Some(kbps), ..NOTHING };
        let stalled = |stalled| Report { stalled: Some(stalled), ..NOTHING };
        let all = Report {
            buffer_ms: Some(21_300),
            throughput_kbps: Some(25_400),
            stalled: Some(true),
            urgent: Some(true),
        };
        for (dictionary, expected) in [
            ("", NOTHING),
            (",,=,", NOTHING),
            ("bl=21300,br=3200,bs,com.example-my=\"a,b\",mtp=25400,ot=v,sid=\"6e2fb550\",su", all),
            (" bl=21300 ,\tbs, mtp = 25400 ,su ", all),
            // Strings hide what looks like keys, and escapes hide quotes.
            ("cid=\"bl=1,bs,\\\",su\",bl=2", buffer(2)),
            ("cid=\"\\\\\",bl=2", buffer(2)),
            ("cid=\"never closed,bl=2,bs", NOTHING),
            // A key of the wrong type, or beyond all bounds, is as good as absent.
            ("bl,bs=1,mtp=\"9\",su=true", NOTHING),
            ("bl=-1,mtp=1.5,bs=?2,su=\"?1\"", NOTHING),
            ("bl=+1,mtp=1e3", NOTHING),
            ("bl=3600001,mtp=100000001", NOTHING),
            ("bl=99999999999999999999999999", NOTHING),
            ("bl=0", buffer(0)),
            ("BL=5,xbl=6,bl-x=7", NOTHING),
            // The last one counts (RFC 9651 4.2.2).
            ("bl=1,bl=2", buffer(2)),
            // Version 2.
            ("v=2,bl=(1200)", buffer(1200)),
            ("bl=( 1200;v 300;a )", buffer(1200)),
            ("mtp=(9000 1)", throughput(9000)),
            ("bl=(),mtp=(a)", NOTHING),
            ("bs=?1", stalled(true)),
            ("bs=?0", stalled(false)),
        ] {
            assert_eq!(Report::parse(dictionary), Some(expected), "{dictionary}");
        }
    }

    #[test]
    fn a_dictionary_that_is_too_long_is_not_read() {
        let of_len = |len: usize| format!("bl=1,x=\"{}\"", "a".repeat(len - 9));
        assert!(Report::parse(&of_len(MAX_BYTES)).is_some());
        assert_eq!(Report::parse(&of_len(MAX_BYTES + 1)), None);
    }

    #[test]
    fn a_query_carries_it_encoded() {
        let said = |query| Report::of_query(query).map(|report| (report.buffer_ms, report.stalled));
        assert_eq!(said("s=token&CMCD=bl%3D4100%2Cbs%2Csid%3D%22a%22"), Some((Some(4100), Some(true))));
        assert_eq!(said("CMCD=bl=4100"), Some((Some(4100), None)));
        assert_eq!(said("CMCD="), Some((None, None)));
        assert_eq!(said("s=token&cmcd=bl%3D4100"), None);
    }

    #[test]
    fn one_report_fills_in_what_another_leaves_out() {
        let (header, query) = (Report::parse("bl=1,bs=?0"), Report::parse("bl=2,mtp=3,bs"));
        assert_eq!(header.unwrap().or(query.unwrap()), Report::parse("bl=1,mtp=3,bs=?0").unwrap());
    }

    proptest! {
        #[test]
        fn no_input_makes_it_panic(text in ".{0,80}", odd in "[blsumtp=,;()\"\\\\?0-9 ]{0,60}") {
            let _ = (Report::parse(&text), Report::parse(&odd), Report::of_query(&text), Report::of_query(&odd));
        }

        #[test]
        fn what_other_keys_say_changes_nothing(
            before in "[a-z]{4}=\"[^\"\\\\]{0,20}\"",
            after in "[a-z]{4}=[a-z0-9.]{0,9}",
            bl in 0..=MOST_BUFFER_MS,
        ) {
            let report = Report::parse(&format!("{before},bl={bl},{after}")).unwrap();
            prop_assert_eq!(report, Report { buffer_ms: Some(bl), ..NOTHING });
        }
    }
}
