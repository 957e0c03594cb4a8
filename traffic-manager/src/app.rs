//! Every step of the traffic manager's start, in order: read, bind, build, run.

use std::{net::SocketAddr, path::Path, sync::Arc};

use policy::{Fleet, balancing::Balancer, proxies::Proxies};
use service::{
    Latch, Readiness, Shutdown, Tasks,
    admin::{Admin, Orders},
    telemetry,
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    config::{Config, Flags},
    controller::{Controller, Handle, Queues},
    grpc::{self, Limits, Services, operator::OperatorService},
    http::{self, Desk, Front, Listener, ListenerLimits},
    invite::Inviter,
    keyring::Keyring,
    metrics,
    picture::Gallery,
    provisioner::{self, Order, Process, Standby},
    regions::Regions,
    secret, setup,
    viewers::Viewers,
};

/// Runs until it is told to stop.
///
/// # Errors
/// When the configuration makes no sense, a port is taken, or a part of the program dies.
pub async fn run(flags: Flags) -> anyhow::Result<()> {
    let config: Config = service::load(flags.common.config.as_deref(), &flags.settings)?;
    if flags.common.print_config {
        return print(&config);
    }
    setup::check_primary(&config)?;
    let (listen, admin) = setup::addresses(&config)?;
    let socket = service::bind(listen, "viewers and servers", "--listen").await?;
    let admin = service::bind(admin, "metrics and health", "--admin").await?;
    let state = setup::state_folder(&config)?;

    let shutdown = Shutdown::default();
    shutdown.on_signals(config.http.shutdown_timeout)?;
    let readiness = Readiness::default();
    let handle = telemetry::metrics()?;
    metrics::describe();
    let manager = Manager::build(&config, &socket, &state, shutdown.soft.clone())?;

    let mut tasks = Tasks::new(shutdown.clone());
    let latch = readiness.latch("primary", "no primary has attached, or its counts are not known yet");
    tasks.spawn(
        "admin port",
        Admin { metrics: handle, readiness, orders: Orders::default() }.serve(admin, shutdown.clone()),
    );
    manager.start(&config, &mut tasks, socket, latch, shutdown).await?;
    Ok(tasks.run().await?)
}

#[expect(clippy::print_stdout, reason = "--print-config is output")]
fn print(config: &Config) -> anyhow::Result<()> {
    print!("{}", service::config::print(config)?);
    Ok(())
}

/// The parts of a running traffic manager.
pub(crate) struct Manager {
    bound: SocketAddr,
    clock: Clock,
    gallery: Arc<Gallery>,
    keyring: Arc<Keyring>,
    viewers: Arc<Viewers>,
    controller: Controller,
    handle: Handle,
    orders: mpsc::Receiver<Order>,
    relays: Option<provisioner::ProcessSettings>,
    stop: CancellationToken,
}

impl Manager {
    pub(crate) fn build(
        config: &Config,
        socket: &TcpListener,
        state: &Path,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let bound = socket.local_addr()?;
        let public_url = setup::public_url(config, bound)?;
        let clock = Clock::start();
        let secret = match &config.secret {
            Some(secret) => secret.reveal().as_bytes().to_vec(),
            None => secret::kept_in(state)?,
        };
        let keyring = Arc::new(Keyring::new(secret, config.session.life, clock));
        let gallery = Arc::new(Gallery::default());
        let settings = setup::settings(config, &public_url, clock.unix_ms_of(clock.now()))?;
        let queues =
            Queues { messages: config.http.max_waiting_messages, decisions: settings.decisions_kept };
        let (ordering, orders) = mpsc::channel(config.launching.max_orders.max(1));
        let steering_url = settings.steering_url.as_str().into();
        let fleet = Fleet::new(settings, clock.now());
        let (controller, handle) = Controller::new(fleet, clock, Arc::clone(&gallery), ordering, queues);
        let viewers = Arc::new(Viewers {
            placements: metrics::Placements::new(),
            gallery: Arc::clone(&gallery),
            keyring: Arc::clone(&keyring),
            clock,
            balancer: Balancer::new(config.balancing),
            pace: setup::pace(config),
            regions: Regions::load(config)?,
            public_url: public_url.into(),
            steering_url,
        });
        let relays = setup::process(config, bound, state)?;
        Ok(Self { bound, clock, gallery, keyring, viewers, controller, handle, orders, relays, stop })
    }

