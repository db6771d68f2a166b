//! One override of a mission type: its files as they are now, and what is wrong with them.
//!
//! Which overrides there are, and what stays in force, is up to [`super::missions`].

use std::path::Path;
use std::sync::Arc;

use super::beneath::{Beneath, BeneathError};
use crate::dossier::Digest;
use crate::dossier::definition::{LabelledText, MissionDefinition, OverrideTexts};
use crate::dossier::yaml::{MAX_DEFINITION_BYTES, printable};

pub(super) const MISSION_FILE: &str = "mission.yaml";
pub(super) const MANIFEST_FILE: &str = "expected-artifacts.yaml";

/// What is wrong with an override, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct MissionFault {
    /// The mission type, whose definition stays as it was; empty if all are concerned.
    pub mission_type: String,
    /// Relative to the project root.
    pub file: String,
    /// Counted from 1.
    pub line: u64,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// One file of an override, or why it cannot be read.
pub(super) type Source = Result<LabelledText, MissionFault>;

/// The files of an override; at least one of them is there.
#[derive(Default)]
pub(super) struct Override {
    pub(super) mission: Option<Source>,
    pub(super) manifest: Option<Source>,
}

impl From<OverrideTexts> for Override {
    fn from(texts: OverrideTexts) -> Self {
        Self { mission: texts.mission.map(Ok), manifest: texts.manifest.map(Ok) }
    }
}

impl Override {
    /// Of everything that the outcome depends on; NUL stands between the parts, and in
    /// front of what is missing or could not be read.
    pub(super) fn digest(&self) -> Digest {
        let part = |source: &Option<Source>| match source {
            None => "\0".to_owned(),
            Some(Ok(LabelledText { label, text })) => format!("{label}\0{}", Digest::sha256(text)),
            Some(Err(fault)) => format!("\0\0{fault}"),
        };
        Digest::sha256(format!("{}\0{}", part(&self.mission), part(&self.manifest)))
    }

    /// What the files define, and their texts.
    pub(super) fn define(
        self,
        mission_type: &str,
    ) -> Result<(Arc<MissionDefinition>, OverrideTexts), MissionFault> {
        let texts = OverrideTexts {
            mission: self.mission.transpose()?,
            manifest: self.manifest.transpose()?,
        };
        match texts.define(mission_type) {
            Ok(definition) => Ok((Arc::new(definition), texts)),
            Err(e) => Err(MissionFault {
                mission_type: mission_type.to_owned(),
                file: e.file,
                line: e.line,
                message: e.message,
            }),
        }
    }

    /// Reads one file; `None` if there is none.
    pub(super) fn read(
        beneath: &Beneath,
        directory: &str,
        mission_type: &str,
        file: &str,
    ) -> Option<Source> {
        let label = format!("{directory}/{mission_type}/{file}");
        let bytes = match beneath.read(Path::new(&label), MAX_DEFINITION_BYTES) {
            Ok(bytes) => bytes?,
            Err(error) => return Some(Err(fault(mission_type, &label, &error))),
        };
        Some(match String::from_utf8(bytes) {
            Ok(text) => Ok(LabelledText { label, text }),
            Err(error) => {
                let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = 1 + valid.iter().filter(|b| **b == b'\n').count() as u64;
                let message = "the file is not UTF-8".to_owned();
                Err(MissionFault {
                    mission_type: mission_type.to_owned(),
                    file: label,
                    line,
                    message,
                })
            }
        })
    }
}

/// A file or directory that cannot be read, as a fault.
pub(super) fn fault(mission_type: &str, file: &str, error: &BeneathError) -> MissionFault {
    MissionFault {
        mission_type: mission_type.to_owned(),
        file: file.to_owned(),
        line: 1,
        message: printable(&error.to_string()),
    }
}
