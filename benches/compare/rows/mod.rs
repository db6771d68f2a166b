//! The rows of the comparison, in the order of the table.

mod checkout;
mod edit;
mod followers;
mod idle;
mod memory;
mod register;
mod restart;
mod scan;
mod serve;
mod storm;

use crate::row::Row;

/// All of them.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "scan-hash",
        what: "cold scan beside a program that only walks, reads, checks and hashes",
        measure: scan::hash,
    },
    Row {
        name: "scan-sha256sum",
        what: "cold scan beside find, xargs and sha256sum",
        measure: scan::sha256sum,
    },
    Row { name: "scan-indexer", what: "cold scan beside the Python indexer", measure: scan::index },
    Row {
        name: "restart",
        what: "restart on an unchanged project beside walking and stat",
        measure: restart::restart,
    },
    Row { name: "edit-1000", what: "an edit until it is in the view", measure: edit::small },
    Row {
        name: "fresh",
        what: "an edit and a fresh read at 50,000 artifacts",
        measure: edit::fresh,
    },
    Row {
        name: "edit-100000",
        what: "an edit at 100,000 artifacts beside one at 1,000",
        measure: edit::large,
    },
    Row {
        name: "register",
        what: "registering 10,000 directories beside walking and reading",
        measure: register::register_many,
    },
    Row { name: "storm", what: "new directories while two writers storm", measure: storm::storm },
    Row {
        name: "checkout",
        what: "a git checkout that changes 5,000 of 10,000 files",
        measure: checkout::checkout,
    },
    Row {
        name: "serve-overview",
        what: "overview over TCP beside nginx",
        measure: serve::overview,
    },
    Row {
        name: "serve-list",
        what: "list of 1,000 artifacts over TCP beside nginx",
        measure: serve::list,
    },
    Row {
        name: "serve-unchanged",
        what: "the list with If-None-Match beside nginx",
        measure: serve::unchanged,
    },
    Row {
        name: "memory-corpus",
        what: "resident memory with real missions",
        measure: memory::corpus,
    },
    Row {
        name: "memory-100000",
        what: "resident memory at 100,000 artifacts",
        measure: memory::large,
    },
    Row { name: "idle", what: "CPU time and wake-ups of an idle daemon", measure: idle::idle },
    Row {
        name: "followers",
        what: "200 event followers, one of them stalled",
        measure: followers::followers,
    },
];
