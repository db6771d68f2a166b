//! `dossierd scan`: one survey, no daemon.

use super::args::ScanArgs;
use super::render::{Line, Page, Tone, mark};
use super::{CliError, Context, Verdict, places, surveying};
use crate::cli::error::ErrorKind;
use crate::daemon::write_once;
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
    let found = surveying::survey(&args.path, args.mission, context)?;
    if args.json {
        context.output.json(&document(&found))?;
    } else {
        context.output.page(&page(&found))?;
    }
    Ok(Verdict::Fine)
}

/// The snapshot of a feature, or those of a project by slug.
fn document(found: &Found) -> Vec<u8> {
    let features = match found {
        Found::Feature(feature) => return judged(feature).map_or_else(Vec::new, snapshot),
        Found::Project(features) => features,
    };
    let mut document = b"{\"schema_version\":1,\"features\":[".to_vec();
    for (number, snapshot) in snapshots(features).iter().enumerate() {
        if number > 0 {
            document.push(b',');
        }
        document.extend_from_slice(snapshot.trim_ascii_end());
    }
    document.extend_from_slice(b"]}");
    document
}

/// The snapshots of all features, made by as many threads as there are processors.
fn snapshots(features: &[FeatureSurvey]) -> Vec<Vec<u8>> {
    let share = features.len().div_ceil(surveying::threads()).max(1);
    std::thread::scope(|scope| {
        let work = |part| move || features_of(part);
        let threads: Vec<_> = features.chunks(share).map(|part| scope.spawn(work(part))).collect();
        let joined = threads.into_iter().map(|thread| {
            // A panic is not swallowed: it goes on in the thread that asked.
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        joined.flatten().collect()
    })
}

fn features_of(part: &[FeatureSurvey]) -> Vec<Vec<u8>> {
    part.iter().filter_map(judged).map(snapshot).collect()
}

/// Every survey that succeeded has been judged.
fn judged(feature: &FeatureSurvey) -> Option<&Judged> {
    feature.judged.as_ref()
}

fn snapshot(judged: &Judged) -> Vec<u8> {
    judged.snapshot().to_json()
}

/// For people: one paragraph a feature.
fn page(found: &Found) -> Page {
    let mut page = Page::new();
    for judged in found.features().iter().filter_map(judged) {
        page.gap();
        page.append(feature(judged));
    }
    if found.features().is_empty() {
        page.line("this project has no features yet: kitty-specs/ is empty or missing");
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
    page.line(Line::plain("  ").then(mark::parity(judged.drift.parity_status.as_str())));
    for anomaly in &dossier.anomalies {
        let line = Line::plain("  ").then(mark::severity(anomaly.severity.as_str()));
        page.line(line.text("  ").text(&anomaly.message));
    }
    page
}
