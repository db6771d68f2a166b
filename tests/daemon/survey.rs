//! One survey after the other, without a daemon between: what one of them cannot finish is
//! still known to the next.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use dossierd::dossier::ledger::Ledger;
use dossierd::dossier::{Dossier, RelPath};
use dossierd::index::{FeatureIndex, IgnoreRules, RootFault, ScanRequest, Touched};
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

/// One feature, surveyed by hand.
struct Subject {
    _place: tempfile::TempDir,
    home: Home,
    project: PathBuf,
    feature: PathBuf,
    survey: FeatureSurvey,
    watcher: Vanishing,
}

impl Subject {
    fn new() -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let root = place.path().canonicalize().expect("exists");
        let (project, feature) = (root.join("project"), root.join("project/kitty-specs/001-a"));
        fs::create_dir_all(&feature).expect("made");
        let home = Home::resolve(Some(root.join("home"))).expect("a home");
        let (rules, _) = IgnoreRules::load(&feature, Some(&project));
        let index = FeatureIndex::new(feature.clone(), rules, None);
        let (slug, prefix) = ("001-a".to_owned(), "kitty-specs/001-a".to_owned());
        let survey = FeatureSurvey::new(slug, prefix, index, Vec::new(), None);
        Self { _place: place, home, project, feature, survey, watcher: Vanishing::default() }
    }

    /// Surveys it; gives what is judged afterwards.
    fn survey(&mut self, request: ScanRequest) -> Result<&Dossier, RootFault> {
        let loader = dossierd::daemon::project_loader(&self.home);
        let load = || loader(&self.project);
        let cancelled = AtomicBool::new(false);
        let around = Surroundings {
            watcher: &self.watcher,
            project: &load,
            cancelled: &cancelled,
            progress: None,
            beat: None,
        };
        let assignment = Assignment {
            request: Some(request),
            tasks: Vec::new(),
            registered_mission: None,
            explicit_step: None,
            last_known: None,
            threads: 1,
            gate: true,
        };
        self.survey.run(&assignment, &around, &Ledger::default())?;
        Ok(&self.survey.judged.as_ref().expect("is judged").dossier)
    }

    /// The directory seems to vanish while it is looked at.
    fn vanish_under(&mut self, request: ScanRequest) {
        self.watcher.0.store(true, Ordering::SeqCst);
        assert!(self.survey(request).is_err(), "it vanishes");
        self.watcher.0.store(false, Ordering::SeqCst);
    }
}

#[test]
fn what_a_survey_learns_of_ignore_files_outlives_that_the_directory_vanishes_under_it() {
    let mut subject = Subject::new();
    let faults = |dossier: &Dossier| {
        dossier.anomalies.iter().filter(|found| found.code == "invalid-ignore-file").count()
    };
    let file = subject.feature.join(".dossierignore");
    fs::write(&file, b"\xff\n").expect("written");
    assert_eq!(subject.survey(ScanRequest::Full).map(faults), Ok(1), "it is reported");
    fs::remove_file(&file).expect("removed");
    subject.vanish_under(ScanRequest::Full);
    assert_eq!(subject.survey(ScanRequest::Full).map(faults), Ok(0), "it is mended");
}

#[test]
fn what_a_survey_learns_of_files_outlives_that_the_directory_vanishes_under_it() {
    let mut subject = Subject::new();
    fs::create_dir(subject.feature.join("a")).expect("made");
    for name in ["a/goes.md", "stays.md"] {
        fs::write(subject.feature.join(name), "# Text\n").expect("written");
    }
    let present = |dossier: &Dossier| dossier.present_count();
    assert_eq!(subject.survey(ScanRequest::Full).map(present), Ok(2));
    fs::remove_dir_all(subject.feature.join("a")).expect("removed");
    // That `a` is gone is found first; the way to `b` leads to the top, which is gone too.
    let touched = ["a", "b/c.md"].map(|path| Touched {
        path: Some(RelPath::new(path.as_bytes()).expect("is one")),
        deep: true,
    });
    subject.vanish_under(ScanRequest::Touched(touched.into()));
    assert_eq!(subject.survey(ScanRequest::Full).map(present), Ok(1), "it is not shown any more");
}
