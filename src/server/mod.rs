//! The server: hyper over TCP on loopback and over a Unix socket, in front of any
//! [`Service`](crate::api::http::Service).
//!
//! It knows transports, guards, limits and streams, and nothing of dossiers. A request goes
//! through it in this order:
//! 1. `accept`: is there room for the connection, and may this process talk to us?
//! 2. `link`: bytes, with what hyper does not limit; hyper itself parses and limits heads.
//! 3. `guard`: Host, then the page that asks, then the token, then method, path and content.
//! 4. `exchange`: the body with its limits, the service with its deadline.
//! 5. `compress`, `headers`, `body`: the answer on its way out.
//!
//! Invariants: only loopback and only our own user and root get in; each answer that is not
//! hyper's own to broken HTTP carries all security headers; nothing that a client sends or
//! leaves out keeps a connection for ever; a stop is heard by everything that waits.

mod accept;
mod body;
mod compress;
mod counters;
mod error;
mod exchange;
mod framing;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod gate;
pub mod guard;
mod header_timer;
mod headers;
pub mod host;
mod limits;
mod link;
mod listen;
mod passed;
mod pulse;
mod refusal;
mod rules;
mod running;
mod stop;
mod target;
#[cfg(unix)]
mod unix_acceptor;
#[cfg(unix)]
mod unix_socket;

pub use counters::Counters;
pub use error::{ServerError, Warning};
pub use guard::{TcpAuth, Transport};
pub use limits::Limits;
pub use listen::{IfBusy, bind_tcp};
pub use passed::PassedListeners;
pub use pulse::Pulse;
pub use rules::check_hosts;
pub use running::{RunningServer, Server, ServerConfig, Shutdown};
#[cfg(unix)]
pub use unix_socket::{UnixSocket, bind_unix};
