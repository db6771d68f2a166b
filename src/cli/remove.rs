//! `dossierd remove`: unregisters what was registered; its files stay.

use super::args::RemoveArgs;
use super::render::Line;
use super::render::features::root_path;
use super::route::Route;
use super::wire::Removed;
use super::{CliError, Context, Verdict, select};

pub(super) fn run(args: RemoveArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let client = context.client()?;
    let known = select::features(&client, &mut context.output)?;
    let id = select::root_id(&args.target, &known)?;
    let answer = client.ask(&Route::delete("/api/features").with("id", &id))?;
    if args.json.json {
        context.output.json(&answer.body)?;
        return Ok(Verdict::Fine);
    }
    let removed: Removed = answer.parse()?;
    let root = known.roots.iter().find(|root| root.id == id);
    let shown = root.map_or_else(|| id.clone(), root_path);
    let line = format!("removed {} {shown}; its files stay", removed.removed.kind);
    context.output.line(Line::plain(line))?;
    Ok(Verdict::Fine)
}
