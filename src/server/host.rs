//! The names under which this server may be asked, against DNS rebinding.
//!
//! A page of another site can make a browser resolve its own name to 127.0.0.1, but the
//! browser still sends that name as `Host`. So a name is compared as a whole with a short
//! list, never by suffix or by what it resolves to.

use std::net::SocketAddr;

use super::error::ServerError;

/// Names that mean this machine on every transport over TCP.
const LOOPBACK_NAMES: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];
/// The port that a `Host` of an `http` address leaves out.
const HTTP_PORT: u16 = 80;

/// The values of `Host` that are answered, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHosts(Vec<String>);

impl AllowedHosts {
    /// The loopback names with the port of `address`, the address itself, and `extra` names:
    /// those with a port as they are, the others with the port of `address`.
    pub fn new(address: SocketAddr, extra: &[String]) -> Result<Self, ServerError> {
        let port = address.port();
        let mut allowed = vec![address.to_string()];
        for name in LOOPBACK_NAMES {
            allow(&mut allowed, name, port);
        }
        for given in extra {
            let (name, own_port) = split(given)?;
            allow(&mut allowed, &name, own_port.unwrap_or(port));
        }
        Ok(Self(allowed))
    }

    /// Is this value of `Host` ours? Case does not matter, everything else does.
    pub fn contains(&self, host: &str) -> bool {
        self.0.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    }
}

fn allow(allowed: &mut Vec<String>, name: &str, port: u16) {
    allowed.push(format!("{name}:{port}"));
    if port == HTTP_PORT {
        allowed.push(name.to_owned());
    }
}

/// Splits a configured name from its port and refuses what can't be the value of a `Host`.
fn split(given: &str) -> Result<(String, Option<u16>), ServerError> {
    let wrong = || ServerError::AllowedHost(given.to_owned());
    let authority: http::uri::Authority = given.parse().map_err(|_| wrong())?;
    let name = authority.host();
    let (port, port_bytes) = match authority.port() {
        Some(port) => (Some(port.as_u16()), port.as_str().len() + 1),
        None => (None, 0),
    };
    // A wildcard would match literally and surprise; user information is never in a `Host`.
    let whole = name.len() + port_bytes == given.len();
    if name.is_empty() || !whole || name.contains('*') || port == Some(0) {
        return Err(wrong());
    }
    Ok((name.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_with_our_port() {
        let hosts = AllowedHosts::new(([127, 0, 0, 1], 7717).into(), &[]).unwrap();
        for ours in ["127.0.0.1:7717", "localhost:7717", "LocalHost:7717", "[::1]:7717"] {
            assert!(hosts.contains(ours), "{ours}");
        }
        let others = [
            "",
            ":7717",
            "localhost",
            "127.0.0.1",
            "localhost:7718",
            "localhost:07717",
            "localhost.:7717",
            "x.localhost:7717",
            "localhost.evil.test:7717",
            "foo.local:7717",
            "127.0.0.1.evil.test:7717",
            "127.0.0.1:7717.evil.test",
            "0.0.0.0:7717",
            "127.1:7717",
            "127.0.0.2:7717",
            "2130706433:7717",
            "0x7f.0.0.1:7717",
            "[::]:7717",
            "[::ffff:127.0.0.1]:7717",
            "::1:7717",
            "user@localhost:7717",
            "localhost:7717,localhost:7717",
            "localhost:7717/",
            "evil.test:7717",
        ];
        for other in others {
            assert!(!hosts.contains(other), "{other}");
        }
    }

    #[test]
    fn port_80_may_be_left_out() {
        let hosts = AllowedHosts::new(([127, 0, 0, 1], 80).into(), &[]).unwrap();
        assert!(hosts.contains("localhost") && hosts.contains("localhost:80"));
    }

    #[test]
    fn an_address_of_the_loopback_net_is_its_own_name() {
        let hosts = AllowedHosts::new(([127, 0, 0, 2], 7717).into(), &[]).unwrap();
        assert!(hosts.contains("127.0.0.2:7717") && !hosts.contains("127.0.0.3:7717"));
    }

    #[test]
    fn extra_names_are_allowed_exactly() {
        let extra = ["Dossier.test".to_owned(), "tunnel.test:9000".to_owned()];
        let hosts = AllowedHosts::new(([127, 0, 0, 1], 7717).into(), &extra).unwrap();
        for (host, allowed) in [
            ("dossier.test:7717", true),
            ("dossier.test", false),
            ("tunnel.test:9000", true),
            ("tunnel.test:7717", false),
            ("x.dossier.test:7717", false),
        ] {
            assert_eq!(hosts.contains(host), allowed, "{host}");
        }
    }

    #[test]
    fn a_wrong_extra_name_is_an_error() {
        for wrong in
            ["", "*", "*.test", "a b", "http://a.test", "a.test/", "u@a.test", "a:0", "a:x"]
        {
            let result = AllowedHosts::new(([127, 0, 0, 1], 7717).into(), &[wrong.to_owned()]);
            assert!(matches!(result, Err(ServerError::AllowedHost(_))), "{wrong:?}");
        }
    }
}
