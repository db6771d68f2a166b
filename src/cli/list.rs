//! `dossierd list`: what is registered.

use super::args::ListArgs;
use super::render::features::list;
use super::route::Route;
use super::wire::Features;
use super::{CliError, Context, Verdict, select};

pub(super) fn run(args: ListArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let answer = context.client()?.ask(&Route::get("/api/features"))?;
    if args.json.json {
        context.output.json(&answer.body)?;
        return Ok(Verdict::Fine);
    }
    let features: Features = answer.parse()?;
    select::note_version(&features.health.version, &mut context.output);
    context.output.page(&list(&features))?;
    Ok(Verdict::Fine)
}
