//! Listening on TCP: loopback only, and never sharing a port.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::error::{ServerError, Warning};

/// What to do when the port is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfBusy {
    /// Have another one picked, with a warning: for the default port that nobody chose.
    PickAnother,
    /// Fail: for a port that was asked for.
    Fail,
}

/// Listens on `address`, which must be a loopback address. The port is never shared
/// (`SO_REUSEPORT`): whoever listens there is the only one.
pub fn bind_tcp(
    address: SocketAddr,
    if_busy: IfBusy,
) -> Result<(TcpListener, Option<Warning>), ServerError> {
    // An IPv4 address inside IPv6 is not loopback to `is_loopback`, and is refused as well.
    if !address.ip().is_loopback() {
        return Err(ServerError::NotLoopback(address));
    }
    match listen(address) {
        Ok(listener) => Ok((listener, None)),
        Err(source) if source.kind() != io::ErrorKind::AddrInUse => {
            Err(ServerError::Listen { address, source })
        }
        Err(_) if if_busy == IfBusy::Fail => Err(ServerError::PortInUse(address)),
        Err(_) => {
            let any = SocketAddr::new(address.ip(), 0);
            let listener =
                listen(any).map_err(|source| ServerError::Listen { address: any, source })?;
            let got = listener
                .local_addr()
                .map_err(|source| ServerError::Listen { address: any, source })?;
            Ok((listener, Some(Warning::PortBusy { wanted: address, got })))
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback() {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:127.0.0.1]:0"] {
            let result = bind_tcp(address.parse().unwrap(), IfBusy::PickAnother);
            let error = result.expect_err("must be refused");
            assert!(matches!(error, ServerError::NotLoopback(_)), "{address}: {error}");
            assert!(error.to_string().contains("tunnel"), "{error}");
        }
    }

    #[test]
    fn a_busy_port_is_an_error_or_a_warning() {
        let (holder, warning) = bind_tcp(([127, 0, 0, 1], 0).into(), IfBusy::Fail).unwrap();
        assert_eq!(warning, None);
        let busy = holder.local_addr().unwrap();
        let error = bind_tcp(busy, IfBusy::Fail).expect_err("must be refused");
        assert!(matches!(error, ServerError::PortInUse(address) if address == busy), "{error}");
        let (other, warning) = bind_tcp(busy, IfBusy::PickAnother).unwrap();
        let got = other.local_addr().unwrap();
        assert_ne!(got.port(), busy.port());
        assert_eq!(warning, Some(Warning::PortBusy { wanted: busy, got }));
    }
}