    /// Starts every task.
    pub(crate) async fn start(
        self,
        config: &Config,
        tasks: &mut Tasks,
        socket: TcpListener,
        latch: Latch,
        shutdown: Shutdown,
    ) -> anyhow::Result<()> {
        let front = Arc::new(Front {
            viewers: Arc::clone(&self.viewers),
            router: self.router(config).await?,
            proxies: Proxies::trusted(config.http.trusted_proxies.clone()),
        });
        let limits = ListenerLimits {
            connections: config.http.max_connections,
            header_timeout: config.http.header_timeout,
            keep_alive: config.http.keep_alive,
        };
        tracing::info!(url = %self.viewers.public_url, threshold = config.threshold, "listening");
        if !self.bound.ip().is_loopback() {
            tracing::warn!(address = %self.bound, "viewers and servers use plain HTTP off loopback");
        }
        if let Some(inviter) = self.inviter(config) {
            tasks.spawn("invitation", inviter.run(self.stop.clone()));
        }
        let opening = Arc::new(setup::opening(&config.http)?);
        tasks.spawn("port", Listener { socket, front, limits, opening }.serve(shutdown));
        tasks.spawn("readiness", follow_readiness(Arc::clone(&self.gallery), latch, self.stop.clone()));
        tasks.spawn("regions", follow_regions(Arc::clone(&self.viewers), self.stop.clone()));
        tasks.spawn("session keys", turn_keys(self.keyring, self.stop.clone()));
        tasks.spawn("controller", self.controller.run(self.stop.clone()));
        let (exited, exits) = provisioner::exits();
        match self.relays {
            Some(settings) => {
                let process = Arc::new(Process::new(settings, exited)?);
                tasks.spawn(
                    "provisioner",
                    provisioner::run(process, self.orders, exits, self.handle, self.stop),
                );
            }
            None => {
                let standby = Arc::new(Standby);
                tasks.spawn(
                    "provisioner",
                    provisioner::run(standby, self.orders, exits, self.handle, self.stop),
                );
            }
        }
        Ok(())
    }

    async fn router(&self, config: &Config) -> anyhow::Result<axum::Router> {
        let primary = config.primary.as_ref().map(ToString::to_string).unwrap_or_default();
        let operator = OperatorService::new(
            self.handle.clone(),
            self.clock,
            primary.into(),
            config.limits.max_followers,
            self.stop.clone(),
        );
        let services = Services {
            controller: self.handle.clone(),
            viewers: Arc::clone(&self.viewers),
            keyring: Arc::clone(&self.keyring),
            operator: operator.clone(),
            join_secret: config.join_secret.clone().filter(|secret| !secret.is_empty()),
            limits: Limits {
                watchers: config.session.max_watchers,
                message_bytes: config.http.max_message_bytes,
                patience: config.http.server_patience,
            },
            stop: self.stop.clone(),
        };
        let desk = Desk { viewers: Arc::clone(&self.viewers), operator, hls_js: setup::hls_js(config)? };
        Ok(grpc::routes(services).await?.merge(http::routes(desk)).fallback(http::unknown))
    }

    fn inviter(&self, config: &Config) -> Option<Inviter> {
        Some(Inviter {
            primary: config.primary.clone()?,
            manager_url: self.viewers.public_url.to_string(),
            join_secret: config.join_secret.clone().unwrap_or_default(),
            backoff: config.invite.backoff,
            patience: config.invite.patience,
            max_answer_bytes: config.invite.max_answer_bytes,
            gallery: Arc::clone(&self.gallery),
        })
    }
}

async fn follow_regions(viewers: Arc<Viewers>, stop: CancellationToken) -> anyhow::Result<()> {
    viewers.regions.follow(stop).await;
    Ok(())
}

async fn turn_keys(keyring: Arc<Keyring>, stop: CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        () = stop.cancelled() => {}
        () = keyring.turn() => {}
    }
    Ok(())
}

/// Ready once viewers can be placed: a primary is attached, and the first-start window has passed.
async fn follow_readiness(
    gallery: Arc<Gallery>,
    latch: Latch,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut beats = gallery.beats();
    loop {
        if gallery.now().routing.settled {
            latch.release();
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changed = beats.changed() => changed?,
        }
    }
}
