//! Many followers of one daemon, over its socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use crate::kit::{DEADLINE, Place, Running, wait_until};

const FOLLOWERS: usize = 200;
/// More than any of them may be behind.
const EVENTS: usize = 400;

/// A stream of what is indexed from now on, once its head has come.
fn follow(daemon: &Running) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(daemon.socket()).expect("listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("is set");
    let request =
        "GET /api/dossier/events?follow=true&type=indexed HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("sent");
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).expect("a status");
    assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).expect("a header");
    }
    reader
}

/// Ids of the next events.
fn ids(reader: BufReader<UnixStream>, count: usize) -> Vec<String> {
    let lines = reader.lines().map(|line| line.expect("the stream goes on"));
    // The others are sizes and ends of chunks.
    let events = lines.filter(|line| line.starts_with('{'));
    // Not parsed: that would be most of what this test costs.
    let id = |line: String| {
        let (_, rest) = line.split_once("\"event_id\":\"").expect("an event, no notice");
        rest[..26].to_owned()
    };
    events.map(id).take(count).collect()
}

#[test]
fn two_hundred_get_a_burst_as_a_whole_whoever_stalls() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let before = place.log("plan-me").len();
    let stalled = follow(&daemon);
    let healthy: Vec<_> = (1..FOLLOWERS)
        .map(|_| {
            let reader = follow(&daemon);
            std::thread::spawn(move || ids(reader, EVENTS))
        })
        .collect();
    // A directory that is moved in is one scan, and its events are published at once.
    for n in 0..EVENTS {
        let path = place.path().join(format!("outside/note-{n:04}.md"));
        crate::kit::write(&path, format!("# {n}\n"));
    }
    std::fs::rename(place.path().join("outside"), place.feature("plan-me").join("research"))
        .expect("moved");
    let indexed = || -> Vec<String> {
        let log = place.log("plan-me");
        let new = log.iter().skip(before);
        let indexed = new.filter(|e| e["event_type"] == "MissionDossierArtifactIndexed");
        indexed.map(|e| e["event_id"].as_str().expect("text").to_owned()).collect()
    };
    wait_until("everything is in the log", || indexed().len() == EVENTS);
    let wanted = indexed();
    for follower in healthy {
        assert_eq!(follower.join().expect("it gets all"), wanted);
    }
    assert_eq!(daemon.unix("GET", "/api/status", &[]).status, 200, "others get in");
    drop(stalled);
    daemon.stop();
}

#[test]
fn the_newest_events_come_first_from_the_real_log() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let token = place.run(&["token"]).fine().trim().to_owned();
    for n in 0..5 {
        place.write("plan-me/plan.md", format!("# {n}\n"));
        place.run(&["status", "plan-me"]).fine();
    }
    let id = |event: &serde_json::Value| event["event_id"].as_str().expect("an id").to_owned();
    let mut expected: Vec<String> = place.log("plan-me").iter().map(id).collect();
    expected.reverse();
    let mut seen = Vec::new();
    let mut at = String::new();
    loop {
        let target = format!("/api/dossier/events?order=newest&limit=4{at}");
        let page = daemon.get(&target, &token).json();
        seen.extend(page["events"].as_array().expect("events").iter().map(id));
        let Some(next) = page["next_before"].as_str() else { break };
        at = format!("&before={next}");
    }
    assert_eq!(seen, expected);
    daemon.stop();
}
