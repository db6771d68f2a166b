//! `dossierd reindex`: a full scan, and all events again.

use serde_json::json;

use super::args::ReindexArgs;
use super::render::overview::overview;
use super::route::Route;
use super::wire::Overview;
use super::{CliError, Context, Verdict, select};

pub(super) fn run(args: ReindexArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let client = context.client()?;
    let id = select::feature_id(args.feature.feature.as_deref(), &client, &mut context.output)?;
    let mut route = Route::post("/api/features", json!({ "reemit": !args.scan_only })).segment(&id);
    route.target.push_str("/rescan");
    let answer = client.ask_patiently(&route, "scanning …", &mut context.output)?;
    if args.json.json {
        context.output.json(&answer.body)?;
    } else {
        context.output.page(&overview(&answer.parse::<Overview>()?))?;
    }
    Ok(Verdict::Fine)
}
