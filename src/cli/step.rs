//! `dossierd step`: the current mission step of a feature.

use serde_json::{Value, json};

use super::args::{FeatureArg, JsonArg, StepArgs, StepCommand};
use super::client::Answer;
use super::render;
use super::route::Route;
use super::wire::Overview;
use super::{CliError, Context, Verdict, select};

pub(super) fn run(args: StepArgs, context: &mut Context) -> Result<Verdict, CliError> {
    match args.command {
        StepCommand::Show(args) => show(&args.feature, args.json, context),
        StepCommand::Set(args) => put(&args.feature, Value::from(args.step), args.json, context),
        StepCommand::Clear(args) => put(&args.feature, Value::Null, args.json, context),
    }
}

fn show(feature: &FeatureArg, json: JsonArg, context: &mut Context) -> Result<Verdict, CliError> {
    let client = context.client()?;
    let name = select::feature(feature.feature.as_deref(), &client, &mut context.output)?;
    let route = Route::get("/api/dossier/overview").maybe("feature", name.as_deref());
    print(&client.ask(&route)?, json, context)
}

fn put(
    feature: &FeatureArg,
    step: Value,
    json: JsonArg,
    context: &mut Context,
) -> Result<Verdict, CliError> {
    let client = context.client()?;
    let id = select::feature_id(feature.feature.as_deref(), &client, &mut context.output)?;
    let mut route = Route::put("/api/features", json!({ "step": step })).segment(&id);
    route.target.push_str("/step");
    print(&client.ask(&route)?, json, context)
}

fn print(answer: &Answer, json: JsonArg, context: &mut Context) -> Result<Verdict, CliError> {
    if json.json {
        context.output.json(&answer.body)?;
    } else {
        context.output.page(&render::overview::step(&answer.parse::<Overview>()?))?;
    }
    Ok(Verdict::Fine)
}
