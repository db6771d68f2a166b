//! One request to one answer: guards, body, service, headers.
//!
//! Whatever happens, a client gets an answer with all headers: a refusal, the service's
//! answer, a time-out, or a 500 when something panicked. Log lines have no path, query,
//! header or token in them, since all of these are chosen by clients.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Instant;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};

use super::body::OutBody;
use super::compress::{Asked, compress};
use super::counters::{Counters, add};
use super::gate::{Gate, Pass};
use super::guard::{self, TcpAuth, Transport};
use super::headers;
use super::limits::Limits;
use super::link::LinkFacts;
use super::refusal;
use super::rules::Rules;
use super::stop::{self, Stop, StopSender};
use crate::api::http::{AccessEnd, Body, Peer, Request, Response, Service};
use crate::api::problem::Problem;

/// All that the answers of one transport need.
pub(super) struct Front {
    pub(super) transport: Transport,
    pub(super) rules: ArcSwap<Rules>,
    pub(super) service: Arc<dyn Service>,
    pub(super) counters: Arc<Counters>,
    pub(super) connections: Arc<Gate>,
    pub(super) streams: Arc<Gate>,
    pub(super) stop: Stop,
    /// Ends the streams that are open now, when it is replaced.
    stream_end: Mutex<(StopSender, Stop)>,
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// What a request wants of the answer's form.
struct Wanted {
    /// The headers alone.
    head: bool,
    form: Asked,
    /// Its connection ends with it.
    last: bool,
    /// A stream ends when this asks; taken before anybody has looked whether it may begin.
    end: Stop,
}

/// An answer, with what counts it and what ends it: each stream has a permit, and ends with
/// what let its reader in.
struct Reply {
    response: Response,
    permit: Option<Pass>,
    access_end: Option<AccessEnd>,
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        Self { response: problem.response(), permit: None, access_end: None }
    }
}

impl Front {
    pub(super) fn new(
        transport: Transport,
        rules: Rules,
        service: Arc<dyn Service>,
        counters: Arc<Counters>,
        stop: Stop,
    ) -> Self {
        let (connections, streams) = rules.limits.of(transport);
        Self {
            transport,
            rules: ArcSwap::from_pointee(rules),
            service,
            counters,
            connections: Gate::new(connections),
            streams: Gate::new(streams),
            stop,
            stream_end: Mutex::new(stop::channel()),
        }
    }

    /// Puts other rules in force. What is open stays so, even where there is less room now,
    /// but for streams of those who may no longer ask.
    pub(super) fn change_rules(&self, rules: Rules) {
        let (connections, streams) = rules.limits.of(self.transport);
        self.connections.set(connections);
        self.streams.set(streams);
        let rules = Arc::new(rules);
        let former = self.rules.swap(Arc::clone(&rules));
        if self.transport == Transport::Tcp && rules.are_stricter_than(&former) {
            // A sender that is dropped asks.
            *self.stream_end() = stop::channel();
        }
    }

