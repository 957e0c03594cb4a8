//! `GET /watch/{stream}.m3u8?region=&player=`: a new session's multivariant playlist. The one URL that viewers are given.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, Path, RawQuery, State},
    response::Response,
};
use hls::url::parameter;
use http::{HeaderMap, HeaderName, header};
use policy::{
    class::{Hints, classify},
    pathways::Needs,
};

use super::{Desk, document, text_of};
use crate::viewers::{Unplaced, Wish};

const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

pub(super) async fn watch(
    State(desk): State<Desk>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(file): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Unplaced> {
    let query = query.unwrap_or_default();
    let (player, region) = (parameter(&query, "player"), parameter(&query, "region"));
    let class = classify(&Hints {
        player: player.as_deref(),
        user_agent: text_of(&headers, header::USER_AGENT),
        sec_fetch_dest: text_of(&headers, SEC_FETCH_DEST),
        grpc: false,
    });
    let placed = desk.viewers.locate(&Wish {
        stream: file.strip_suffix(".m3u8").unwrap_or(&file),
        region: region.as_deref(),
        class,
        session: None,
        avoid: &[],
        peer: peer.ip(),
    })?;
    let playlist = desk.viewers.playlist(&placed, Needs::of(player.as_deref()));
    Ok(document("application/vnd.apple.mpegurl", playlist))
}
