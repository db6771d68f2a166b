//! `dossierd sync`: the delivery of events to a back end.

use serde_json::json;

use super::args::{DeadLettersArgs, RetryArgs, SyncArg, SyncArgs, SyncCommand};
use super::render::sync::{dead_letters, sync};
use super::route::Route;
use super::wire::{DeadLetters, Retried, SyncStatus};
use super::{CliError, Context, Verdict};

pub(super) fn run(args: SyncArgs, context: &mut Context) -> Result<Verdict, CliError> {
    match args.command {
        SyncCommand::Status(arg) => state(&Route::get("/api/sync/status"), &arg, context),
        SyncCommand::Pause(arg) => state(&act("pause"), &arg, context),
        SyncCommand::Resume(arg) => state(&act("resume"), &arg, context),
        SyncCommand::Flush(arg) => state(&act("flush"), &arg, context),
        SyncCommand::DeadLetters(args) => list(&args, context),
        SyncCommand::Retry(args) => retry(args, context),
    }
}

fn act(what: &str) -> Route {
    Route::post(&format!("/api/sync/{what}"), json!({}))
}

/// Asks, and shows the state that is answered.
fn state(route: &Route, arg: &SyncArg, context: &mut Context) -> Result<Verdict, CliError> {
    let answer = context.client()?.ask(route)?;
    if arg.json.json {
        context.output.json(&answer.body)?;
    } else {
        context.output.page(&sync(&answer.parse::<SyncStatus>()?))?;
    }
    Ok(Verdict::Fine)
}

fn list(args: &DeadLettersArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let limit = args.limit.to_string();
    let route = Route::get("/api/sync/dead-letters").maybe("limit", Some(&limit));
    let answer = context.client()?.ask(&route)?;
    if args.json.json {
        context.output.json(&answer.body)?;
    } else {
        context.output.page(&dead_letters(&answer.parse::<DeadLetters>()?))?;
    }
    Ok(Verdict::Fine)
}

fn retry(args: RetryArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let body = if args.all { json!({}) } else { json!({ "event_ids": args.event_ids }) };
    let answer = context.client()?.ask(&Route::post("/api/sync/retry", body))?;
    if args.json.json {
        context.output.json(&answer.body)?;
    } else {
        let count = answer.parse::<Retried>()?.retrying;
        let events = if count == 1 { "event is" } else { "events are" };
        context.output.line(format!("{count} {events} sent again; see `dossierd sync status`"))?;
    }
    Ok(Verdict::Fine)
}
