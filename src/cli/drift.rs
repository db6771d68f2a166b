//! `dossierd drift`: how a feature differs from its baseline.

use super::args::DriftArgs;
use super::render;
use super::route::Route;
use super::wire::Drift;
use super::{CliError, Context, Verdict, select};

pub(super) fn run(args: DriftArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let client = context.client()?;
    let name = select::feature(args.feature.feature.as_deref(), &client, &mut context.output)?;
    let route = Route::get("/api/dossier/drift")
        .maybe("feature", name.as_deref())
        .flag("fresh", !args.fresh.cached);
    let answer = client.ask(&route)?;
    let drift: Drift = answer.parse()?;
    if args.json.json {
        context.output.json(&answer.body)?;
    } else {
        context.output.page(&render::drift::drift(&drift))?;
    }
    Ok(verdict(&drift.parity_status))
}

/// Fails closed: a status that this command does not know is a finding.
fn verdict(parity_status: &str) -> Verdict {
    match parity_status {
        "in_sync" | "no_baseline" | "baseline_rejected" => Verdict::Fine,
        _ => Verdict::Findings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_or_is_not_known_is_a_finding() {
        for fine in ["in_sync", "no_baseline", "baseline_rejected"] {
            assert_eq!(verdict(fine), Verdict::Fine, "{fine}");
        }
        for finding in ["drifted", "moved", "error", "", "in_a_new_way"] {
            assert_eq!(verdict(finding), Verdict::Findings, "{finding}");
        }
    }
}
