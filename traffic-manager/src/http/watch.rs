//! `GET /watch/{stream}.m3u8?region=&player=`: a new session's multivariant playlist. The one URL that viewers are given.
//!
//! `GET /play/{stream}` is the same for players that only ever take a URL: a 307 to the session's own playlist at its server.
//! Without `.m3u8`, `/watch/{stream}` is the [page](super::page) for people.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Path, State},
    response::{IntoResponse as _, Response},
};
use hls::url::parameter;
use http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use policy::{
    Class,
    class::{Hints, classify},
    pathways::Needs,
};

use super::{Desk, document, page, text_of};
use crate::viewers::{Unplaced, Wish};

const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// By which headers a player's class is told, and so what it is answered.
const VARIES: (HeaderName, HeaderValue) =
    (header::VARY, HeaderValue::from_static("user-agent, sec-fetch-dest"));

/// What players end the name of a playlist with.
const PLAYLIST: &str = ".m3u8";

pub(super) async fn watch(
    State(desk): State<Arc<Desk>>,
    Path(file): Path<String>,
    asker: Asker,
) -> Result<Response, Unplaced> {
    let Some(stream) = file.strip_suffix(PLAYLIST) else {
        return Ok(page::page(desk.viewers.check(&asker.wish(&file))));
    };
    let content_type = "application/vnd.apple.mpegurl";
    let wish = asker.wish(stream);
    let playlist = if asker.only_looks {
        desk.viewers.check(&wish).map(|()| String::new())?
    } else {
        desk.viewers.playlist(&desk.viewers.locate(&wish)?, asker.needs())
    };
    Ok(([VARIES], document(content_type, playlist)).into_response())
}

pub(super) async fn play(
    State(desk): State<Arc<Desk>>,
    Path(stream): Path<String>,
    asker: Asker,
) -> Result<Response, Unplaced> {
    let wish = asker.wish(stream.strip_suffix(PLAYLIST).unwrap_or(&stream));
    if asker.only_looks {
        return desk.viewers.check(&wish).map(|()| [VARIES].into_response());
    }
    let mut url = desk.viewers.locate(&wish)?.playlist_url();
    // The server writes the playlist, so it has to know what the player needs.
    if let Some(player) = asker.needs().player() {
        url.push_str(&format!("&player={player}"));
    }
    Ok((StatusCode::TEMPORARY_REDIRECT, [VARIES], [(header::LOCATION, url)]).into_response())
}

/// What a request says of who sent it.
#[derive(Debug)]
pub(super) struct Asker {
    peer: IpAddr,
    region: Option<String>,
    player: Option<String>,
    class: Class,
    /// It is a HEAD: nobody watches yet who only asks whether he could.
    only_looks: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = <ConnectInfo<SocketAddr> as FromRequestParts<S>>::Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let ConnectInfo(peer) = ConnectInfo::<SocketAddr>::from_request_parts(parts, state).await?;
        let said = |name| parts.uri.query().and_then(|query| parameter(query, name)).map(Cow::into_owned);
        let player = said("player");
        let class = classify(&Hints {
            player: player.as_deref(),
            user_agent: text_of(&parts.headers, header::USER_AGENT),
            sec_fetch_dest: text_of(&parts.headers, SEC_FETCH_DEST),
            grpc: false,
        });
        let only_looks = parts.method == Method::HEAD;
        Ok(Self { peer: peer.ip(), region: said("region"), player, class, only_looks })
    }
}

impl Asker {
    fn wish<'a>(&'a self, stream: &'a str) -> Wish<'a> {
        let Self { peer, region, class, .. } = self;
        let region = region.as_deref();
        Wish { stream, region, class: *class, session: None, avoid: &[], peer: *peer }
    }

    fn needs(&self) -> Needs {
        Needs::of(self.player.as_deref())
    }
}
