//! The server against raw bytes: no HTTP library on the client's side, since a library would
//! not send what an attacker sends.
//!
//! Each test has its own server, port, socket and directory. Where a limit is a time, the
//! test makes it short; nothing sleeps for a fixed time to wait for something.
#![cfg(unix)]
// Helpers of tests are tests: a failed step ends the test where it failed.
#![allow(clippy::unwrap_used)]

mod answers;
mod flood;
mod harness;
mod hosts;
mod logs;
mod pages;
mod peers;
mod requests;
mod sample;
mod shutdown;
mod slow;
mod socket;
mod tokens;
