//! The HTTP API without a transport: pure requests to responses.

pub mod http;
pub mod problem;
pub mod session;
pub mod token;
