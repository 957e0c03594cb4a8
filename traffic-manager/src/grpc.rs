//! The gRPC services, with standard health and reflection, as routes of the one port. The generated types stay in here.

mod fleet;
pub(crate) mod operator;
mod viewers;
mod words;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::extract::ConnectInfo;
use proto::v1::{
    FILE_DESCRIPTOR_SET, fleet_server::FleetServer, operator_server::OperatorServer,
    viewers_server::ViewersServer,
};
use service::Secret;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Extensions, Status, metadata::MetadataValue, service::Routes};

use self::{fleet::FleetService, operator::OperatorService, viewers::ViewersService};
use crate::{
    controller::{Handle, Stopped},
    keyring::Keyring,
    viewers::{Unplaced, Viewers},
};

/// What the services need.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    /// The way to the fleet's owner.
    pub(crate) controller: Handle,
    /// Where viewers ask.
    pub(crate) viewers: Arc<Viewers>,
    /// What servers are told to sign with.
    pub(crate) keyring: Arc<Keyring>,
    /// What an operator may ask.
    pub(crate) operator: OperatorService,
    /// What servers must show to attach.
    pub(crate) join_secret: Option<Secret>,
    /// Limits of the services.
    pub(crate) limits: Limits,
    /// Ends every stream.
    pub(crate) stop: CancellationToken,
}

/// Limits of the services.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Open `Viewers.Watch` streams.
    pub(crate) watchers: usize,
    /// Bytes of one message.
    pub(crate) message_bytes: usize,
    /// How long a server may take to say Hello, or to read what it is told.
    pub(crate) patience: Duration,
}

/// All services as routes.
///
/// # Errors
/// When the descriptors of the protos cannot be read, which is a defect of the build.
pub(crate) async fn routes(services: Services) -> anyhow::Result<axum::Router> {
    let bytes = services.limits.message_bytes;
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<FleetServer<FleetService>>().await;
    reporter.set_serving::<ViewersServer<ViewersService>>().await;
    reporter.set_serving::<OperatorServer<OperatorService>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let operator = services.operator.clone();
    let viewers = ViewersService::new(&services, Semaphore::new(services.limits.watchers));
    Ok(Routes::new(FleetServer::new(FleetService::new(services)).max_decoding_message_size(bytes))
        .add_service(ViewersServer::new(viewers).max_decoding_message_size(bytes))
        .add_service(OperatorServer::new(operator).max_decoding_message_size(bytes))
        .add_service(health)
        .add_service(reflection)
        .prepare()
        .into_axum_router())
}

/// The one place where a viewer's refusal becomes a gRPC status.
impl From<Unplaced> for Status {
    fn from(unplaced: Unplaced) -> Self {
        let code = match &unplaced {
            Unplaced::UnknownStream { .. } => Code::NotFound,
            Unplaced::UnknownRegion { .. } | Unplaced::Token(_) => Code::InvalidArgument,
            Unplaced::NoPrimary { .. } | Unplaced::NotReady { .. } => Code::Unavailable,
            Unplaced::Refused(refusal) => match refusal {
                policy::placement::Refusal::NoRoom { .. } => Code::ResourceExhausted,
                policy::placement::Refusal::NoServer { .. } => Code::Unavailable,
            },
        };
        let mut status = Self::new(code, unplaced.to_string());
        if let Some(retry_after) = unplaced.retry_after() {
            status
                .metadata_mut()
                .insert("retry-after-ms", MetadataValue::from(crate::clock::millis(retry_after)));
        }
        status
    }
}

impl From<Stopped> for Status {
    fn from(stopped: Stopped) -> Self {
        Self::unavailable(stopped.to_string())
    }
}

/// Who asks.
fn peer(extensions: &Extensions) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}
