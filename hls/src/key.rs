//! The keys in effect at a segment (EXT-X-KEY, RFC 8216bis 4.4.4.4).
//!
//! Media stay encrypted as they come: keys are between the upstream's key server and the player. Only what depends on the
//! upstream's numbers and addresses is made independent of them here, because both change on our side.

use std::sync::Arc;

use crate::attributes::Attributes;

/// The keys in effect: one for each key format; none where media are in the clear. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys(Arc<[Attributes]>);

impl Keys {
    /// The keys after an EXT-X-KEY: it replaces the one of its format, and METHOD=NONE ends all.
    #[must_use]
    pub fn and(&self, key: Attributes) -> Self {
        if key.value("METHOD") == Some("NONE") {
            return Self::default();
        }
        let mut keys: Vec<Attributes> =
            self.0.iter().filter(|other| format(other) != format(&key)).cloned().collect();
        keys.push(key);
        Self(keys.into())
    }

    /// Whether media are in the clear.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same keys for a segment that had `upstream_sequence` where the keys come from: where an initialization vector is
    /// implied by that number, it is written out, since our numbers are others.
    #[must_use]
    pub fn of_sequence(&self, upstream_sequence: u64) -> Self {
        if self.0.iter().any(implies_iv) {
            let key = |key: &Attributes| {
                let mut key = key.clone();
                if implies_iv(&key) {
                    key.set_bare("IV", format_args!("0x{upstream_sequence:032X}"));
                }
                key
            };
            Self(self.0.iter().map(key).collect())
        } else {
            self.clone()
        }
    }

    /// The tags that lead from `before` to these keys.
    pub(crate) fn tags_after(&self, before: &Self) -> Vec<String> {
        if self == before {
            return Vec::new();
        }
        let replaced = |old: &Attributes| self.0.iter().any(|new| format(new) == format(old));
        let none = (!before.0.iter().all(replaced)).then(|| "#EXT-X-KEY:METHOD=NONE".to_owned());
        none.into_iter().chain(self.0.iter().map(|key| format!("#EXT-X-KEY:{key}"))).collect()
    }

    /// The least EXT-X-VERSION that a playlist with these keys needs (RFC 8216bis 8).
    pub(crate) fn version(&self) -> u64 {
        let formats = |key: &Attributes| {
            key.value("KEYFORMAT").is_some() || key.value("METHOD").is_some_and(|m| m != "AES-128")
        };
        match self.0.iter().any(formats) {
            true => 5,
            false => 2,
        }
    }
}

fn format(key: &Attributes) -> &str {
    key.value("KEYFORMAT").unwrap_or("identity")
}

/// "An EXT-X-KEY tag with a KEYFORMAT of identity that does not have an IV attribute" (RFC 8216bis 5.2).
fn implies_iv(key: &Attributes) -> bool {
    format(key) == "identity"
        && key.value("IV").is_none()
        && matches!(key.value("METHOD"), Some("AES-128" | "SAMPLE-AES"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(method: &str, format: Option<&str>) -> Attributes {
        let mut key = Attributes::default();
        key.set_bare("METHOD", method);
        key.set_quoted("URI", "https://keys.example/1");
        if let Some(format) = format {
            key.set_quoted("KEYFORMAT", format);
        }
        key
    }

    #[test]
    fn a_key_replaces_the_one_of_its_format_and_none_ends_all() {
        let one = Keys::default().and(key("AES-128", None));
        let two = one.and(key("SAMPLE-AES", Some("com.apple.streamingkeydelivery")));
        assert_eq!(two.0.len(), 2);
        assert_eq!(two.and(key("AES-128", Some("identity"))).0.len(), 2);
        let mut none = Attributes::default();
        none.set_bare("METHOD", "NONE");
        assert!(two.and(none).is_empty());
        assert_eq!(one.tags_after(&two)[0], "#EXT-X-KEY:METHOD=NONE");
        assert_eq!(Keys::default().tags_after(&one), ["#EXT-X-KEY:METHOD=NONE"]);
        assert!(two.tags_after(&two).is_empty());
    }

    #[test]
    fn a_vector_that_the_upstreams_number_implies_is_written_out() {
        let keys = Keys::default().and(key("AES-128", None)).of_sequence(26);
        assert_eq!(keys.0[0].value("IV"), Some("0x0000000000000000000000000000001A"));
        assert_eq!(keys.of_sequence(27), keys);
        let theirs = Keys::default().and(key("SAMPLE-AES", Some("com.apple.streamingkeydelivery")));
        assert_eq!(theirs.of_sequence(26), theirs);
    }
}
