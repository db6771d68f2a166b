//! The way to the loop for everything that is asynchronous: views at once, commands with
//! an answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam_channel::Sender;
use tokio::sync::oneshot;

use super::command::{Command, CommandError, Registered, Reply, Target};
use super::feed::Feed;
use super::view::{FeatureView, RootView, View};
use crate::dossier::capture::CaptureRequest;

/// How long a fresh read waits before it is refused.
pub const FRESH_LIMIT: Duration = Duration::from_secs(2);

/// How long other commands wait for their effect: the first scan of a large project.
const EFFECT_LIMIT: Duration = Duration::from_secs(600);

/// Cheap to clone; shared by all connections.
#[derive(Debug, Clone)]
pub struct DaemonHandle {
    views: Arc<ArcSwap<View>>,
    commands: Sender<Command>,
    feed: Arc<Feed>,
}

impl DaemonHandle {
    /// A handle to a loop that publishes to `views`, receives `commands` and writes `feed`.
    pub fn new(views: Arc<ArcSwap<View>>, commands: Sender<Command>, feed: Arc<Feed>) -> Self {
        Self { views, commands, feed }
    }

    /// The view of this moment.
    pub fn view(&self) -> Arc<View> {
        self.views.load_full()
    }

    /// Events as they become durable.
    pub fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// Waits until every change that happened before this call is in the view.
    pub async fn fresh(&self, target: Target) -> Result<(), CommandError> {
        self.ask(FRESH_LIMIT, |reply| Command::Fresh { target, reply }).await
    }

    /// Registers a root and waits for its first scans.
    pub async fn register(
        &self,
        path: PathBuf,
        mission_type: Option<String>,
        step: Option<String>,
    ) -> Result<Registered, CommandError> {
        self.ask(EFFECT_LIMIT, |reply| Command::Register { path, mission_type, step, reply }).await
    }

    /// Forgets a root.
    pub async fn unregister(&self, id: String) -> Result<Arc<RootView>, CommandError> {
        self.ask(EFFECT_LIMIT, |reply| Command::Unregister { id, reply }).await
    }

    /// Scans a feature in full; with `reemit` everything is written again.
    pub async fn rescan(
        &self,
        feature: String,
        reemit: bool,
    ) -> Result<Arc<FeatureView>, CommandError> {
        self.ask(EFFECT_LIMIT, |reply| Command::Rescan { feature, reemit, reply }).await
    }

    /// Sets or clears the explicit step.
    pub async fn set_step(
        &self,
        feature: String,
        step: Option<String>,
    ) -> Result<Arc<FeatureView>, CommandError> {
        self.ask(EFFECT_LIMIT, |reply| Command::SetStep { feature, step, reply }).await
    }

    /// Accepts the current state.
    pub async fn capture(
        &self,
        feature: String,
        request: CaptureRequest,
    ) -> Result<Arc<FeatureView>, CommandError> {
        self.ask(EFFECT_LIMIT, |reply| Command::Capture { feature, request, reply }).await
    }

    /// Forgets the baseline; false if there was none.
    pub async fn clear_baseline(&self, feature: String) -> Result<bool, CommandError> {
        self.ask(EFFECT_LIMIT, |reply| Command::ClearBaseline { feature, reply }).await
    }

    /// Completes when the loop has come to this request: true if it has answered, false if it
    /// has ended. Waits as long as that takes, on no runtime's timer.
    pub async fn is_answered(&self) -> bool {
        let (reply, answer) = oneshot::channel();
        // No feature has an empty id; that there is none is said by the loop itself, at once.
        let target = Target::Feature(String::new());
        let sent = self.commands.send(Command::Fresh { target, reply });
        sent.is_ok() && answer.await.is_ok()
    }

    async fn ask<T>(
        &self,
        limit: Duration,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).map_err(|_| CommandError::Stopping)?;
        match tokio::time::timeout(limit, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(CommandError::Stopping),
            Err(_) => Err(CommandError::Timeout(format!("no answer within {} s", limit.as_secs()))),
        }
    }
}
