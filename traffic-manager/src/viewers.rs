//! Where viewers play from, for all who ask: `/watch`, `/steer`, `Viewers.Locate` and `Viewers.Watch`. Mints sessions, finds
//! regions, and lets `policy` place on the newest picture; nothing about a viewer is kept, and nobody waits for the controller.

mod playlist;
mod refusal;

use std::{net::IpAddr, sync::Arc, time::Duration};

use hls::{Rendition, Template, url::SESSION};
use policy::{
    Class, InvalidName, Region, ServerId, SessionId, StreamName,
    balancing::Balancer,
    geography::By,
    placement::{self, Placement, Question, Request, Step},
    routing::Route,
    session::{InvalidToken, Session},
    steering::{self, Answer, Course, Pace},
};

pub(crate) use self::refusal::Unplaced;
use crate::{
    clock::Clock,
    keyring::Keyring,
    metrics,
    picture::{Gallery, Picture},
    regions::Regions,
};

/// The parameter of RELOAD-URI that says which pathway the last answer put first.
pub(crate) const CURRENT: &str = "current";

/// The parameter of RELOAD-URI that says when the player was told to move there, while it has not been seen to.
pub(crate) const MOVED: &str = "moved";

/// The desk at which viewers ask.
#[derive(Debug)]
pub(crate) struct Viewers {
    /// What answers are read from.
    pub(crate) gallery: Arc<Gallery>,
    /// What tokens are signed with.
    pub(crate) keyring: Arc<Keyring>,
    /// Policy's time.
    pub(crate) clock: Clock,
    /// How one of several servers is picked.
    pub(crate) balancer: Balancer,
    /// How often players ask.
    pub(crate) pace: Pace,
    /// Regions by address.
    pub(crate) regions: Regions,
    /// What became of those who asked.
    pub(crate) placements: metrics::Placements,
    /// Where viewers reach the manager: scheme, host and port.
    pub(crate) public_url: Arc<str>,
    /// Where players that steer ask, without a query: what servers are told too.
    pub(crate) steering_url: Arc<str>,
}

/// What a viewer asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    /// A stream's name; may be left out with a session.
    pub(crate) stream: &'a str,
    /// A region's name, if it knows.
    pub(crate) region: Option<&'a str>,
    /// What its player can do.
    pub(crate) class: Class,
    /// An earlier token, to go on with.
    pub(crate) session: Option<&'a str>,
    /// Servers that just failed it.
    pub(crate) avoid: &'a [ServerId],
    /// Its address.
    pub(crate) peer: IpAddr,
}

impl<'a> Wish<'a> {
    /// The region that the viewer named; an empty name is none.
    fn region(&self) -> Option<&'a str> {
        self.region.filter(|name| !name.is_empty())
    }
}

/// A viewer that has a place.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    /// Who it is.
    pub(crate) session: Session,
    /// The same, signed.
    pub(crate) token: String,
    /// Where it plays from, and why.
    pub(crate) placement: Placement,
    /// What it plays.
    pub(crate) template: Arc<Template>,
    /// The renditions of it that this viewer is not told of.
    pub(crate) withheld: Arc<[Rendition]>,
}

/// A stream as newcomers are told of it.
struct Offer {
    template: Arc<Template>,
    withheld: Arc<[Rendition]>,
}

impl Placed {
    /// The session's own multivariant playlist at its server.
    pub(crate) fn playlist_url(&self) -> String {
        let Self { session, token, placement, .. } = self;
        format!("{}/{}/{}?{SESSION}={token}", placement.base_url, session.stream, hls::url::MULTIVARIANT)
    }
}

impl Viewers {
    /// Finds a viewer a place.
    pub(crate) fn locate(&self, wish: &Wish<'_>) -> Result<Placed, Unplaced> {
        let picture = self.gallery.now();
        let placed = self.place(&picture, wish);
        match &placed {
            Ok(placed) => self.placements.placed(placed.placement.reason),
            Err(unplaced) => metrics::unplaced(unplaced.as_str()),
        }
        placed
    }

    /// Whether what a viewer asks for is there. Nobody is placed, so it says nothing of room.
    pub(crate) fn check(&self, wish: &Wish<'_>) -> Result<(), Unplaced> {
        let picture = self.gallery.now();
        self.stream(&picture, wish.stream)?;
        match wish.region() {
            Some(name) => self.region(&picture, name).map(drop),
            None => Ok(()),
        }
    }

    fn place(&self, picture: &Picture, wish: &Wish<'_>) -> Result<Placed, Unplaced> {
        let earlier = wish.session.map(|token| self.session(token)).transpose()?;
        let asked = Some(wish.stream).filter(|name| !name.is_empty());
        let stream = asked.or(earlier.as_ref().map(|session| session.stream.as_str())).unwrap_or_default();
        let (stream, Offer { template, withheld }) = self.stream(picture, stream)?;
        let (region, by) = match (wish.region(), &earlier) {
            (Some(name), _) => (self.region(picture, name)?, By::Parameter),
            (None, Some(session)) => (session.region.clone(), By::Session),
            (None, None) => self.regions.of(wish.peer),
        };
        metrics::region_found(by);
        let id = earlier.map_or_else(|| SessionId::drawn(rand::random()), |session| session.id);
        let request =
            Request { session: &id, stream: &stream, region: &region, class: wish.class, avoid: wish.avoid };
        let placement =
            placement::locate(&picture.routing, &request, &self.balancer, self.clock.now(), rand::random())?;
        let (server, expires_unix) = (placement.server.clone(), self.keyring.expiry());
        let session = Session { id, stream, region, class: wish.class, server, expires_unix };
        let token = self.keyring.now().sign(&session);
        Ok(Placed { session, token, placement, template, withheld })
    }

