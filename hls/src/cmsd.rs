//! What a server says of itself to players: Common Media Server Data (CTA-5006), of which two keys are said.
//!
//! `mb`, the highest bitrate that a player should ask for, and `du`, that the server is under duress. Shaka and dash.js follow the
//! first. Both hold for the moment, so they are said with playlists, which are asked for again and again, and never with media, which
//! caches keep for a year.

use std::fmt;

/// The header of what holds for the moment (CTA-5006 5.2), in lower case.
pub const DYNAMIC: &str = "cmsd-dynamic";

/// What a server says of this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dynamic<'a> {
    /// Who says so.
    pub server: &'a str,
    /// Bits per second of the highest rung that should be asked for.
    pub max_bitrate: u64,
    /// Whether it can hardly serve those it has.
    pub duress: bool,
}

impl fmt::Display for Dynamic<'_> {
    /// An item of a list with its parameters (RFC 9651 3.1), the bitrate in kilobits and rounded up: the rung itself is not above it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\";mb={}", self.server, self.max_bitrate.div_ceil(1000))?;
        if self.duress { f.write_str(";du") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_as_the_standard_says() {
        let calm = Dynamic { server: "relay-127-0-0-2", max_bitrate: 299_367, duress: false };
        assert_eq!(calm.to_string(), "\"relay-127-0-0-2\";mb=300");
        assert_eq!(Dynamic { duress: true, ..calm }.to_string(), "\"relay-127-0-0-2\";mb=300;du");
    }
}
