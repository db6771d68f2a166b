use super::super::client::Client;
use super::super::fake_daemon::{FakeDaemon, problem, stream};
use super::*;

/// Follows until `wanted` notices were told, and returns them.
fn followed(
    daemon: &FakeDaemon,
    since: Option<&str>,
    wanted: usize,
) -> Result<Vec<String>, CliError> {
    let following =
        Following { feature: Some("f".into()), types: None, since: since.map(str::to_owned) };
    let mut told = Vec::new();
    let client: Client = daemon.client();
    let deadline = Duration::from_secs(20);
    client.block_on(async {
        let stream = follow(client.socket(), following, |notice| {
            told.push(match notice {
                Notice::Event(line, value) => {
                    assert_eq!(&serde_json::from_slice::<Value>(line).unwrap(), value);
                    value["event_id"].as_str().unwrap().to_owned()
                }
                Notice::Lost(_) => "lost".to_owned(),
                Notice::Back => "back".to_owned(),
                Notice::Lagged => "lagged".to_owned(),
                Notice::Gap => "gap".to_owned(),
                Notice::Open => return Ok(true),
            });
            Ok(told.len() < wanted)
        });
        tokio::time::timeout(deadline, stream).await.expect("it ends in time")
    })?;
    Ok(told)
}

const A: &str = r#"{"event_id":"A"}"#;
const B: &str = r#"{"event_id":"B"}"#;
const BEAT: &str = r#"{"heartbeat":true,"at":"2026-11-22T14:03:07Z"}"#;

#[test]
fn a_restart_is_told_and_nothing_comes_twice() {
    let daemon = FakeDaemon::answering([
        stream(&[BEAT, A, BEAT]),
        problem("503 Service Unavailable", r#"{"code":"stopping","title":"stopping"}"#),
        stream(&[B]),
    ]);
    assert_eq!(followed(&daemon, None, 4).unwrap(), ["A", "lost", "back", "B"]);
    let target = "GET /api/dossier/events?follow=true&feature=f";
    assert_eq!(
        daemon.targets(),
        [target.to_owned(), format!("{target}&since=A"), format!("{target}&since=A")]
    );
}

#[test]
fn a_slow_reader_goes_on_where_it_was() {
    let daemon = FakeDaemon::answering([
        stream(&[A, r#"{"lagged":true,"resume_after":"A"}"#]),
        stream(&[r#"{"lagged":true,"resume_after":null}"#]),
        stream(&[B]),
    ]);
    assert_eq!(followed(&daemon, Some("0"), 4).unwrap(), ["A", "lagged", "lagged", "B"]);
    let target = "GET /api/dossier/events?follow=true&feature=f&since=";
    assert_eq!(
        daemon.targets(),
        [format!("{target}0"), format!("{target}A"), format!("{target}A")]
    );
}

#[test]
fn a_gap_is_told_when_there_is_no_place_to_resume_from() {
    let daemon = FakeDaemon::answering([
        stream(&[]),
        stream(&[A]),
        problem("404 Not Found", r#"{"code":"event-unknown","title":"gone"}"#),
        stream(&[B]),
    ]);
    let told = followed(&daemon, None, 8).unwrap();
    assert_eq!(told, ["lost", "back", "gap", "A", "lost", "back", "gap", "B"]);
}

#[test]
fn what_waiting_cannot_help_is_an_error() {
    let refusal = || problem("400 Bad Request", r#"{"code":"bad-parameter","title":"no"}"#);
    let daemon = FakeDaemon::answering([refusal()]);
    assert_eq!(followed(&daemon, None, 9).unwrap_err().code(), Some("bad-parameter"));

    let daemon = FakeDaemon::answering([stream(&[A]), refusal()]);
    assert_eq!(followed(&daemon, None, 9).unwrap_err().code(), Some("bad-parameter"));

    let unknown = problem("404 Not Found", r#"{"code":"event-unknown","title":"no"}"#);
    let daemon = FakeDaemon::answering([unknown]);
    assert_eq!(followed(&daemon, Some("X"), 9).unwrap_err().code(), Some("event-unknown"));
}
