//! Connections over the Unix socket: from our own user and from root only.

use std::io;

use tokio::net::{UnixListener, UnixStream};

use super::accept::Acceptor;
use super::unix_socket::{SocketFile, UnixSocket};

/// A listener and its file, which goes when the listener does, if we made it.
#[derive(Debug)]
pub(super) struct UnixAcceptor {
    // Dropped first: nobody finds the file gone while connections are still accepted.
    listener: UnixListener,
    _file: Option<SocketFile>,
    own_uid: u32,
}

impl UnixAcceptor {
    /// Must be called within a runtime.
    pub(super) fn new(socket: UnixSocket) -> io::Result<Self> {
        let (listener, file) = socket.into_parts();
        Self::of(listener, Some(file))
    }

    /// The same for a listener whose file is another's, and stays.
    pub(super) fn passed(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        Self::of(listener, None)
    }

    fn of(
        listener: std::os::unix::net::UnixListener,
        file: Option<SocketFile>,
    ) -> io::Result<Self> {
        let own_uid = rustix::process::geteuid().as_raw();
        Ok(Self { listener: UnixListener::from_std(listener)?, _file: file, own_uid })
    }
}

impl Acceptor for UnixAcceptor {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        let (stream, _) = self.listener.accept().await?;
        Ok(stream)
    }

    /// A uid that can't be read is a foreign one.
    fn admits(&self, stream: &UnixStream) -> bool {
        stream.peer_cred().is_ok_and(|peer| peer.uid() == self.own_uid || peer.uid() == 0)
    }

    fn bound_send_buffer(&self, stream: &UnixStream, bytes: usize) {
        // A kernel that refuses keeps its own bound, and the write-stall limit still holds.
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(stream, bytes);
    }
}
