//! How a traffic manager calls on its primary: `POST /.fleet/invite` with the manager's URL and the fleet's join secret. Who
//! may call is decided here; attaching is delivery's membership.
//!
//! Whoever can reach the viewers' port can call, so off loopback an invitation counts only with the join secret. A web page that
//! some browser on this host shows reaches loopback too: browsers name the page's origin, and what has one is declined.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use policy::{ServerId, StreamName};
use serde::{Deserialize, Serialize};
use service::Secret;
use tokio::sync::watch;
use url::Url;

/// What a manager says when it calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invitation {
    /// Where the primary is to attach.
    manager_url: Url,
    /// The fleet's secret; empty where it has none.
    #[serde(default)]
    join_secret: Secret,
}

/// By which a manager knows that it called on a Spillway primary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Introduction {
    id: String,
    kind: &'static str,
    version: &'static str,
    streams: Vec<String>,
}

/// An invitation that is not followed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Declined {
    #[error("invitations come from traffic managers, not from web pages")]
    WebPage,
    #[error("this is no invitation: {0}; send {{\"manager_url\": URL, \"join_secret\": TEXT}}")]
    Senseless(String),
    #[error(
        "the join secret is not this primary's: give both programs the same with SPILLWAY_JOIN_SECRET or join_secret in their \
         config"
    )]
    WrongSecret,
    #[error(
        "this primary listens off loopback and has no join secret: give both programs the same with SPILLWAY_JOIN_SECRET or \
         join_secret in their config"
    )]
    SecretNeeded,
    #[error("this primary is attached to {0} already: stop that traffic manager first")]
    AttachedElsewhere(Url),
}

impl Declined {
    /// How HTTP says it.
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Senseless(_) => StatusCode::BAD_REQUEST,
            Self::WebPage | Self::WrongSecret | Self::SecretNeeded => StatusCode::FORBIDDEN,
            Self::AttachedElsewhere(_) => StatusCode::CONFLICT,
        }
    }
}

/// Who may invite, and where the last invitation led.
#[derive(Debug)]
pub(crate) struct Invitations {
    stream: StreamName,
    join_secret: Option<Secret>,
    on_loopback: bool,
    manager: watch::Sender<Option<Url>>,
}

impl Invitations {
    /// `manager` is the one that the config names, if any.
    pub(crate) fn new(
        stream: StreamName,
        join_secret: Option<Secret>,
        on_loopback: bool,
        manager: Option<Url>,
    ) -> Arc<Self> {
        let manager = watch::Sender::new(manager);
        Arc::new(Self { stream, join_secret, on_loopback, manager })
    }

    /// The manager to attach to, as it changes.
    pub(crate) fn manager(&self) -> watch::Receiver<Option<Url>> {
        self.manager.subscribe()
    }

    /// The last invitation led nowhere: the next one counts, even if it is the same again.
    pub(crate) fn forget(&self) {
        self.manager.send_replace(None);
    }

    /// Answers the request that carries an invitation.
    pub(crate) fn answer(&self, request: &Request<Bytes>, attached: bool) -> Response<Bytes> {
        let (status, body) = match self.accept(request.headers(), request.body(), attached) {
            Ok(introduction) => (StatusCode::OK, serde_json::to_vec(&introduction)),
            Err(declined) => {
                tracing::warn!(%declined, "an invitation was declined");
                let error = serde_json::json!({ "error": declined.to_string() });
                (declined.status(), serde_json::to_vec(&error))
            }
        };
        let mut answer = Response::new(body.expect("texts have a form in JSON").into());
        *answer.status_mut() = status;
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer
    }

    /// Follows an invitation. `attached` says whether the primary is attached at the moment: then it stays where it is.
    ///
    /// # Errors
    /// When it does not count; the text is for whoever runs the manager.
    fn accept(&self, headers: &HeaderMap, body: &[u8], attached: bool) -> Result<Introduction, Declined> {
        if headers.contains_key(header::ORIGIN) {
            return Err(Declined::WebPage);
        }
        let invitation: Invitation =
            serde_json::from_slice(body).map_err(|error| Declined::Senseless(error.to_string()))?;
        self.admit(&invitation)?;
        self.turn_to(invitation.manager_url, attached)?;
        Ok(Introduction {
            id: ServerId::primary().to_string(),
            kind: "primary",
            version: env!("CARGO_PKG_VERSION"),
            streams: vec![self.stream.to_string()],
        })
    }

