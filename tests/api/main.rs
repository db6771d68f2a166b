//! The API without a network: real dossiers, a loop that is a closure, disks that are maps.

mod configuration;
mod conformance;
mod delivery;
#[path = "../kit/described.rs"]
mod described;
mod fake_delivery;
mod kit;
mod line_transport;
mod login;
mod privacy;
mod reads;
mod routes;
mod schemas;
mod stream;
mod text;
mod versions;
mod writes;
