//! Whose a dossier directory is. Features of one name in one project would have the same, and
//! with it the same log; it is one feature's at a time, and which one's does not depend on who
//! comes first.
//!
//! A feature that was registered by itself has it, the earlier one before the later; else the
//! one in `kitty-specs`. The others are shown with the reason why nothing is written of them.

use std::path::Path;

use super::job::Whereabouts;
use super::root::Root;
use crate::project::root::KITTY_SPECS;
use crate::store::{Home, RegistryFile, RootKind, StoreError};

/// The registered feature whose dossier directory would be that of this one, which may be itself.
pub(super) fn holder<'a>(roots: &'a [Root], at: &Whereabouts) -> Option<&'a Root> {
    roots.iter().find(|root| {
        root.registered.kind == RootKind::Feature
            && root.path().file_name() == Some(&at.name)
            && root.project_root == at.project_root
    })
}

/// Why a feature has no dossier directory of its own, and what to do.
pub(super) fn taken(holder: &str) -> String {
    format!(
        "its dossier directory is that of {holder}, a feature of the same name in this project, so nothing is logged or accepted; rename one of the two directories, or remove the registration of one"
    )
}

/// What is registered, for those who look at features without a daemon.
#[derive(Default)]
pub struct Seats(Vec<Root>);

impl Seats {
    /// Those of the registry.
    pub fn read(home: &Home) -> Result<Self, StoreError> {
        let registry = RegistryFile::new(home.registry_file()).load()?;
        Ok(Self(registry.roots.into_iter().map(Root::new).collect()))
    }

    /// Why the dossier directory of the feature at `dir` is another one's, if so: a message for
    /// people.
    pub fn taken(&self, dir: &Path, project_root: &Path) -> Option<String> {
        let at = Whereabouts::new(dir, project_root)?;
        let holder = match holder(&self.0, &at) {
            Some(root) => root.path().to_path_buf(),
            None => {
                Some(project_root.join(KITTY_SPECS).join(&at.name)).filter(|dir| is_dir(dir))?
            }
        };
        let other = Whereabouts::new(&holder, project_root).filter(|_| holder != dir)?;
        Some(taken(&other.prefix))
    }
}

/// A link is no feature.
fn is_dir(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::root::registration;
    use crate::project::root::classify_registration;

    #[test]
    fn a_registered_feature_comes_first_then_the_one_in_kitty_specs() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().canonicalize().unwrap();
        for dir in [".kittify", "kitty-specs/x", "a/x", "b/x", "b/y"] {
            std::fs::create_dir_all(root.join(dir)).unwrap();
        }
        let taken = |seats: &Seats, dir: &str| seats.taken(&root.join(dir), &root);
        let check = |seats: &Seats, holder: &str| {
            for dir in ["kitty-specs/x", "a/x", "b/x"] {
                match taken(seats, dir) {
                    None => assert_eq!(dir, holder),
                    Some(said) => assert!(said.contains(holder) && dir != holder, "{dir}: {said}"),
                }
            }
            assert_eq!(taken(seats, "b/y"), None);
        };
        let mut seats = Seats::default();
        check(&seats, "kitty-specs/x");
        for dir in ["b/x", "a/x"] {
            let found = classify_registration(&root.join(dir)).unwrap();
            seats.0.push(Root::new(registration(&found, None, crate::survey::now())));
            check(&seats, "b/x");
        }
    }
}
