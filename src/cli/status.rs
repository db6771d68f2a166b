//! `dossierd status`: all features, or one in full.
//!
//! Without a feature it is always about all of them, wherever the current directory lies,
//! so that the document of `--json` does not depend on it.

use super::args::StatusArgs;
use super::client::{Answer, Client};
use super::output::Output;
use super::render::{features, overview::overview};
use super::route::Route;
use super::wire::{Features, Overview};
use super::{CliError, Context, Verdict, select};

pub(super) fn run(args: StatusArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let client = context.client()?;
    let output = &mut context.output;
    let Some(typed) = &args.feature else {
        let answer = client.ask(&Route::get("/api/features"))?;
        if args.json.json {
            output.json(&answer.body)?;
        } else {
            let all: Features = answer.parse()?;
            select::note_version(&all.health.version, output);
            output.page(&features::status(&all))?;
        }
        return Ok(Verdict::Fine);
    };
    let name = select::feature(Some(typed), &client, output)?;
    let route = Route::get("/api/dossier/overview").maybe("feature", name.as_deref());
    let answer = fresh_or_known(&client, route, args.fresh.cached, output)?;
    if args.json.json {
        output.json(&answer.body)?;
    } else {
        output.page(&overview(&answer.parse::<Overview>()?))?;
    }
    Ok(Verdict::Fine)
}

/// A status is wanted most when the daemon is behind, so unlike other reads this one then
/// shows what is known, and says that it is old.
fn fresh_or_known(
    client: &Client,
    route: Route,
    cached: bool,
    output: &mut Output,
) -> Result<Answer, CliError> {
    match client.ask(&route.clone().flag("fresh", !cached)) {
        Err(error) if error.code() == Some("stale-read") => {
            output.warning("the daemon is behind; this is what it knew before the latest changes");
            client.ask(&route)
        }
        other => other,
    }
}
