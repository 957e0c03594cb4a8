//! A server that is not there: it attaches over real gRPC and says what a test has it say.

use proto::v1::{
    AttachRequest, AttachResponse, Class, Count, Directive, Goodbye, Hello, Phase, Report, ServerKind,
    Stream, UpstreamHealth, attach_request::Message, attach_response, fleet_client::FleetClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

use super::{Running, soon};

pub(super) const LADDER: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"main\",DEFAULT=YES,URI=\"audio/live.m3u8\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,AUDIO=\"aac\"\n360p/live.m3u8\n";

/// The stream that everybody serves.
pub(super) fn live() -> Stream {
    Stream {
        name: "live".to_owned(),
        multivariant: LADDER.to_owned(),
        target_duration_ms: 2_000,
        live: true,
        ready: true,
        ..Stream::default()
    }
}

pub(super) fn primary() -> Hello {
    Hello {
        id: "primary".to_owned(),
        kind: ServerKind::Primary.into(),
        region: "default".to_owned(),
        base_url: "http://127.0.0.1:8080".to_owned(),
        capacity: 1_000,
        incarnation: 1,
        streams: vec![live()],
        metrics_address: "127.0.0.1:9101".to_owned(),
        phase: Phase::Serving.into(),
        ..Hello::default()
    }
}

/// A relay at 127.0.0.`host` that an operator started and that has served before.
pub(super) fn relay(host: u8) -> Hello {
    Hello {
        id: format!("relay-127-0-0-{host}"),
        kind: ServerKind::Relay.into(),
        base_url: format!("http://127.0.0.{host}:8080"),
        metrics_address: format!("127.0.0.{host}:9102"),
        incarnation: u64::from(host),
        capacity: 100,
        ..primary()
    }
}

/// A server's end of its stream.
#[derive(Debug)]
pub(super) struct FakeServer {
    outbox: mpsc::Sender<AttachRequest>,
    inbox: Streaming<AttachResponse>,
}

impl FakeServer {
    /// Attaches, and reports once that nobody watches.
    pub(super) async fn attach(manager: &Running, hello: Hello) -> Result<Self, Status> {
        Self::attach_over(manager.channel().await, hello).await
    }

    /// The same, over a channel that is open already.
    pub(super) async fn attach_over(channel: Channel, hello: Hello) -> Result<Self, Status> {
        let server = Self::open_over(channel, Message::Hello(hello)).await?;
        server.report(0).await;
        Ok(server)
    }

    /// Opens a stream that begins with `first`.
    pub(super) async fn open(manager: &Running, first: Message) -> Result<Self, Status> {
        Self::open_over(manager.channel().await, first).await
    }

    async fn open_over(channel: Channel, first: Message) -> Result<Self, Status> {
        let (outbox, requests) = mpsc::channel(8);
        outbox.send(AttachRequest { message: Some(first) }).await.unwrap();
        let mut client = FleetClient::new(channel);
        let inbox = client.attach(ReceiverStream::new(requests)).await?.into_inner();
        Ok(Self { outbox, inbox })
    }

    async fn say(&self, message: Message) {
        self.outbox.send(AttachRequest { message: Some(message) }).await.unwrap();
    }

    /// Reports that it serves, and that so many players that steer watch in region `default`.
    pub(super) async fn report(&self, viewers: u32) {
        let count = Count {
            stream: "live".to_owned(),
            region: "default".to_owned(),
            class: Class::Steers.into(),
            viewers,
        };
        self.say(Message::Report(Report {
            phase: Phase::Serving.into(),
            viewers: vec![count],
            opened_total: viewers.into(),
            upstream: Some(UpstreamHealth { healthy: true, failures_total: 0 }),
            streams: vec![live()],
            ..Report::default()
        }))
        .await;
    }

    pub(super) async fn goodbye(&self) {
        self.say(Message::Goodbye(Goodbye { reason: "a test".to_owned() })).await;
    }

    /// The next directive that `wanted` holds for.
    pub(super) async fn directive(&mut self, wanted: impl Fn(&Directive) -> bool) -> Directive {
        soon(async {
            loop {
                let message = self.inbox.message().await.unwrap().expect("the stream is open").message;
                if let Some(attach_response::Message::Directive(directive)) = message
                    && wanted(&directive)
                {
                    return directive;
                }
            }
        })
        .await
    }

    /// Done when the manager has closed the stream.
    pub(super) async fn closed(mut self) {
        soon(async { while let Ok(Some(_)) = self.inbox.message().await {} }).await;
    }
}