    fn stream_end(&self) -> MutexGuard<'_, (StopSender, Stop)> {
        self.stream_end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request. Never fails, never panics.
    pub(super) async fn exchange(
        self: Arc<Self>,
        facts: Arc<LinkFacts>,
        request: hyper::Request<Incoming>,
    ) -> Result<hyper::Response<OutBody>, Infallible> {
        // Logging costs nothing where nobody listens.
        let started = tracing::enabled!(tracing::Level::DEBUG).then(Instant::now);
        facts.used.store(true, Ordering::Relaxed);
        let (parts, body) = request.into_parts();
        // Until its end has been read.
        facts.body_unread.store(!body.is_end_stream(), Ordering::Relaxed);
        let (method, path_bytes) = (parts.method.clone(), parts.uri.path().len());
        let wanted = Wanted {
            head: method == Method::HEAD,
            form: Asked::of(&parts.headers),
            // What follows such a request can't be trusted to be one of its own.
            last: parts.headers.contains_key(header::TRANSFER_ENCODING),
            end: self.stop.or(&self.stream_end().1),
        };
        let reply = match unpanicked(self.reply(&facts, parts, body)).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(problem)) => problem.into(),
            Err(panic) => self.panicked(&*panic).into(),
        };
        let closes = wanted.last || facts.body_unread.load(Ordering::Relaxed);
        let response = self.finish(&wanted, reply, closes).await;
        add(&self.counters.requests);
        if let Some(started) = started {
            tracing::debug!(
                transport = self.transport.name(),
                %method,
                path_bytes,
                status = response.status().as_u16(),
                micros = started.elapsed().as_micros() as u64,
                "request"
            );
        }
        Ok(response)
    }

    async fn reply(
        &self,
        facts: &LinkFacts,
        parts: Parts,
        body: Incoming,
    ) -> Result<Reply, Problem> {
        if facts.ambiguous_length.load(Ordering::Relaxed)
            && parts.headers.contains_key(header::TRANSFER_ENCODING)
        {
            return Err(refusal::ambiguous_length());
        }
        // HEAD is GET without the body, so the service never sees it.
        let method = match &parts.method {
            &Method::HEAD => Method::GET,
            method => method.clone(),
        };
        let peer = self.admit(&parts, &method)?;
        let body = if body.is_end_stream() { Bytes::new() } else { self.read_body(body).await? };
        facts.body_unread.store(false, Ordering::Relaxed);
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let announced = self.service.is_stream(&method, &path, &query);
        let mut permit = if announced { Some(self.stream_permit()?) } else { None };
        let credential = self.credential(&parts);
        let request = Request { method, path, query, headers: parts.headers, body, peer };
        let response = self.answer(request).await?;
        let mut access_end = None;
        if matches!(response.body, Body::Stream(_)) {
            if permit.is_none() {
                permit = Some(self.stream_permit()?);
            }
            // Asked for now that it begins: access may have ended since it was looked at.
            let token = credential.as_ref().and_then(guard::token_of);
            access_end = token.and_then(|token| self.service.access_end(token));
        }
        Ok(Reply { response, permit, access_end })
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let mut answer = self.service.answer(request);
        // Most answers are there at once, and need no timer.
        let at_once = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
        if let Poll::Ready(response) = at_once {
            return Ok(response);
        }
        let most = self.rules.load().limits.handler_time;
        let limited = tokio::time::timeout(most, answer);
        limited.await.map_err(|_| refusal::handler_too_slow())
    }

    fn admit(&self, parts: &Parts, method: &Method) -> Result<Peer, Problem> {
        let served = self.service.served(method, parts.uri.path());
        let accepts = |token: &str| self.service.accepts_token(token);
        let rules = self.rules.load();
        let checked = guard::check(parts, self.transport, &rules.guard, served, accepts);
        checked.inspect_err(|problem| {
            if problem.status == StatusCode::UNAUTHORIZED
                && self.counters.count_failed_auth(Instant::now())
            {
                let total = self.counters.failed_auth.load(Ordering::Relaxed);
                tracing::warn!(total, "requests without a valid token were refused");
            }
        })
    }

    /// What let this request in, where something had to.
    fn credential(&self, parts: &Parts) -> Option<HeaderValue> {
        let asks =
            self.transport == Transport::Tcp && self.rules.load().guard.tcp_auth == TcpAuth::Token;
        if asks { parts.headers.get(header::AUTHORIZATION).cloned() } else { None }
    }

    async fn read_body(&self, body: Incoming) -> Result<Bytes, Problem> {
        let Limits { body_bytes: most, body_time, .. } = self.rules.load().limits;
        if body.size_hint().lower() > most as u64 {
            return Err(refusal::body_too_large(most));
        }
        let whole = Limited::new(body, most).collect();
        match tokio::time::timeout(body_time, whole).await {
            Err(_) => Err(refusal::body_too_slow()),
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(refusal::body_too_large(most)),
            Ok(Err(_)) => Err(refusal::body_broken()),
        }
    }

    fn stream_permit(&self) -> Result<Pass, Problem> {
        self.streams.enter().ok_or_else(refusal::too_many_streams)
    }

    /// Logs a panic under an id that the client gets as well. The panic hook has printed
    /// where and why.
    fn panicked(&self, panic: &(dyn Any + Send)) -> Problem {
        let id = ulid::Ulid::generate().to_string();
        add(&self.counters.panics);
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        tracing::error!(%id, panic = ?text.unwrap_or("no text"), "a request handler panicked");
        refusal::internal(&id)
    }

    /// Turns a reply into hyper's response.
    async fn finish(
        &self,
        wanted: &Wanted,
        reply: Reply,
        closes: bool,
    ) -> hyper::Response<OutBody> {
        let Response { status, mut headers, body, packed } = reply.response;
        let body = match (body, reply.permit) {
            (Body::Full(bytes), _) => {
                let bytes = compress(&wanted.form, status, &mut headers, bytes, packed).await;
                full_body(wanted.head, status, &mut headers, bytes)
            }
            // Only the headers were asked for: the producer is told so at once.
            (Body::Stream(_), _) if wanted.head => OutBody::Full(Bytes::new()),
            (Body::Stream(chunks), permit) => {
                OutBody::stream(chunks, wanted.end.clone(), reply.access_end, permit)
            }
        };
        headers::apply(status, &mut headers);
        if closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let mut response = hyper::Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

fn full_body(head: bool, status: StatusCode, headers: &mut HeaderMap, bytes: Bytes) -> OutBody {
    // hyper knows the length of what is sent; a HEAD's answer has to say it itself.
    headers.remove(header::CONTENT_LENGTH);
    let has_body = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if head && has_body {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        return OutBody::Full(Bytes::new());
    }
    OutBody::Full(bytes)
}

/// Runs a future and catches its panic.
async fn unpanicked<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|context| {
        // After a panic the future is only dropped, never polled again.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}
