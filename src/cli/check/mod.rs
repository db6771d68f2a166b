//! `dossierd check`: is everything complete and in sync? For CI; needs no daemon.
//!
//! Fails closed: what is not known to be complete is a finding, and so is a drift that
//! could not be computed.

mod finding;
mod github;
mod junit;
mod report;

use super::args::{CheckArgs, ReportFormat};
use super::error::ErrorKind;
use super::{CliError, Context, Verdict, surveying};
use crate::survey::{FeatureSurvey, Found};

pub(super) fn run(args: CheckArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let format = if args.json { ReportFormat::Json } else { args.format };
    let checked = match check(args, context) {
        Ok(checked) => checked,
        Err(error) => {
            // What only reads the report has to see that there was no check, too.
            match format {
                ReportFormat::Github => {
                    context.output.bytes(github::github_error(&error).as_bytes())?;
                }
                ReportFormat::Junit => context.output.bytes(&junit::junit_error(&error)?)?,
                ReportFormat::Text | ReportFormat::Json => {}
            }
            return Err(error);
        }
    };
    match format {
        ReportFormat::Text => context.output.page(&report::text(&checked))?,
        ReportFormat::Json => context.output.json(&report::json(&checked))?,
        ReportFormat::Github => context.output.bytes(github::github(&checked).as_bytes())?,
        ReportFormat::Junit => context.output.bytes(&junit::junit(&checked)?)?,
    }
    let fails = checked.iter().any(|feature| feature.findings.iter().any(|f| f.fails));
    Ok(if fails { Verdict::Findings } else { Verdict::Fine })
}

/// Surveys, and checks every feature there is: one that was not judged is no finding, but an
/// error.
fn check(args: CheckArgs, context: &mut Context) -> Result<Vec<finding::Checked>, CliError> {
    let fail_on = &args.fail_on;
    let check = |feature: FeatureSurvey| match &feature.judged {
        Some(judged) => Ok(finding::check(&feature, judged, fail_on)),
        None => Err(feature.slug),
    };
    let found = match surveying::survey(&args.path, args.mission, context, &check)? {
        Found::Feature(one) => vec![one],
        Found::Project(all) => all,
    };
    let checked: Result<Vec<_>, String> = found.into_iter().collect();
    checked.map_err(|slug| {
        CliError::new(ErrorKind::Io, format!("{slug} could not be judged"))
            .hint("check again when nothing moves its directory")
    })
}
