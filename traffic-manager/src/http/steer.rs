//! `GET /steer?s=…`: the steering manifest (RFC 8216bis 7).
//!
//! Never 404, 410 or 429: hls.js stops steering for good. Who asks with a token that is not ours is told to go on as it does.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use hls::{
    steering::{Manifest, PathwayClone, Reported},
    url::parameter,
};
use policy::{ServerId, routing::Slot, steering::Course};

use super::{Desk, document};
use crate::viewers::{CURRENT, MOVED, token_in};

pub(super) async fn steer(State(desk): State<Arc<Desk>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let token = token_in(&query).unwrap_or_default();
    let told = told_in(&query);
    let plays: Option<ServerId> = Reported::of_query(&query).pathway.and_then(|id| id.parse().ok());
    let first = told.is_none();
    let course = desk.viewers.course(plays, told);
    let (answer, course) = match desk.viewers.session(&token) {
        Ok(session) => {
            let course = course.unwrap_or_else(|| Course::at(session.server.clone()));
            (desk.viewers.steer(&session, &course.server, first), course)
        }
        Err(error) => {
            tracing::debug!(%error, "a player asks where to play with a token that is not ours");
            let answer = desk.viewers.steer_stranger(course.map(|course| course.server));
            let course = Course::at(answer.current.clone());
            (answer, course)
        }
    };
    let ttl_s = answer.ttl.as_secs();
    let course = course.after(&answer.current, answer.moved, desk.viewers.keyring.unix_s());
    let reload_uri = desk.viewers.reload_uri(&token, Some(&course));
    let priority = answer.priority.into_iter().map(String::from).collect();
    let mut manifest = Manifest::new(ttl_s, reload_uri, priority);
    manifest.pathway_clones = answer.clones.iter().filter_map(clone).collect();
    document("application/json", manifest.render())
}

/// What the player was told last, by the address that it was given.
fn told_in(query: &str) -> Option<Course> {
    let server = parameter(query, CURRENT)?.parse().ok()?;
    Some(Course { server, since_unix_s: parameter(query, MOVED).and_then(|since| since.parse().ok()) })
}

/// A slot as a clone of the primary, which every playlist declares.
fn clone(slot: &Slot) -> Option<PathwayClone> {
    Some(PathwayClone::at_host(ServerId::primary().as_str(), slot.id.as_str(), slot.host()?))
}
