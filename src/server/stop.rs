//! The signal to stop: its own channel, so that it can neither be lost nor queue behind
//! anything.

use tokio::sync::watch;

/// Asks everything to stop, once; dropping it asks as well.
#[derive(Debug)]
pub(super) struct StopSender(watch::Sender<bool>);

/// Whether stopping was asked for.
#[derive(Debug, Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

/// A signal and its receiver.
pub(super) fn channel() -> (StopSender, Stop) {
    let (sender, receiver) = watch::channel(false);
    (StopSender(sender), Stop(receiver))
}

impl StopSender {
    /// Asks now.
    pub(super) fn ask(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Waits until stopping is asked for.
    pub(super) async fn asked(mut self) {
        // An error says that the sender is gone, which asks as well.
        let _ = self.0.wait_for(|asked| *asked).await;
    }
}
