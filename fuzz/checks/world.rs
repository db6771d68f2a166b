//! The API to ask: real dossiers behind it, made once for each thread.

use std::cell::OnceCell;
use std::time::Duration;

use dossierd::api::http::{Served, Service as _};
use dossierd::dossier::ErrorReason;
use dossierd::dossier::event::EventType;
use tokio::runtime::{Builder, Runtime};

use super::fake_delivery::{refused, sink};
use super::kit::{Plan, World, event};

pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) runtime: Runtime,
}

/// The feature whose `spec.md` a check may write.
pub(crate) const FEATURE: &str = "001-alpha";
/// Stands in an input for the token.
const PLACEHOLDER: &[u8] = b"TOKEN";
/// No answer takes so long, however slow the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

thread_local! {
    static STAGE: OnceCell<Stage> = const { OnceCell::new() };
}

/// Does something with this thread's stage, and has it forget what was asked.
pub(crate) fn with<T>(act: impl FnOnce(&Stage) -> T) -> T {
    STAGE.with(|stage| {
        let stage = stage.get_or_init(set);
        let result = act(stage);
        stage.world.asked.lock().expect("not poisoned").clear();
        stage.world.delivery.asked();
        result
    })
}

fn set() -> Stage {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let alpha = Plan::new("f1", FEATURE).accepted("main").file("late.md", "new");
    let beta = Plan::new("f2", "002-beta").file(b"odd/na\xefve %41.md", "x").faulty(
        "broken.md",
        ErrorReason::InvalidFormat,
        "byte 3",
    );
    let world = World::new([alpha.view(), beta.view()]);
    world.text.put("spec.md", Ok(b"# Spec\n\nmore\n".to_vec()));
    world.text.put("plan.md", Ok(b"# Pl\xffan\n".to_vec()));
    world.delivery.has(vec![sink("webhook", "sending")], vec![refused(1), refused(2)]);
    let events: Vec<_> = (1..6).map(|n| event(n, "f1", EventType::SnapshotComputed)).collect();
    world.publish(&events);
    Stage { world, runtime }
}

impl Stage {
    /// The input with the real token where its placeholder stands.
    pub(crate) fn with_token(&self, input: &[u8]) -> Vec<u8> {
        let token = self.world.token.expose().as_bytes();
        let mut bytes = Vec::with_capacity(input.len() + token.len());
        let mut rest = input;
        while let Some(at) = rest.windows(PLACEHOLDER.len()).position(|w| w == PLACEHOLDER) {
            bytes.extend_from_slice(&rest[..at]);
            bytes.extend_from_slice(token);
            rest = &rest[at + PLACEHOLDER.len()..];
        }
        bytes.extend_from_slice(rest);
        bytes
    }

    /// What is at a path for a method.
    pub(crate) fn served(&self, method: &http::Method, path: &str) -> Served {
        self.world.api.served(method, path)
    }

    /// Runs a future to its end, which has to come.
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let limited = async { tokio::time::timeout(PATIENCE, future).await };
        self.runtime.block_on(limited).expect("an answer in time")
    }
}
