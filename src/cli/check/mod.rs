//! `dossierd check`: is everything complete and in sync? For CI; needs no daemon.
//!
//! Fails closed: what is not known to be complete is a finding, and so is a drift that
//! could not be computed.

mod finding;
mod report;

use super::args::{CheckArgs, ReportFormat};
use super::{CliError, Context, Verdict, surveying};
use crate::survey::{FeatureSurvey, Found};

pub(super) fn run(args: CheckArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let fail_on = &args.fail_on;
    let check =
        |feature: FeatureSurvey| Some(finding::check(&feature, feature.judged.as_ref()?, fail_on));
    let checked: Vec<finding::Checked> =
        match surveying::survey(&args.path, args.mission, context, &check)? {
            Found::Feature(checked) => checked.into_iter().collect(),
            Found::Project(checked) => checked.into_iter().flatten().collect(),
        };
    let format = if args.json { ReportFormat::Json } else { args.format };
    match format {
        ReportFormat::Text => context.output.page(&report::text(&checked))?,
        ReportFormat::Json => context.output.json(&report::json(&checked))?,
        ReportFormat::Github => context.output.bytes(report::github(&checked).as_bytes())?,
        ReportFormat::Junit => context.output.bytes(&report::junit(&checked)?)?,
    }
    let fails = checked.iter().any(|feature| feature.findings.iter().any(|f| f.fails));
    Ok(if fails { Verdict::Findings } else { Verdict::Fine })
}
