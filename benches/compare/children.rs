//! Child processes, which end with this program however it ends.

use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::fault::{Outcome, While, failed};

/// Process ids of all [`Kept`] children.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A child that is killed when this is dropped, or when the program is asked to end.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) child: Child,
}

impl Kept {
    /// Starts it.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut running = running();
        let child = command.spawn()?;
        running.push(child.id());
        Ok(Self { child })
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Outcome<()> {
        send(self.child.id(), signal).during("cannot signal a child")
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&mut self, limit: Duration) -> Outcome<ExitStatus> {
        self.signal(Signal::TERM)?;
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().during("cannot wait for a child")? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        failed(format!("a child did not end within {limit:?} after SIGTERM"))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut running = running();
        // Of one that has ended already there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
        running.retain(|pid| *pid != self.child.id());
    }
}

fn send(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("no process has this id"))?;
    Ok(kill_process(pid, signal)?)
}

/// From now on a signal that asks this program to end ends its children first.
pub(crate) fn end_with_us() -> Outcome<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])
        .during("cannot wait for signals")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // nginx ends its workers only when it is asked to end.
            let children = running().clone();
            for signal in [Signal::TERM, Signal::KILL] {
                for pid in &children {
                    let _ = send(*pid, signal);
                }
                std::thread::sleep(Duration::from_millis(500));
            }
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
    Ok(())
}

/// Runs a command to its end with nothing on stdout, and tells how long that took.
pub(crate) fn time(command: &mut Command) -> Outcome<Duration> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let began = Instant::now();
    let mut kept = Kept::spawn(command).during(&format!("cannot run {command:?}"))?;
    let status = kept.child.wait().during("cannot wait for a child")?;
    let time = began.elapsed();
    if status.success() { Ok(time) } else { failed(format!("{command:?} ended with {status}")) }
}

/// Runs a command to its end and gives its stdout.
pub(crate) fn output(command: &mut Command) -> Outcome<Vec<u8>> {
    let ran = command.stdin(Stdio::null()).stderr(Stdio::piped()).output();
    let ran = ran.during(&format!("cannot run {command:?}"))?;
    if !ran.status.success() {
        let words = String::from_utf8_lossy(&ran.stderr);
        return failed(format!("{command:?} ended with {}: {}", ran.status, words.trim()));
    }
    Ok(ran.stdout)
}

/// Can a program of this name be started?
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
