//! `GET /steer?s=…`: the steering manifest (RFC 8216bis 7).
//!
//! Never 404, 410 or 429: hls.js stops steering for good. Who asks with a token that is not ours is told to go on as it does.

use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use hls::{
    steering::{Manifest, PathwayClone, Reported},
    url::parameter,
};
use policy::{ServerId, routing::Slot};

use super::{Desk, document};
use crate::viewers::{CURRENT, token_in};

pub(super) async fn steer(State(desk): State<Desk>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let token = token_in(&query).unwrap_or_default();
    let told: Option<ServerId> = parameter(&query, CURRENT).and_then(|id| id.parse().ok());
    let plays: Option<ServerId> = Reported::of_query(&query).pathway.and_then(|id| id.parse().ok());
    let first = told.is_none();
    let current = plays.or(told);
    let answer = match desk.viewers.session(&token) {
        Ok(session) => desk.viewers.steer(&session, current.as_ref().unwrap_or(&session.server), first),
        Err(error) => {
            tracing::debug!(%error, "a player asks where to play with a token that is not ours");
            desk.viewers.steer_stranger(current)
        }
    };
    // Whole seconds, and never 0: a player would ask without a pause.
    let ttl_s = answer.ttl.as_secs().max(1);
    let reload_uri = desk.viewers.reload_uri(&token, Some(&answer.current));
    let priority = answer.priority.into_iter().map(String::from).collect();
    let mut manifest = Manifest::new(ttl_s, reload_uri, priority);
    manifest.pathway_clones = answer.clones.iter().filter_map(clone).collect();
    document("application/json", manifest.render())
}

/// A slot as a clone of the primary, which every playlist declares.
fn clone(slot: &Slot) -> Option<PathwayClone> {
    let url: url::Url = slot.base_url.parse().ok()?;
    Some(PathwayClone::at_host(ServerId::primary().as_str(), slot.id.as_str(), url.host_str()?))
}
