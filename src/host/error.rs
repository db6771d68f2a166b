//! Why a host cannot run.

use crate::daemon::StartError;
use crate::daemon::config::ConfigError;
use crate::server::ServerError;
use crate::store::StoreError;
use crate::sync::CourierError;

/// Why a host cannot run.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The daemon cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A listener cannot be bound.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The token cannot be written.
    #[error("the token of the API cannot be written")]
    Token(#[source] StoreError),
    /// The system gives no randomness.
    #[error("no token can be made")]
    Random(#[source] crate::api::token::RandomError),
    /// Delivery cannot start.
    #[error(transparent)]
    Delivery(#[from] CourierError),
    /// The system gives no threads.
    #[error("the listeners cannot be started")]
    Runtime(#[source] std::io::Error),
}
