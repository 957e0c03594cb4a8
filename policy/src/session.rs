//! Signed, self-describing session tokens, and the passes by which relays prove themselves to their upstream.
//!
//! A token says all that a server or another manager must know of a session, so nobody keeps anything about a viewer.
//! It stands in URLs (`?s=`) that players cannot refresh; what a program does with an expired or forged one is its own
//! affair. In base64url without padding:
//!
//! ```text
//! kind 1 | key id 4 | expires, Unix seconds 8 | class 1 | id, stream, region, server: length 1 + text | signature 16
//! ```
//!
//! A pass has the server alone after its expiry. Each kind is signed in a domain of its own, so that one is never taken for
//! the other.

mod keys;

use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use self::keys::SIGNATURE_LEN;
pub use self::keys::{KEY_LEN, Key, Keys};
use crate::{Class, Region, ServerId, SessionId, StreamName, name::MAX_NAME_LEN};

/// Longest text that is looked at: what four names of the greatest length make.
const MAX_TOKEN_LEN: usize = (1 + 4 + 8 + 1 + 4 * (1 + MAX_NAME_LEN) + SIGNATURE_LEN).div_ceil(3) * 4;

const SESSION: Domain = Domain { kind: 1, label: b"spillway session" };
const PASS: Domain = Domain { kind: 2, label: b"spillway pass" };

struct Domain {
    kind: u8,
    label: &'static [u8],
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// One viewer and stream.
    pub id: SessionId,
    /// What is watched.
    pub stream: StreamName,
    /// Where the viewer is.
    pub region: Region,
    /// What the player can do.
    pub class: Class,
    /// The server first given.
    pub server: ServerId,
    /// When the token ends, in Unix seconds.
    pub expires_unix: u64,
}

/// A token or pass that proves nothing. `T` is what it said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken<T = Session> {
    /// It is not of the form that this fleet gives out.
    #[error("token is malformed: ask the traffic manager for a new URL")]
    Malformed,
    /// It was signed with a key that is not valid any more, or not yet.
    #[error("token is signed with key {0}, which is not valid now: ask the traffic manager for a new URL")]
    UnknownKey(u32),
    /// Its signature is wrong.
    #[error("token is forged: ask the traffic manager for a new URL")]
    Forged,
    /// It was good once.
    #[error("token has expired: ask the traffic manager for a new URL")]
    Expired(T),
}

impl SessionId {
    /// The id that `dice` give: 96 bits of them, too many for two sessions to meet.
    #[must_use]
    pub fn drawn(dice: u128) -> Self {
        URL_SAFE_NO_PAD.encode(&dice.to_be_bytes()[4..]).parse().expect("base64url has only letters of names")
    }
}

impl Keys {
    /// The token of `session`.
    #[must_use]
    pub fn sign(&self, session: &Session) -> String {
        let names =
            [session.id.as_str(), session.stream.as_str(), session.region.as_str(), session.server.as_str()];
        let mut body = self.start(&SESSION, session.expires_unix);
        body.push(class_byte(session.class));
        names.into_iter().for_each(|name| write_name(&mut body, name));
        self.seal(&SESSION, body)
    }

    /// What the token says, if it is ours and valid at `now_unix`.
    ///
    /// # Errors
    /// When it proves nothing, and why.
    pub fn verify(&self, token: &str, now_unix: u64) -> Result<Session, InvalidToken> {
        self.open(&SESSION, token, now_unix, |expires_unix, fields| {
            let class = class_of(fields.byte()?)?;
            let (id, stream) = (fields.name()?, fields.name()?);
            let (region, server) = (fields.name()?, fields.name()?);
            Some(Session { id, stream, region, class, server, expires_unix })
        })
    }

    /// The pass of `server`, which it shows to its upstream.
    #[must_use]
    pub fn sign_pass(&self, server: &ServerId, expires_unix: u64) -> String {
        let mut body = self.start(&PASS, expires_unix);
        write_name(&mut body, server.as_str());
        self.seal(&PASS, body)
    }

    /// Which server shows this pass, if it is ours and valid at `now_unix`.
    ///
    /// # Errors
    /// When it proves nothing, and why.
    pub fn verify_pass(&self, pass: &str, now_unix: u64) -> Result<ServerId, InvalidToken<ServerId>> {
        self.open(&PASS, pass, now_unix, |_, fields| fields.name())
    }

    fn start(&self, domain: &Domain, expires_unix: u64) -> Vec<u8> {
        let mut body = vec![domain.kind];
        body.extend(self.current().id().to_be_bytes());
        body.extend(expires_unix.to_be_bytes());
        body
    }

    fn seal(&self, domain: &Domain, mut body: Vec<u8>) -> String {
        let signature = self.current().sign(domain.label, &body);
        body.extend(signature);
        URL_SAFE_NO_PAD.encode(body)
    }

