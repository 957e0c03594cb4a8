//! Membership against a manager in this process that does what a test tells it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use policy::{Phase, Region, SessionId, routing::Kind};
use proto::v1::{self, attach_request, attach_response, fleet_server};
use service::BackoffConfig;
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::timeout,
};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::*;
use crate::situation::Situation;

const PATIENCE: Duration = Duration::from_secs(10);

type Answers = mpsc::Sender<Result<v1::AttachResponse, Status>>;

/// One attach as the manager sees it.
struct Visit {
    from: Streaming<v1::AttachRequest>,
    to: Answers,
}

impl Visit {
    async fn hears(&mut self) -> attach_request::Message {
        let message = timeout(PATIENCE, self.from.message()).await.expect("the server says something");
        message.unwrap().expect("the server has not hung up").message.unwrap()
    }

    async fn hears_hello(&mut self) -> v1::Hello {
        match self.hears().await {
            attach_request::Message::Hello(hello) => hello,
            other => panic!("Hello comes first, not {other:?}"),
        }
    }

    async fn hears_report(&mut self, wanted: impl Fn(&v1::Report) -> bool) -> v1::Report {
        loop {
            match self.hears().await {
                attach_request::Message::Report(report) if wanted(&report) => return report,
                attach_request::Message::Report(_) => {}
                other => panic!("a report was due, not {other:?}"),
            }
        }
    }

    async fn says(&self, message: attach_response::Message) {
        self.to.send(Ok(v1::AttachResponse { message: Some(message) })).await.unwrap();
    }

    async fn directs(&self, generation: u64, phase: v1::Phase) {
        self.says(attach_response::Message::Directive(v1::Directive {
            generation,
            phase: phase.into(),
            upstream: "http://127.0.0.1:8080".into(),
            primary_id: "primary".into(),
            primary_base_url: "http://127.0.0.1:8080".into(),
            report_interval_ms: 50,
            ..Default::default()
        }))
        .await;
    }
}

/// Hands each attach to the test, or refuses it.
struct Door {
    visits: mpsc::Sender<Visit>,
    refusal: Arc<Mutex<Option<Status>>>,
}

#[tonic::async_trait]
impl fleet_server::Fleet for Door {
    type AttachStream = ReceiverStream<Result<v1::AttachResponse, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<v1::AttachRequest>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        if let Some(status) = self.refusal.lock().unwrap().clone() {
            return Err(status);
        }
        let (to, answers) = mpsc::channel(8);
        let _test_over = self.visits.send(Visit { from: request.into_inner(), to }).await;
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

struct TestManager {
    visits: mpsc::Receiver<Visit>,
    refusal: Arc<Mutex<Option<Status>>>,
}

impl TestManager {
    fn on(listener: TcpListener) -> Self {
        let (to_test, visits) = mpsc::channel(8);
        let refusal = Arc::new(Mutex::new(None));
        let door = Door { visits: to_test, refusal: Arc::clone(&refusal) };
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(fleet_server::FleetServer::new(door))
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        Self { visits, refusal }
    }

    async fn visit(&mut self) -> Visit {
        timeout(PATIENCE, self.visits.recv()).await.expect("a server attaches").unwrap()
    }
}

#[derive(Default)]
struct Quiet {
    moved: Mutex<Vec<SessionId>>,
    moves: Notify,
}

impl Witness for Quiet {
    fn account(&self) -> Account {
        Account { opened_total: 7, quiet: true, ..Account::default() }
    }

    fn streams(&self) -> Vec<StreamState> {
        Vec::new()
    }

    async fn moves(&self) {
        self.moves.notified().await;
    }

