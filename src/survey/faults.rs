//! What the index and the project found wrong, as anomalies of the dossier.

use std::path::Path;

use crate::dossier::RelPath;
use crate::dossier::anomaly::Anomaly;
use crate::dossier::definition::Origin;
use crate::dossier::drift::Severity;
use crate::index::{FeatureIndex, IgnoreFault};
use crate::project::{MissionCatalog, MissionFault, ProjectContext};

/// Unreadable directories and exceeded limits.
pub(super) fn of_index(index: &FeatureIndex) -> Vec<Anomaly> {
    let directories = index.unreadable_directories().iter().map(|(path, reason)| {
        let shown = path.as_ref().map_or_else(|| ".".into(), RelPath::shown);
        let message = format!(
            "the directory {shown} cannot be listed ({reason}); what is in it is not known"
        );
        Anomaly::general("unreadable-directory", Severity::Error, message).at(shown)
    });
    let limits = index.limits_exceeded().iter().map(|(path, limit)| {
        let message = format!("{path} is not indexed: {}", limit.as_str());
        Anomaly::general("limit-exceeded", Severity::Error, message).at(path.shown())
    });
    let too_many = index.artifacts_exceeded().then(|| {
        let message =
            "the feature has more artifacts than are indexed; add what is none to .dossierignore";
        Anomaly::general("limit-exceeded", Severity::Error, message)
    });
    directories.chain(limits).chain(too_many).collect()
}

/// Lines of `.dossierignore` files that cannot be used.
pub fn of_ignore_files(found: &[IgnoreFault]) -> Vec<Anomaly> {
    let anomaly = |fault: &IgnoreFault| {
        Anomaly::general("invalid-ignore-file", Severity::Warning, fault.to_string())
    };
    found.iter().map(anomaly).collect()
}

/// Broken configuration and repository, and broken overrides of this mission type. A feature
/// of unknown type sees all of them: one may be the reason.
pub(super) fn of_project(context: &ProjectContext, mission_type: Option<&str>) -> Vec<Anomaly> {
    let general = context.faults.iter().map(|fault| {
        Anomaly::general("invalid-project-config", Severity::Warning, fault.to_string())
            .at(&*fault.file)
    });
    let concerns = |fault: &&MissionFault| {
        fault.mission_type.is_empty() || mission_type.is_none_or(|own| own == fault.mission_type)
    };
    let overrides = context.catalog.faults().iter().filter(concerns).map(|fault| {
        let message = format!(
            "{}, line {}: {}; {}",
            fault.file,
            fault.line,
            fault.message,
            in_force(&context.catalog, fault)
        );
        Anomaly::general("invalid-mission-override", Severity::Error, message).at(&*fault.file)
    });
    general.chain(overrides).collect()
}

/// What stands in for an override that cannot be used.
fn in_force(catalog: &MissionCatalog, fault: &MissionFault) -> String {
    let name = &fault.mission_type;
    if name.is_empty() {
        // A directory of overrides, or the whole project, cannot be read.
        let is_kept = catalog
            .types()
            .any(|name| catalog.get(name).is_some_and(|known| is_from(&known.origin, &fault.file)));
        return if is_kept {
            "the last good overrides from there stay in force".into()
        } else {
            "no override from there is in force".into()
        };
    }
    match catalog.get(name).as_ref().map(|definition| &definition.origin) {
        Some(Origin::Override { .. }) => format!("the last good override of {name} stays in force"),
        Some(Origin::Builtin) => {
            format!("no good override is known, so the built-in definition of {name} is in force")
        }
        None => format!("nothing defines {name}, so what it requires is not known"),
    }
}

/// Does one of the definition's files come from below this directory of the project?
fn is_from(origin: &Origin, directory: &str) -> bool {
    let Origin::Override { mission, manifest } = origin else { return false };
    let below = |file: &String| directory == "." || Path::new(file).starts_with(directory);
    mission.iter().chain(manifest).any(below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    const LOW: &str = ".kittify/missions/research/expected-artifacts.yaml";
    const GOOD: &str = "schema_version: '1.0'\nmission_type: research\nmanifest_version: '9'\n";

    fn write(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().expect("has one")).expect("made");
        fs::write(path, text).expect("written");
    }

    /// The end of the only fault's text, of what is now, after what was.
    fn check(was: impl Fn(&Path), is: impl Fn(&Path), expected: &str) {
        let dir = tempfile::tempdir().expect("a directory");
        was(dir.path());
        let before = MissionCatalog::load(Some(dir.path()), None);
        is(dir.path());
        let catalog = MissionCatalog::load(Some(dir.path()), Some(&before));
        let [fault] = catalog.faults() else { panic!("one fault: {:?}", catalog.faults()) };
        assert_eq!(in_force(&catalog, fault), expected);
    }

    #[test]
    fn a_fault_tells_what_is_in_force() {
        let good = |root: &Path| write(root, LOW, GOOD);
        let broken = |root: &Path| write(root, LOW, "broken");
        check(good, broken, "the last good override of research stays in force");
        check(
            |_| {},
            broken,
            "no good override is known, so the built-in definition of research is in force",
        );
        check(
            |_| {},
            |root| write(root, ".kittify/missions/mine/mission.yaml", "broken"),
            "nothing defines mine, so what it requires is not known",
        );
        let hide = |root: &Path| {
            let _ = fs::rename(root.join(".kittify/missions"), root.join("away"));
            fs::create_dir_all(root.join(".kittify")).expect("made");
            symlink("/etc", root.join(".kittify/missions")).expect("linked");
        };
        check(good, hide, "the last good overrides from there stay in force");
        check(|_| {}, hide, "no override from there is in force");
        let remove = |root: &Path| fs::remove_dir_all(root).expect("removed");
        check(good, remove, "the last good overrides from there stay in force");
        check(|_| {}, remove, "no override from there is in force");
    }
}
