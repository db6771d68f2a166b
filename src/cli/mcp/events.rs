//! `events`: what happened to a feature, as its log has it.
//!
//! An event is told once it is durable, a moment after the other tools know of the change.

use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{Answer, Rows};
use super::daemon::{Daemon, Target};
use super::said;
use crate::cli::CliError;
use crate::cli::args::EventKind;
use crate::cli::wire::{Events, FeatureRow};
use crate::dossier::event::EventType;

/// Events in an answer, unless others are asked for.
const DEFAULT_EVENTS: u8 = 20;
/// Names of an event that are shown.
const NAMES: usize = 5;

/// What is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Slug, id or path of a feature; left out: the one the server's directory lies in, else
    /// the only one
    #[serde(default)]
    feature: Option<std::path::PathBuf>,
    /// Only events after this event_id, oldest first; left out: the newest, newest first
    #[serde(default)]
    since: Option<String>,
    /// Only this kind
    #[serde(default)]
    kind: Option<Kind>,
    /// At most so many; 20 when left out
    #[serde(default)]
    limit: Option<std::num::NonZeroU8>,
}

/// A kind of event.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Indexed,
    Missing,
    Snapshot,
    Drift,
}

impl Kind {
    fn wire_name(self) -> &'static str {
        match self {
            Self::Indexed => EventType::ArtifactIndexed,
            Self::Missing => EventType::ArtifactMissing,
            Self::Snapshot => EventType::SnapshotComputed,
            Self::Drift => EventType::ParityDriftDetected,
        }
        .as_str()
    }
}

/// The answer for programs.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Document {
    feature: String,
    events: Vec<Row>,
    /// Are there more?
    more: bool,
    /// since= for what comes after these
    next_since: Option<String>,
}

/// One event.
#[derive(Debug, Serialize, JsonSchema)]
struct Row {
    event_id: String,
    timestamp: String,
    kind: String,
    what: String,
}

pub(super) async fn answer(daemon: &Daemon, asked: Asked) -> Result<Answer, CliError> {
    let target = Target { feature: asked.feature.clone(), fresh: true };
    let feature = daemon.feature(&target).await?;
    let limit = asked.limit.map_or(DEFAULT_EVENTS, std::num::NonZeroU8::get);
    let route = daemon
        .about("/api/dossier/events", &feature, true)
        .maybe("type", asked.kind.map(Kind::wire_name))
        .with("limit", &limit.to_string());
    let route = match &asked.since {
        Some(since) => route.with("since", since),
        None => route.with("order", "newest"),
    };
    let events: Events = daemon.get(&route).await?;
    Ok(render(&feature, asked.since.as_deref(), &events))
}

fn render(feature: &FeatureRow, since: Option<&str>, events: &Events) -> Answer {
    let mut rows = Rows::new();
    for event in &events.events {
        let (kind, what) = described(event);
        let (id, at) = (text(event, "/event_id"), text(event, "/timestamp"));
        let line = format!("- {} {} {kind} {what}", said::name(id), said::name(at));
        let row = Row { event_id: said::value(id), timestamp: said::value(at), kind, what };
        if !rows.push(&line, row) {
            break;
        }
    }
    let cut = rows.len() < events.events.len();
    let shown = |row: Option<&Row>| row.map(|row| row.event_id.clone());
    // What comes after these: the last one of a log that is read on, the newest of one that is
    // read back.
    let next_since = match since {
        Some(_) if !cut => events.next_since.clone(),
        Some(_) => shown(rows.items.last()),
        None => shown(rows.items.first()),
    };
    let more = cut || events.more;
    let slug = said::name(&feature.slug);
    let mut text = match (rows.len(), since) {
        (0, Some(_)) => format!("nothing has happened to {slug} since\n"),
        (0, None) => format!("the log of {slug} has no such event\n"),
        (_, Some(_)) => format!("events of {slug} since then, oldest first:\n"),
        (_, None) => format!("newest events of {slug}, newest first:\n"),
    };
    text.push_str(&rows.text);
    let next = next_since.as_deref().map(said::name).unwrap_or_default();
    match (since, more) {
        (Some(_), true) => text.push_str(&format!("there are more; go on with since={next}\n")),
        (None, true) => {
            text.push_str("there are older ones; a higher limit, or kind=, shows them\n")
        }
        _ => {}
    }
    if rows.len() > 0 && !(since.is_some() && more) {
        text.push_str(&format!("later, since={next} gives what comes after these\n"));
    }
    let document =
        Document { feature: said::value(&feature.slug), events: rows.items, more, next_since };
    Answer::new(text, &document)
}

fn text<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The kind of an event, and what it is about.
fn described(event: &Value) -> (String, String) {
    let wire = text(event, "/event_type");
    let Some(known) = EventType::parse(wire) else { return (said::name(wire), String::new()) };
    let diagnostic = |name: &str| text(event, &format!("/payload/context_diagnostics/{name}"));
    let what = match known {
        EventType::ArtifactIndexed => said::name(text(event, "/payload/artifact_id/path")),
        EventType::ArtifactMissing => format!(
            "{}: {}",
            said::name(text(event, "/payload/expected_identity/path")),
            said::name(diagnostic("reason_code"))
        ),
        EventType::SnapshotComputed => {
            let removed = names(diagnostic("removed_paths"));
            let status = said::name(diagnostic("completeness_status"));
            let parity = said::name(diagnostic("parity_status"));
            let mut what = format!("{status}, {parity}");
            if !removed.is_empty() {
                what.push_str(&format!(", removed {removed}"));
            }
            what
        }
        EventType::ParityDriftDetected => {
            let mut what = said::name(diagnostic("severity"));
            for kind in ["removed", "changed", "added", "moved"] {
                let names = names(diagnostic(kind));
                if !names.is_empty() {
                    what.push_str(&format!(", {kind} {names}"));
                }
            }
            what
        }
    };
    (EventKind(known).word().to_owned(), what)
}

/// The names in a diagnostic, which is a JSON array as text: of strings, or of moves.
fn names(diagnostic: &str) -> String {
    let items: Vec<Value> = serde_json::from_str(diagnostic).unwrap_or_default();
    let name = |item: &Value| match (item["from"].as_str(), item["to"].as_str()) {
        (Some(from), Some(to)) => format!("{} -> {}", said::name(from), said::name(to)),
        _ => said::name(item.as_str().unwrap_or_default()),
    };
    let shown: Vec<String> = items.iter().take(NAMES).map(name).collect();
    match items.len().saturating_sub(NAMES) {
        0 => shown.join(" "),
        more => format!("{} and {more} more", shown.join(" ")),
    }
}
