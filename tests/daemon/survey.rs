//! One survey after the other, without a daemon between: what one of them cannot finish is
//! still known to the next.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use dossierd::index::{FeatureIndex, IgnoreRules, ScanRequest};
use dossierd::store::Home;
use dossierd::survey::{Assignment, FeatureSurvey, Surroundings};
use dossierd::watch::{DirWatcher, WatchError};

/// Says of every directory that it is gone, while that is so.
#[derive(Default)]
struct Vanishing(AtomicBool);

impl DirWatcher for Vanishing {
    fn watch_dir(&self, dir: &Path) -> Result<(), WatchError> {
        match self.0.load(Ordering::SeqCst) {
            true => Err(WatchError::Gone(dir.to_path_buf())),
            false => Ok(()),
        }
    }
}

#[test]
fn what_a_survey_learns_of_ignore_files_outlives_that_the_directory_vanishes_under_it() {
    let place = tempfile::tempdir().expect("a directory");
    let root = place.path().canonicalize().expect("exists");
    let (project, feature) = (root.join("project"), root.join("project/kitty-specs/001-a"));
    fs::create_dir_all(feature.join(".dossierignore")).expect("made");
    let home = Home::resolve(Some(root.join("home"))).expect("a home");
    let loader = dossierd::daemon::project_loader(&home);
    let (rules, _) = IgnoreRules::load(&feature, Some(&project));
    let index = FeatureIndex::new(feature.clone(), rules, None);
    let mut survey =
        FeatureSurvey::new("001-a".into(), "kitty-specs/001-a".into(), index, Vec::new(), None);
    let watcher = Vanishing::default();
    let cancelled = AtomicBool::new(false);
    let load = || loader(&project);
    let around =
        Surroundings { watcher: &watcher, project: &load, cancelled: &cancelled, progress: None };
    let assignment = Assignment {
        request: Some(ScanRequest::Full),
        tasks: Vec::new(),
        registered_mission: None,
        explicit_step: None,
        last_known: None,
        threads: 1,
        gate: true,
    };
    let mut run = || {
        survey.run(&assignment, &around, &BTreeSet::new()).map(|_| {
            let judged = survey.judged.as_ref().expect("is judged");
            let found = judged.dossier.anomalies.iter();
            found.filter(|anomaly| anomaly.code == "invalid-ignore-file").count()
        })
    };

    fs::remove_dir(feature.join(".dossierignore")).expect("removed");
    fs::write(feature.join(".dossierignore"), b"\xff\n").expect("written");
    assert_eq!(run().expect("is scanned"), 1, "the fault is reported");
    fs::remove_file(feature.join(".dossierignore")).expect("removed");
    watcher.0.store(true, Ordering::SeqCst);
    assert!(run().is_err(), "it vanishes");
    watcher.0.store(false, Ordering::SeqCst);
    assert_eq!(run().expect("is scanned"), 0, "the fault is mended");
}