    fn admit(&self, invitation: &Invitation) -> Result<(), Declined> {
        match &self.join_secret {
            Some(secret) if same(secret.reveal(), invitation.join_secret.reveal()) => Ok(()),
            Some(_) => Err(Declined::WrongSecret),
            None if self.on_loopback => Ok(()),
            None => Err(Declined::SecretNeeded),
        }
    }

    fn turn_to(&self, manager: Url, attached: bool) -> Result<(), Declined> {
        let current = self.manager.borrow().clone();
        match current {
            Some(current) if current == manager => {}
            Some(current) if attached => return Err(Declined::AttachedElsewhere(current)),
            _ => {
                tracing::info!(%manager, "invited by a traffic manager");
                self.manager.send_replace(Some(manager));
            }
        }
        Ok(())
    }
}

/// Compares without saying by its duration how far two secrets agree.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitations(secret: Option<&str>, on_loopback: bool) -> Arc<Invitations> {
        Invitations::new("live".parse().unwrap(), secret.map(Secret::from), on_loopback, None)
    }

    fn invite(invitations: &Invitations, body: &str, attached: bool) -> Result<Introduction, Declined> {
        invitations.accept(&HeaderMap::new(), body.as_bytes(), attached)
    }

    const PLAIN: &str = r#"{"manager_url": "http://127.0.0.1:7000"}"#;
    const SECRET: &str = r#"{"manager_url": "http://127.0.0.1:7000", "join_secret": "s3"}"#;

    #[test]
    fn on_loopback_a_manager_needs_no_secret_and_is_told_who_this_is() {
        let invitations = invitations(None, true);
        let introduction = invite(&invitations, PLAIN, false).unwrap();
        let json = serde_json::to_value(&introduction).unwrap();
        assert_eq!(
            (&json["id"], &json["kind"], &json["streams"][0]),
            (&"primary".into(), &"primary".into(), &"live".into())
        );
        assert_eq!(invitations.manager().borrow().as_ref().unwrap().as_str(), "http://127.0.0.1:7000/");
    }

    #[test]
    fn a_wrong_secret_and_none_off_loopback_are_forbidden_with_what_to_do() {
        for (secret, on_loopback, body) in
            [(Some("other"), true, SECRET), (Some("s3"), true, PLAIN), (None, false, SECRET)]
        {
            let invitations = invitations(secret, on_loopback);
            let declined = invite(&invitations, body, false).unwrap_err();
            assert_eq!(declined.status(), StatusCode::FORBIDDEN);
            assert!(declined.to_string().contains("SPILLWAY_JOIN_SECRET"), "{declined}");
            assert!(invitations.manager().borrow().is_none());
        }
        assert!(invite(&invitations(Some("s3"), false), SECRET, false).is_ok());
    }

    #[test]
    fn an_attached_primary_stays_with_its_manager_and_a_lone_one_follows_the_next() {
        let invitations = invitations(None, true);
        invite(&invitations, PLAIN, false).unwrap();
        let other = PLAIN.replace("7000", "7001");
        let declined = invite(&invitations, &other, true).unwrap_err();
        assert_eq!(declined.status(), StatusCode::CONFLICT);
        assert!(invite(&invitations, PLAIN, true).is_ok());
        assert!(invite(&invitations, &other, false).is_ok());
        assert_eq!(invitations.manager().borrow().as_ref().unwrap().port(), Some(7001));
    }

    #[test]
    fn what_is_no_invitation_is_told_what_one_looks_like() {
        let invitations = invitations(None, true);
        let declined = invite(&invitations, "{}", false).unwrap_err();
        assert!(declined.to_string().contains("manager_url"), "{declined}");
    }

    #[test]
    fn a_web_page_cannot_invite() {
        let headers = HeaderMap::from_iter([(header::ORIGIN, "https://evil.example".parse().unwrap())]);
        let declined = invitations(None, true).accept(&headers, PLAIN.as_bytes(), false).unwrap_err();
        assert_eq!(declined.status(), StatusCode::FORBIDDEN);
    }
}
