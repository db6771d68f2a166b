//! The signal to stop: its own channel, so that it can neither be lost nor queue behind
//! anything.

use tokio::sync::watch;

/// Asks everything to stop, once; dropping it asks as well.
#[derive(Debug)]
pub(super) struct StopSender(watch::Sender<bool>);

/// Whether stopping was asked for, by any of those who can.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    asked: watch::Receiver<bool>,
    also: Option<watch::Receiver<bool>>,
}

/// A signal and its receiver.
pub(super) fn channel() -> (StopSender, Stop) {
    let (sender, receiver) = watch::channel(false);
    (StopSender(sender), Stop { asked: receiver, also: None })
}

impl StopSender {
    /// Asks now.
    pub(super) fn ask(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Waits until stopping is asked for.
    pub(super) async fn asked(self) {
        match self.also {
            None => asked(self.asked).await,
            Some(also) => tokio::select! {
                () = asked(self.asked) => {}
                () = asked(also) => {}
            },
        }
    }

    /// One that is asked by who asks this one or the other.
    pub(super) fn or(&self, other: &Self) -> Self {
        Self { asked: self.asked.clone(), also: Some(other.asked.clone()) }
    }
}

async fn asked(mut receiver: watch::Receiver<bool>) {
    // An error says that the sender is gone, which asks as well.
    let _ = receiver.wait_for(|asked| *asked).await;
}