    fn open<T>(
        &self,
        domain: &Domain,
        text: &str,
        now_unix: u64,
        read: impl FnOnce(u64, &mut Fields<'_>) -> Option<T>,
    ) -> Result<T, InvalidToken<T>> {
        let token = Some(text)
            .filter(|text| text.len() <= MAX_TOKEN_LEN)
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let token = token.ok_or(InvalidToken::Malformed)?;
        let (body, signature) = token.split_last_chunk::<SIGNATURE_LEN>().ok_or(InvalidToken::Malformed)?;
        let mut fields = Fields(body);
        let kind = fields.byte().ok_or(InvalidToken::Malformed)?;
        let key = u32::from_be_bytes(fields.array().ok_or(InvalidToken::Malformed)?);
        let expires_unix = u64::from_be_bytes(fields.array().ok_or(InvalidToken::Malformed)?);
        if kind != domain.kind {
            return Err(InvalidToken::Malformed);
        }
        let key = self.find(key).ok_or(InvalidToken::UnknownKey(key))?;
        if !key.verifies(domain.label, body, signature) {
            return Err(InvalidToken::Forged);
        }
        let said =
            read(expires_unix, &mut fields).filter(|_| fields.0.is_empty()).ok_or(InvalidToken::Malformed)?;
        if now_unix < expires_unix { Ok(said) } else { Err(InvalidToken::Expired(said)) }
    }
}

/// What is left to read of a body.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn name<T: FromStr>(&mut self) -> Option<T> {
        let (text, rest) = self.0.split_at_checked(self.0.first().map(|len| usize::from(*len) + 1)?)?;
        self.0 = rest;
        std::str::from_utf8(text.get(1..)?).ok()?.parse().ok()
    }
}

fn write_name(body: &mut Vec<u8>, name: &str) {
    body.push(u8::try_from(name.len()).expect("a name is at most MAX_NAME_LEN bytes"));
    body.extend(name.as_bytes());
}

/// Numbers in tokens never change their meaning: players hold on to them.
const fn class_byte(class: Class) -> u8 {
    match class {
        Class::Steers => 1,
        Class::Redirects => 2,
        Class::Fixed => 3,
        Class::Watches => 4,
    }
}

fn class_of(byte: u8) -> Option<Class> {
    Class::ALL.into_iter().find(|class| class_byte(*class) == byte)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn keys() -> Keys {
        Keys::derive(b"a secret", 7)
    }

    fn session() -> Session {
        Session {
            id: SessionId::drawn(u128::MAX / 3),
            stream: "live".parse().unwrap(),
            region: Region::fallback(),
            class: Class::Steers,
            server: ServerId::of_relay("127.0.0.2").unwrap(),
            expires_unix: NOW + 60,
        }
    }

    #[test]
    fn a_token_says_what_was_signed_and_fits_into_a_url() {
        let token = keys().sign(&session());
        assert!(token.len() < 120, "{}", token.len());
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{token}");
        assert_eq!(keys().verify(&token, NOW), Ok(session()));
    }

    #[test]
    fn keys_of_the_epoch_before_are_still_valid_and_older_ones_are_not() {
        let token = keys().sign(&session());
        assert_eq!(Keys::derive(b"a secret", 8).verify(&token, NOW), Ok(session()));
        assert_eq!(Keys::derive(b"a secret", 9).verify(&token, NOW), Err(InvalidToken::UnknownKey(7)));
    }

    #[test]
    fn another_fleets_token_is_forged() {
        let token = Keys::derive(b"another secret", 7).sign(&session());
        assert_eq!(keys().verify(&token, NOW), Err(InvalidToken::Forged));
    }

    #[test]
    fn an_expired_token_still_says_whose_it_was() {
        let token = keys().sign(&session());
        assert_eq!(keys().verify(&token, NOW + 60), Err(InvalidToken::Expired(session())));
    }

    #[test]
    fn a_pass_is_no_token_and_a_token_no_pass() {
        let server = session().server;
        let pass = keys().sign_pass(&server, NOW + 60);
        assert_eq!(keys().verify_pass(&pass, NOW), Ok(server.clone()));
        assert_eq!(keys().verify_pass(&pass, NOW + 60), Err(InvalidToken::Expired(server)));
        assert_eq!(keys().verify(&pass, NOW), Err(InvalidToken::Malformed));
        assert_eq!(keys().verify_pass(&keys().sign(&session()), NOW), Err(InvalidToken::Malformed));
    }

    #[test]
    fn a_key_shows_its_secret_to_nobody_who_logs_it() {
        assert_eq!(format!("{:?}", Key::new(3, [7; KEY_LEN])), "Key { id: 3, .. }");
    }

    #[test]
    fn an_epoch_lasts_as_long_as_a_session() {
        let life = Duration::from_secs(3600);
        assert_eq!(Keys::epoch(NOW, life) + 1, Keys::epoch(NOW + 3600, life));
        assert_eq!(Keys::epoch(5, Duration::ZERO), 5);
    }

    fn name() -> impl Strategy<Value = String> {
        "[a-zA-Z0-9_-][a-zA-Z0-9_.-]{0,63}"
    }

    proptest! {
        #[test]
        fn every_session_comes_back_as_it_was(names in [name(), name(), name(), name()], class in 0..4usize, expires in 1..u64::MAX) {
            let [id, stream, region, server] = names;
            let session = Session {
                id: id.parse().unwrap(),
                stream: stream.parse().unwrap(),
                region: region.parse().unwrap(),
                class: Class::ALL[class],
                server: server.parse().unwrap(),
                expires_unix: expires,
            };
            let token = keys().sign(&session);
            prop_assert!(token.len() <= MAX_TOKEN_LEN);
            prop_assert_eq!(keys().verify(&token, 0), Ok(session));
        }

        #[test]
        fn a_token_with_any_byte_changed_is_refused(at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let token = keys().sign(&session());
            let at = at.index(token.len());
            let mut bytes = token.clone().into_bytes();
            bytes[at] = to % 128;
            let tampered = String::from_utf8(bytes).unwrap();
            prop_assume!(tampered != token);
            let refused = keys().verify(&tampered, NOW);
            prop_assert!(matches!(refused, Err(ref error) if !matches!(error, InvalidToken::Expired(_))), "{:?}", refused);
        }

        #[test]
        fn whatever_is_sent_as_a_token_does_no_harm(text in ".{0,400}") {
            prop_assert!(keys().verify(&text, NOW).is_err());
        }
    }
}
