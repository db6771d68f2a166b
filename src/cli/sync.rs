//! `dossierd sync`: the delivery of events to a back end.

use serde_json::json;

use super::args::{SyncArgs, SyncCommand};
use super::render;
use super::route::Route;
use super::wire::SyncStatus;
use super::{CliError, Context, Verdict};

pub(super) fn run(args: SyncArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let (route, json) = match args.command {
        SyncCommand::Status(arg) => (Route::get("/api/sync/status"), arg.json),
        SyncCommand::Pause(arg) => (Route::post("/api/sync/pause", json!({})), arg.json),
        SyncCommand::Resume(arg) => (Route::post("/api/sync/resume", json!({})), arg.json),
        SyncCommand::Flush(arg) => (Route::post("/api/sync/flush", json!({})), arg.json),
    };
    let answer = context.client()?.ask(&route)?;
    if json.json {
        context.output.json(&answer.body)?;
    } else {
        context.output.page(&render::sync::sync(&answer.parse::<SyncStatus>()?))?;
    }
    Ok(Verdict::Fine)
}
