//! What the server warns of, as the daemon tells such things.

use crate::daemon::caveat::{Caveat, CaveatKind};
use crate::server::Warning;

/// As the API shows it.
pub(super) fn of_server(warning: &Warning) -> Caveat {
    let kind = match warning {
        Warning::PortBusy { .. } => CaveatKind::Address,
        Warning::NoTcpAuth => CaveatKind::OpenTcp,
        Warning::OtherAddress { .. } | Warning::OtherSocket { .. } | Warning::NoTcp { .. } => {
            CaveatKind::Supervisor
        }
    };
    Caveat::new(kind, warning.to_string())
}
