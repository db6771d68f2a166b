//! A service's body as hyper wants it.
//!
//! A stream ends when its producer ends it, or at once when the server stops or its reader
//! may no longer read. Dropping the
//! body drops the receiver, which is how the producer learns that the client has gone.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HyperBody, Frame, SizeHint};
use tokio::sync::mpsc::Receiver;

use super::gate::Pass;
use super::stop::Stop;
use crate::api::http::AccessEnd;

/// The body of an answer on its way out.
#[derive(Debug)]
pub(super) enum OutBody {
    /// All bytes; empty once taken.
    Full(Bytes),
    /// Chunks as they come.
    Stream(StreamBody),
}

/// Chunks of an endless answer.
pub(super) struct StreamBody {
    chunks: Receiver<Bytes>,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    ended: bool,
    /// Counts this stream until it is dropped.
    _permit: Option<Pass>,
}

impl OutBody {
    /// A stream that ends when `stop` asks or its reader's access ends, counted by `permit`.
    pub(super) fn stream(
        chunks: Receiver<Bytes>,
        stop: Stop,
        access_end: Option<AccessEnd>,
        permit: Option<Pass>,
    ) -> Self {
        let stopped = Box::pin(async move {
            match access_end {
                None => stop.asked().await,
                Some(end) => tokio::select! {
                    () = stop.asked() => {}
                    () = end => {}
                },
            }
        });
        Self::Stream(StreamBody { chunks, stopped, ended: false, _permit: permit })
    }
}

impl StreamBody {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let chunk = match self.stopped.as_mut().poll(context) {
            Poll::Ready(()) => None,
            // An empty chunk would end the answer on the wire.
            Poll::Pending => loop {
                match ready!(self.chunks.poll_recv(context)) {
                    Some(chunk) if chunk.is_empty() => {}
                    chunk => break chunk,
                }
            },
        };
        self.ended = chunk.is_none();
        Poll::Ready(chunk)
    }
}

impl HyperBody for OutBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = match &mut *self {
            Self::Full(bytes) if bytes.is_empty() => None,
            Self::Full(bytes) => Some(std::mem::take(bytes)),
            Self::Stream(stream) => ready!(stream.poll_chunk(context)),
        };
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream(stream) => stream.ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for StreamBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StreamBody").field("ended", &self.ended).finish_non_exhaustive()
    }
}
