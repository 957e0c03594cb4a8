//! Every step of the primary's start, in order: read the configuration, bind the sockets, build, run.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use delivery::{
    census::Place,
    http::{Routes, Setup, Site},
    membership::Identity,
    object::Store,
    situation::{Board, Situation},
};
use http::Method;
use policy::{Phase, ServerId, routing::Kind};
use service::{
    BitRate, Latch, Readiness, Shutdown, Tasks,
    admin::{Admin, Orders},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, Flags, Settings},
    feed::SourceFeed,
    fleet,
    invite::Invitations,
    metrics,
    publication::Publication,
    source::{Catalogue, Origin, Pull, Source, TestCard, Upstream},
};

/// Bytes that the object store needs for the test card: a window of its ladder. What it lets go of is made again.
const TEST_CARD_CACHE_BYTES: u64 = 8 << 20;

/// The site of a primary.
type PrimarySite = Site<SourceFeed>;

/// Runs the primary until it is told to stop.
///
/// # Errors
/// When the configuration makes no sense, a socket cannot be had, the manager that the config names refuses this server, or
/// a part of the program dies.
pub async fn run(flags: Flags) -> anyhow::Result<()> {
    let config: Config = service::load(flags.common.config.as_deref(), &flags.settings)?;
    if flags.common.print_config {
        return print(&config);
    }
    let settings = Settings::check(config)?;

    let viewers = service::bind(settings.reach.address, "viewers", "the ADDRESS argument").await?;
    let admin = service::bind(settings.reach.admin, "metrics and health", "--admin").await?;

    let shutdown = Shutdown::default();
    shutdown.on_signals(settings.config.drain_timeout)?;
    let readiness = Readiness::default();
    let handle = service::telemetry::metrics()?;
    delivery::metrics::describe();
    metrics::describe();
    let base_url = settings.reach.base(viewers.local_addr()?).origin().ascii_serialization();
    let identity = identity(&settings, &base_url, admin.local_addr()?);
    let primary = Primary::build(&settings, identity)?;

    let mut tasks = Tasks::new(shutdown.clone());
    let latch = readiness.latch("source", "no window yet");
    tasks.spawn(
        "admin port",
        Admin { metrics: handle, readiness, orders: orders(&primary.site) }.serve(admin, shutdown.clone()),
    );
    primary.start(&mut tasks, viewers, latch, &shutdown);
    tracing::info!(url = %base_url, stream = %settings.config.stream, "serving");
    Ok(tasks.run().await?)
}

#[expect(clippy::print_stdout, reason = "--print-config is output")]
fn print(config: &Config) -> anyhow::Result<()> {
    print!("{}", service::config::print(config)?);
    Ok(())
}

/// The parts of a running primary.
struct Primary {
    source: Running,
    publication: Arc<Publication>,
    store: Store<Origin>,
    site: Arc<PrimarySite>,
    place: fleet::Place<PrimarySite>,
    invitations: Arc<Invitations>,
}

/// A source as it will run.
enum Running {
    TestCard(TestCard),
    Pull(url::Url, Arc<Catalogue>),
}

impl Primary {
    fn build(settings: &Settings, identity: Identity) -> anyhow::Result<Self> {
        let config = &settings.config;
        let (source, origin) = source(settings)?;
        let mut cache = config.cache.clone();
        if matches!(source, Running::TestCard(_)) {
            cache.max_bytes = cache.max_bytes.min(TEST_CARD_CACHE_BYTES);
        }
        let store = Store::new(origin, cache);
        let publication = Arc::new(Publication::new(config.stream.clone()));
        let feed = Arc::new(SourceFeed::new(Arc::clone(&publication), store.clone()));
        let board = Arc::new(Board::new(Situation::at_start(Phase::Serving)));
        let invitations = Invitations::new(
            config.stream.clone(),
            config.join_secret.clone(),
            settings.reach.address.ip().is_loopback(),
            config.manager.clone(),
        );
        let setup = Setup {
            place: Place {
                server: identity.id.clone(),
                kind: identity.kind,
                region: identity.region.clone(),
                capacity: identity.capacity,
            },
            http: config.http.clone(),
            census: config.census.clone(),
            rung_cap: settings.rung_cap.clone(),
            uplink: config.uplink.map(BitRate::bits_per_second),
            mode: Some(config.mode()),
            routes: routes(&invitations, &board),
        };
        let site = Arc::new(Site::new(feed, Arc::clone(&board), setup));
        let place = fleet::Place {
            identity,
            board,
            witness: Arc::clone(&site),
            config: config.membership.clone(),
            incarnation: rand::random(),
        };
        Ok(Self { source, publication, store, site, place, invitations })
    }

    fn start(self, tasks: &mut Tasks, viewers: TcpListener, latch: Latch, shutdown: &Shutdown) {
        let Self { source, publication, store, site, place, invitations } = self;
        let stop = shutdown.soft.clone();
        tasks.spawn("source", async move {
            source.run(Arc::clone(&publication), store, latch, stop).await;
            publication.close();
            Ok(())
        });
        let (keeper, stop) = (Arc::clone(&site), shutdown.soft.clone());
        tasks.spawn("census", async move {
            keeper.keep(stop).await;
            Ok(())
        });
        let named = invitations.manager().borrow().is_some();
        tasks.spawn("membership", place.attend(invitations, named, shutdown.soft.clone()));
        let shutdown = shutdown.clone();
        tasks.spawn("viewers' port", async move { Ok(site.serve(viewers, shutdown).await?) });
    }
}

impl Running {
    async fn run(
        self,
        publication: Arc<Publication>,
        store: Store<Origin>,
        latch: Latch,
        stop: CancellationToken,
    ) {
        match self {
            Self::TestCard(card) => card.run(&publication, &latch, &stop).await,
            Self::Pull(url, catalogue) => {
                Pull::new(url, catalogue, store, publication, latch).run(&stop).await;
            }
        }
    }
}

fn source(settings: &Settings) -> anyhow::Result<(Running, Origin)> {
    Ok(match &settings.source {
        Source::TestCard => {
            let card = TestCard::start();
            (Running::TestCard(card), Origin::TestCard(card))
        }
        Source::Pull(url) => {
            let upstream = Upstream::new(settings.config.pull.clone()).context("set up the HTTP client")?;
            let catalogue = Arc::new(Catalogue::new(upstream, settings.config.cache.max_object_bytes));
            (Running::Pull(url.clone(), Arc::clone(&catalogue)), Origin::Pull(catalogue))
        }
    })
}

fn identity(settings: &Settings, base_url: &str, admin: SocketAddr) -> Identity {
    let config = &settings.config;
    Identity {
        id: ServerId::primary(),
        kind: Kind::Primary,
        region: config.region.clone(),
        base_url: base_url.into(),
        capacity: config.capacity,
        uplink_bits_per_second: config.uplink.unwrap_or_default().bits_per_second(),
        join_secret: config.join_secret.clone().unwrap_or_default(),
        launch_id: String::new(),
        metrics_address: settings.reach.metrics_address(admin),
    }
}

/// What an operator may order on the admin port.
fn orders(site: &Arc<PrimarySite>) -> Orders {
    let adaptation = Arc::clone(site.adaptation());
    Orders::default().with("/adaptation/cap", move |query| adaptation.order(query))
}

fn routes(invitations: &Arc<Invitations>, board: &Arc<Board>) -> Routes {
    let (invitations, board) = (Arc::clone(invitations), Arc::clone(board));
    Routes::default().with(Method::POST, "/.fleet/invite", move |request| {
        let answer = invitations.answer(&request, board.now().attached);
        std::future::ready(answer)
    })
}
