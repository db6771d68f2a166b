//! The last good missions of each project: shared by its features, kept in the daemon's
//! state.
//!
//! Every job asks, so asking costs reading the overrides as they are, and no more: the
//! kept file is read once a project and written only when good overrides changed. A
//! project's loads come one after the other, so that none takes another's place with
//! something older.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::project::MissionCatalog;
use crate::store::{Home, MissionOverridesFile, Overrides, with_causes};

/// How soon after a failure writing is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// What is known of the missions of all projects.
pub struct LastGoodMissions {
    /// `None` where there is no state at all.
    files: Option<MissionOverridesFile>,
    writes: bool,
    projects: Mutex<HashMap<PathBuf, Arc<Mutex<Known>>>>,
}

/// What is known of one project.
#[derive(Default)]
struct Known {
    /// `None` before the first load.
    catalog: Option<Arc<MissionCatalog>>,
    /// What the kept file says; `None` if it could not be read.
    kept: Option<Overrides>,
    /// When writing failed last.
    failed: Option<Instant>,
}

impl LastGoodMissions {
    /// For the daemon, which keeps what is good.
    pub fn keeping(home: &Home) -> Self {
        Self { writes: true, ..Self::reading(Some(home)) }
    }

    /// For commands, which take what a daemon kept, and write nothing.
    pub fn reading(home: Option<&Home>) -> Self {
        let files = home.map(|home| MissionOverridesFile::new(home.mission_overrides_dir()));
        Self { files, writes: false, projects: Mutex::default() }
    }

    /// The missions of the project at a canonical root, as they are now.
    pub fn load(&self, root: &Path) -> Arc<MissionCatalog> {
        let known = self.project(root);
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let last = match &known.catalog {
            Some(last) => Arc::clone(last),
            None => self.restore(root, &mut known),
        };
        let loaded = MissionCatalog::load(Some(root), Some(&last));
        let catalog = if loaded == *last { last } else { Arc::new(loaded) };
        known.catalog = Some(Arc::clone(&catalog));
        if self.writes {
            self.keep(root, &mut known, &catalog);
        }
        catalog
    }

    fn project(&self, root: &Path) -> Arc<Mutex<Known>> {
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        match projects.get(root) {
            Some(known) => Arc::clone(known),
            None => Arc::clone(projects.entry(root.to_path_buf()).or_default()),
        }
    }

    /// What was in force when somebody looked last.
    fn restore(&self, root: &Path, known: &mut Known) -> Arc<MissionCatalog> {
        let loaded = self.files.as_ref().map_or_else(|| Ok(Overrides::new()), |f| f.load(root));
        match loaded {
            Ok(kept) => known.kept = Some(kept),
            Err(error) => {
                let error = with_causes(&error);
                tracing::warn!(%error, "the last good mission overrides are not known");
            }
        }
        let kept = known.kept.iter().flatten();
        let overrides = kept.map(|(name, texts)| (name.clone(), texts.as_ref().clone()));
        Arc::new(MissionCatalog::restored(overrides))
    }

