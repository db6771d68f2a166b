//! `dossierd events`: the event log of a feature.
//!
//! With a filter the daemon may answer with fewer events than asked for, and say where to
//! go on. People get as many as they asked for; with `--json` they get its document.

use super::args::EventsArgs;
use super::client::Client;
use super::output::Output;
use super::render::event::event;
use super::render::{Page, plural};
use super::route::Route;
use super::tail::types;
use super::wire::Events;
use super::{CliError, Context, Verdict, select};

pub(super) fn run(args: EventsArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let client = context.client()?;
    let name = select::feature(args.feature.feature.as_deref(), &client, &mut context.output)?;
    let route = Route::get("/api/dossier/events")
        .maybe("feature", name.as_deref())
        .maybe("type", types(&args.types).as_deref());
    if args.json.json {
        let answer = client.ask(&page_of(&route, args.since.as_deref(), args.limit))?;
        context.output.json(&answer.body)?;
    } else {
        print(&client, &route, args.since, args.limit, &mut context.output)?;
    }
    Ok(Verdict::Fine)
}

fn page_of(route: &Route, since: Option<&str>, limit: u32) -> Route {
    route.clone().maybe("since", since).with("limit", &limit.to_string())
}

/// Prints up to `limit` events, page by page.
fn print(
    client: &Client,
    route: &Route,
    mut since: Option<String>,
    limit: u32,
    output: &mut Output,
) -> Result<(), CliError> {
    let mut left = limit;
    let mut damaged = 0;
    loop {
        let events: Events = client.ask(&page_of(route, since.as_deref(), left))?.parse()?;
        let mut page = Page::new();
        for value in &events.events {
            page.line(event(value));
        }
        output.page(&page)?;
        damaged += events.damaged_lines;
        left = left.saturating_sub(u32::try_from(events.events.len()).unwrap_or(u32::MAX));
        let stands_still = events.next_since == since;
        since = events.next_since;
        if !events.more || stands_still || output.is_closed() {
            break;
        }
        if left == 0 {
            let next = since.as_deref().unwrap_or_default();
            output.note(format!("there are more; go on with --since {next}"));
            break;
        }
    }
    if damaged > 0 {
        let lines =
            plural(damaged, "line of the log is no event", "lines of the log are no events");
        output.warning(format!("{lines}; `dossierd verify` says which"));
    }
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::cli::fake_daemon::{FakeDaemon, json};
    use crate::cli::output::tests::captured;

    #[test]
    fn pages_are_read_until_there_are_enough() {
        let daemon = FakeDaemon::answering([
            json(
                r#"{"events":[{"event_type":"A"}],"next_since":"X","more":true,"damaged_lines":1}"#,
            ),
            json(r#"{"events":[],"next_since":"Y","more":true}"#),
            json(r#"{"events":[{"event_type":"B"}],"next_since":"Z","more":true}"#),
        ]);
        let (mut output, out, err) = captured(false);
        print(&daemon.client(), &Route::get("/e"), None, 2, &mut output).unwrap();
        assert_eq!(out.text().lines().count(), 2, "{}", out.text());
        assert_eq!(
            err.text(),
            "note: there are more; go on with --since Z\n\
             warning: 1 line of the log is no event; `dossierd verify` says which\n"
        );
        let expected = ["GET /e?limit=2", "GET /e?since=X&limit=1", "GET /e?since=Y&limit=1"];
        assert_eq!(daemon.targets(), expected);
    }
}
