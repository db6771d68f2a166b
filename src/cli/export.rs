//! `dossierd export`: a snapshot for use elsewhere.

use super::args::ExportArgs;
use super::new_file;
use super::route::Route;
use super::{CliError, Context, Verdict, select};

pub(super) fn run(args: ExportArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let client = context.client()?;
    let name = select::feature(args.feature.feature.as_deref(), &client, &mut context.output)?;
    let route = Route::get("/api/dossier/snapshots/export")
        .maybe("feature", name.as_deref())
        .with("format", args.format.wire_name())
        .flag("fresh", !args.fresh.cached);
    let answer = client.ask(&route)?;
    match &args.output {
        Some(path) => new_file::replace(path, &answer.body)?,
        None => match std::str::from_utf8(&answer.body) {
            Ok(text) => context.output.content(text)?,
            Err(_) => context.output.bytes(&answer.body)?,
        },
    }
    Ok(Verdict::Fine)
}
