//! Connections: taken up to a limit, served in HTTP/1.1 or in HTTP/2 without TLS, and ended without cutting an answer off.

use std::{
    io,
    net::IpAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use metrics::Gauge;
use service::Shutdown;
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tokio_util::task::TaskTracker;

use super::{
    Caller, Config, Site,
    socket::{Socket, tune},
};
use crate::{census::Connected, feed::Feed, metrics::connections};

/// Descriptors that a server needs besides its connections: its files, its upstream, its manager.
const OTHER_DESCRIPTORS: usize = 256;

/// The least buffer that hyper takes for a connection.
const MIN_HEAD_BYTES: usize = 8 << 10;

/// Pause after the system could not give a connection, as when descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The connections that there are.
#[derive(Debug)]
pub(super) struct Connections {
    open: AtomicUsize,
    gauge: Gauge,
    limit: usize,
    for_viewers: usize,
}

impl Connections {
    /// None yet; as many as the config says and the system allows.
    pub(super) fn new(config: &Config) -> Self {
        let limit = config.max_connections.min(descriptors().saturating_sub(OTHER_DESCRIPTORS)).max(1);
        if limit < config.max_connections {
            tracing::warn!(
                limit,
                configured = config.max_connections,
                "the limit of open files allows fewer connections than http.max_connections; raise it with ulimit -n"
            );
        }
        Self {
            open: AtomicUsize::new(0),
            gauge: connections(),
            limit,
            for_viewers: limit.saturating_sub(config.relay_reserve).max(1),
        }
    }

    /// Whether those that viewers may have are all taken.
    pub(super) fn are_short(&self) -> bool {
        self.open.load(Relaxed) > self.for_viewers
    }

    fn take(self: &Arc<Self>) -> Option<Taken> {
        let taken =
            self.open.fetch_update(Relaxed, Relaxed, |open| (open < self.limit).then_some(open + 1)).is_ok();
        taken.then(|| {
            self.gauge.increment(1);
            Taken(Arc::clone(self))
        })
    }
}

/// One connection's place.
struct Taken(Arc<Connections>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
        self.0.gauge.decrement(1);
    }
}

fn descriptors() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

impl<F: Feed> Site<F> {
    /// Serves whoever connects, until told to stop; then answers what was asked, and ends.
    ///
    /// # Errors
    /// Never yet: what goes wrong with one connection ends that one.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: Shutdown) -> io::Result<()> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.config.idle_timeout)
            .max_buf_size(self.config.max_head_bytes.max(MIN_HEAD_BYTES));
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(self.config.idle_timeout)
            .max_header_list_size(u32::try_from(self.config.max_head_bytes).unwrap_or(u32::MAX))
            .max_concurrent_streams(self.config.max_streams_per_connection);
        let builder = Arc::new(builder);
        let tasks = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.soft.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => match self.connections.take() {
                    Some(taken) => {
                        let (site, builder) = (Arc::clone(&self), Arc::clone(&builder));
                        let shutdown = shutdown.clone();
                        tasks.spawn(async move {
                            site.connection(stream, peer.ip(), &builder, &shutdown).await;
                            drop(taken);
                        });
                    }
                    None => self.turn_away(&stream),
                },
                Err(error) => {
                    tracing::warn!(%error, "no connection can be taken");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        tasks.close();
        tokio::select! {
            () = tasks.wait() => {}
            () = shutdown.hard.cancelled() => {}
        }
        Ok(())
    }

    /// Says why, as far as that can be done without waiting: too little is known of who finds all connections taken.
    fn turn_away(&self, stream: &TcpStream) {
        self.census.refuse();
        let answer = format!(
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: {}\r\nAccess-Control-Allow-Origin: *\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n",
            self.config.retry_after.as_secs().max(1)
        );
        let _ = stream.try_write(answer.as_bytes());
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: IpAddr,
        builder: &Builder<TokioExecutor>,
        shutdown: &Shutdown,
    ) {
        tune(&stream, self.config.stall_timeout);
        let stream = Arc::new(stream);
        let throttle = self.pacing.throttle(&stream, peer);
        let caller = Arc::new(Caller::new(Connected::new(&self.census, &stream, peer), throttle));
        let socket = Socket::new(stream, Arc::clone(caller.line()), Arc::clone(&self.egress));
        let service = service_fn(|request| {
            let (site, caller) = (Arc::clone(&self), Arc::clone(&caller));
            async move { Ok::<_, std::convert::Infallible>(site.answer(request, &caller).await) }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
        // The protocol's own timers start with the first byte.
        let silent = async {
            sleep(self.config.idle_timeout).await;
            if caller.has_asked() {
                std::future::pending::<()>().await;
            }
        };
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = silent => return,
            () = shutdown.soft.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    served = connection => served,
                    () = shutdown.hard.cancelled() => return,
                }
            }
        };
        if let Err(error) = served {
            tracing::debug!(error, "a connection broke");
        }
    }
}
