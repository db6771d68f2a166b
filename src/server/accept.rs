//! Accepting connections on one transport, and answering what comes over them.
//!
//! The loop never ends by itself: an error of `accept` (no file descriptors left, mostly)
//! is waited out. It owns the tasks of its connections, so ending it ends them.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::{HeaderValue, header};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::counters::add;
use super::exchange::Front;
use super::header_timer::HeaderTimer;
use super::headers;
use super::link::{Link, LinkFacts, close_gently};
use super::pulse::Ping;
use super::refusal;
use crate::api::http::{Body, Response};

/// How long to wait after an error of `accept`.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Connections that are being turned away with an answer at the same time; those beyond are
/// closed without one.
const REFUSALS: usize = 16;

/// Something that accepts connections.
pub(super) trait Acceptor: Send + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Waits for a connection. Dropping the future loses none.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// May this process talk to us at all?
    fn admits(&self, stream: &Self::Stream) -> bool;

    /// Asks the kernel to hold at most `bytes` that a client does not read.
    fn bound_send_buffer(&self, stream: &Self::Stream, bytes: usize);
}

impl Acceptor for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = TcpListener::accept(self).await?;
        // Without it each event of a stream may wait for the acknowledgement of the last one.
        // It fails on some systems if the client has gone already, which is seen soon enough.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    fn admits(&self, stream: &TcpStream) -> bool {
        // The listener is on loopback, so this holds already; it costs nothing to look.
        stream.peer_addr().is_ok_and(|peer: SocketAddr| peer.ip().is_loopback())
    }

    fn bound_send_buffer(&self, stream: &TcpStream, bytes: usize) {
        // A kernel that refuses keeps its own bound, and the write-stall limit still holds.
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(stream, bytes);
    }
}

/// Accepts until asked to stop, then waits for the connections that are left.
pub(super) async fn serve<A: Acceptor>(
    acceptor: A,
    front: Arc<Front>,
    mut pings: mpsc::Receiver<Ping>,
) {
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let mut connections = JoinSet::new();
    let mut stopped = pin!(front.stop.clone().asked());
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stopped => break,
            Some(ended) = connections.join_next() => {
                if ended.is_err() {
                    tracing::error!(transport = front.transport.name(), "a connection panicked");
                }
                continue;
            }
            Some(ping) = pings.recv() => {
                // Whoever asked may have given up.
                let _ = ping.send(());
                continue;
            }
            accepted = acceptor.accept() => accepted,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) if concerns_one_client(&error) => continue,
            Err(error) => {
                back_off(&front, &error).await;
                continue;
            }
        };
        if !acceptor.admits(&stream) {
            add(&front.counters.foreign_peers);
            tracing::debug!(transport = front.transport.name(), "closed a foreign connection");
        } else if let Some(pass) = front.connections.enter() {
            acceptor.bound_send_buffer(&stream, front.rules.load().limits.send_buffer);
            let front = Arc::clone(&front);
            connections.spawn(async move {
                talk(stream, front).await;
                drop(pass);
            });
        } else {
            add(&front.counters.refused_connections);
            if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
                connections.spawn(async move {
                    turn_away(stream).await;
                    drop(permit);
                });
            }
        }
    }
    // New connections are refused from here on, and the socket's file is gone.
    drop(acceptor);
    while connections.join_next().await.is_some() {}
}

/// A client that gave up while it waited says nothing about the next one.
fn concerns_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

async fn back_off(front: &Front, error: &io::Error) {
    if front.counters.warns_of_accept(Instant::now()) {
        let transport = front.transport.name();
        tracing::warn!(transport, %error, "connections can't be accepted; trying on");
    }
    let _ = tokio::time::timeout(BACK_OFF, front.stop.clone().asked()).await;
}

/// Answers the requests of one connection until either side closes it.
pub(super) async fn talk<S>(stream: S, front: Arc<Front>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // Those of the moment at which it came: hyper cannot be told of others later.
    let limits = front.rules.load().limits.clone();
    let facts = Arc::new(LinkFacts::default());
    let link = Link::new(stream, Arc::clone(&facts), limits.write_stall);
    let exchange = service_fn(|request| Arc::clone(&front).exchange(Arc::clone(&facts), request));
    let mut connection = pin!(
        http1::Builder::new()
            // Without the timer the header time-out does nothing.
            .timer(HeaderTimer::default())
            .header_read_timeout(limits.header_time)
            .max_buf_size(limits.header_bytes)
            .max_headers(limits.header_count)
            .serve_connection(TokioIo::new(link), exchange)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = front.stop.clone().asked() => {
            // hyper would go on waiting for the first request of a connection.
            if !facts.used.load(Ordering::Relaxed) {
                return;
            }
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A client that vanished, sent no HTTP or was too slow: no event for anyone else.
        tracing::trace!(transport = front.transport.name(), %error, "connection ended");
    }
}

/// Tells a connection that it is one too many.
async fn turn_away<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    // The kernel's buffer of a new connection is empty, so this never waits.
    if stream.write_all(&one_too_many()).await.is_ok() {
        close_gently(stream).await;
    }
}

