//! What can be changed while the server runs: who may ask, and how much clients may take.
//!
//! A request is held to the rules of the moment at which it is looked at; a connection keeps
//! the bounds of a request's head that it began with. What is open stays so, but for streams
//! over TCP when fewer may ask than before: their readers come back, if they may. A stream
//! that was opened with a session ends with it, whatever the rules are.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::error::ServerError;
use super::guard::{GuardConfig, TcpAuth};
use super::host::AllowedHosts;
use super::limits::Limits;
use super::running::RunningServer;

/// The rules of one transport.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) guard: GuardConfig,
    pub(super) limits: Limits,
}

/// Stands where there is no address, and the names are looked at alone.
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// What is wrong with each of the names that `Host` may have; the port does not matter for that.
pub fn check_hosts(names: &[String]) -> Vec<ServerError> {
    let check = |name| AllowedHosts::new(ANY, std::slice::from_ref(name)).err();
    names.iter().filter_map(check).collect()
}

impl Rules {
    /// May somebody no longer ask who could by `former`?
    pub(super) fn are_stricter_than(&self, former: &Self) -> bool {
        let closes =
            former.guard.tcp_auth == TcpAuth::None && self.guard.tcp_auth == TcpAuth::Token;
        closes || self.guard.hosts != former.guard.hosts
    }
}

impl RunningServer {
    /// Puts other rules in force, all of them or, where they make no sense, none.
    pub fn change_rules(
        &self,
        tcp_auth: TcpAuth,
        allowed_hosts: &[String],
        limits: &Limits,
    ) -> Result<(), ServerError> {
        limits.check()?;
        let hosts = AllowedHosts::new(self.http_addr.unwrap_or(ANY), allowed_hosts)?;
        let guard = GuardConfig { hosts, tcp_auth, uri_bytes: limits.uri_bytes };
        for front in &self.fronts {
            front.change_rules(Rules { guard: guard.clone(), limits: limits.clone() });
        }
        Ok(())
    }
}
