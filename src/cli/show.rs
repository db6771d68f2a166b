//! `dossierd show`: the text of one artifact.

use super::args::ShowArgs;
use super::error::ErrorKind;
use super::route::Route;
use super::wire::ShownArtifact;
use super::{CliError, Context, Verdict, select};

pub(super) fn run(args: ShowArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let client = context.client()?;
    let name = select::feature(args.feature.feature.as_deref(), &client, &mut context.output)?;
    let route = Route::get("/api/dossier/artifacts")
        .segment(&args.key)
        .maybe("feature", name.as_deref())
        .flag("fresh", !args.fresh.cached);
    if args.raw {
        let answer = client.ask(&route.flag("raw", true))?;
        context.output.bytes(&answer.body)?;
        return Ok(Verdict::Fine);
    }
    let answer = client.ask(&route)?;
    if args.json.json {
        context.output.json(&answer.body)?;
        return Ok(Verdict::Fine);
    }
    let artifact: ShownArtifact = answer.parse()?;
    let Some(content) = artifact.content.filter(|_| !artifact.content_truncated) else {
        let notice = artifact
            .content_error
            .or(artifact.truncation_notice)
            .unwrap_or_else(|| "the daemon gave no reason".to_owned());
        let message = format!("the text of {} is not shown: {notice}", artifact.relative_path);
        return Err(CliError::new(ErrorKind::Refused, message)
            .hint("open the file itself; `dossierd status FEATURE` says where it lies"));
    };
    if artifact.stale {
        context.output.warning("the file has changed since it was indexed; this is its text now");
    }
    context.output.content(&content)?;
    Ok(Verdict::Fine)
}
