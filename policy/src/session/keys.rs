//! The keys that session tokens and relay passes are signed with: one to sign with, and one more that is still valid, so
//! that keys can change while players hold URLs that cannot be refreshed.
//!
//! They derive from the fleet's secret alone, so they survive restarts and are the same on every manager. Keeping the
//! secret, and handing keys to servers, is left to the programs.

use std::{fmt, time::Duration};

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// Bytes of a key: the block that HMAC-SHA256 puts out.
pub const KEY_LEN: usize = 32;

/// Bytes kept of each signature: 128 bits cannot be guessed, and URLs stay short (RFC 2104 5 allows half of the output).
pub(super) const SIGNATURE_LEN: usize = 16;

/// One key.
#[derive(Clone)]
pub struct Key {
    id: u32,
    secret: [u8; KEY_LEN],
    /// HMAC that has taken the secret in: half the work of a signature.
    keyed: Hmac<Sha256>,
}

impl Key {
    /// The key `id` with these bytes.
    #[must_use]
    pub fn new(id: u32, secret: [u8; KEY_LEN]) -> Self {
        Self { id, secret, keyed: keyed(&secret) }
    }

    /// Which key this is; tokens name it.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Its bytes, for whoever hands it to a server.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; KEY_LEN] {
        &self.secret
    }

    fn derived(fleet_secret: &[u8], epoch: u32) -> Self {
        let mac = keyed(fleet_secret).chain_update(b"spillway session key").chain_update(epoch.to_be_bytes());
        Self::new(epoch, mac.finalize().into_bytes().into())
    }

    pub(super) fn sign(&self, domain: &[u8], message: &[u8]) -> [u8; SIGNATURE_LEN] {
        let whole: [u8; KEY_LEN] = self.mac(domain, message).finalize().into_bytes().into();
        std::array::from_fn(|index| whole[index])
    }

    /// Takes the same time wherever a wrong signature differs.
    pub(super) fn verifies(&self, domain: &[u8], message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
        self.mac(domain, message).verify_truncated_left(signature).is_ok()
    }

    fn mac(&self, domain: &[u8], message: &[u8]) -> Hmac<Sha256> {
        self.keyed.clone().chain_update(domain).chain_update(message)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        (self.id, &self.secret) == (other.id, &other.secret)
    }
}

impl Eq for Key {}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

/// The keys that are valid now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    current: Key,
    other: Option<Key>,
}

impl Keys {
    /// Signs with `current`; what `other` signed is valid too.
    #[must_use]
    pub const fn new(current: Key, other: Option<Key>) -> Self {
        Self { current, other }
    }

    /// The keys of `epoch` and of the one before it, from the fleet's secret.
    #[must_use]
    pub fn derive(fleet_secret: &[u8], epoch: u32) -> Self {
        let before = epoch.checked_sub(1).map(|before| Key::derived(fleet_secret, before));
        Self::new(Key::derived(fleet_secret, epoch), before)
    }

    /// The epoch at `now_unix`, when sessions live for `life`: with epochs as long as sessions, a token never outlives the
    /// two keys that are valid at once.
    #[must_use]
    pub fn epoch(now_unix: u64, life: Duration) -> u32 {
        u32::try_from(now_unix / life.as_secs().max(1)).unwrap_or(u32::MAX)
    }

    /// The key that new tokens are signed with.
    #[must_use]
    pub const fn current(&self) -> &Key {
        &self.current
    }

    /// Every valid key, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.other)
    }

    pub(super) fn find(&self, id: u32) -> Option<&Key> {
        self.iter().find(|key| key.id == id)
    }
}
