//! A text that many are sent at the same moment: as it is and compressed, each with its entity tag (RFC 9110 8.8.3), made once
//! however many ask.

use std::{
    fmt,
    hash::{DefaultHasher, Hasher as _},
    io::Write as _,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use ::http::HeaderValue;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

/// A text in all its forms. Clones share them.
#[derive(Clone)]
pub struct Document(Arc<Forms>);

struct Forms {
    plain: Form,
    /// Made when somebody first asks for it.
    gzip: OnceLock<Form>,
    digest: u64,
}

/// A text as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    /// The bytes.
    pub(crate) body: Bytes,
    /// Names these very bytes: another form of the same text has another tag.
    pub(crate) tag: HeaderValue,
}

impl Document {
    /// A text, which is hashed.
    #[must_use]
    pub fn new(text: impl Into<Bytes>) -> Self {
        let body = text.into();
        let mut hasher = DefaultHasher::new();
        hasher.write(&body);
        let digest = hasher.finish();
        let plain = Form { body, tag: tag(digest, "") };
        Self(Arc::new(Forms { plain, gzip: OnceLock::new(), digest }))
    }

    /// Whether the other is a clone of this one. Texts made apart are not the same, whatever they say.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The text as it is.
    pub(crate) fn plain(&self) -> &Form {
        &self.0.plain
    }

    /// The text in gzip (RFC 1952). Who asks while it is being made waits for it: it takes less time than making it again.
    pub(crate) fn gzip(&self) -> &Form {
        let Forms { plain, gzip, digest } = &*self.0;
        gzip.get_or_init(|| Form { body: compressed(&plain.body), tag: tag(*digest, "-gzip") })
    }
}

fn tag(digest: u64, form: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{digest:016x}{form}\"")).expect("hexadecimal digits are visible ASCII")
}

/// The fastest level, since somebody waits: names that repeat shrink well by any.
fn compressed(text: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 4), Compression::fast());
    let written = encoder.write_all(text).and_then(|()| encoder.finish());
    written.expect("memory takes what it is given").into()
}

impl Deref for Document {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.plain().body
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Document").field(self.plain()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_compressed_form_is_the_same_text_and_is_made_once() {
        let text = "#EXTINF:2,\n1.m4s\n".repeat(100);
        let document = Document::new(text.clone());
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&document.gzip().body[..]).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, text);
        assert!(document.gzip().body.len() < text.len() / 10);
        let again = document.clone();
        assert_eq!(again.gzip().body.as_ptr(), document.gzip().body.as_ptr());
    }

    #[test]
    fn every_text_and_every_form_of_it_has_a_tag_of_its_own() {
        let (first, second) = (Document::new("first"), Document::new("second"));
        assert_ne!(first.plain().tag, second.plain().tag);
        assert_ne!(first.plain().tag, first.gzip().tag);
        assert_eq!(first.plain().tag, Document::new("first").plain().tag, "the same at every server");
    }
}
