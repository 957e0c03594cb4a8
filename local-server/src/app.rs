//! Every start-up step of a relay, in order: read the config, bind, build, run.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use delivery::{
    census::Place,
    http::{Routes, Setup, Site},
    membership::{Identity, Membership},
    situation::{Board, Situation},
    upstream::Upstream,
};
use policy::{Phase, routing::Kind};
use service::{
    Readiness, Shutdown, Tasks,
    admin::{Admin, Orders},
    telemetry,
};
use tokio_util::sync::CancellationToken;

use crate::{
    belonging::Belonging,
    config::{Config, Flags, Settings},
    linger::linger,
    metrics,
};

/// Runs a relay until it is told to stop, or is retired.
///
/// # Errors
/// When the configuration makes no sense, a port cannot be had, the manager refuses this relay for good, or a task dies.
pub async fn run(flags: Flags) -> anyhow::Result<()> {
    let config: Config = service::load(flags.common.config.as_deref(), &flags.settings)?;
    if flags.common.print_config {
        return print(&config);
    }
    let settings = Settings::check(config)?;

    let viewers = service::bind(settings.reach.address, "viewers", "the ADDRESS argument").await?;
    let admin = service::bind(settings.reach.admin, "the admin port", "--admin").await?;

    let shutdown = Shutdown::default();
    shutdown.on_signals(settings.config.stop_deadline)?;
    let recorder = telemetry::metrics()?;
    metrics::describe();
    let readiness = Readiness::default();
    let attached = readiness.latch("manager", format!("not attached to {} yet", settings.manager));
    let board = Arc::new(Board::new(Situation::at_start(Phase::Standby)));
    let upstream = Arc::new(upstream(&settings, &board)?);
    let site = Arc::new(Site::new(Arc::clone(&upstream), Arc::clone(&board), setup(&settings)));
    let belonging = Belonging {
        membership: Membership::new(
            &settings.manager,
            identity(&settings),
            Arc::clone(&board),
            Arc::clone(&site),
            settings.config.membership.clone(),
        )?,
        upstream,
        board: Arc::clone(&board),
        launched: settings.config.launch_id.is_some(),
        retry: settings.config.upstream.retry,
    };

    tracing::info!(id = %settings.id, url = %settings.base_url, manager = %settings.manager, "standing by");
    let adaptation = Arc::clone(site.adaptation());
    let orders = Orders::default().with("/adaptation/cap", move |query| adaptation.order(query));
    let mut tasks = Tasks::new(shutdown.clone());
    tasks.spawn("admin", Admin { metrics: recorder, readiness, orders }.serve(admin, shutdown.clone()));
    tasks.spawn("metrics", metrics::follow(board, attached, shutdown.soft.clone()));
    tasks.spawn("census", keep(Arc::clone(&site), shutdown.clone()));
    tasks.spawn("viewers", serve(site, viewers, shutdown.clone(), settings.config.linger));
    tasks.spawn("membership", async move { Ok(belonging.run(shutdown).await?) });
    Ok(tasks.run().await?)
}

fn upstream(settings: &Settings, board: &Arc<Board>) -> anyhow::Result<Upstream> {
    let Config { upstream, cache, .. } = settings.config.clone();
    Upstream::new(settings.id.clone(), Arc::clone(board), upstream, cache)
        .context("cannot make HTTP requests: install the system's CA certificates")
}

fn setup(settings: &Settings) -> Setup {
    let Config { region, capacity, uplink, http, census, .. } = settings.config.clone();
    Setup {
        place: Place { server: settings.id.clone(), kind: Kind::Relay, region, capacity },
        http,
        census,
        rung_cap: settings.rung_cap.clone(),
        uplink: uplink.map(service::BitRate::bits_per_second),
        mode: None,
        routes: Routes::default(),
    }
}

fn identity(settings: &Settings) -> Identity {
    let config = settings.config.clone();
    Identity {
        id: settings.id.clone(),
        kind: Kind::Relay,
        region: config.region,
        base_url: settings.base_url.as_str().into(),
        capacity: config.capacity,
        uplink_bits_per_second: config.uplink.unwrap_or_default().bits_per_second(),
        join_secret: config.join_secret.unwrap_or_default(),
        launch_id: config.launch_id.unwrap_or_default(),
        metrics_address: settings.reach.metrics_address(settings.reach.admin),
    }
}

async fn keep(site: Arc<Site<Upstream>>, shutdown: Shutdown) -> anyhow::Result<()> {
    site.keep(shutdown.soft).await;
    Ok(())
}

async fn serve(
    site: Arc<Site<Upstream>>,
    listener: tokio::net::TcpListener,
    shutdown: Shutdown,
    longest: Duration,
) -> anyhow::Result<()> {
    let last = Shutdown { soft: CancellationToken::new(), hard: shutdown.hard.clone() };
    let over = async {
        linger(&shutdown, longest, || site.is_quiet()).await;
        last.stop();
    };
    let (served, ()) = tokio::join!(Arc::clone(&site).serve(listener, last.clone()), over);
    Ok(served?)
}

#[expect(clippy::print_stdout, reason = "--print-config is asked for on standard output")]
fn print(config: &Config) -> anyhow::Result<()> {
    print!("{}", service::config::print(config)?);
    Ok(())
}
