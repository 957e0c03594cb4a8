//! `/api/v1/…`: what the Operator service says, as JSON, and Prometheus' HTTP service discovery.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use proto::v1::{self, RegionsResponse, ServerKind, ServersResponse, StatusResponse};
use serde::{Deserialize, Serialize};

use super::Desk;
use crate::controller::Stopped;

impl IntoResponse for Stopped {
    fn into_response(self) -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, format!("{self}\n")).into_response()
    }
}

pub(super) async fn status(State(desk): State<Arc<Desk>>) -> Result<Json<StatusResponse>, Stopped> {
    desk.operator.status().await.map(Json)
}

pub(super) async fn servers(State(desk): State<Arc<Desk>>) -> Result<Json<ServersResponse>, Stopped> {
    desk.operator.servers().await.map(Json)
}

pub(super) async fn regions(State(desk): State<Arc<Desk>>) -> Result<Json<RegionsResponse>, Stopped> {
    desk.operator.regions().await.map(Json)
}

/// Which decisions to list.
#[derive(Debug, Deserialize)]
pub(super) struct Newest {
    /// Absent or 0: all that are kept.
    #[serde(default)]
    newest: usize,
}

/// A list of decisions, the oldest first.
#[derive(Debug, Serialize)]
pub(super) struct Decisions {
    decisions: Vec<v1::Decision>,
}

pub(super) async fn decisions(
    State(desk): State<Arc<Desk>>,
    Query(Newest { newest }): Query<Newest>,
) -> Result<Json<Decisions>, Stopped> {
    desk.operator.kept_decisions(newest).await.map(|decisions| Json(Decisions { decisions }))
}

/// Targets of one server, as Prometheus' `http_sd_config` wants them.
#[derive(Debug, Serialize)]
pub(super) struct Target {
    targets: [String; 1],
    labels: Labels,
}

#[derive(Debug, Serialize)]
struct Labels {
    kind: &'static str,
    region: String,
    id: String,
}

/// Every attached server.
pub(super) async fn targets(State(desk): State<Arc<Desk>>) -> Result<Json<Vec<Target>>, Stopped> {
    let servers = desk.operator.servers().await?.servers;
    Ok(Json(servers.into_iter().filter(is_scraped).map(target).collect()))
}

fn is_scraped(server: &v1::ServerStatus) -> bool {
    let attached = policy::Phase::try_from(server.phase()).is_ok_and(policy::Phase::is_attached);
    attached && !server.metrics_address.is_empty()
}

fn target(server: v1::ServerStatus) -> Target {
    let kind = if server.kind() == ServerKind::Primary { "primary" } else { "relay" };
    Target {
        targets: [server.metrics_address],
        labels: Labels { kind, region: server.region, id: server.id },
    }
}
