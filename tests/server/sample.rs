//! A tiny service with one path per behaviour that the server has to cope with.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dossierd::api::http::{AccessEnd, Answer, Body, Peer, Request, Response, Served, Service};
use dossierd::api::problem::Problem;
use http::{HeaderValue, Method, StatusCode, header};
use tokio::sync::{Notify, mpsc, watch};

/// The token that the sample accepts.
pub(crate) const TOKEN: &str = "dsr1_c2FtcGxlLXRva2VuLWZvci10ZXN0cw";

/// Another one, which it accepts until it is told that its session has ended.
pub(crate) const SESSION: &str = "dsr1_c2Vzc2lvbi1mb3ItdGVzdHM";

/// What the sample has seen, and what makes it go on.
#[derive(Default)]
pub(crate) struct Sample {
    /// Requests that got through to the service.
    pub(crate) asked: AtomicUsize,
    /// Lets `/api/wait` answer.
    pub(crate) go_on: Notify,
    /// The producers of `/api/stream`.
    pub(crate) producers: Mutex<Vec<mpsc::Sender<Bytes>>>,
    /// Ends what [`SESSION`] has opened.
    pub(crate) session_end: watch::Sender<bool>,
}

impl Sample {
    fn echo(request: &Request) -> Response {
        let peer = match request.peer {
            Peer::Local => "local",
            Peer::Bearer => "bearer",
            Peer::Anonymous => "anonymous",
        };
        let body = format!(
            "{} {} {} {} {}",
            request.method,
            request.path,
            if request.query.is_empty() { "-" } else { &request.query },
            request.body.len(),
            peer
        );
        Response::full(StatusCode::OK, "text/plain; charset=utf-8", body)
    }

    /// A stream whose producer only sends what a test has it send.
    fn quiet_stream(&self) -> Response {
        let (sender, receiver) = mpsc::channel(256);
        sender.try_send(Bytes::from_static(b"hello\n")).unwrap();
        self.producers.lock().unwrap().push(sender);
        stream(receiver)
    }

    /// A stream whose producer sends as long as there is room.
    fn loud_stream(&self) -> Response {
        let (sender, receiver) = mpsc::channel(16);
        self.producers.lock().unwrap().push(sender.clone());
        tokio::spawn(async move {
            let chunk = Bytes::from(vec![b'x'; 16 * 1024]);
            while sender.send(chunk.clone()).await.is_ok() {}
        });
        stream(receiver)
    }
}

fn stream(receiver: mpsc::Receiver<Bytes>) -> Response {
    let mut response = Response::full(StatusCode::OK, "application/x-ndjson", Bytes::new());
    response.body = Body::Stream(receiver);
    response
}

fn json(size: usize) -> Response {
    let body = format!("{{\"x\":\"{}\"}}", "a".repeat(size));
    Response::full(StatusCode::OK, "application/json", body)
        .with_header(header::ETAG, HeaderValue::from_static("\"tag\""))
}

impl Service for Sample {
    fn answer<'a>(&'a self, request: Request) -> Answer<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            match request.path.as_str() {
                "/" => {
                    Response::full(StatusCode::OK, "text/html; charset=utf-8", "<!doctype html>")
                }
                "/healthz" => Response::full(StatusCode::OK, "text/plain", "ok"),
                "/api/echo" => Self::echo(&request),
                "/api/panic" => panic!("the sample panics"),
                "/api/never" => std::future::pending().await,
                "/api/wait" => {
                    self.go_on.notified().await;
                    Self::echo(&request)
                }
                "/api/small" => json(10),
                "/api/large" => json(20_000),
                "/api/huge" => {
                    let bytes = vec![0; 16 * 1024 * 1024];
                    Response::full(StatusCode::OK, "application/octet-stream", bytes)
                }
                "/api/unchanged" => {
                    Response::full(StatusCode::NOT_MODIFIED, "application/json", "")
                        .with_header(header::ETAG, HeaderValue::from_static("\"tag\""))
                }
                "/api/stream" | "/api/unannounced" => self.quiet_stream(),
                "/api/loud" => self.loud_stream(),
                _ => {
                    Problem::new(StatusCode::NOT_FOUND, "not-found", "No such path", "Try another.")
                        .response()
                }
            }
        })
    }

    fn served(&self, method: &Method, path: &str) -> Served {
        let public = method == Method::GET && matches!(path, "/" | "/healthz");
        if public { Served::Public } else { Served::Guarded }
    }

    fn is_stream(&self, _: &Method, path: &str, _: &str) -> bool {
        matches!(path, "/api/stream" | "/api/loud")
    }

    fn accepts_token(&self, token: &str) -> bool {
        matches!(token, TOKEN | SESSION)
    }

    fn access_end(&self, token: &str) -> Option<AccessEnd> {
        let mut end = self.session_end.subscribe();
        // The end of the sender counts as well.
        let end = async move { drop(end.wait_for(|ended| *ended).await) };
        (token != TOKEN).then(|| -> AccessEnd { Box::pin(end) })
    }
}

/// A sample behind the pointer that a server wants.
pub(crate) fn sample() -> Arc<Sample> {
    Arc::new(Sample::default())
}
