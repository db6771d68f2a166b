//! `dossierd baseline`: captures, shows and clears the accepted baseline.

use serde_json::{Map, Value};

use super::args::{BaselineArgs, BaselineCommand, CaptureArgs, ClearArgs, ShowBaselineArgs};
use super::client::Answer;
use super::render::baseline::baseline;
use super::route::Route;
use super::wire::{BaselineDocument, Cleared};
use super::{CliError, Context, Verdict, select};

const PATH: &str = "/api/dossier/baseline";

pub(super) fn run(args: BaselineArgs, context: &mut Context) -> Result<Verdict, CliError> {
    match args.command {
        BaselineCommand::Capture(args) => capture(args, context),
        BaselineCommand::Show(args) => show(&args, context),
        BaselineCommand::Clear(args) => clear(&args, context),
    }
}

fn capture(args: CaptureArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let mut body = Map::new();
    body.extend(args.note.map(|note| ("note".to_owned(), Value::from(note))));
    if !args.paths.is_empty() {
        body.insert("paths".to_owned(), Value::from(args.paths));
    }
    let client = context.client()?;
    let name = select::feature(args.feature.feature.as_deref(), &client, &mut context.output)?;
    let route = Route::post(PATH, Value::Object(body)).maybe("feature", name.as_deref());
    print(&client.ask(&route)?, args.json.json, context)
}

fn show(args: &ShowBaselineArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let client = context.client()?;
    let name = select::feature(args.feature.feature.as_deref(), &client, &mut context.output)?;
    let answer = client.ask(&Route::get(PATH).maybe("feature", name.as_deref()))?;
    print(&answer, args.json.json, context)
}

fn clear(args: &ClearArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let client = context.client()?;
    let name = select::feature(args.feature.feature.as_deref(), &client, &mut context.output)?;
    let answer = client.ask(&Route::delete(PATH).maybe("feature", name.as_deref()))?;
    if args.json.json {
        context.output.json(&answer.body)?;
    } else {
        context.output.line(match answer.parse::<Cleared>()?.cleared {
            true => "the baseline is cleared",
            false => "there was no baseline in this context",
        })?;
    }
    Ok(Verdict::Fine)
}

fn print(answer: &Answer, json: bool, context: &mut Context) -> Result<Verdict, CliError> {
    if json {
        context.output.json(&answer.body)?;
    } else {
        context.output.page(&baseline(&answer.parse::<BaselineDocument>()?))?;
    }
    Ok(Verdict::Fine)
}
