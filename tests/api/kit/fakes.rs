//! Fakes of disk, log and kept sessions.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use bytes::Bytes;
use dossierd::api::ports::{
    ArtifactText, CommittedText, EventLogs, LogFault, LogPage, SessionStore, Text, TextFault,
};
use dossierd::api::session::KeptSession;
use dossierd::daemon::feed::LoggedEvent;
use dossierd::daemon::view::FeatureView;
use dossierd::dossier::RelPath;
use dossierd::dossier::event::EventType;

type Content = Result<Vec<u8>, TextFault>;

/// Nothing outlasts a world.
pub(super) struct NoSessions;

impl SessionStore for NoSessions {
    fn load(&self) -> Vec<KeptSession> {
        Vec::new()
    }

    fn save(&self, _: &[KeptSession]) {}
}

/// Files as the disk would give them, by path.
#[derive(Default)]
pub(crate) struct FakeText {
    files: Mutex<BTreeMap<Vec<u8>, Content>>,
    committed: Mutex<BTreeMap<Vec<u8>, Result<CommittedText, String>>>,
}

impl FakeText {
    pub(crate) fn put(&self, name: &str, content: Content) {
        self.files.lock().expect("not poisoned").insert(name.into(), content);
    }

    pub(crate) fn commit(&self, name: &str, committed: Result<CommittedText, String>) {
        self.committed.lock().expect("not poisoned").insert(name.into(), committed);
    }
}

impl ArtifactText for FakeText {
    fn read(&self, dir: &Path, path: &RelPath, limit: u64) -> Result<Text, TextFault> {
        assert!(dir.is_absolute());
        let files = self.files.lock().expect("not poisoned");
        let mut bytes = files.get(path.as_bytes()).cloned().unwrap_or(Err(TextFault::Gone))?;
        let size = bytes.len() as u64;
        bytes.truncate(usize::try_from(limit).expect("fits"));
        Ok(Text { bytes, size, truncated: size > limit })
    }

    fn committed(&self, dir: &Path, path: &RelPath, _: u64) -> Result<CommittedText, String> {
        assert!(dir.is_absolute());
        let committed = self.committed.lock().expect("not poisoned");
        committed.get(path.as_bytes()).cloned().unwrap_or(Err("no checkout".into()))
    }
}

/// What happens while a log is read.
type Hook = Mutex<Option<Box<dyn FnMut() + Send>>>;

/// Logs by feature id.
#[derive(Default)]
pub(crate) struct FakeLogs {
    logs: Mutex<BTreeMap<String, Vec<(String, Bytes)>>>,
    before_read: Hook,
    after_read: Hook,
}

impl FakeLogs {
    pub(crate) fn append(&self, event: &LoggedEvent) {
        let mut logs = self.logs.lock().expect("not poisoned");
        let log = logs.entry(event.feature.clone()).or_default();
        log.push((event.event_id.clone(), event.line.clone()));
    }

    /// Does this just before each read.
    pub(crate) fn before_read(&self, hook: impl FnMut() + Send + 'static) {
        *self.before_read.lock().expect("not poisoned") = Some(Box::new(hook));
    }

    /// Does this when a read knows its lines, before it gives them back.
    pub(crate) fn after_read(&self, hook: impl FnMut() + Send + 'static) {
        *self.after_read.lock().expect("not poisoned") = Some(Box::new(hook));
    }

    fn page(&self, id: &str, after: Option<&str>, limit: usize) -> Result<LogPage, LogFault> {
        let logs = self.logs.lock().expect("not poisoned");
        let log = logs.get(id).map_or(&[][..], |log| &log[..]);
        let start = match after {
            None => 0,
            Some(id) => {
                1 + log.iter().position(|(known, _)| known == id).ok_or(LogFault::UnknownId)?
            }
        };
        let page = &log[start..log.len().min(start.saturating_add(limit))];
        Ok(LogPage {
            lines: page.iter().map(|(_, line)| line.clone()).collect(),
            last_id: page.last().map(|(id, _)| id.clone()).or(after.map(str::to_owned)),
            more: start + page.len() < log.len(),
        })
    }
}

fn run(hook: &Hook) {
    if let Some(hook) = hook.lock().expect("not poisoned").as_mut() {
        hook();
    }
}

impl EventLogs for FakeLogs {
    fn read_back(
        &self,
        feature: &FeatureView,
        limit: usize,
        wanted: &mut dyn FnMut(&Bytes) -> bool,
    ) -> Result<Vec<Bytes>, LogFault> {
        let all = self.page(&feature.id, None, usize::MAX)?.lines;
        let mut found: Vec<Bytes> = all.into_iter().filter(|line| wanted(line)).collect();
        found.reverse();
        found.truncate(limit);
        Ok(found)
    }

    fn read(
        &self,
        feature: &FeatureView,
        after: Option<&str>,
        limit: usize,
    ) -> Result<LogPage, LogFault> {
        run(&self.before_read);
        let page = self.page(&feature.id, after, limit);
        run(&self.after_read);
        page
    }
}

/// The `n`th event, in the order of ids.
pub(crate) fn event(n: usize, feature: &str, event_type: EventType) -> LoggedEvent {
    let event_id = format!("01{n:024}");
    let kind = event_type.as_str();
    let line = format!(r#"{{"event_id":"{event_id}","event_type":"{kind}","payload":{{}}}}"#);
    LoggedEvent { feature: feature.into(), event_id, event_type, line: line.into() }
}
