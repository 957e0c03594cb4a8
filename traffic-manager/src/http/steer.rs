//! `GET /steer?s=…`: the steering manifest (RFC 8216bis 7).
//!
//! Never 404, 410 or 429: hls.js stops steering for good. Who asks with a token that is not ours is told to go on as it does.

use std::{borrow::Cow, sync::Arc};

use axum::{extract::State, response::Response};
use hls::{
    steering::{Manifest, PathwayClone, Reported},
    url::{SESSION, parameters},
};
use http::Uri;
use policy::{ServerId, routing::Slot, steering::Course};

use super::{Desk, document};
use crate::viewers::{CURRENT, MOVED, Viewers};

pub(super) async fn steer(State(desk): State<Arc<Desk>>, uri: Uri) -> Response {
    answer(&desk.viewers, &uri)
}

/// The answer to a player that polls.
pub(super) fn answer(viewers: &Viewers, uri: &Uri) -> Response {
    let Asked { token, told, plays } = Asked::of_query(uri.query().unwrap_or_default());
    let first = told.is_none();
    let course = viewers.course(plays, told);
    let (answer, course) = match viewers.session(&token) {
        Ok(session) => {
            let course = course.unwrap_or_else(|| Course::at(session.server.clone()));
            (viewers.steer(&session, &course.server, first), course)
        }
        Err(error) => {
            tracing::debug!(%error, "a player asks where to play with a token that is not ours");
            let answer = viewers.steer_stranger(course.map(|course| course.server));
            let course = Course::at(answer.current.clone());
            (answer, course)
        }
    };
    let ttl_s = answer.ttl.as_secs();
    let course = course.after(&answer.current, answer.moved, viewers.keyring.unix_s());
    let reload_uri = viewers.reload_uri(&token, Some(&course));
    let priority = answer.priority.into_iter().map(String::from).collect();
    let mut manifest = Manifest::new(ttl_s, reload_uri, priority);
    manifest.pathway_clones = answer.clones.iter().filter_map(clone).collect();
    document("application/json", manifest.render())
}

/// What a player asks with.
#[derive(Debug, Default)]
struct Asked<'a> {
    token: Cow<'a, str>,
    /// What it was told last, by the address that it was given.
    told: Option<Course>,
    /// Where it says that it plays from.
    plays: Option<ServerId>,
}

impl<'a> Asked<'a> {
    /// Reads the query once: every viewer asks again and again.
    fn of_query(query: &'a str) -> Self {
        let (mut token, mut current, mut moved) = (None, None, None);
        let mut reported = Reported::default();
        for (name, value) in parameters(query) {
            match &*name {
                SESSION => drop(token.get_or_insert(value)),
                CURRENT => drop(current.get_or_insert(value)),
                MOVED => drop(moved.get_or_insert(value)),
                _ => reported.take(&name, &value),
            }
        }
        let since_unix_s = moved.and_then(|since| since.parse().ok());
        let told = current.and_then(|server| server.parse().ok());
        Self {
            token: token.unwrap_or_default(),
            told: told.map(|server| Course { server, since_unix_s }),
            plays: reported.pathway.and_then(|id| id.parse().ok()),
        }
    }
}

/// A slot as a clone of the primary, which every playlist declares.
fn clone(slot: &Slot) -> Option<PathwayClone> {
    Some(PathwayClone::at_host(ServerId::primary().as_str(), slot.id.as_str(), slot.host()?))
}
