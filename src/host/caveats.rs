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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_others_have_is_an_address_and_keeps_its_words() {
        let [wanted, got] = [1, 2].map(|port| ([127, 0, 0, 1], port).into());
        let busy = Warning::PortBusy { wanted, got };
        let expected = Caveat::new(CaveatKind::Address, busy.to_string());
        assert_eq!(of_server(&busy), expected);
        assert_eq!(of_server(&Warning::NoTcpAuth).kind, CaveatKind::OpenTcp);
    }
}
