//! The machine on which something was measured, and the versions of all that took part.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::stage::Stage;

/// A list in Markdown.
pub(crate) fn describe(stage: &Stage) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let facts = [
        ("date", jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string()),
        ("commit", commit()),
        ("processor", format!("{}, {cores} cores", value("/proc/cpuinfo", "model name"))),
        ("memory", value("/proc/meminfo", "MemTotal")),
        ("kernel", format!("Linux {}", first_line("/proc/sys/kernel/osrelease"))),
        ("file system of the inputs", file_system(&stage.inputs)),
        ("rustc", said("rustc", &["--version"])),
        ("sha256sum", said("sha256sum", &["--version"])),
        ("git", said("git", &["--version"])),
        ("nginx", said("nginx", &["-v"])),
        ("wrk", said("wrk", &["-v"])),
        ("runs", stage.runs().to_string()),
    ];
    facts.map(|(name, value)| format!("- {name}: {value}\n")).concat()
}

fn commit() -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let commit = said("git", &["-C", root, "rev-parse", "--short=12", "HEAD"]);
    let changes = Command::new("git").args(["-C", root, "status", "--porcelain", "-uno"]).output();
    match changes {
        Ok(changes) if !changes.stdout.is_empty() => format!("{commit}, with changes"),
        _ => commit,
    }
}

/// The first line that a program says of its version, on either stream.
fn said(program: &str, args: &[&str]) -> String {
    let Ok(ran) = Command::new(program).args(args).output() else { return "–".to_owned() };
    let text = [ran.stdout, ran.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or("–").trim().to_owned()
}

/// The type of the innermost mount that the path lies below.
fn file_system(path: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((Path::new(fields.next()?), fields.next()?))
    });
    let around = mounts.filter(|(place, _)| path.starts_with(place));
    let innermost = around.max_by_key(|(place, _)| place.components().count());
    innermost.map_or("–", |(_, kind)| kind).to_owned()
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("–").to_owned()
}

/// What follows the colon of the first line with this name.
fn value(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':')).map_or("–", |(_, value)| value.trim());
    value.to_owned()
}
