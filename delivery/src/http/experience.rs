//! How it plays where the viewers are, as their players say by CMCD (CTA-5004) when they ask for playlists and media.
//!
//! Read once a request is answered. Anybody can say anything, so no one player's word is acted on: that it runs out of media counts as
//! falling behind, which says something where most do, and what it measured only for itself. A request belongs to the session whose
//! playlist its connection carried last, which for a playlist is the one just asked for; where that is nobody's, it counts
//! for this server's own region. Who has no CMCD costs a look at the query and at four headers.

use std::sync::Arc;

use hls::cmcd::{self, Report};
use http::{HeaderMap, Method, Request, StatusCode};
use papaya::HashMap;
use policy::{Region, Time};

use super::Caller;
use crate::metrics::Experience;

/// Regions that are told apart at most. Tokens are the fleet's own, so there are no more than it was ever configured with.
const MOST_REGIONS: usize = 256;

/// What is told, by region.
#[derive(Debug)]
pub(super) struct Experiences {
    own: Arc<Experience>,
    others: HashMap<Region, Arc<Experience>>,
}

impl Experiences {
    /// Nothing yet; `own` is the region of this server.
    pub(super) fn new(own: &Region) -> Self {
        let experience = Arc::new(Experience::of(own));
        let others = HashMap::new();
        others.pin().insert(own.clone(), Arc::clone(&experience));
        Self { own: experience, others }
    }

    /// Notes what a request says that was answered with `status`. What a 307 sends on is told where it is sent.
    pub(super) fn hear<B>(&self, request: &Request<B>, status: StatusCode, caller: &Caller, now: Time) {
        let sent_on = status == StatusCode::TEMPORARY_REDIRECT;
        if sent_on || caller.is_relay() || request.method() == Method::HEAD {
            return;
        }
        let Some(report) = report(request) else { return };
        match caller.line().tells(report, now) {
            Some((region, first)) => self.of(&region).told(report, first),
            None => self.own.told(report, false),
        }
    }

    fn of(&self, region: &Region) -> Arc<Experience> {
        let others = self.others.pin();
        if let Some(known) = others.get(region) {
            return Arc::clone(known);
        }
        if others.len() >= MOST_REGIONS {
            return Arc::clone(&self.own);
        }
        Arc::clone(others.get_or_insert_with(region.clone(), || Arc::new(Experience::of(region))))
    }
}

/// What a request says, in its headers before its query.
fn report<B>(request: &Request<B>) -> Option<Report> {
    let in_query = request.uri().query().and_then(Report::of_query);
    let in_headers = cmcd::HEADERS.iter().filter_map(|name| in_header(request.headers(), name));
    in_headers.chain(in_query).reduce(Report::or)
}

/// A dictionary may be spread over several lines (RFC 9110 5.3).
fn in_header(headers: &HeaderMap, name: &str) -> Option<Report> {
    let lines = headers.get_all(name).iter().filter_map(|line| Report::parse(line.to_str().ok()?));
    lines.reduce(Report::or)
}
