//! The bytes of an arriving object: a list that one task appends to and any number read along, without a lock.
//!
//! Each reader holds the link that it has reached; a link's successor is set once. So a reader never waits for another, and
//! what all have passed lives only as long as the list's head does.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

/// One piece as it arrived, and the next once it has.
#[derive(Debug, Default)]
pub(super) struct Link {
    bytes: Bytes,
    next: OnceLock<Arc<Link>>,
}

impl Link {
    /// The empty link that a list begins with.
    pub(super) fn head() -> Arc<Self> {
        Arc::default()
    }

    /// The piece of this link.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The next link, once it has arrived.
    pub(super) fn next(&self) -> Option<&Arc<Self>> {
        self.next.get()
    }

    /// Appends a piece to this link, which must be the last one, and gives the link made.
    pub(super) fn append(&self, bytes: Bytes) -> Arc<Self> {
        let link = Arc::new(Self { bytes, next: OnceLock::new() });
        let appended = self.next.set(Arc::clone(&link));
        debug_assert!(appended.is_ok(), "one task appends, at the end");
        link
    }
}

impl Drop for Link {
    /// One by one: dropping a long list from within its first link would recurse as deep as it is long.
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(mut link) = next.and_then(Arc::into_inner) {
            next = link.next.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_a_million_pieces_is_dropped_without_overflowing_the_stack() {
        let head = Link::head();
        let mut last = Arc::clone(&head);
        for _ in 0..1_000_000 {
            last = last.append(Bytes::from_static(b"x"));
        }
        drop(last);
        drop(head);
    }

    #[test]
    fn a_reader_sees_what_is_appended_after_it_arrived() {
        let head = Link::head();
        assert!(head.next().is_none());
        head.append(Bytes::from_static(b"a")).append(Bytes::from_static(b"b"));
        let first = head.next().unwrap();
        assert_eq!((first.bytes().as_ref(), first.next().unwrap().bytes().as_ref()), (&b"a"[..], &b"b"[..]));
    }
}
