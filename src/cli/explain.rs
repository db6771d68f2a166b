//! `dossierd explain`: why a file is what it is to the dossier.

use std::path::{Path, PathBuf};

use super::args::{ExplainArgs, MissionArgs};
use super::error::ErrorKind;
use super::render::{Line, Page, Tone, mark};
use super::{CliError, Context, Verdict, surveying};
use crate::dossier::artifact::Artifact;
use crate::dossier::path::shown;
use crate::dossier::snapshot::ArtifactSummary;
use crate::dossier::{Dossier, RelPath};
use crate::index::IgnoredBy;
use crate::project::root::{KITTY_SPECS, Registration, classify_registration};
use crate::survey::{FeatureSurvey, Judged};

pub(super) fn run(args: ExplainArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let (feature_dir, relative) = locate(&args.path)?;
    let found =
        surveying::survey(&feature_dir, MissionArgs::default(), context, &|feature| feature)?;
    let no_feature = || {
        CliError::new(
            ErrorKind::Input,
            format!("{} is no feature directory", feature_dir.display()),
        )
    };
    let feature = found.items().first().ok_or_else(no_feature)?;
    let judged = feature.judged.as_ref().ok_or_else(no_feature)?;
    let explained = Explained { feature, judged, path: relative };
    if args.json {
        context.output.json(explained.json().to_string().as_bytes())?;
    } else {
        context.output.page(&explained.page())?;
    }
    Ok(Verdict::Fine)
}

/// The feature directory of a path, and the path in it. The file need not exist.
fn locate(path: &Path) -> Result<(PathBuf, RelPath), CliError> {
    let unreadable = |error| CliError::io(format!("cannot find {}", path.display()), error);
    let absolute = std::path::absolute(path).map_err(unreadable)?;
    let parent = absolute.ancestors().skip(1).find(|dir| dir.is_dir());
    let real = parent.and_then(|dir| dir.canonicalize().ok());
    let (Some(parent), Some(real)) = (parent, real) else {
        return Err(unreadable(std::io::ErrorKind::NotFound.into()));
    };
    let rest = absolute.strip_prefix(parent).unwrap_or(Path::new(""));
    let full = real.join(rest);
    let is_feature = |dir: &&Path| {
        dir.parent().and_then(Path::file_name).is_some_and(|name| name == KITTY_SPECS)
    };
    let has_meta = |dir: &&Path| dir.join("meta.json").is_file();
    let above: Vec<&Path> = full.ancestors().skip(1).collect();
    let feature = above.iter().copied().find(is_feature);
    let feature = feature.or_else(|| above.iter().copied().find(has_meta)).unwrap_or(&real);
    if full.is_dir() || holds_features(feature) {
        let what = if full.is_dir() { "is a directory" } else { "lies in no feature" };
        return Err(CliError::new(ErrorKind::Input, format!("{} {what}", path.display()))
            .hint("name a file inside a feature directory, such as kitty-specs/012-x/spec.md"));
    }
    let inside = full.strip_prefix(feature).unwrap_or(Path::new(""));
    let relative = RelPath::new(inside.as_os_str().as_encoded_bytes()).map_err(|error| {
        CliError::new(ErrorKind::Input, format!("{} is no file of a feature", path.display()))
            .because(error)
            .hint("name a file inside a feature directory, such as kitty-specs/012-x/spec.md")
    })?;
    Ok((feature.to_path_buf(), relative))
}

/// Is this a project or its folder of features, rather than a feature?
fn holds_features(dir: &Path) -> bool {
    matches!(classify_registration(dir), Ok(Registration::Project { .. }))
}

/// A file of a feature, and what is known of it.
struct Explained<'a> {
    feature: &'a FeatureSurvey,
    judged: &'a Judged,
    path: RelPath,
}

