//! `dossierd config`: what a configuration file says is checked, and what is in force shown.
//! Neither needs a daemon or changes anything.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{ConfigArgs, ConfigCheckArgs, ConfigCommand, ConfigShowArgs, ListenArgs};
use super::error::ErrorKind;
use super::render::{Line, Page, Table, Tone, plural};
use super::route::Route;
use super::run::explain;
use super::wire::DaemonStatus;
use super::{CliError, Context, Verdict, client, settings};
use crate::daemon::config::{
    Applies, ConfigError, ConfigSource, Effective, KEYS, Key, Origin, Overrides,
};
use crate::host::{HostError, check};

/// How long a daemon may take to say what it warns of.
const ASK_LIMIT: Duration = Duration::from_secs(3);

pub(super) fn run(args: ConfigArgs, context: &mut Context) -> Result<Verdict, CliError> {
    match args.command {
        ConfigCommand::Check(args) => run_check(&args, context),
        ConfigCommand::Show(args) => run_show(&args, context),
    }
}

fn run_check(args: &ConfigCheckArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let source = match &args.file {
        Some(file) => ConfigSource { is_named: true, ..ConfigSource::of_file(file) },
        // Flags and variables are not the file's, and would hide what it says.
        None => ConfigSource {
            overrides: Overrides::default(),
            ..settings::source(&ListenArgs::default())?
        },
    };
    let (problems, is_there) = match check(&source) {
        Ok(effective) => (Vec::new(), effective.file_is_there),
        Err(ConfigError::Invalid { problems, .. }) => {
            (problems.into_iter().map(|problem| (problem.line, problem.message)).collect(), true)
        }
        Err(ConfigError::Missing { path }) if args.file.is_some() => {
            let message = format!("there is no configuration file {path}");
            let hint = "name one that exists, or none to check the one that `dossierd run` reads";
            return Err(CliError::new(ErrorKind::Io, message).hint(hint));
        }
        Err(error) => return Err(unusable(error)),
    };
    let file = source.file.display().to_string();
    if args.json {
        let problems: Vec<Value> = problems
            .iter()
            .map(|(line, message)| json!({ "line": line, "message": message }))
            .collect();
        let document = json!({
            "schema_version": 1,
            "file": file,
            "file_exists": is_there,
            "problems": problems,
        });
        context.output.json(document.to_string().as_bytes())?;
    } else {
        context.output.page(&checked(&file, is_there, &problems))?;
    }
    Ok(if problems.is_empty() { Verdict::Fine } else { Verdict::Failing })
}

/// `file:line: message` for each problem, as editors understand it.
fn checked(file: &str, is_there: bool, problems: &[(Option<u64>, String)]) -> Page {
    let mut page = Page::new();
    for (line, message) in problems {
        let place = line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"));
        page.line(Line::toned(Tone::Strong, place).text(": ").text(message));
    }
    match (problems.len(), is_there) {
        (0, true) => page.line(format!("{file} can be used")),
        (0, false) => page.line(format!("{file} does not exist: the defaults are in force")),
        (n, _) => {
            page.gap();
            page.line(plural(n as u64, "problem", "problems"));
        }
    }
    page
}

fn run_show(args: &ConfigShowArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let source = settings::source(&args.listen)?;
    let effective = source.load().map_err(unusable)?;
    let socket = context.socket_path()?;
    let warnings = warnings_of_daemon(context);
    if args.json {
        let document = shown_as_json(&source, &effective, &socket, context, &warnings);
        context.output.json(document.to_string().as_bytes())?;
    } else {
        let page = shown(&source, &effective, &socket, args.origin, &context.socket_origin);
        context.output.page(&page)?;
    }
    for warning in warnings {
        context.output.warning(format!("the daemon that runs says: {warning}"));
    }
    Ok(Verdict::Fine)
}

/// What a daemon that runs warns of, such as a file that has changed since; nothing if none
/// runs or it takes its time.
fn warnings_of_daemon(context: &Context) -> Vec<String> {
    let ask = || {
        let client = context.client().ok()?;
        let route = Route::get("/api/status");
        let answer = client.block_on(client::ask(client.socket(), &route, ASK_LIMIT)).ok()?;
        answer.parse::<DaemonStatus>().ok()
    };
    ask().map(|status| status.warnings).unwrap_or_default()
}

/// The keys that say something: sections that are not there have none.
fn keys_in_force(effective: &Effective) -> impl Iterator<Item = (&'static Key, Value)> {
    KEYS.iter().filter_map(|key| {
        let value = key.value(&effective.config);
        (!value.is_null()).then_some((key, value))
    })
}

fn shown(
    source: &ConfigSource,
    effective: &Effective,
    socket: &Path,
    origin: bool,
    socket_origin: &Origin,
) -> Page {
    let headings: &[&str] = if origin { &["KEY", "VALUE", "FROM"] } else { &["KEY", "VALUE"] };
    let mut table = Table::new(headings);
    let faint = |text: &str| Line::toned(Tone::Faint, text);
    for (key, value) in keys_in_force(effective) {
        let from: Vec<String> =
            effective.origins(key.name).iter().map(ToString::to_string).collect();
        table.row([
            Line::plain(key.name),
            Line::plain(text_of(&value)),
            faint(&from.join(" and ")),
        ]);
    }
    let mut page = Page::new();
    let state = if effective.file_is_there { "" } else { " (does not exist)" };
    page.line(format!("file    {}{state}", source.file.display()));
    let from = if origin { format!("  ({socket_origin})") } else { String::new() };
    page.line(format!("socket  {}{from}", socket.display()));
    page.gap();
    page.append(table.page());
    page
}

/// As it would be written in the file.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn shown_as_json(
    source: &ConfigSource,
    effective: &Effective,
    socket: &Path,
    context: &Context,
    warnings: &[String],
) -> Value {
    let values: Vec<Value> = keys_in_force(effective)
        .map(|(key, value)| {
            let origins: Vec<Value> = effective.origins(key.name).iter().map(origin).collect();
            let applies = match key.applies {
                Applies::AtReload => "reload",
                Applies::AtStart => "start",
            };
            json!({ "key": key.name, "value": value, "origins": origins, "applies_at": applies })
        })
        .collect();
    json!({
        "schema_version": 1,
        "file": source.file.to_string_lossy(),
        "file_exists": effective.file_is_there,
        "socket": { "value": socket.to_string_lossy(), "origins": [origin(&context.socket_origin)] },
        "values": values,
        "daemon_warnings": warnings,
    })
}

fn origin(origin: &Origin) -> Value {
    match origin {
        Origin::Default => json!({ "kind": "default" }),
        Origin::File { path, line } => {
            json!({ "kind": "file", "file": path.to_string_lossy(), "line": line })
        }
        Origin::Variable(name) => json!({ "kind": "environment", "name": name }),
        Origin::Flag(name) => json!({ "kind": "flag", "name": name }),
    }
}

fn unusable(error: ConfigError) -> CliError {
    explain(HostError::Config(error))
}
