//! `dossierd add`: registers a project or feature directory.

use std::path::Path;

use serde_json::{Map, Value};

use super::args::{AddArgs, MissionArgs};
use super::client::Answer;
use super::error::ErrorKind;
use super::render::features::registered;
use super::route::{Route, path_value};
use super::wire::Registered;
use super::{CliError, Context, Verdict};

pub(super) fn run(args: AddArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let says_mission = args.mission.mission_type.is_some() || args.mission.step.is_some();
    let answer = register(&args.path, args.mission, context)?;
    if says_mission && answer.parse::<Registered>()?.already {
        context.output.warning(
            "--mission-type and --step were not used, as this was registered already; use `dossierd step set`, or remove it and add it again",
        );
    }
    if args.json.json {
        context.output.json(&answer.body)?;
    } else {
        context.output.page(&registered(&answer.parse::<Registered>()?))?;
    }
    Ok(Verdict::Fine)
}

/// Asks the daemon to register a path; answered when its features are scanned.
pub(super) fn register(
    path: &Path,
    mission: MissionArgs,
    context: &mut Context,
) -> Result<Answer, CliError> {
    let shown = path.display();
    let path = std::fs::canonicalize(path).map_err(|error| {
        CliError::io(format!("cannot register {shown}"), error)
            .hint("name an existing project or feature directory")
    })?;
    if !path.is_dir() {
        let message = format!("cannot register {shown}: it is not a directory");
        return Err(CliError::new(ErrorKind::Input, message)
            .hint("name the project or feature directory that the file lies in"));
    }
    let mut body = Map::new();
    body.insert("path".to_owned(), path_value(&path));
    for (name, value) in [("mission_type", mission.mission_type), ("step", mission.step)] {
        body.extend(value.map(|value| (name.to_owned(), Value::from(value))));
    }
    let route = Route::post("/api/features", Value::Object(body));
    let waiting = format!("scanning {}; this can take a while the first time …", path.display());
    context.client()?.ask_patiently(&route, &waiting, &mut context.output)
}
