//! The bytes of one connection, with the time limits and looks that hyper does not have.
//!
//! Writes that make no progress end the connection, since hyper waits for a reader for ever.
//! Bytes on their way in are scanned for requests that give their length twice. And when an
//! answer was given before its request's body had arrived, closing waits a moment for the
//! rest: a connection that is closed with unread bytes is reset, and a reset can destroy the
//! answer before the client has read it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::framing::LengthScan;

/// How long closing waits for the rest of a request.
const LINGER: Duration = Duration::from_secs(1);
/// How much of it is thrown away at most, in bytes.
const LINGER_BYTES: usize = 1024 * 1024;

/// What the bytes of a connection and the exchange of its messages tell each other.
#[derive(Debug, Default)]
pub(super) struct LinkFacts {
    /// A request with two lengths came in; it is the last one of its connection.
    pub(super) ambiguous_length: AtomicBool,
    /// The answer to the first request was asked for.
    pub(super) used: AtomicBool,
    /// An answer was given while its request's body was still to come.
    pub(super) body_unread: AtomicBool,
}

/// A stream with a write-stall limit.
#[derive(Debug)]
pub(super) struct Link<S> {
    stream: S,
    facts: Arc<LinkFacts>,
    scan: LengthScan,
    write_stall: Duration,
    /// Runs while a write waits.
    stall: Option<Pin<Box<Sleep>>>,
    /// Runs while closing.
    linger: Option<Linger>,
}

#[derive(Debug)]
struct Linger {
    until: Pin<Box<Sleep>>,
    left: usize,
}

impl<S> Link<S> {
    pub(super) fn new(stream: S, facts: Arc<LinkFacts>, write_stall: Duration) -> Self {
        Self { stream, facts, scan: LengthScan::default(), write_stall, stall: None, linger: None }
    }

    /// Passes a result on; while it is pending the stall timer runs.
    fn watch_stall<T>(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stall = None;
            return result;
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(self.write_stall)));
        ready!(stall.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client stopped reading")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Link<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if self.scan.feed(&buffer.filled()[before..]) {
            self.facts.ambiguous_length.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Link<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch_stall(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // An answer without a body is one slice, for which the plain call is cheaper.
        let result = match slices {
            [only] => Pin::new(&mut self.stream).poll_write(context, only),
            _ => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
        };
        self.watch_stall(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets have nothing to flush, so this neither stalls nor is progress.
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            if !self.facts.body_unread.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let link = &mut *self;
        let linger = link
            .linger
            .get_or_insert_with(|| Linger { until: Box::pin(sleep(LINGER)), left: LINGER_BYTES });
        poll_discard(&mut link.stream, linger, context)
    }
}

/// Reads and forgets until the client closes, or enough time or bytes have gone.
fn poll_discard<S: AsyncRead + Unpin>(
    stream: &mut S,
    linger: &mut Linger,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let mut bytes = [0; 4096];
    while linger.left > 0 && linger.until.as_mut().poll(context).is_pending() {
        let mut buffer = ReadBuf::new(&mut bytes);
        let read = ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer));
        if read.is_err() || buffer.filled().is_empty() {
            break;
        }
        linger.left = linger.left.saturating_sub(buffer.filled().len());
    }
    Poll::Ready(Ok(()))
}

/// Closes a stream that was only written to: lets the client read the answer first.
pub(super) async fn close_gently<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    let facts = LinkFacts { body_unread: AtomicBool::new(true), ..LinkFacts::default() };
    let mut link = Link::new(stream, Arc::new(facts), LINGER);
    // The client may be gone already, which is as well.
    let _ = std::future::poll_fn(|context| Pin::new(&mut link).poll_shutdown(context)).await;
}
