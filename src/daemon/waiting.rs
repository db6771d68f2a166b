//! Who waits for a job of a feature, and how they are answered.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::command::{CommandError, Reply};
use super::view::FeatureView;

/// Answers that wait for a job, and then for the log.
#[derive(Debug)]
pub(super) enum Waiting {
    /// The view after the job; a task's failure is the answer instead.
    View { reply: Reply<Arc<FeatureView>>, task: Option<usize> },
    /// The answer of a task.
    Done { reply: Reply<bool>, task: usize, result: Option<bool> },
    /// A registration waits for this feature's first scan.
    Registration(u64),
}

impl Waiting {
    /// The task whose result is part of the answer.
    pub(super) fn task(&self) -> Option<usize> {
        match self {
            Self::View { task, .. } => *task,
            Self::Done { task, .. } => Some(*task),
            Self::Registration(_) => None,
        }
    }
}

/// Tells everybody who waits that it will not happen.
pub(super) fn refuse(waiting: Vec<Waiting>, error: &CommandError) {
    for one in waiting {
        match one {
            Waiting::View { reply, .. } => answer(reply, Err(error.clone())),
            Waiting::Done { reply, .. } => answer(reply, Err(error.clone())),
            Waiting::Registration(_) => {}
        }
    }
}

/// Answers; whoever asked may have gone, which is its own affair.
pub(super) fn answer<T>(
    reply: oneshot::Sender<Result<T, CommandError>>,
    result: Result<T, CommandError>,
) {
    let _ = reply.send(result);
}
