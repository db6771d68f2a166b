//! A daemon in the test's own process, in a temporary directory, and a project to watch.

pub(crate) mod compare;
pub(crate) mod random;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dossierd::daemon::command::{CommandError, Target};
use dossierd::daemon::handle::DaemonHandle;
use dossierd::daemon::view::FeatureView;
use dossierd::daemon::{Daemon, Ending, Setup, VitalSigns};
use dossierd::store::Home;

/// How long anything may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The type of snapshot events.
pub(crate) const SNAPSHOT: &str = "MissionDossierSnapshotComputed";
/// The type of events of artifacts that are there.
pub(crate) const INDEXED: &str = "MissionDossierArtifactIndexed";
/// The type of events of artifacts that are not.
pub(crate) const MISSING: &str = "MissionDossierArtifactMissing";
/// The type of drift events.
pub(crate) const DRIFT: &str = "MissionDossierParityDriftDetected";

/// A home, a project and, while it runs, a daemon.
pub(crate) struct Bench {
    pub(crate) runtime: tokio::runtime::Runtime,
    directory: tempfile::TempDir,
    daemon: Option<Daemon>,
}

impl Bench {
    /// A bench whose daemon runs and serves nothing yet.
    pub(crate) fn new() -> Self {
        let mut bench = Self::stopped();
        bench.start();
        bench
    }

    /// A bench without a running daemon.
    pub(crate) fn stopped() -> Self {
        Self::stopped_in(&std::env::temp_dir())
    }

    /// The same, below a directory.
    pub(crate) fn stopped_in(place: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let directory = tempfile::tempdir_in(place).expect("a directory");
        Self { runtime, directory, daemon: None }
    }

    /// Starts the daemon and waits until its first scans have ended.
    pub(crate) fn start(&mut self) {
        self.start_with(Setup::default());
    }

    /// The same, with what is chosen.
    pub(crate) fn start_with(&mut self, setup: Setup) {
        let home = self.home();
        let daemon = Daemon::start_with(&home, &home.config_file(), setup).expect("starts");
        daemon.ready().recv_timeout(DEADLINE).expect("is ready");
        self.daemon = Some(daemon);
    }

    /// Stops the daemon.
    pub(crate) fn stop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            assert_eq!(daemon.stop(), Ending::Stopped);
        }
    }

    /// Where the daemon's own files are.
    pub(crate) fn home(&self) -> Home {
        Home::resolve(Some(self.path().join("home"))).expect("a home")
    }

    /// Where everything is.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().canonicalize().expect("exists")
    }

    /// A project root.
    pub(crate) fn project(&self) -> PathBuf {
        self.path().join("project")
    }

    /// The way to the daemon.
    pub(crate) fn handle(&self) -> &DaemonHandle {
        self.daemon.as_ref().expect("runs").handle()
    }

    /// What says whether the daemon is at work.
    pub(crate) fn signs(&self) -> VitalSigns {
        self.daemon.as_ref().expect("runs").vital_signs()
    }

    /// Writes a file of a feature, with the directories above it.
    pub(crate) fn write(&self, relative: &str, content: impl AsRef<[u8]>) {
        write(&self.project().join("kitty-specs").join(relative), content);
    }

    /// A feature of the built-in type `software-dev` that is complete at step `plan`.
    pub(crate) fn planned_feature(&self, slug: &str) {
        fs::create_dir_all(self.project().join(".kittify")).expect("made");
        self.write(
            &format!("{slug}/meta.json"),
            r#"{"mission_type": "software-dev", "current_step": "plan"}"#,
        );
        self.write(&format!("{slug}/spec.md"), "# Spec\n");
        self.write(&format!("{slug}/plan.md"), "# Plan\n");
        self.write(&format!("{slug}/tasks.md"), "# Tasks\n");
    }

    /// Registers a path and waits for its features.
    pub(crate) fn register(&self, path: &Path) -> Vec<Arc<FeatureView>> {
        let registered = self.handle().register(path.to_path_buf(), None, None);
        self.runtime.block_on(registered).expect("registers").features
    }

    /// The feature of this slug, with everything in it that happened before.
    pub(crate) fn fresh(&self, slug: &str) -> Arc<FeatureView> {
        self.fresh_all();
        self.view(slug)
    }

    /// Waits until everything that happened before is in the view.
    ///
    /// On a busy machine a read may run out of time, which is an answer too, but not the
    /// one that is of interest here.
    pub(crate) fn fresh_all(&self) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.runtime.block_on(self.handle().fresh(Target::All)) {
                Err(CommandError::Timeout(_)) if Instant::now() < deadline => {}
                answer => return answer.expect("is fresh"),
            }
        }
    }

    /// The feature of this slug, as it is published now.
    pub(crate) fn view(&self, slug: &str) -> Arc<FeatureView> {
        self.handle().view().select(Some(slug)).expect("is there")
    }

    /// Every event of a feature, once all that happened is in its log.
    pub(crate) fn events(&self, slug: &str) -> Vec<serde_json::Value> {
        self.fresh_all();
        let id = self.view(slug).id.clone();
        let view = self.runtime.block_on(self.handle().rescan(id, false)).expect("is scanned");
        let place = view.place.clone().expect("has a place");
        wait_until(&format!("the log of {slug} says what is published"), || {
            let events = compare::events_of(&place);
            let snapshot = events.iter().rev().find(|event| event["event_type"] == SNAPSHOT);
            snapshot.is_some_and(|event| {
                let payload = &event["payload"];
                payload["snapshot_hash"] == view.dossier.parity_hash.to_string()
                    && payload["context_diagnostics"]["tree_hash"]
                        == view.dossier.tree_hash.to_string()
            })
        });
        compare::verify_log(&place).expect("the log is sound");
        compare::events_of(&place)
    }

    /// Lines of a feature's active log that are whole.
    pub(crate) fn log(&self, slug: &str) -> Vec<serde_json::Value> {
        let path = self.project().join(".kittify/dossiers").join(slug).join("events.jsonl");
        let text = fs::read_to_string(path).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop();
        }
    }
}

/// Puts a file in place, with the directories above it: all at once, so that nobody sees
/// it half written.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) {
    let parent = path.parent().expect("has a parent");
    fs::create_dir_all(parent).expect("made");
    let temporary = tempfile::Builder::new().prefix(".new-").tempfile_in(parent).expect("made");
    fs::write(temporary.path(), content).expect("written");
    temporary.persist(path).expect("in place");
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
