//! Requests and responses without a transport.
//!
//! A server turns bytes into a [`Request`], asks a [`Service`], and turns the
//! [`Response`] into bytes. Nothing below `api` knows hyper, sockets or TLS.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

/// Headers that an answer has in most cases, the transport's included.
const HEADERS: usize = 12;

/// Who asks, as far as it changes an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Over the Unix socket, from a process whose uid was checked: may see absolute paths
    /// and ask for login codes.
    Local,
    /// Over TCP with a valid token.
    Bearer,
    /// Over TCP without a token: only the public routes answer.
    Anonymous,
}

/// A request whose body has been read and bounded by the transport.
#[derive(Debug, Clone)]
pub struct Request {
    /// GET, POST, PUT, DELETE, …
    pub method: Method,
    /// The raw path, still percent-encoded, beginning with `/`.
    pub path: String,
    /// The raw query without `?`; empty when there is none.
    pub query: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// Who asks.
    pub peer: Peer,
}

/// A body: known at once, or produced as long as the other side reads.
#[derive(Debug)]
pub enum Body {
    /// All bytes.
    Full(Bytes),
    /// Chunks of an endless stream. The producer never waits for a reader: when the
    /// queue is full it ends the stream, after room kept for one last notice.
    Stream(tokio::sync::mpsc::Receiver<Bytes>),
}

/// Where a transport keeps the compressed form of a body that is served again and again;
/// `None` where it would not be smaller.
pub type Packed = Arc<OnceLock<Option<Bytes>>>;

/// A response, before transport-wide headers are added.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: StatusCode,
    /// The headers that belong to this answer.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
    /// The place for the compressed form of this very body, where it is kept.
    pub packed: Option<Packed>,
}

impl Response {
    /// A response with all its bytes and their media type.
    pub fn full(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Self {
        // Room for what is still to come: a tag, and the headers of the transport.
        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        Self { status, headers, body: Body::Full(body.into()), packed: None }
    }

    /// The same response with one more header.
    pub fn with_header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// A future of a response.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Response> + Send + 'a>>;

/// Completes when what was let in with a token is no longer.
pub type AccessEnd = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is at a path for a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// Served to everyone, [`Peer::Anonymous`] too (the page's shell, `/healthz`, `/readyz`).
    Public,
    /// Served to those who are allowed in.
    Guarded,
    /// The path has other methods, which the answer names.
    OtherMethods,
    /// Nothing.
    Nothing,
}

/// What a server serves.
pub trait Service: Send + Sync + 'static {
    /// Answers one request. Never panics on any input; never blocks the thread.
    fn answer<'a>(&'a self, request: Request) -> Answer<'a>;

    /// What is at this path for this method.
    fn served(&self, method: &Method, path: &str) -> Served;

    /// Is this a request for an endless stream (counted against the stream limit)?
    fn is_stream(&self, method: &Method, path: &str, query: &str) -> bool;

    /// Does this bearer token open the API? Compared in constant time.
    fn accepts_token(&self, token: &str) -> bool;

    /// When this token stops opening the API, so that what it has opened ends as well; at once
    /// if it does not open it any more. `None` if it does as long as the service runs.
    fn access_end(&self, token: &str) -> Option<AccessEnd>;
}
