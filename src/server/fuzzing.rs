//! A door for the fuzz targets: one connection, from bytes to bytes, without a socket.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::accept::talk;
use super::exchange::Front;
use super::guard::{GuardConfig, TcpAuth, Transport};
use super::host::AllowedHosts;
use super::rules::Rules;
use super::{Counters, Limits, stop};
use crate::api::http::Service;

/// The port that `Host` has to name over TCP.
const PORT: u16 = 7717;

/// Answers everything that a client sends over `stream`, with the limits and guards of a
/// daemon that listens on port 7717, and ends when the connection does.
pub async fn converse<S>(stream: S, transport: Transport, service: Arc<dyn Service>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let hosts = AllowedHosts::new((Ipv4Addr::LOCALHOST, PORT).into(), &[]);
    let hosts = hosts.expect("a loopback address without further names is always allowed");
    let limits = Limits::default();
    // Stopping is asked for by dropping it, so it stays until the connection has ended.
    let (_sender, stop) = stop::channel();
    let guard = GuardConfig { hosts, tcp_auth: TcpAuth::Token, uri_bytes: limits.uri_bytes };
    let rules = Rules { guard, limits };
    let front = Front::new(transport, rules, service, Arc::new(Counters::default()), stop);
    talk(stream, Arc::new(front)).await;
}
