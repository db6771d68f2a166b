//! Asking the accept loops for a sign of life, from outside of their runtime.

use tokio::sync::{mpsc, oneshot};

/// A question to one loop; answered by sending.
pub(super) type Ping = oneshot::Sender<()>;

/// The way to all accept loops of a server.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Vec<mpsc::Sender<Ping>>);

impl Pulse {
    /// One more loop; gives what that has to answer.
    pub(super) fn add(&mut self) -> mpsc::Receiver<Ping> {
        let (sender, receiver) = mpsc::channel(1);
        self.0.push(sender);
        receiver
    }

    /// Completes when every loop has answered, or one has ended, which is false. Needs no
    /// runtime, and waits as long as that takes.
    pub async fn is_felt(&self) -> bool {
        for accept_loop in &self.0 {
            let (answer, answered) = oneshot::channel();
            if accept_loop.send(answer).await.is_err() || answered.await.is_err() {
                return false;
            }
        }
        !self.0.is_empty()
    }
}