    /// The session of a token, expired ones too: a player cannot get another URL by itself.
    pub(crate) fn session(&self, token: &str) -> Result<Session, InvalidToken> {
        match self.keyring.now().verify(token, self.keyring.unix_s()) {
            Err(InvalidToken::Expired(session)) => Ok(session),
            verified => verified,
        }
    }

    fn stream(&self, picture: &Picture, name: &str) -> Result<(StreamName, Offer), Unplaced> {
        let retry_after = Duration::from_secs(1);
        if picture.catalogue.is_empty() {
            return Err(Unplaced::NoPrimary { retry_after });
        }
        let Some((name, stream)) = picture.catalogue.get_key_value(name) else {
            let known = picture.catalogue.keys().cloned().collect();
            return Err(Unplaced::UnknownStream {
                name: name.chars().take(policy::name::MAX_NAME_LEN).collect(),
                known,
            });
        };
        match &stream.template {
            Some(template) => {
                let (template, withheld) = (Arc::clone(template), Arc::clone(&stream.withheld));
                Ok((name.clone(), Offer { template, withheld }))
            }
            None => Err(Unplaced::NotReady { stream: name.clone(), retry_after }),
        }
    }

    fn region(&self, picture: &Picture, name: &str) -> Result<Region, Unplaced> {
        let parsed: Result<Region, InvalidName> = name.parse();
        parsed.ok().filter(|region| picture.routing.regions.contains_key(region)).ok_or_else(|| {
            let known = picture.routing.regions.keys().cloned().collect();
            Unplaced::UnknownRegion { name: name.chars().take(policy::name::MAX_NAME_LEN).collect(), known }
        })
    }

    /// The place of a viewer that plays already and asks to be told of moves; none if it cannot stay there.
    pub(crate) fn resume(&self, token: &str, current: &ServerId) -> Option<Placed> {
        let picture = self.gallery.now();
        let session = self.session(token).ok()?;
        let route = picture.routing.server(current).filter(|route| route.keeps())?;
        let stream = picture.catalogue.get(&session.stream)?;
        let (template, withheld) = (stream.template.clone()?, Arc::clone(&stream.withheld));
        let placement = placement_at(route, placement::Reason::Stays);
        Some(Placed { session, token: token.to_owned(), placement, template, withheld })
    }

    /// Where a viewer that is told plays from now on.
    pub(crate) fn step(&self, session: &Session, current: &ServerId) -> Step {
        let picture = self.gallery.now();
        let question = Question { session, current, first: false };
        placement::steer(&picture.routing, &question, &self.balancer, self.clock.now(), rand::random())
    }

    /// Where a player that polls is taken to play from.
    pub(crate) fn course(&self, plays: Option<ServerId>, told: Option<Course>) -> Option<Course> {
        Course::followed(plays, told, &self.gallery.now().routing, self.keyring.unix_s())
    }

    /// The answer to a player that polls.
    pub(crate) fn steer(&self, session: &Session, current: &ServerId, first: bool) -> Answer {
        let picture = self.gallery.now();
        let question = Question { session, current, first };
        let (now, dice) = (self.clock.now(), rand::random());
        let answer = steering::answer(&picture.routing, &question, &self.balancer, &self.pace, now, dice);
        self.placements.placed(answer.reason);
        answer
    }

    /// The answer to a player whose token is not ours: it goes on as it is, and counts for nothing.
    pub(crate) fn steer_stranger(&self, current: Option<ServerId>) -> Answer {
        let picture = self.gallery.now();
        let serves = |id: &ServerId| picture.routing.server(id).is_some_and(Route::accepts);
        let mut priority: Vec<ServerId> = current.into_iter().filter(serves).collect();
        if !priority.contains(&ServerId::primary()) {
            priority.push(ServerId::primary());
        }
        Answer {
            current: priority[0].clone(),
            priority,
            clones: Vec::new(),
            ttl: self.pace.ttl_for(picture.routing.viewers(), rand::random()),
            moved: false,
            reason: placement::Reason::Stays,
        }
    }

    /// The placement of a viewer that was told to go to `step.server`; none if that has just gone. Its token stays: the
    /// server that it names is how the new one knows that the session came from elsewhere.
    pub(crate) fn follow(&self, placed: &Placed, step: &Step) -> Option<Placed> {
        let picture = self.gallery.now();
        let route = picture.routing.server(&step.server)?;
        let placement = placement_at(route, step.reason);
        self.placements.placed(step.reason);
        Some(Placed { placement, ..placed.clone() })
    }

    /// Where a player asks again: absolute, with the session, and with what it was told from the second time on.
    pub(crate) fn reload_uri(&self, token: &str, told: Option<&Course>) -> String {
        let mut url = hls::steering::request_uri(&self.steering_url, token);
        if let Some(Course { server, since_unix_s }) = told {
            url.extend(["&", CURRENT, "=", server.as_str()]);
            if let Some(since) = since_unix_s {
                url.extend(["&", MOVED, "=", &since.to_string()]);
            }
        }
        url
    }

    /// The URL of a stream to hand to others.
    pub(crate) fn watch_url(&self, stream: &StreamName) -> String {
        format!("{}/watch/{stream}.m3u8", self.public_url)
    }
}

fn placement_at(route: &Route, reason: placement::Reason) -> Placement {
    let (server, base_url) = (route.id.clone(), Arc::clone(&route.base_url));
    Placement { server, kind: route.kind, base_url, reason }
}
