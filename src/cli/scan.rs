//! `dossierd scan`: one survey, no daemon.

use super::args::ScanArgs;
use super::render::{Line, Page, Tone, mark};
use super::{CliError, Context, Verdict, places, surveying};
use crate::cli::error::ErrorKind;
use crate::daemon::write_once;
use crate::dossier::drift::ParityStatus;
use crate::survey::{FeatureSurvey, Found, Judged};

pub(super) fn run(args: ScanArgs, context: &mut Context) -> Result<Verdict, CliError> {
    if args.write {
        let home = places::home()?;
        let written = write_once(&home, &args.path, args.mission.clone().into());
        written.map_err(|error| {
            let message = error.to_string();
            let cli = CliError::new(ErrorKind::Io, message);
            match std::error::Error::source(&error) {
                Some(source) => cli.because(source.to_string()),
                None => cli,
            }
            .hint("a running daemon writes by itself; ask it with `dossierd reindex`")
        })?;
    }
    if args.json {
        let snapshot = |survey: FeatureSurvey| survey.judged.map(|judged| snapshot(&judged));
        let found = surveying::survey(&args.path, args.mission, context, &snapshot)?;
        context.output.json_pieces(document(&found))?;
    } else {
        let feature = |survey: FeatureSurvey| survey.judged.map(|judged| feature(&judged));
        let found = surveying::survey(&args.path, args.mission, context, &feature)?;
        context.output.page(&page(found))?;
    }
    Ok(Verdict::Fine)
}

/// The snapshot of a feature, or those of a project by slug, in pieces.
fn document(found: &Found<Option<Vec<u8>>>) -> Vec<&[u8]> {
    let snapshots = found.items().iter().flatten().map(Vec::as_slice);
    if let Found::Feature(_) = found {
        return snapshots.collect();
    }
    let mut pieces: Vec<&[u8]> = vec![b"{\"schema_version\":1,\"features\":["];
    for (number, snapshot) in snapshots.enumerate() {
        if number > 0 {
            pieces.push(b",");
        }
        pieces.push(snapshot);
    }
    pieces.push(b"]}");
    pieces
}

/// Without the end of its line.
fn snapshot(judged: &Judged) -> Vec<u8> {
    let mut document = judged.snapshot().to_json();
    document.truncate(document.trim_ascii_end().len());
    document
}

/// For people: one paragraph a feature.
fn page(found: Found<Option<Page>>) -> Page {
    let mut page = Page::new();
    let features = match found {
        Found::Feature(feature) => vec![feature],
        Found::Project(features) => features,
    };
    if features.is_empty() {
        page.line("this project has no features yet: kitty-specs/ is empty or missing");
    }
    for feature in features.into_iter().flatten() {
        page.gap();
        page.append(feature);
    }
    page
}

fn feature(judged: &Judged) -> Page {
    let dossier = &judged.dossier;
    let step = match &dossier.current_step {
        Some(step) => format!("at {step} ({})", dossier.step_source.as_str()),
        None => "at an unknown step".to_owned(),
    };
    let mission = dossier.mission_type.as_deref().unwrap_or("unknown mission");
    let mut page = Page::from(
        Line::toned(Tone::Strong, &dossier.feature_slug)
            .text("  ")
            .then(mark::completeness(dossier.completeness_status.as_str()))
            .text(format!(" {step}, {mission}")),
    );
    page.line(format!(
        "  {} artifacts, {} present; required {} of {}",
        dossier.counts.total,
        dossier.present_count(),
        dossier.counts.required_present,
        dossier.counts.required
    ));
    page.line(format!("  parity {}", dossier.parity_hash));
    let parity = Line::plain("  ").then(mark::parity(judged.drift.parity_status.as_str()));
    page.line(match &judged.drift.message {
        Some(why) if judged.drift.parity_status == ParityStatus::Error => {
            parity.text(": ").text(why)
        }
        _ => parity,
    });
    for anomaly in &dossier.anomalies {
        let line = Line::plain("  ").then(mark::severity(anomaly.severity.as_str()));
        page.line(line.text("  ").text(&anomaly.message));
    }
    page
}
