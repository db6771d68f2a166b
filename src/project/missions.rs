//! The missions of a project: the built-in ones, and what it overrides or adds.
//!
//! Overrides stand in `.kittify/missions/<type>/` and `.kittify/overrides/missions/<type>/`,
//! file by file; the latter wins. A broken one is a fault, and keeps the last good
//! definition in force, so that a typing error never turns a feature's requirements off.
//! The texts of good ones are handed out, for whoever keeps them across restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::beneath::Beneath;
use super::mission_override::{MANIFEST_FILE, MISSION_FILE, MissionFault, Override, fault};
use crate::dossier::Digest;
use crate::dossier::definition::{MissionDefinition, OverrideTexts};
use crate::dossier::strict::is_name;
use crate::dossier::yaml::printable;

/// Where overrides stand, relative to the project root; later ones win.
const DIRECTORIES: [&str; 2] = [".kittify/missions", ".kittify/overrides/missions"];
/// More mission types of one directory are not read.
const MAX_TYPES: usize = 64;

/// All mission types that a project has. Equal catalogues say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissionCatalog {
    definitions: BTreeMap<String, Arc<MissionDefinition>>,
    faults: Vec<MissionFault>,
    /// What became of each override, so that unchanged texts are not parsed again.
    overrides: BTreeMap<String, Outcome>,
}

/// What an override's texts came to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    /// Of the labels and texts.
    digest: Digest,
    /// `None` if they define the mission type.
    fault: Option<MissionFault>,
    /// The last texts that did.
    good: Option<Arc<OverrideTexts>>,
}

impl MissionCatalog {
    /// The built-in missions alone.
    pub fn builtin() -> MissionCatalog {
        let definitions = MissionDefinition::builtin_types()
            .filter_map(|name| Some((name.to_owned(), MissionDefinition::builtin(name)?)))
            .collect();
        MissionCatalog { definitions, faults: Vec::new(), overrides: BTreeMap::new() }
    }

    /// The built-in missions with these overrides, by mission type; those that are not good
    /// are left out. It is what [`Self::load`] takes for a last catalogue after a restart.
    pub fn restored(overrides: impl IntoIterator<Item = (String, OverrideTexts)>) -> Self {
        let mut catalog = MissionCatalog::builtin();
        for (mission_type, texts) in overrides {
            catalog.apply(mission_type, Override::from(texts), None);
        }
        catalog.overrides.retain(|_, outcome| outcome.good.is_some());
        catalog.faults.clear();
        catalog
    }

    /// The built-in missions, and what the project overrides or adds. `previous` is the
    /// project's last catalogue, from which broken overrides take their last good state.
    pub fn load(project_root: Option<&Path>, previous: Option<&MissionCatalog>) -> MissionCatalog {
        let mut catalog = MissionCatalog::builtin();
        let Some(root) = project_root else { return catalog };
        let beneath = match Beneath::open(root) {
            Ok(beneath) => beneath,
            Err(error) => {
                catalog.keep_all(previous);
                catalog.faults.push(fault("", ".", &error));
                return catalog;
            }
        };
        for (mission_type, files) in catalog.find_overrides(&beneath, previous) {
            // It is there already where not everything could be listed: half of its files
            // must not stand for all of them.
            if !catalog.overrides.contains_key(&mission_type) {
                catalog.apply(mission_type, files, previous);
            }
        }
        catalog
    }

    /// Where overrides can't be listed, all that was known stays in force.
    fn keep_all(&mut self, previous: Option<&MissionCatalog>) {
        if let Some(previous) = previous {
            self.definitions.clone_from(&previous.definitions);
            self.overrides.clone_from(&previous.overrides);
        }
    }

    /// Puts an override in force, or, if it is broken, the last good definition.
    fn apply(&mut self, mission_type: String, files: Override, previous: Option<&MissionCatalog>) {
        let digest = files.digest();
        let last_good = previous.and_then(|p| p.definitions.get(&mission_type)).cloned();
        let last = previous.and_then(|p| p.overrides.get(&mission_type));
        let last_texts = last.and_then(|last| last.good.clone());
        let (definition, fault, good) = match last.filter(|last| last.digest == digest) {
            Some(last) => (last_good, last.fault.clone(), last_texts),
            None => match files.define(&mission_type) {
                Ok((definition, texts)) => (Some(definition), None, Some(Arc::new(texts))),
                Err(fault) => (last_good, Some(fault), last_texts),
            },
        };
        if let Some(definition) = definition {
            self.definitions.insert(mission_type.clone(), definition);
        }
        self.faults.extend(fault.clone());
        self.overrides.insert(mission_type, Outcome { digest, fault, good });
    }

    /// The definition in force for a mission type.
    pub fn get(&self, mission_type: &str) -> Option<Arc<MissionDefinition>> {
        self.definitions.get(mission_type).cloned()
    }

    /// All mission types, sorted.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.definitions.keys().map(String::as_str)
    }

    /// What is wrong with overrides, in the order of mission types.
    pub fn faults(&self) -> &[MissionFault] {
        &self.faults
    }

    /// The last good texts of each override that the project has, in the order of mission
    /// types.
    pub fn good_overrides(&self) -> impl Iterator<Item = (&String, &Arc<OverrideTexts>)> {
        self.overrides.iter().filter_map(|(name, outcome)| Some((name, outcome.good.as_ref()?)))
    }

    fn find_overrides(
        &mut self,
        beneath: &Beneath,
        previous: Option<&MissionCatalog>,
    ) -> BTreeMap<String, Override> {
        let mut found: BTreeMap<String, Override> = BTreeMap::new();
        for directory in DIRECTORIES {
            let names = match beneath.directories(Path::new(directory)) {
                Ok(names) => names.unwrap_or_default(),
                Err(error) => {
                    self.keep_all(previous);
                    self.faults.push(fault("", directory, &error));
                    continue;
                }
            };
            for mission_type in self.mission_types(directory, names) {
                let read = |file: &str| Override::read(beneath, directory, &mission_type, file);
                let (mission, manifest) = (read(MISSION_FILE), read(MANIFEST_FILE));
                if mission.is_none() && manifest.is_none() {
                    continue;
                }
                let files = found.entry(mission_type).or_default();
                files.mission = mission.or(files.mission.take());
                files.manifest = manifest.or(files.manifest.take());
            }
        }
        found
    }

    /// The names that are mission types; the others, and those too many, are faults.
    fn mission_types(&mut self, directory: &str, names: Vec<Vec<u8>>) -> BTreeSet<String> {
        let mut types = BTreeSet::new();
        for name in names {
            let shown = printable(&String::from_utf8_lossy(&name));
            let message = if !is_name(&shown) {
                "is no mission type; allowed are letters, digits, `.`, `_` and `-`".to_owned()
            } else if types.len() == MAX_TYPES {
                format!("is one too many: at most {MAX_TYPES} mission types are read")
            } else {
                types.insert(shown);
                continue;
            };
            let too_many = types.len() == MAX_TYPES;
            let file = format!("{directory}/{shown}");
            self.faults.push(MissionFault { mission_type: shown, file, line: 1, message });
            if too_many {
                break;
            }
        }
        types
    }
}

#[cfg(test)]
mod tests;
