//! What a process uses, as the kernel counts it in `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::fault::{Outcome, While, failed};

/// A thread's counters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Thread {
    pub(crate) name: String,
    /// Time on a processor, in nanoseconds.
    pub(crate) busy: u64,
    /// How often it went to sleep by itself, and so how often it woke up.
    pub(crate) wakeups: u64,
}

/// Resident memory in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) total: f64,
    /// What it allocated.
    pub(crate) anonymous: f64,
    /// Pages of files, such as its own code.
    pub(crate) file: f64,
}

/// The threads of a process, by id.
pub(crate) fn threads(pid: u32) -> Outcome<BTreeMap<String, Thread>> {
    let dir = PathBuf::from(format!("/proc/{pid}/task"));
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(&dir).at("cannot list", &dir)? {
        let entry = entry.at("cannot list", &dir)?;
        // One that ends while it is looked at counts no more.
        let Ok(thread) = thread(&entry.path()) else { continue };
        threads.insert(entry.file_name().to_string_lossy().into_owned(), thread);
    }
    Ok(threads)
}

fn thread(dir: &Path) -> Outcome<Thread> {
    let status = read(&dir.join("status"))?;
    let schedule = read(&dir.join("schedstat"))?;
    let busy = schedule.split(' ').next().and_then(|number| number.parse().ok());
    let Some(busy) = busy else { return failed("the kernel does not count time in schedstat") };
    let name = read(&dir.join("comm"))?.trim().to_owned();
    let wakeups = number(&status, "voluntary_ctxt_switches:").unwrap_or(0);
    Ok(Thread { name, busy, wakeups })
}

/// Resident memory of a process.
pub(crate) fn memory(pid: u32) -> Outcome<Memory> {
    let path = PathBuf::from(format!("/proc/{pid}/status"));
    let status = read(&path)?;
    let bytes = |name| {
        let kibibytes = u32::try_from(number(&status, name).unwrap_or(0)).unwrap_or(u32::MAX);
        f64::from(kibibytes) * 1024.0
    };
    Ok(Memory {
        total: bytes("VmRSS:"),
        anonymous: bytes("RssAnon:"),
        file: bytes("RssFile:") + bytes("RssShmem:"),
    })
}

/// Seconds that children of this process, and theirs, spent on processors, as far as they
/// have ended; counted in ticks of 10 ms.
pub(crate) fn children() -> Outcome<f64> {
    const TICKS: f64 = 100.0;
    let path = Path::new("/proc/self/stat");
    let stat = read(path)?;
    // Behind the name, which may hold anything; proc(5) numbers the fields from there as 3.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let field = |number: usize| fields.split_whitespace().nth(number - 3)?.parse::<u32>().ok();
    match (field(16), field(17)) {
        (Some(user), Some(system)) => Ok((f64::from(user) + f64::from(system)) / TICKS),
        _ => failed("the kernel does not tell what children used"),
    }
}

/// Nanoseconds that the process has been on a processor.
pub(crate) fn busy(pid: u32) -> Outcome<u64> {
    Ok(threads(pid)?.values().map(|thread| thread.busy).sum())
}

/// Waits until the process does nothing: `calm` long less than 1 % of a core.
pub(crate) fn wait_idle(pid: u32, calm: Duration) -> Outcome<()> {
    const LIMIT: Duration = Duration::from_secs(300);
    let deadline = Instant::now() + LIMIT;
    let mut before = busy(pid)?;
    while Instant::now() < deadline {
        std::thread::sleep(calm);
        let now = busy(pid)?;
        if u128::from(now.saturating_sub(before)) * 100 < calm.as_nanos() {
            return Ok(());
        }
        before = now;
    }
    failed(format!("process {pid} is not idle after {LIMIT:?}"))
}

fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path).at("cannot read", path)
}

fn number(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with(name))?;
    line[name.len()..].split_whitespace().next()?.parse().ok()
}