    /// Writes what is good now, if the file says something else.
    fn keep(&self, root: &Path, known: &mut Known, catalog: &MissionCatalog) {
        let Some(files) = &self.files else { return };
        let is_kept = match &known.kept {
            Some(kept) => catalog.good_overrides().eq(kept),
            // A file that cannot be read stays for its owner until there is a better one.
            None => catalog.good_overrides().next().is_none(),
        };
        if is_kept {
            return;
        }
        if known.failed.is_some_and(|failed| failed.elapsed() < RETRY) {
            return;
        }
        let good: Overrides = catalog
            .good_overrides()
            .map(|(name, texts)| (name.clone(), Arc::clone(texts)))
            .collect();
        match files.replace(root, &good) {
            Ok(()) => {
                known.kept = Some(good);
                known.failed = None;
            }
            Err(error) => {
                known.failed = Some(Instant::now());
                let error = with_causes(&error);
                tracing::warn!(%error, "good mission overrides cannot be kept; one that breaks is lost at the next start");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const MANIFEST: &str = "schema_version: '1.0'\nmission_type: research\nmanifest_version: '9'\n";

    struct Kit {
        dir: tempfile::TempDir,
        home: Home,
    }

    impl Kit {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a directory");
            let home = Home::resolve(Some(dir.path().join("home"))).expect("a home");
            home.prepare().expect("prepared");
            fs::create_dir(dir.path().join("p")).expect("made");
            Self { dir, home }
        }

        fn root(&self) -> PathBuf {
            self.dir.path().join("p")
        }

        fn write(&self, text: &str) {
            let folder = self.root().join(".kittify/missions/research");
            fs::create_dir_all(&folder).expect("made");
            fs::write(folder.join("expected-artifacts.yaml"), text).expect("written");
        }

        /// The one kept file: its path, bytes and inode, which another write would change.
        fn kept(&self) -> Option<(PathBuf, Vec<u8>, u64)> {
            use std::os::unix::fs::MetadataExt as _;
            let mut files = fs::read_dir(self.home.mission_overrides_dir()).expect("lists");
            let file = files.next()?.expect("an entry").path();
            assert!(files.next().is_none(), "one file a project");
            let inode = fs::metadata(&file).expect("is there").ino();
            Some((file.clone(), fs::read(file).expect("read"), inode))
        }
    }

    fn version(catalog: &MissionCatalog) -> String {
        catalog.get("research").expect("defined").manifest.manifest_version().to_owned()
    }

    #[test]
    fn the_last_good_override_outlives_a_restart() {
        let kit = Kit::new();
        kit.write(MANIFEST);
        let first = LastGoodMissions::keeping(&kit.home).load(&kit.root());
        kit.write("broken");
        for missions in
            [LastGoodMissions::keeping(&kit.home), LastGoodMissions::reading(Some(&kit.home))]
        {
            let catalog = missions.load(&kit.root());
            assert_eq!((version(&catalog).as_str(), catalog.faults().len()), ("9", 1));
            assert_eq!(catalog.get("research"), first.get("research"), "with the same origin");
        }
        assert_eq!(version(&LastGoodMissions::reading(None).load(&kit.root())), "1");
        let again = LastGoodMissions::keeping(&kit.home);
        kit.write(&MANIFEST.replace("'9'", "'10'"));
        assert_eq!(version(&again.load(&kit.root())), "10");
        kit.write("broken");
        assert_eq!(version(&LastGoodMissions::keeping(&kit.home).load(&kit.root())), "10");
    }

    #[test]
    fn nothing_is_written_or_made_anew_unless_good_overrides_changed() {
        let kit = Kit::new();
        let missions = LastGoodMissions::keeping(&kit.home);
        missions.load(&kit.root());
        assert_eq!(kit.kept(), None, "a project without overrides needs no file");
        kit.write("broken");
        missions.load(&kit.root());
        assert_eq!(kit.kept(), None, "what is broken is not kept");
        kit.write(MANIFEST);
        let good = missions.load(&kit.root());
        let kept = kit.kept();
        assert!(kept.is_some());
        assert!(Arc::ptr_eq(&good, &missions.load(&kit.root())));
        kit.write("broken");
        missions.load(&kit.root());
        kit.write(MANIFEST);
        missions.load(&kit.root());
        LastGoodMissions::keeping(&kit.home).load(&kit.root());
        assert_eq!(kit.kept(), kept);
        // What is kept is looked at once only.
        let (file, ..) = kept.expect("is there");
        fs::write(&file, "nonsense").expect("written");
        missions.load(&kit.root());
        assert_eq!(fs::read(&file).expect("read"), b"nonsense");
    }

    #[test]
    fn an_override_that_is_removed_is_forgotten_even_while_nobody_looks() {
        for restarted in [false, true] {
            let kit = Kit::new();
            let mut missions = LastGoodMissions::keeping(&kit.home);
            kit.write(MANIFEST);
            missions.load(&kit.root());
            fs::remove_dir_all(kit.root().join(".kittify")).expect("removed");
            if restarted {
                missions = LastGoodMissions::keeping(&kit.home);
            }
            assert_eq!(*missions.load(&kit.root()), MissionCatalog::builtin());
            assert_eq!(kit.kept(), None);
            kit.write("broken");
            assert_eq!(version(&missions.load(&kit.root())), "1");
        }
    }

    #[test]
    fn a_command_writes_nothing() {
        let kit = Kit::new();
        kit.write(MANIFEST);
        LastGoodMissions::reading(Some(&kit.home)).load(&kit.root());
        assert_eq!(kit.kept(), None);
    }

    #[test]
    fn a_damaged_file_is_replaced_only_by_something_good() {
        let kit = Kit::new();
        kit.write(MANIFEST);
        LastGoodMissions::keeping(&kit.home).load(&kit.root());
        let (file, bytes, _) = kit.kept().expect("is there");
        fs::write(&file, "nonsense").expect("written");
        kit.write("broken");
        let missions = LastGoodMissions::keeping(&kit.home);
        assert_eq!(version(&missions.load(&kit.root())), "1");
        assert_eq!(fs::read(&file).expect("read"), b"nonsense");
        kit.write(MANIFEST);
        missions.load(&kit.root());
        assert_eq!(fs::read(&file).expect("read"), bytes);
    }

    #[test]
    fn what_cannot_be_written_is_in_force_all_the_same() {
        let kit = Kit::new();
        fs::remove_dir(kit.home.mission_overrides_dir()).expect("removed");
        let missions = LastGoodMissions::keeping(&kit.home);
        kit.write(MANIFEST);
        assert_eq!(version(&missions.load(&kit.root())), "9");
        kit.home.prepare().expect("prepared");
        missions.load(&kit.root());
        assert_eq!(kit.kept(), None, "a failure is not repeated at every job");
        let known = missions.project(&kit.root());
        known.lock().expect("not poisoned").failed = Instant::now().checked_sub(RETRY);
        missions.load(&kit.root());
        assert!(kit.kept().is_some());
    }
}
