//! `dossierd verify --snapshot`: a snapshot beside a feature directory.

use std::path::{Path, PathBuf};

use super::args::MissionArgs;
use super::error::ErrorKind;
use super::render::{Line, Page, Tone};
use super::{CliError, Context, Verdict, surveying};
use crate::dossier::agreement::{Agreement, ExportedSnapshot, Verdict as Result_};
use crate::store::document;
use crate::survey::{FeatureSurvey, Found};

/// More than a snapshot of a million artifacts has.
const SIZE_LIMIT: u64 = 1024 * 1024 * 1024;

/// Compares the snapshot with the one directory that is named.
pub(super) fn run(
    snapshot: &Path,
    dirs: &[PathBuf],
    json: bool,
    context: &mut Context,
) -> Result<Verdict, CliError> {
    let [dir] = dirs else {
        let message = "--snapshot is compared with one feature directory".to_owned();
        return Err(CliError::new(ErrorKind::Usage, message).hint("name one directory"));
    };
    let snapshot = read(snapshot)?;
    let agree =
        |survey: FeatureSurvey| survey.judged.map(|judged| snapshot.agreement(&judged.dossier));
    let found = surveying::survey(dir, MissionArgs::default(), context, &agree)?;
    let agreement = match found {
        Found::Feature(Some(agreement)) => agreement,
        Found::Feature(None) => {
            let message = format!("{} could not be scanned", dir.display());
            return Err(CliError::new(ErrorKind::Io, message));
        }
        Found::Project(_) => {
            let message =
                format!("{} is a project, and the snapshot is of a feature", dir.display());
            return Err(CliError::new(ErrorKind::Usage, message).hint("name a feature directory"));
        }
    };
    if json {
        let mut document = serde_json::to_value(&agreement)
            .expect("an agreement has only strings and lists, which always serialise");
        document["schema_version"] = 1.into();
        document["feature_slug"] = snapshot.feature_slug.as_str().into();
        context.output.json(document.to_string().as_bytes())?;
    } else {
        context.output.page(&page(&agreement))?;
    }
    Ok(match agreement.result {
        Result_::Parity => Verdict::Fine,
        Result_::Divergence => Verdict::Findings,
        Result_::Error => Verdict::Failing,
    })
}

fn read(path: &Path) -> Result<ExportedSnapshot, CliError> {
    let missing = || {
        let message = format!("there is no file {}", path.display());
        CliError::new(ErrorKind::Input, message)
            .hint("write one with `dossierd export --output FILE`")
    };
    let bytes = document::read(path, SIZE_LIMIT)
        .map_err(|error| CliError::new(ErrorKind::Input, error.to_string()))?
        .ok_or_else(missing)?;
    ExportedSnapshot::parse(&bytes).map_err(|reason| {
        CliError::new(ErrorKind::Input, format!("{} cannot be compared", path.display()))
            .because(reason)
            .hint("name a snapshot in JSON, from `dossierd export` or `dossierd scan --json`")
    })
}

fn page(agreement: &Agreement) -> Page {
    let (tone, text) = match agreement.result {
        Result_::Parity => (Tone::Good, "✓ parity: the same names with the same contents"),
        Result_::Divergence => (Tone::Bad, "✗ divergence"),
        Result_::Error => (Tone::Bad, "✗ error: not everything could be compared"),
    };
    let mut page = Page::from(Line::toned(tone, text));
    page.line(Line::toned(Tone::Faint, format!("  snapshot   {}", agreement.expected_hash)));
    page.line(Line::toned(Tone::Faint, format!("  directory  {}", agreement.actual_hash)));
    let differences = &agreement.differences;
    for (mark, paths) in
        [("+", &differences.added), ("-", &differences.removed), ("~", &differences.changed)]
    {
        for path in paths {
            page.line(Line::plain(format!("  {mark} ")).text(path));
        }
    }
    for moved in &differences.moved {
        page.line(Line::plain("  > ").text(&moved.from).text(" -> ").text(&moved.to));
    }
    for unknown in &agreement.unknown {
        page.line(Line::plain("  ? ").text(&unknown.path).text(": ").text(&unknown.reason));
    }
    page
}
