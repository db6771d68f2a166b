//! Identities of projects that state none: made once, kept in the daemon's state. And the
//! loader of everything that projects say of themselves.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::journal::describe;
use super::last_good::LastGoodMissions;
use crate::dossier::Digest;
use crate::platform::user;
use crate::project::ProjectContext;
use crate::project::identity::{CONFIG, GeneratedIdentity, IdentityFault, default_node_id};
use crate::store::{Home, IdentityFile, ProjectIdentity, StoreError};

/// Loads what the project at a root says of itself.
pub type ProjectLoader = Box<dyn Fn(&Path) -> ProjectContext + Send + Sync>;

/// Loads what a project says of itself, with an identity kept by us where it has none, and
/// its last good missions where they are broken.
pub fn project_loader(home: &Home) -> ProjectLoader {
    let node_id = default_node_id(&user::host_name(), &user::user_name());
    let identities =
        Identities { file: IdentityFile::new(home.identity_dir()), known: Mutex::default() };
    let missions = LastGoodMissions::keeping(home);
    Box::new(move |root: &Path| {
        let generate = || identities.generated(root, &node_id);
        ProjectContext::load(root, missions.load(root), &node_id, generate)
    })
}

/// Identities, and what their files said last: all features of a project have the same one, also
/// when its file is lost between two of them.
struct Identities {
    file: IdentityFile,
    known: Mutex<HashMap<PathBuf, ProjectIdentity>>,
}

impl Identities {
    fn generated(&self, root: &Path, node_id: &str) -> GeneratedIdentity {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = known().get(root).cloned();
        let kept = match lost {
            Some(lost) => self.file.load_or_keep(root, || lost),
            None => self.file.load_or_create(root, &slug_of(root), node_id),
        };
        match kept {
            Ok(kept) => {
                known().insert(root.to_path_buf(), kept.clone());
                generated(kept)
            }
            Err(error) => stand_in(&error, root, node_id),
        }
    }
}

/// The identity that the daemon keeps for a project, if it does; one that cannot be read is
/// not replaced by another.
pub fn kept_identity(
    identities: &IdentityFile,
    root: &Path,
    node_id: &str,
) -> Option<GeneratedIdentity> {
    match identities.load(root) {
        Ok(kept) => kept.map(generated),
        Err(error) => Some(stand_in(&error, root, node_id)),
    }
}

/// What stands for an identity that cannot be read or kept. Another one is or will be that of
/// the project, so nothing may be written under this one.
fn stand_in(error: &StoreError, root: &Path, node_id: &str) -> GeneratedIdentity {
    let message = format!(
        "it is not known who the project is, so nothing is logged, accepted or in sync: {}; \
         or state project.uuid and project.slug in its {CONFIG}",
        describe(error)
    );
    let fault = IdentityFault { message, passes: error.is_full() || error.is_shortage() };
    GeneratedIdentity { fault: Some(fault), ..identity_of_path(root, node_id) }
}

fn generated(kept: ProjectIdentity) -> GeneratedIdentity {
    GeneratedIdentity {
        project_uuid: kept.project_uuid.to_string(),
        project_slug: kept.project_slug,
        fault: None,
    }
}

/// A project without a configured slug is called as its directory is.
fn slug_of(root: &Path) -> String {
    root.file_name().unwrap_or(root.as_os_str()).to_string_lossy().into_owned()
}

/// An identity that needs no file: the same for the same path and node.
pub fn identity_of_path(root: &Path, node_id: &str) -> GeneratedIdentity {
    let mut seed = root.as_os_str().as_encoded_bytes().to_vec();
    seed.extend_from_slice(node_id.as_bytes());
    let digest = Digest::sha256(seed).0;
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    GeneratedIdentity {
        project_uuid: uuid::Builder::from_random_bytes(bytes).into_uuid().to_string(),
        project_slug: slug_of(root),
        fault: None,
    }
}
