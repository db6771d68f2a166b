//! One connection from bytes to bytes, through hyper, framing, guards and the API. The input's
//! first byte says over which transport, and how many bytes come at a time; the rest is what the
//! client sends, with `TOKEN` for the token. What comes at once and what comes in pieces has to
//! be answered in the same way.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use dossierd::api::Api;
use dossierd::api::http::{
    AccessEnd, Answer as Answering, Body, Peer, Request, Response, Served, Service,
};
use dossierd::server::Transport;
use http::Method;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wire::{Answer, answers};
use super::world::{self, Stage};

pub fn check(data: &[u8]) {
    let Some((how, sent)) = data.split_first() else { return };
    let transport = if how & 1 == 0 { Transport::Tcp } else { Transport::Unix };
    let piece = 1 + usize::from(how >> 1);
    world::with(|stage| {
        let sent = stage.with_token(sent);
        let at_once = converse(stage, transport, &sent, usize::MAX);
        let in_pieces = converse(stage, transport, &sent, piece);
        assert_eq!(statuses(&at_once), statuses(&in_pieces), "by {piece} bytes");
    });
}

/// Without the last word of hyper, which ends the connection: what is no HTTP it refuses as soon
/// as it sees that, and where bytes come in pieces the end may come sooner.
fn statuses(answers: &[Answer]) -> Vec<u16> {
    let ours = answers.iter().filter(|answer| !answer.is_of_hyper());
    ours.map(|answer| answer.status.as_u16()).collect()
}

fn converse(stage: &Stage, transport: Transport, sent: &[u8], piece: usize) -> Vec<Answer> {
    let open = Arc::new(AtomicUsize::new(0));
    let received = Arc::new(Mutex::new(Vec::new()));
    let line = Line {
        sent: sent.to_vec(),
        at: 0,
        piece,
        patience: PATIENCE,
        open: Arc::clone(&open),
        waiting: None,
        received: Arc::clone(&received),
    };
    let service = Watched { api: Arc::clone(&stage.world.api), transport, open };
    stage.run(dossierd::fuzzing::converse(line, transport, Arc::new(service)));
    let peer = if transport == Transport::Unix { Peer::Local } else { Peer::Bearer };
    let answers = answers(&received.lock().expect("not poisoned"));
    for (at, answer) in answers.iter().enumerate() {
        if answer.is_of_hyper() {
            assert_eq!(at + 1, answers.len(), "nothing is answered after what is no HTTP");
        } else {
            answer.check_transport();
            answer.check(peer);
        }
    }
    // Each answer has a request, and no request has fewer bytes than this.
    assert!(answers.len() <= 1 + sent.len() / "G / HTTP/1.1\n\n".len());
    answers
}

/// The API, and a look at who gets through to it.
struct Watched {
    api: Arc<Api>,
    transport: Transport,
    open: Arc<AtomicUsize>,
}

impl Service for Watched {
    fn answer<'a>(&'a self, request: Request) -> Answering<'a> {
        match request.peer {
            Peer::Local => assert_eq!(self.transport, Transport::Unix),
            Peer::Bearer => assert_eq!(self.transport, Transport::Tcp),
            Peer::Anonymous => {
                assert!(self.transport == Transport::Tcp);
                let served = self.served(&request.method, &request.path);
                assert_eq!(served, Served::Public, "{}", request.path);
            }
        }
        assert!(request.path.starts_with('/') && request.body.len() <= 64 * 1024);
        let open = Open::of(&self.open);
        Box::pin(async move {
            let response = ended(self.api.answer(request).await);
            drop(open);
            response
        })
    }

    fn served(&self, method: &Method, path: &str) -> Served {
        self.api.served(method, path)
    }

    fn is_stream(&self, method: &Method, path: &str, query: &str) -> bool {
        self.api.is_stream(method, path, query)
    }

    fn accepts_token(&self, token: &str) -> bool {
        self.api.accepts_token(token)
    }

    fn access_end(&self, token: &str) -> Option<AccessEnd> {
        self.api.access_end(token)
    }
}

/// A stream ends after what is there at once: what it brings later is not a matter of the bytes
/// that were sent, and hyper sees no hang-up while it has some that it has not looked at.
fn ended(mut response: Response) -> Response {
    if let Body::Stream(chunks) = &mut response.body {
        let (sender, receiver) = tokio::sync::mpsc::channel(64);
        while let Ok(chunk) = chunks.try_recv()
            && sender.try_send(chunk).is_ok()
        {}
        response.body = Body::Stream(receiver);
    }
    response
}

/// A request that is being answered.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn of(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// So often in a row a reader finds nothing to read before the client hangs up.
const PATIENCE: u8 = 4;

/// The client: sends its bytes, waits for what is being answered, and hangs up. Whoever hangs up
/// sooner gets no answer from hyper.
struct Line {
    sent: Vec<u8>,
    at: usize,
    piece: usize,
    patience: u8,
    open: Arc<AtomicUsize>,
    /// The reader that waits for the next byte, of which there is none.
    waiting: Option<Waker>,
    received: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.sent.len() - self.at;
        if left == 0 && self.open.load(Ordering::SeqCst) > 0 {
            self.waiting = Some(context.waker().clone());
            return Poll::Pending;
        }
        if left == 0 && self.patience > 0 {
            self.patience -= 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let now = left.min(self.piece).min(buffer.remaining());
        buffer.put_slice(&self.sent[self.at..][..now]);
        self.at += now;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.received.lock().expect("not poisoned").extend_from_slice(bytes);
        self.patience = PATIENCE;
        self.waiting.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
