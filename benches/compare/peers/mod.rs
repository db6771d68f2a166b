//! What dossierd is compared with.

pub(crate) mod indexer;
pub(crate) mod nginx;
mod walk;

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::fault::{Outcome, While, failed};
use walk::{Work, walk};

/// The argument that turns this program into a peer of itself.
pub(crate) const PEER: &str = "peer";

/// Is a peer, as `peer WORK THREADS DIR`.
pub(crate) fn run(args: &[std::ffi::OsString]) -> Outcome<()> {
    let [work, threads, dir] = args else { return failed("usage: peer WORK THREADS DIR") };
    let work = match work.to_str() {
        Some("walk-stat") => Work::Stat,
        Some("walk-read") => Work::Read,
        Some("walk-hash") => Work::Hash,
        _ => return failed("WORK is walk-stat, walk-read or walk-hash"),
    };
    let Some(Ok(threads)) = threads.to_str().map(str::parse) else {
        return failed("THREADS is a number");
    };
    let dir = Path::new(dir);
    let totals = walk(dir, work, threads).at("cannot walk", dir)?;
    println!("{} files, {} bytes, {:016x}", totals.files, totals.bytes, totals.mark);
    Ok(())
}

/// This program as a peer.
pub(crate) fn command(work: &str, threads: u32, dir: &Path) -> Outcome<Command> {
    let mut command = Command::new(std::env::current_exe().during("where is this program")?);
    command.arg(PEER).arg(work).arg(threads.to_string()).arg(dir);
    Ok(command)
}

/// `find … | xargs -P2 sha256sum`; 250 files at a time, so that both processes have work
/// to the end and starting them costs little.
pub(crate) fn sha256sum(dir: &Path) -> Command {
    const SCRIPT: &str = "find \"$1\" -type f -not -path '*/.*' -print0 | \
                          xargs -0 -P2 -n 250 sha256sum";
    let mut command = Command::new("sh");
    command.args([OsStr::new("-c"), OsStr::new(SCRIPT), OsStr::new("sh"), dir.as_os_str()]);
    command
}
