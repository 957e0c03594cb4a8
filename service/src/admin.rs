//! The admin port: `/metrics` for Prometheus, `/live` and `/ready` for whoever supervises the program, and what an operator on the same
//! host may order.

use std::{collections::BTreeMap, convert::Infallible, net::IpAddr, sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, sync::Semaphore};

use crate::{Readiness, Shutdown};

/// Connections served at one time: Prometheus, a supervisor, a person, and room for their reconnects.
const MAX_CONNECTIONS: usize = 64;

/// How long a client may take to send its request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait before accepting again when the system refuses, as it does when descriptors are out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is done with the query of an order: what to say of it, or why it cannot be followed.
type Act = dyn Fn(&str) -> Result<String, String> + Send + Sync;

/// What an operator may order with a POST, by path. Only from this host: nobody has to show who he is.
#[derive(Clone, Default)]
pub struct Orders(BTreeMap<&'static str, Arc<Act>>);

impl Orders {
    /// Adds an order.
    #[must_use]
    pub fn with(
        mut self,
        path: &'static str,
        act: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static,
    ) -> Self {
        self.0.insert(path, Arc::new(act));
        self
    }
}

/// What the admin port shows.
#[derive(Clone)]
pub struct Admin {
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// Says what is still waited for.
    pub readiness: Readiness,
    /// What may be ordered here.
    pub orders: Orders,
}

impl Admin {
    /// Serves until the soft stop.
    ///
    /// # Errors
    /// Never; the signature is that of a task.
    pub async fn serve(self, listener: TcpListener, shutdown: Shutdown) -> anyhow::Result<()> {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let (socket, peer) = tokio::select! {
                () = shutdown.soft.cancelled() => return Ok(()),
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept on the admin port");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let (admin, hard) = (self.clone(), shutdown.hard.clone());
            tokio::spawn(async move {
                let service = hyper::service::service_fn(move |request| {
                    std::future::ready(Ok::<_, Infallible>(admin.answer(&request, peer.ip())))
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .serve_connection(TokioIo::new(socket), service);
                tokio::select! {
                    _ = connection => {}
                    () = hard.cancelled() => {}
                }
                drop(place);
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>, peer: IpAddr) -> Response<Full<Bytes>> {
        if let Some(act) = self.orders.0.get(request.uri().path()) {
            return order(&**act, request, peer);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        }
        match request.uri().path() {
            "/metrics" => {
                let mut answer = text(StatusCode::OK, self.metrics.render());
                let prometheus = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                answer.headers_mut().insert(header::CONTENT_TYPE, prometheus);
                answer
            }
            "/live" => text(StatusCode::OK, "live\n"),
            "/ready" => self.ready(),
            _ => text(StatusCode::NOT_FOUND, "here are /metrics, /live and /ready\n"),
        }
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        let waits = self.readiness.waits();
        if waits.is_empty() {
            return text(StatusCode::OK, "ready\n");
        }
        let lines: String = waits.iter().map(|(name, reason)| format!("{name}: {reason}\n")).collect();
        text(StatusCode::SERVICE_UNAVAILABLE, lines)
    }
}

fn order(act: &Act, request: &Request<Incoming>, peer: IpAddr) -> Response<Full<Bytes>> {
    if request.method() != Method::POST {
        return text(StatusCode::METHOD_NOT_ALLOWED, "this is an order: POST it\n");
    }
    if !peer.to_canonical().is_loopback() {
        return text(
            StatusCode::FORBIDDEN,
            "orders are taken from this host only: give it there, over loopback\n",
        );
    }
    // A page of any site can have a browser on this host send one; browsers say so.
    if request.headers().contains_key(header::ORIGIN) || request.headers().contains_key("sec-fetch-site") {
        return text(StatusCode::FORBIDDEN, "orders are not taken from web pages: use curl\n");
    }
    match act(request.uri().query().unwrap_or_default()) {
        Ok(done) => text(StatusCode::OK, format!("{done}\n")),
        Err(why) => text(StatusCode::BAD_REQUEST, format!("{why}\n")),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn ask(address: std::net::SocketAddr, path: &str) -> String {
        send(address, "GET", path).await
    }

    async fn send(address: std::net::SocketAddr, method: &str, path: &str) -> String {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn ready_says_what_is_waited_for_and_metrics_are_prometheus_text() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let readiness = Readiness::default();
        let latch = readiness.latch("source", "no window yet");
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let shutdown = Shutdown::default();
        let orders = Orders::default().with("/cap", |query| match query {
            "rung=0" => Ok("capped".to_owned()),
            _ => Err("give rung".to_owned()),
        });
        let served = tokio::spawn(Admin { metrics, readiness, orders }.serve(listener, shutdown.clone()));

        let waiting = ask(address, "/ready").await;
        assert!(
            waiting.starts_with("HTTP/1.1 503") && waiting.contains("source: no window yet"),
            "{waiting}"
        );
        assert!(ask(address, "/live").await.starts_with("HTTP/1.1 200"));
        latch.release();
        assert!(ask(address, "/ready").await.starts_with("HTTP/1.1 200"));
        assert!(ask(address, "/metrics").await.contains("version=0.0.4"));
        assert!(ask(address, "/else").await.starts_with("HTTP/1.1 404"));

        assert!(ask(address, "/cap?rung=0").await.starts_with("HTTP/1.1 405"));
        assert!(send(address, "POST", "/cap?rung=0").await.ends_with("capped\n"));
        let refused = send(address, "POST", "/cap").await;
        assert!(refused.starts_with("HTTP/1.1 400") && refused.ends_with("give rung\n"), "{refused}");
        let by_a_page =
            send(address, "POST", "/cap?rung=0 HTTP/1.1\r\norigin: http://any.example\r\nx: ").await;
        assert!(by_a_page.starts_with("HTTP/1.1 403"), "{by_a_page}");

        shutdown.stop();
        served.await.unwrap().unwrap();
    }
}