    fn moved(&self, sessions: &[SessionId]) {
        self.moved.lock().unwrap().extend_from_slice(sessions);
    }
}

/// A server under test.
struct Server {
    board: Arc<Board>,
    witness: Arc<Quiet>,
    leave: CancellationToken,
    running: JoinHandle<Result<(), Refused>>,
}

impl Server {
    fn attending(manager: SocketAddr) -> Self {
        let board = Arc::new(Board::new(Situation::at_start(Phase::Standby)));
        let (witness, leave) = (Arc::new(Quiet::default()), CancellationToken::new());
        let identity = Identity {
            id: "relay-127-0-0-2".parse().unwrap(),
            kind: Kind::Relay,
            region: Region::fallback(),
            base_url: "http://127.0.0.2:8080".into(),
            capacity: 500,
            uplink_bits_per_second: 0,
            join_secret: "open sesame".into(),
            launch_id: String::new(),
            metrics_address: "127.0.0.2:9102".into(),
        };
        let config = Config {
            retry: BackoffConfig { first: Duration::from_millis(5), longest: Duration::from_millis(20) },
            id_taken_patience: Duration::from_millis(60),
            ..Config::default()
        };
        let address = format!("http://{manager}");
        let mut membership =
            Membership::new(&address, identity, Arc::clone(&board), Arc::clone(&witness), config).unwrap();
        let left = leave.clone();
        let running = tokio::spawn(async move { membership.attend(42, &left, "told to stop").await });
        Self { board, witness, leave, running }
    }

    async fn sees(&self, wanted: impl Fn(&Situation) -> bool) {
        let mut changes = self.board.changes();
        timeout(PATIENCE, async {
            while !wanted(&self.board.now()) {
                changes.changed().await.unwrap();
            }
        })
        .await
        .expect("the board shows it");
    }

    async fn ends(self) -> Result<(), Refused> {
        timeout(PATIENCE, self.running).await.expect("it ends").unwrap()
    }
}

async fn both() -> (TestManager, Server) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (TestManager::on(listener), Server::attending(address))
}

#[tokio::test]
async fn a_server_says_who_it_is_then_follows_and_reports() {
    let (mut manager, server) = both().await;
    let mut visit = manager.visit().await;
    let hello = visit.hears_hello().await;
    assert_eq!((hello.id.as_str(), hello.incarnation), ("relay-127-0-0-2", 42));
    assert_eq!(hello.join_secret, "open sesame");
    assert_eq!(hello.phase(), v1::Phase::Standby);

    visit.directs(3, v1::Phase::Serving).await;
    let report = visit.hears_report(|report| report.applied_generation == 3).await;
    assert_eq!((report.phase(), report.opened_total, report.quiet), (v1::Phase::Standby, 7, true));
    server.sees(|now| now.attached && now.wanted == Phase::Serving && now.upstream.is_some()).await;

    server.board.change(|situation| situation.phase = Phase::Warming);
    visit.hears_report(|report| report.phase() == v1::Phase::Warming).await;
}

#[tokio::test]
async fn a_move_is_reported_at_once() {
    let (mut manager, server) = both().await;
    let mut visit = manager.visit().await;
    let an_hour = Duration::from_secs(3_600);
    visit
        .says(attach_response::Message::Directive(v1::Directive {
            generation: 1,
            phase: v1::Phase::Standby.into(),
            report_interval_ms: u32::try_from(an_hour.as_millis()).unwrap(),
            ..Default::default()
        }))
        .await;
    visit.hears_hello().await;
    visit.hears_report(|_| true).await;
    server.witness.moves.notify_one();
    visit.hears_report(|_| true).await;
}

#[tokio::test]
async fn a_directive_that_comes_late_or_twice_does_no_harm() {
    let (mut manager, server) = both().await;
    let mut visit = manager.visit().await;
    visit.directs(5, v1::Phase::Serving).await;
    visit.directs(5, v1::Phase::Retired).await;
    visit.directs(4, v1::Phase::Standby).await;
    visit
        .says(attach_response::Message::Moved(v1::Moved { sessions: vec!["a".into(), "no name".into()] }))
        .await;
    visit.directs(6, v1::Phase::Draining).await;
    visit.hears_hello().await;
    visit.hears_report(|report| report.applied_generation == 6).await;
    assert_eq!(server.board.now().wanted, Phase::Draining);
    assert_eq!(*server.witness.moved.lock().unwrap(), ["a".parse().unwrap()]);
}

