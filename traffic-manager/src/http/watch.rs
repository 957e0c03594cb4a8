//! `GET /watch/{stream}.m3u8?region=&player=`: a new session's multivariant playlist. The one URL that viewers are given.
//!
//! `GET /play/{stream}` is the same for players that only ever take a URL: a 307 to the session's own playlist at its server.
//! Without `.m3u8`, `/watch/{stream}` is the [page](super::page) for people.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, Path, RawQuery, State},
    response::{IntoResponse as _, Response},
};
use hls::url::parameter;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use policy::{
    class::{Hints, classify},
    pathways::Needs,
};

use super::{Desk, document, page, text_of};
use crate::viewers::{Unplaced, Wish};

const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// What players end the name of a playlist with.
const PLAYLIST: &str = ".m3u8";

pub(super) async fn watch(
    State(desk): State<Desk>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(file): Path<String>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Unplaced> {
    let playlist = file.strip_suffix(PLAYLIST);
    let asked = Asked::of(playlist.unwrap_or(&file), query.as_deref());
    let wish = asked.wish(peer.ip(), &headers);
    if playlist.is_none() {
        return Ok(page::page(desk.viewers.check(&wish)));
    }
    let content_type = "application/vnd.apple.mpegurl";
    if method == Method::HEAD {
        // Nobody watches yet who only asks whether he could.
        return desk.viewers.check(&wish).map(|()| document(content_type, String::new()));
    }
    let placed = desk.viewers.locate(&wish)?;
    let playlist = desk.viewers.playlist(&placed, Needs::of(asked.player.as_deref()));
    Ok(document(content_type, playlist))
}

pub(super) async fn play(
    State(desk): State<Desk>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(stream): Path<String>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Unplaced> {
    let stream = stream.strip_suffix(PLAYLIST).unwrap_or(&stream);
    let asked = Asked::of(stream, query.as_deref());
    let wish = asked.wish(peer.ip(), &headers);
    if method == Method::HEAD {
        return desk.viewers.check(&wish).map(|()| StatusCode::OK.into_response());
    }
    let mut url = desk.viewers.locate(&wish)?.playlist_url();
    // The server writes the playlist, so it has to know what the player needs.
    if let Some(player) = Needs::of(asked.player.as_deref()).player() {
        url.push_str(&format!("&player={player}"));
    }
    Ok((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, url)]).into_response())
}

/// What a viewer says of itself in a query.
struct Asked<'a> {
    stream: &'a str,
    region: Option<String>,
    player: Option<String>,
}

impl<'a> Asked<'a> {
    fn of(stream: &'a str, query: Option<&str>) -> Self {
        let parameter = |name| query.and_then(|query| parameter(query, name));
        Self { stream, region: parameter("region"), player: parameter("player") }
    }

    fn wish(&self, peer: IpAddr, headers: &HeaderMap) -> Wish<'_> {
        let class = classify(&Hints {
            player: self.player.as_deref(),
            user_agent: text_of(headers, header::USER_AGENT),
            sec_fetch_dest: text_of(headers, SEC_FETCH_DEST),
            grpc: false,
        });
        Wish { stream: self.stream, region: self.region.as_deref(), class, session: None, avoid: &[], peer }
    }
}
