//! One-shot surveys for commands: what the project says, how far a scan is, what went
//! wrong.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::args::MissionArgs;
use super::{CliError, Context, places};
use crate::cli::error::ErrorKind;
use crate::daemon::{LastGoodMissions, Seats, identity_of_path, kept_identity};
use crate::index::ScanProgress;
use crate::platform::user;
use crate::project::ProjectContext;
use crate::project::identity::{GeneratedIdentity, default_node_id};
use crate::project::root::{Registration, classify_registration};
use crate::store::{Home, IdentityFile};
use crate::survey::{FeatureSurvey, Found, OneShot, SurveyError};

/// How often a long scan says how far it is, on a terminal.
const PROGRESS: Duration = Duration::from_millis(200);

/// How many threads may read and hash.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, |n| n.get().min(16))
}

/// Surveys the feature or project at a path, and makes of each survey what is wanted.
/// Writes nothing.
pub(super) fn survey<T: Send>(
    path: &Path,
    mission: MissionArgs,
    context: &mut Context,
    make: &(dyn Fn(FeatureSurvey) -> T + Sync),
) -> Result<Found<T>, CliError> {
    if mission.step.is_some() {
        one_feature(path)?;
    }
    let home = places::home().ok();
    let load = loader(home.as_ref());
    let shown = Mutex::new((Instant::now(), &mut context.output));
    let progress = |progress: ScanProgress| {
        let Ok(mut shown) = shown.lock() else { return };
        if shown.0.elapsed() >= PROGRESS {
            shown.0 = Instant::now();
            let text = format!(
                "{} entries listed, {} of {} files read",
                progress.listed, progress.read, progress.to_read
            );
            shown.1.progress(text);
        }
    };
    // A registry that cannot be read says nothing here; the daemon and `doctor` tell of it.
    let seats = home.as_ref().and_then(|home| Seats::read(home).ok()).unwrap_or_default();
    let one_shot = OneShot {
        home: home.as_ref(),
        barred: &|dir, project_root| seats.taken(dir, project_root),
        project: &load,
        mission_type: mission.mission_type,
        step: mission.step,
        threads: threads(),
        progress: Some(&progress),
    };
    one_shot.survey(path, make).map_err(explain)
}

/// A step is one feature's: with a project it would be set for features of other missions.
fn one_feature(path: &Path) -> Result<(), CliError> {
    match classify_registration(path) {
        Ok(Registration::Project { root, .. }) => {
            let message = format!("--step is for one feature, and {} is a project", root.display());
            Err(CliError::new(ErrorKind::Usage, message).hint("name a feature directory"))
        }
        // What cannot be read is told by the survey.
        Ok(Registration::Feature { .. }) | Err(_) => Ok(()),
    }
}

/// Loads what a project says of itself, making no file: a project without an identity that
/// the daemon does not know yet gets the one that its path gives.
fn loader(home: Option<&Home>) -> impl Fn(&Path) -> ProjectContext + Sync + use<> {
    let node_id = default_node_id(&user::host_name(), &user::user_name());
    let identities = home.map(|home| IdentityFile::new(home.identity_dir()));
    let missions = LastGoodMissions::reading(home);
    move |root: &Path| {
        let generate = || -> GeneratedIdentity {
            let known = identities.as_ref().and_then(|files| kept_identity(files, root, &node_id));
            known.unwrap_or_else(|| identity_of_path(root, &node_id))
        };
        ProjectContext::load(root, missions.load(root), &node_id, generate)
    }
}

/// What to do about a path that cannot be surveyed.
fn explain(error: SurveyError) -> CliError {
    let message = match &error {
        SurveyError::Root(root) => root.to_string(),
        SurveyError::Feature { slug, .. } => format!("{slug} cannot be scanned"),
    };
    let mut cli = CliError::new(ErrorKind::Input, message)
        .hint("name a feature directory, or a project root with kitty-specs/ in it");
    if let Some(source) = std::error::Error::source(&error) {
        cli = cli.because(source.to_string());
    }
    cli
}