#[tokio::test]
async fn after_the_manager_came_back_a_lower_generation_counts_and_the_phase_is_told() {
    let (mut manager, server) = both().await;
    let visit = manager.visit().await;
    visit.directs(900, v1::Phase::Serving).await;
    server.sees(|now| now.generation == 900).await;
    server.board.change(|situation| situation.phase = Phase::Serving);
    drop(visit);
    server.sees(|now| !now.attached).await;
    assert_eq!(server.board.now().wanted, Phase::Serving);

    let mut again = manager.visit().await;
    let hello = again.hears_hello().await;
    assert_eq!((hello.phase(), hello.incarnation), (v1::Phase::Serving, 42));
    again.directs(1, v1::Phase::Serving).await;
    again.hears_report(|report| report.applied_generation == 1).await;
}

#[tokio::test]
async fn a_manager_that_is_not_there_yet_is_asked_again_until_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Closes whatever connects, as a manager does that is starting or dying.
    let closing = tokio::spawn(async move {
        for _ in 0..3 {
            drop(listener.accept().await.unwrap());
        }
        listener
    });
    let server = Server::attending(address);
    let listener = timeout(PATIENCE, closing).await.expect("it tries again").unwrap();
    let mut manager = TestManager::on(listener);
    let visit = manager.visit().await;
    visit.directs(1, v1::Phase::Standby).await;
    server.sees(|now| now.attached).await;
}

#[tokio::test]
async fn leaving_says_goodbye() {
    let (mut manager, server) = both().await;
    let mut visit = manager.visit().await;
    visit.directs(1, v1::Phase::Serving).await;
    visit.hears_hello().await;
    visit.hears_report(|_| true).await;
    server.leave.cancel();
    let goodbye = loop {
        if let attach_request::Message::Goodbye(goodbye) = visit.hears().await {
            break goodbye;
        }
    };
    assert_eq!(goodbye.reason, "told to stop");
    drop(visit);
    assert_eq!(server.ends().await, Ok(()));
}

#[tokio::test]
async fn leaving_while_no_manager_answers_does_not_wait_for_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::attending(listener.local_addr().unwrap());
    server.leave.cancel();
    assert_eq!(server.ends().await, Ok(()));
}

#[tokio::test]
async fn a_refusal_that_cannot_heal_ends_it_and_says_what_to_do() {
    for (status, advice) in [
        (Status::unauthenticated("wrong"), "SPILLWAY_JOIN_SECRET"),
        (
            Status::failed_precondition("port 8081 here, 8080 in the fleet"),
            "port 8081 here, 8080 in the fleet",
        ),
        (Status::invalid_argument("no such region"), "no such region"),
        (Status::already_exists("id relay-127-0-0-2 is taken"), "is taken"),
    ] {
        let (manager, server) = both().await;
        *manager.refusal.lock().unwrap() = Some(status);
        let refused = server.ends().await.unwrap_err().to_string();
        assert!(refused.contains(advice), "{refused}");
    }
}

#[tokio::test]
async fn who_has_viewers_outlives_a_refusal() {
    let (mut manager, server) = both().await;
    let visit = manager.visit().await;
    visit.directs(1, v1::Phase::Serving).await;
    server.sees(|now| now.attached).await;
    *manager.refusal.lock().unwrap() = Some(Status::unauthenticated("another secret since the restart"));
    drop(visit);
    server.sees(|now| !now.attached).await;
    *manager.refusal.lock().unwrap() = None;
    let visit = manager.visit().await;
    visit.directs(1, v1::Phase::Serving).await;
    server.sees(|now| now.attached).await;
}