/// The whole answer in bytes, since no request has been read that hyper could answer.
fn one_too_many() -> Vec<u8> {
    let Response { status, mut headers, body, .. } = refusal::too_many_connections().response();
    let body = if let Body::Full(bytes) = body { bytes } else { bytes::Bytes::new() };
    headers::apply(status, &mut headers);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let mut bytes = format!("HTTP/1.1 {status}\r\n").into_bytes();
    bytes.extend(format!("date: {}\r\n", http_date()).bytes());
    for (name, value) in &headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    bytes
}

/// Now, as RFC 9110 section 5.6.7 writes it.
fn http_date() -> String {
    jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use http::{Method, StatusCode};
    use tokio::io::{AsyncReadExt, DuplexStream};
    use tokio::sync::Mutex;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::super::pulse::Pulse;
    use super::*;
    use crate::api::http::{AccessEnd, Answer, Request, Served, Service};
    use crate::server::guard::{GuardConfig, TcpAuth, Transport};
    use crate::server::host::AllowedHosts;
    use crate::server::rules::Rules;
    use crate::server::{Counters, Limits, stop};

    /// A listener that fails some times before it has connections.
    struct Failing {
        failures: AtomicUsize,
        tries: Arc<AtomicUsize>,
        waiting: Mutex<UnboundedReceiver<DuplexStream>>,
    }

    impl Acceptor for Failing {
        type Stream = DuplexStream;

        async fn accept(&self) -> io::Result<DuplexStream> {
            self.tries.fetch_add(1, Ordering::SeqCst);
            if self.failures.load(Ordering::SeqCst) > 0 {
                self.failures.fetch_sub(1, Ordering::SeqCst);
                return Err(io::Error::other("no file descriptors left"));
            }
            match self.waiting.lock().await.recv().await {
                Some(stream) => Ok(stream),
                None => std::future::pending().await,
            }
        }

        fn admits(&self, _: &DuplexStream) -> bool {
            true
        }

        fn bound_send_buffer(&self, _: &DuplexStream, _: usize) {}
    }

    struct Fine;

    impl Service for Fine {
        fn answer<'a>(&'a self, _: Request) -> Answer<'a> {
            Box::pin(async { Response::full(StatusCode::OK, "text/plain", "fine") })
        }

        fn served(&self, _: &Method, _: &str) -> Served {
            Served::Public
        }

        fn is_stream(&self, _: &Method, _: &str, _: &str) -> bool {
            false
        }

        fn accepts_token(&self, _: &str) -> bool {
            false
        }

        fn access_end(&self, _: &str) -> Option<AccessEnd> {
            None
        }
    }

    fn front(stop: stop::Stop) -> Arc<Front> {
        let hosts = AllowedHosts::new(([127, 0, 0, 1], 7717).into(), &[]).unwrap();
        let guard = GuardConfig { hosts, tcp_auth: TcpAuth::Token, uri_bytes: 2048 };
        let rules = Rules { guard, limits: Limits::default() };
        let counters = Arc::new(Counters::default());
        Arc::new(Front::new(Transport::Unix, rules, Arc::new(Fine), counters, stop))
    }

    #[tokio::test]
    async fn errors_of_accept_are_waited_out_without_a_busy_loop() {
        let (sender, stop) = stop::channel();
        let (connect, waiting) = unbounded_channel();
        let tries = Arc::new(AtomicUsize::new(0));
        let acceptor = Failing {
            failures: AtomicUsize::new(3),
            tries: Arc::clone(&tries),
            waiting: Mutex::new(waiting),
        };
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        connect.send(server).unwrap();
        let start = Instant::now();
        let serving = tokio::spawn(serve(acceptor, front(stop), Pulse::default().add()));
        client.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("fine"), "{answer}");
        assert!(start.elapsed() >= 3 * BACK_OFF, "it did not wait");
        assert!(tries.load(Ordering::SeqCst) <= 6, "a busy loop");
        sender.ask();
        serving.await.unwrap();
    }

    #[test]
    fn the_refusal_is_a_whole_message() {
        let text = String::from_utf8(one_too_many()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["code"], "too-many-connections");
    }
}
