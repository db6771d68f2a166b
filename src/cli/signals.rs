//! What the system asks of this process by signals, one after the other.
//!
//! SIGINT and SIGTERM ask it to stop; a second one ends it at once. SIGHUP asks a daemon to
//! load its configuration again, except where it says that the terminal is gone, in which it
//! was started.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::CliError;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Load the configuration again.
    Reload,
    /// End.
    Stop,
}

/// Signals as they come.
pub(super) struct Signals {
    received: UnboundedReceiver<Signal>,
    /// A reload was asked for while only a stop was waited for.
    postponed: bool,
}

impl Signals {
    /// Those of a daemon.
    pub(super) fn of_daemon() -> Result<Self, CliError> {
        // With a handler, what a file size limit forbids is a write that fails, not the end.
        signal_hook::flag::register(SIGXFSZ, Arc::default()).map_err(failed)?;
        Self::of(&[SIGHUP, SIGINT, SIGTERM])
    }

    /// Those of a command that has nothing to load again: SIGHUP ends it.
    #[cfg(feature = "mcp")]
    pub(super) fn of_command() -> Result<Self, CliError> {
        Self::of(&[SIGINT, SIGTERM])
    }

    fn of(numbers: &[i32]) -> Result<Self, CliError> {
        let terminals = terminals();
        // The first stop asks; the second one finds its default action, and ends at once.
        let stopping = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            let stopping = Arc::clone(&stopping);
            signal_hook::flag::register_conditional_default(signal, stopping).map_err(failed)?;
        }
        let mut signals = iterator::Signals::new(numbers).map_err(failed)?;
        let (sender, received) = unbounded_channel();
        let wait = move || {
            for signal in signals.forever() {
                let is_stop = signal != SIGHUP || has_hung_up(terminals);
                if is_stop {
                    stopping.store(true, Ordering::Relaxed);
                }
                let signal = if is_stop { Signal::Stop } else { Signal::Reload };
                if sender.send(signal).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("signals".into()).spawn(wait).map_err(failed)?;
        Ok(Self { received, postponed: false })
    }

    /// Completes when it is to stop; a reload that is asked for before is the next signal.
    pub(super) async fn stop(&mut self) {
        while self.receive().await == Signal::Reload {
            self.postponed = true;
        }
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Signal {
        if std::mem::take(&mut self.postponed) {
            return Signal::Reload;
        }
        self.receive().await
    }

    async fn receive(&mut self) -> Signal {
        match self.received.recv().await {
            Some(signal) => signal,
            // The thread that waits never ends by itself.
            None => std::future::pending().await,
        }
    }
}

fn failed(error: std::io::Error) -> CliError {
    CliError::io("cannot wait for signals", error)
}

/// Which of stdin, stdout and stderr are a terminal.
fn terminals() -> [bool; 3] {
    [
        std::io::stdin().is_terminal(),
        std::io::stdout().is_terminal(),
        std::io::stderr().is_terminal(),
    ]
}

/// Is a terminal gone that there was? Then SIGHUP means that, and nobody asked for a reload.
fn has_hung_up(before: [bool; 3]) -> bool {
    before.iter().zip(terminals()).any(|(before, now)| *before && !now)
}
