//! `dossierd events`: the event log of a feature.

use super::args::EventsArgs;
use super::render::Page;
use super::render::event::event;
use super::route::Route;
use super::tail::types;
use super::wire::Events;
use super::{CliError, Context, Verdict, select};

pub(super) fn run(args: EventsArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let client = context.client()?;
    let name = select::feature(args.feature.feature.as_deref(), &client, &mut context.output)?;
    let route = Route::get("/api/dossier/events")
        .maybe("feature", name.as_deref())
        .maybe("type", types(&args.types).as_deref())
        .maybe("since", args.since.as_deref())
        .with("limit", &args.limit.to_string());
    let answer = client.ask(&route)?;
    if args.json.json {
        context.output.json(&answer.body)?;
        return Ok(Verdict::Fine);
    }
    let events: Events = answer.parse()?;
    let mut page = Page::new();
    for value in &events.events {
        page.line(event(value));
    }
    context.output.page(&page)?;
    if let Some(since) = events.next_since.filter(|_| events.events.len() >= args.limit as usize) {
        context.output.note(format!("there may be more; go on with --since {since}"));
    }
    Ok(Verdict::Fine)
}
