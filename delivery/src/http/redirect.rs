//! Viewers whose players follow the primary's 307s: asked of the book at every reload of theirs.
//!
//! The book stands behind a mutex. Only sessions of class `redirects` come to it, on a primary, once in a target duration,
//! for the time of two map look-ups: 100,000 of them, at 2 s, hold it for about a hundredth of the time, so hardly anybody waits.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use policy::{
    Class, Time,
    redirects::{Book, Limits, RedirectQuota},
    routing::Slot,
    session::Session,
};

use crate::census::Tally;

/// Who was sent where.
#[derive(Debug)]
pub(super) struct Redirects(Mutex<Book>);

impl Redirects {
    /// Nobody yet, and at most so many.
    pub(super) fn new(max_sessions: u32) -> Self {
        let sessions = usize::try_from(max_sessions).unwrap_or(usize::MAX);
        Self(Mutex::new(Book::new(Limits { sessions })))
    }

    /// Takes the directive's quotas.
    pub(super) fn follow(&self, quotas: &[RedirectQuota]) {
        self.book().set_quotas(quotas);
    }

    /// Where the session is sent that reloads a playlist; none where this server answers itself.
    pub(super) fn place(&self, session: &Session, life: Duration, now: Time) -> Option<Slot> {
        self.book().reloaded(session, life, now)
    }

    /// Sessions that relays serve now.
    pub(super) fn tallies(&self, now: Time) -> Vec<Tally> {
        let tally = |(stream, region, viewers): (&_, &_, u32)| Tally {
            stream: Clone::clone(stream),
            region: Clone::clone(region),
            class: Class::Redirects,
            viewers,
        };
        self.book().redirected(now).map(tally).collect()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
