//! `dossierd artifacts`: the rows of a feature.
//!
//! The daemon answers in pages. All of them are put together, and belong to one state of
//! the feature: if it changes in between, reading starts again.

use serde_json::Value;

use super::args::ArtifactsArgs;
use super::client::Client;
use super::error::ErrorKind;
use super::render;
use super::route::Route;
use super::wire::{Artifacts, Ignored};
use super::{CliError, Context, Verdict, select};

const PATH: &str = "/api/dossier/artifacts";
/// How often reading starts again before it is given up.
const ATTEMPTS: usize = 5;

pub(super) fn run(args: ArtifactsArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let client = context.client()?;
    let name = select::feature(args.feature.feature.as_deref(), &client, &mut context.output)?;
    if args.ignored {
        let route = Route::get(PATH)
            .maybe("feature", name.as_deref())
            .with("ignored", "true")
            .flag("fresh", !args.fresh.cached);
        let answer = client.ask(&route)?;
        match args.json {
            true => context.output.json(&answer.body)?,
            false => {
                let page = render::artifacts::ignored(&answer.parse::<Ignored>()?.ignored);
                context.output.page(&page)?;
            }
        }
        return Ok(Verdict::Fine);
    }
    let document = all(&client, &route(&args, name.as_deref()), !args.fresh.cached)?;
    if args.json {
        context.output.json(&document)?;
    } else {
        let rows: Artifacts = parse(&document)?;
        let page = render::artifacts::artifacts(&rows.artifacts, rows.total_count);
        context.output.page(&page)?;
    }
    Ok(Verdict::Fine)
}

fn route(args: &ArtifactsArgs, feature: Option<&str>) -> Route {
    let present = match (args.present, args.missing) {
        (true, _) => Some("true"),
        (_, true) => Some("false"),
        _ => None,
    };
    Route::get(PATH)
        .maybe("feature", feature)
        .maybe("class", args.class.as_deref())
        .maybe("wp_id", args.wp_id.as_deref())
        .maybe("step_id", args.step_id.as_deref())
        .flag("required_only", args.required)
        .maybe("present", present)
        .maybe("q", args.search.as_deref())
}

/// One document with all pages; with a single page it is the daemon's own.
fn all(client: &Client, route: &Route, fresh: bool) -> Result<Vec<u8>, CliError> {
    for _ in 0..ATTEMPTS {
        let first = client.ask(&route.clone().flag("fresh", fresh))?;
        let mut page: Artifacts = first.parse()?;
        if page.next_cursor.is_none() {
            return Ok(first.body.to_vec());
        }
        let generation = page.generation;
        let mut whole: Value = first.parse()?;
        let mut rows = take_rows(&mut whole);
        while let Some(cursor) = page.next_cursor.take().filter(|_| page.generation == generation) {
            let next = client.ask(&route.clone().with("cursor", &cursor))?;
            page = next.parse()?;
            rows.extend(take_rows(&mut next.parse()?));
        }
        if page.generation == generation {
            whole["artifacts"] = Value::Array(rows);
            whole["next_cursor"] = Value::Null;
            return Ok(whole.to_string().into_bytes());
        }
    }
    Err(CliError::new(
        ErrorKind::Refused,
        "the feature keeps changing while its artifacts are read",
    )
    .hint("try again when it has settled, or narrow the list down with --class or --search"))
}

fn take_rows(document: &mut Value) -> Vec<Value> {
    match document["artifacts"].take() {
        Value::Array(rows) => rows,
        _ => Vec::new(),
    }
}

fn parse(document: &[u8]) -> Result<Artifacts, CliError> {
    serde_json::from_slice(document).map_err(|error| {
        CliError::new(ErrorKind::Protocol, "the daemon's answer cannot be understood")
            .because(error)
    })
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::cli::fake_daemon::{FakeDaemon, json};

    #[test]
    fn pages_are_put_together() {
        let daemon = FakeDaemon::answering([
            json(
                r#"{"total_count":3,"artifacts":[{"artifact_key":"a"},{"artifact_key":"b"}],"next_cursor":"Yg","generation":4}"#,
            ),
            json(
                r#"{"total_count":3,"artifacts":[{"artifact_key":"c"}],"next_cursor":null,"generation":4}"#,
            ),
        ]);
        let document = all(&daemon.client(), &Route::get(PATH).with("feature", "f"), true).unwrap();
        let rows: Artifacts = parse(&document).unwrap();
        let keys: Vec<&str> = rows.artifacts.iter().map(|row| row.artifact_key.as_str()).collect();
        assert_eq!(keys, ["a", "b", "c"]);
        assert_eq!(
            daemon.targets(),
            [
                "GET /api/dossier/artifacts?feature=f&fresh=true",
                "GET /api/dossier/artifacts?feature=f&cursor=Yg",
            ]
        );
    }

    #[test]
    fn pages_of_two_states_are_not_mixed() {
        let daemon = FakeDaemon::answering([
            json(r#"{"artifacts":[{"artifact_key":"a"}],"next_cursor":"Yg","generation":4}"#),
            json(r#"{"artifacts":[{"artifact_key":"c"}],"next_cursor":null,"generation":5}"#),
            json(r#"{"artifacts":[{"artifact_key":"b"}],"next_cursor":null,"generation":5}"#),
        ]);
        let document = all(&daemon.client(), &Route::get(PATH), false).unwrap();
        assert_eq!(parse(&document).unwrap().artifacts.len(), 1);
        assert_eq!(daemon.targets().len(), 3);
    }
}
