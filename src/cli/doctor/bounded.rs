//! Checks of places that may never answer: a network that is gone, a disk that is stuck.

use std::sync::mpsc::channel;
use std::time::Duration;

use super::Check;

/// How long each place may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Does checks on a thread of their own. One that does not come back in time is left behind,
/// and what it looks at is a warning.
pub(super) fn bounded(
    name: &'static str,
    patience: Duration,
    checks: impl FnOnce() -> Vec<Check> + Send + 'static,
) -> Vec<Check> {
    let (sender, done) = channel();
    let look = move || {
        // Nobody waits any more once time is up.
        let _ = sender.send(checks());
    };
    if let Err(error) = std::thread::Builder::new().name(name.to_owned()).spawn(look) {
        let message = format!("cannot be looked at: {error}");
        return vec![Check::warn(name, message, "end other processes, then try again")];
    }
    done.recv_timeout(patience).unwrap_or_else(|_| {
        let message = format!("no answer within {} s", patience.as_secs_f64());
        let hint = "look which disk or network does not answer: df -h";
        vec![Check::warn(name, message, hint)]
    })
}

#[cfg(test)]
mod tests {
    use super::super::CheckStatus;
    use super::*;

    #[test]
    fn what_does_not_answer_is_a_warning() {
        let fine = bounded("x", PATIENCE, || vec![Check::ok("x", "y")]);
        assert_eq!(fine, [Check::ok("x", "y")]);
        let (holds, held) = channel::<()>();
        let stuck = bounded("x", Duration::from_millis(10), move || {
            let _ = held.recv();
            Vec::new()
        });
        drop(holds);
        assert_eq!(stuck[0].status, CheckStatus::Warn);
        assert!(stuck[0].message.contains("no answer within 0.01 s"), "{stuck:?}");
    }
}