impl Explained<'_> {
    fn dossier(&self) -> &Dossier {
        &self.judged.dossier
    }

    /// The row of the file, or of the entry that a missing file would meet.
    fn row(&self) -> Option<&Artifact> {
        let row = self.dossier().rows.get(&self.path);
        let shown = self.path.shown();
        let expected = || {
            let missing = self.dossier().missing.iter();
            let entry = missing.clone().find(|m| m.path_patterns.iter().any(|p| *p == *shown))?;
            self.dossier().artifact(&entry.artifact_key).map(AsRef::as_ref)
        };
        row.map(|row| row.artifact.as_ref()).or_else(expected)
    }

    /// Why the file, or a directory it is in, is not indexed.
    fn ignored(&self) -> Option<(String, String)> {
        let ignored = self.feature.index.ignored();
        let (path, entry) =
            ignored.iter().find(|(path, _)| **path == self.path || self.path.is_below(path))?;
        let why = match &entry.by {
            IgnoredBy::Hidden => "its name begins with a dot".to_owned(),
            IgnoredBy::EditorLeftover(pattern) => {
                format!("editor left-overs ({pattern}) are no artifacts")
            }
            IgnoredBy::Pattern { file, pattern } => {
                format!("the pattern {pattern} in {}", file.as_str())
            }
            IgnoredBy::SymlinkedDirectory => "links to directories are not entered".to_owned(),
        };
        Some((path.shown().into_owned(), why))
    }

    /// Manifest entries that match, as key, step and pattern.
    fn entries(&self) -> Vec<(String, String, String)> {
        use crate::dossier::manifest::Requirement;
        let Some(definition) = &self.dossier().definition else { return Vec::new() };
        let name = |when: &Requirement| match when {
            Requirement::Always => "required_always".to_owned(),
            Requirement::Step(step) => {
                format!("required by step {}", definition.mission.steps()[*step])
            }
            Requirement::Optional => "optional".to_owned(),
        };
        definition
            .manifest
            .find(&self.path)
            .entries()
            .map(|index| {
                let entry = &definition.manifest.entries()[index];
                let patterns: Vec<&str> = entry.patterns.iter().map(|p| p.text.as_str()).collect();
                (entry.artifact_key.clone(), name(&entry.when), patterns.join(" or "))
            })
            .collect()
    }

    /// How the file stands to the baseline.
    fn baseline(&self) -> (&'static str, Option<String>) {
        let shown = self.path.shown();
        let Some(baseline) = self.judged.baseline() else { return ("no baseline", None) };
        let Some(artifacts) = &baseline.artifacts else {
            return ("the baseline lists no artifacts", None);
        };
        let accepted = artifacts.iter().find(|a| a.path == *shown).map(|a| a.content_hash_sha256);
        let now = self.row().and_then(Artifact::content_hash);
        let word = match (accepted, now) {
            (Some(a), Some(b)) if a == b => "as accepted",
            (Some(_), Some(_)) => "changed since it was accepted",
            (Some(_), None) => "accepted, and gone or unreadable now",
            (None, Some(_)) => "not in the baseline",
            (None, None) => "neither in the baseline nor here",
        };
        (word, accepted.map(|digest| digest.to_string()))
    }

    fn json(&self) -> serde_json::Value {
        let ignored = self
            .ignored()
            .map(|(path, reason)| serde_json::json!({"path": path, "reason": reason}));
        let entries: Vec<_> = self
            .entries()
            .into_iter()
            .map(|(key, when, pattern)| serde_json::json!({"artifact_key": key, "when": when, "path_pattern": pattern}))
            .collect();
        let (baseline, accepted) = self.baseline();
        let row = self.row().map(|row| ArtifactSummary::new(row, &self.dossier().provenance));
        serde_json::json!({
            "schema_version": 1,
            "feature_slug": self.dossier().feature_slug,
            "relative_path": self.path.shown(),
            "artifact": row,
            "manifest_entries": entries,
            "ignored": ignored,
            "baseline": baseline,
            "baseline_hash_sha256": accepted,
            "mission_type": self.dossier().mission_type,
            "current_step": self.dossier().current_step,
        })
    }

    fn page(&self) -> Page {
        let mut page = Page::from(
            Line::toned(Tone::Strong, self.path.shown())
                .text("  in ")
                .text(shown(self.dossier().feature_slug.as_bytes())),
        );
        if let Some((path, why)) = self.ignored() {
            page.line(Line::plain("  not indexed  ").text(format!("{path}: {why}")));
            return page;
        }
        match self.row() {
            None => page.line("  there is no such artifact, and no required entry asks for it"),
            Some(row) => self.row_lines(row, &mut page),
        }
        for (key, when, pattern) in self.entries() {
            page.line(format!("  manifest     {key}: {pattern}, {when}"));
        }
        let (word, accepted) = self.baseline();
        let hash = accepted.map_or_else(String::new, |hash| format!(" ({hash})"));
        page.line(format!("  baseline     {word}{hash}"));
        page
    }

    fn row_lines(&self, row: &Artifact, page: &mut Page) {
        let reason = row.error_reason().map(crate::dossier::ErrorReason::as_str);
        let mut state =
            Line::plain("  state        ").then(mark::presence(row.is_present(), reason));
        if let Some(detail) = row.error_detail() {
            state = state.text(format!(" ({detail})"));
        }
        page.line(state);
        page.line(format!("  class        {}, decided by {}", row.class, row.classified_by));
        page.line(format!("  key          {}", row.key));
        page.line(format!("  required     {}", row.required_status.as_str()));
        for (name, value) in [("work package", &row.wp_id), ("step        ", &row.step_id)] {
            if let Some(value) = value {
                page.line(format!("  {name} {value}"));
            }
        }
        if let Some(digest) = row.content_hash() {
            page.line(format!("  sha256       {digest}"));
        } else if let Some(raw) = row.raw_hash() {
            page.line(format!(
                "  sha256       {raw} of the bytes, which take no part in the parity hash"
            ));
        }
        page.line(format!("  size         {} bytes", row.size_bytes()));
    }
}
