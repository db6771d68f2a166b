//! What a client may take: connections, bytes and time, in one place.
//!
//! The defaults are also the most that is allowed: a configuration can only lower them, so
//! that no setting opens what the trust model closes.

use std::time::Duration;

use super::error::ServerError;
use super::guard::Transport;

/// hyper needs room for a head of this size at least.
const LEAST_HEADER_BYTES: usize = 8 * 1024;

/// The limits of the server. Each transport has its own connections and streams, so that
/// TCP can't starve the command line. The Unix socket, where only the user's own processes
/// and root get in, has room for many followers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open connections over TCP.
    pub connections: usize,
    /// Endless responses over TCP.
    pub streams: usize,
    /// Open connections over the Unix socket.
    pub local_connections: usize,
    /// Endless responses over the Unix socket. Fewer than its connections, so that the
    /// command line gets in whoever follows.
    pub local_streams: usize,
    /// Bytes of a request's head, and of what is buffered per connection.
    pub header_bytes: usize,
    /// Header lines of a request.
    pub header_count: usize,
    /// Bytes of a request's target.
    pub uri_bytes: usize,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// From the end of an answer (or the connection's start) to a complete next head.
    pub header_time: Duration,
    /// For a whole body.
    pub body_time: Duration,
    /// For the service to answer.
    pub handler_time: Duration,
    /// Without one written byte getting through.
    pub write_stall: Duration,
    /// What the kernel is asked to buffer per connection, in bytes.
    pub send_buffer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            streams: 16,
            local_connections: 256,
            local_streams: 224,
            header_bytes: 16 * 1024,
            header_count: 64,
            uri_bytes: 2 * 1024,
            body_bytes: 64 * 1024,
            header_time: Duration::from_secs(15),
            body_time: Duration::from_secs(10),
            handler_time: Duration::from_secs(30),
            write_stall: Duration::from_secs(20),
            send_buffer: 128 * 1024,
        }
    }
}

impl Limits {
    /// How many connections and streams a transport has.
    pub(super) fn of(&self, transport: Transport) -> (usize, usize) {
        match transport {
            Transport::Tcp => (self.connections, self.streams),
            Transport::Unix => (self.local_connections, self.local_streams),
        }
    }

    /// Refuses a limit of zero, or above its default.
    pub(super) fn check(&self) -> Result<(), ServerError> {
        let most = Self::default();
        check("connections", self.connections, 1, most.connections)?;
        check("streams", self.streams, 1, most.streams)?;
        check("local_connections", self.local_connections, 1, most.local_connections)?;
        check("local_streams", self.local_streams, 1, most.local_streams)?;
        check("header_bytes", self.header_bytes, LEAST_HEADER_BYTES, most.header_bytes)?;
        check("header_count", self.header_count, 1, most.header_count)?;
        check("uri_bytes", self.uri_bytes, 1, most.uri_bytes)?;
        check("body_bytes", self.body_bytes, 1, most.body_bytes)?;
        check("send_buffer", self.send_buffer, 1, most.send_buffer)?;
        let least = Duration::from_millis(1);
        check("header_time", self.header_time, least, most.header_time)?;
        check("body_time", self.body_time, least, most.body_time)?;
        check("handler_time", self.handler_time, least, most.handler_time)?;
        check("write_stall", self.write_stall, least, most.write_stall)
    }
}

fn check<T>(name: &'static str, value: T, least: T, most: T) -> Result<(), ServerError>
where
    T: PartialOrd + std::fmt::Debug,
{
    if value < least || value > most {
        return Err(ServerError::Limit {
            name,
            value: format!("{value:?}"),
            least: format!("{least:?}"),
            most: format!("{most:?}"),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documentation and the trust model promise.
    #[test]
    fn the_defaults() {
        let seconds = Duration::from_secs;
        let limits = Limits::default();
        assert_eq!((limits.connections, limits.streams), (64, 16));
        assert_eq!((limits.local_connections, limits.local_streams), (256, 224));
        assert_eq!((limits.header_bytes, limits.header_count), (16_384, 64));
        assert_eq!((limits.uri_bytes, limits.body_bytes), (2048, 65_536));
        assert_eq!((limits.header_time, limits.body_time), (seconds(15), seconds(10)));
        assert_eq!((limits.handler_time, limits.write_stall), (seconds(30), seconds(20)));
        assert_eq!(limits.send_buffer, 131_072);
    }

    #[test]
    fn limits_go_down_only() {
        type Change = fn(&mut Limits);
        let cases: [(&str, Change, bool); 10] = [
            ("the defaults", |_| (), true),
            ("fewer connections", |limits| limits.connections = 2, true),
            ("less time", |limits| limits.body_time = Duration::from_millis(200), true),
            ("more connections", |limits| limits.connections = 65, false),
            ("more followers", |limits| limits.local_streams = 225, false),
            ("more local connections", |limits| limits.local_connections = 257, false),
            ("no streams", |limits| limits.streams = 0, false),
            ("a head hyper can't hold", |limits| limits.header_bytes = 8191, false),
            ("more time", |limits| limits.write_stall = Duration::from_secs(21), false),
            ("no time", |limits| limits.header_time = Duration::ZERO, false),
        ];
        for (name, change, allowed) in cases {
            let mut limits = Limits::default();
            change(&mut limits);
            assert_eq!(limits.check().is_ok(), allowed, "{name}");
        }
    }
}
