//! Accepts connections, HTTP/1 and HTTP/2 without TLS on one port, within limits; ends them softly, then hard. Every request is
//! handed on with the address of the client whose connection it is.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use service::Shutdown;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use super::{
    Front,
    opening::{Opened, Opening},
};
use crate::metrics::{self, Open};

/// How long to wait before accepting again when the system refuses, as it does when descriptors are out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Limits of one port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListenerLimits {
    /// Open connections.
    pub(crate) connections: usize,
    /// How long a client may take to send a request's headers.
    pub(crate) header_timeout: Duration,
    /// How often a silent HTTP/2 connection is probed, and how long the answer may take.
    pub(crate) keep_alive: Duration,
}

/// Serves all that is answered here on a bound socket.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) front: Arc<Front>,
    pub(crate) limits: ListenerLimits,
    /// How connections must begin.
    pub(crate) opening: Arc<Opening>,
}

impl Listener {
    /// Serves until the soft stop, then until open connections have had their answers or the hard stop comes.
    pub(crate) async fn serve(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let mut open = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.soft.cancelled() => break,
                accepted = self.socket.accept() => accepted,
                Some(_ended) = open.join_next() => continue,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                metrics::connection_refused();
                continue;
            };
            let connection = self.connection(stream, peer, shutdown.clone());
            open.spawn(async move {
                let _open = Open::connection();
                connection.await;
                drop(place);
            });
        }
        drop(self.socket);
        while open.join_next().await.is_some() {}
        Ok(())
    }

    /// One connection, from its first byte to its end.
    fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        shutdown: Shutdown,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (front, opening, limits) = (Arc::clone(&self.front), Arc::clone(&self.opening), self.limits);
        async move {
            let _less_prompt = stream.set_nodelay(true);
            let opened = tokio::select! {
                opened = opening.open(stream, peer) => opened,
                () = shutdown.soft.cancelled() => None,
            };
            if let Some(Opened { client, stream }) = opened {
                Connection { client, front, limits }.serve(stream, shutdown).await;
            }
        }
    }
}

struct Connection {
    /// Whose it is, as far as is known without its requests.
    client: SocketAddr,
    front: Arc<Front>,
    limits: ListenerLimits,
}

impl Connection {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shutdown: Shutdown) {
        let (peer, front) = (self.client, self.front);
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let front = Arc::clone(&front);
            async move { Ok::<_, Infallible>(front.answer(request, peer).await) }
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.limits.header_timeout);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(self.limits.keep_alive)
            .keep_alive_timeout(self.limits.keep_alive);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = shutdown.soft.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    () = shutdown.hard.cancelled() => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection ended with an error");
        }
    }
}
