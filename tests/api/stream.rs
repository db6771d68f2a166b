//! Pages of the log, and streams that follow it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dossierd::api::http::{Body, Request, Service};
use dossierd::dossier::event::EventType;
use http::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;

use crate::kit::{Plan, World, event, request, with_header};

const KINDS: [EventType; 2] = [EventType::ArtifactIndexed, EventType::SnapshotComputed];

fn world() -> World {
    World::new([Plan::new("a", "001-alpha").view(), Plan::new("b", "002-beta").view()])
}

/// Events `from..to`, of feature a where the number is even, else of b.
fn publish(world: &World, range: std::ops::Range<usize>) {
    for n in range {
        world.publish(&[event(n, if n % 2 == 0 { "a" } else { "b" }, KINDS[n / 2 % 2])]);
    }
}

fn id(n: usize) -> String {
    event(n, "a", KINDS[0]).event_id
}

async fn open(world: &World, request: Request) -> Receiver<Bytes> {
    let response = world.api.answer(request).await;
    match response.body {
        Body::Stream(receiver) => receiver,
        Body::Full(bytes) => panic!("no stream: {}", String::from_utf8_lossy(&bytes)),
    }
}

async fn follow(world: &World, query: &str) -> Receiver<Bytes> {
    open(world, request(Method::GET, &format!("/api/dossier/events?follow=true{query}"), "")).await
}

/// The next chunk; `None` at the end of the stream.
async fn next(stream: &mut Receiver<Bytes>) -> Option<String> {
    let chunk = tokio::time::timeout(Duration::from_secs(10), stream.recv());
    let chunk = chunk.await.expect("something comes within 10 s")?;
    Some(String::from_utf8(chunk.to_vec()).expect("UTF-8"))
}

async fn ids(stream: &mut Receiver<Bytes>, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let line = next(stream).await.expect("the stream goes on");
        let line: Value = serde_json::from_str(&line).expect("a line of JSON");
        ids.push(line["event_id"].as_str().expect("an event").to_owned());
    }
    ids
}

fn expected(numbers: impl Iterator<Item = usize>) -> Vec<String> {
    numbers.map(id).collect()
}

#[tokio::test]
async fn pages_of_the_log() {
    let world = world();
    publish(&world, 0..20);
    let page = |query: &str| {
        let target = format!("/api/dossier/events?feature=a{query}");
        let world = &world;
        async move {
            let page = world.get(&target).await.ok();
            let events = page["events"].as_array().expect("a list").iter();
            let ids: Vec<String> =
                events.map(|e| e["event_id"].as_str().expect("text").to_owned()).collect();
            (ids, page["next_since"].clone(), page["more"].clone())
        }
    };
    let all = expected((0..20).step_by(2));
    assert_eq!(page("").await, (all.clone(), json!(id(18)), json!(false)));
    assert_eq!(page("&limit=3").await, (all[..3].to_vec(), json!(id(4)), json!(true)));
    let rest = page(&format!("&since={}&limit=7", id(4))).await;
    assert_eq!(rest, (all[3..].to_vec(), json!(id(18)), json!(false)));
    // Events 2, 6, 10, 14, 18 of feature a are snapshots.
    let snapshots = expected((2..20).step_by(4));
    assert_eq!(page("&type=snapshot").await.0, snapshots);
    let two = page("&type=snapshot,drift&limit=2").await;
    assert_eq!((two.0, two.2), (snapshots[..2].to_vec(), json!(true)));
    let end = page(&format!("&since={}", id(18))).await;
    assert_eq!(end, (vec![], json!(id(18)), json!(false)));
    world.get("/api/dossier/events").await.problem("feature-needed");
    world
        .get(&format!("/api/dossier/events?feature=a&since={}", id(1)))
        .await
        .problem("event-unknown");
    for bad in ["since=x", "type=x", "limit=0", "limit=10001", "follow=true&limit=5"] {
        world.get(&format!("/api/dossier/events?feature=a&{bad}")).await.problem("bad-parameter");
    }
}

#[tokio::test]
async fn walking_the_pages_with_a_filter_gives_each_event_once() {
    let world = world();
    publish(&world, 0..101);
    for limit in [1, 2, 7, 25, 100] {
        let mut walked = Vec::new();
        let mut since = String::new();
        loop {
            let target = format!("/api/dossier/events?feature=a&type=indexed&limit={limit}{since}");
            let page = world.get(&target).await.ok();
            let events = page["events"].as_array().expect("a list").iter();
            walked.extend(events.map(|e| e["event_id"].as_str().expect("text").to_owned()));
            since = format!("&since={}", page["next_since"].as_str().expect("an id"));
            if page["more"] == false {
                break;
            }
        }
        assert_eq!(walked, expected((0..101).step_by(4)), "limit {limit}");
    }
}

#[tokio::test]
async fn damaged_lines_are_counted_and_passed_by() {
    let world = world();
    publish(&world, 0..1);
    let mut torn = event(2, "a", KINDS[0]);
    torn.line = Bytes::from_static(b"{\"event_id\": \"01");
    world.logs.append(&torn);
    publish(&world, 4..5);
    let page = world.get("/api/dossier/events?feature=a").await.ok();
    assert_eq!(page["events"].as_array().map(Vec::len), Some(2));
    assert_eq!(page["damaged_lines"], 1);
}

#[tokio::test]
async fn from_now_on() {
    let world = world();
    publish(&world, 0..4);
    let mut one = follow(&world, "&feature=001-alpha").await;
    let mut all = follow(&world, "").await;
    let mut snapshots = follow(&world, "&type=snapshot").await;
    publish(&world, 4..12);
    assert_eq!(ids(&mut all, 8).await, expected(4..12));
    assert_eq!(ids(&mut one, 4).await, expected((4..12).step_by(2)));
    assert_eq!(ids(&mut snapshots, 4).await, [6, 7, 10, 11].map(id));
}

#[tokio::test]
async fn resuming_gives_the_log_first_then_what_comes() {
    let world = world();
    publish(&world, 0..10);
    let mut one = follow(&world, &format!("&feature=a&since={}", id(2))).await;
    let mut all = follow(&world, &format!("&since={}", id(3))).await;
    assert_eq!(ids(&mut one, 3).await, [4, 6, 8].map(id));
    assert_eq!(ids(&mut all, 6).await, expected(4..10));
    publish(&world, 10..14);
    assert_eq!(ids(&mut one, 2).await, [10, 12].map(id));
    assert_eq!(ids(&mut all, 4).await, expected(10..14));
    let unknown = world.get(&format!("/api/dossier/events?follow=true&since={}", id(99))).await;
    unknown.problem("event-unknown");
}

#[tokio::test]
async fn last_event_id_is_where_to_go_on() {
    let world = world();
    publish(&world, 0..10);
    let target = format!("/api/dossier/events?follow=true&feature=a&since={}", id(0));
    let resumed = with_header(request(Method::GET, &target, ""), "last-event-id", &id(6));
    assert_eq!(ids(&mut open(&world, resumed).await, 1).await, [id(8)]);
    let bad = with_header(request(Method::GET, &target, ""), "last-event-id", "x\"y");
    assert_eq!(world.ask(bad).await.problem("bad-parameter")["parameter"], "Last-Event-ID");
}

/// Publishes the events once, when `is_time` says so.
fn once(
    world: &World,
    range: std::ops::Range<usize>,
    is_time: fn(usize) -> bool,
) -> impl FnMut() + Send + use<> {
    let (logs, feed) = (Arc::downgrade(&world.logs), Arc::clone(&world.feed));
    let mut due = Some(range);
    move || {
        if !is_time(feed.followers()) {
            return;
        }
        for n in due.take().unwrap_or_default() {
            let event = event(n, "a", KINDS[0]);
            logs.upgrade().expect("the world is there").append(&event);
            feed.publish(&[event]);
        }
    }
}

#[tokio::test]
async fn what_comes_between_the_backlog_and_the_feed_is_not_lost() {
    let world = world();
    publish(&world, 0..1);
    // Nobody follows yet, and the only read of the backlog has its lines already.
    world.logs.after_read(once(&world, 2..4, |followers| followers == 0));
    let mut stream = follow(&world, &format!("&since={}", id(0))).await;
    assert_eq!(ids(&mut stream, 2).await, expected(2..4));
    publish(&world, 4..5);
    assert_eq!(ids(&mut stream, 1).await, [id(4)]);
}

#[tokio::test]
async fn what_is_in_the_backlog_and_in_the_feed_comes_once() {
    let world = world();
    publish(&world, 0..1);
    world.logs.before_read(once(&world, 2..4, |followers| followers > 0));
    let mut stream = follow(&world, &format!("&since={}", id(0))).await;
    assert_eq!(ids(&mut stream, 2).await, expected(2..4));
    publish(&world, 4..5);
    assert_eq!(ids(&mut stream, 1).await, [id(4)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_log_grows_there_is_no_gap_and_no_duplicate() {
    let world = Arc::new(world());
    publish(&world, 0..600);
    for round in 0..5_usize {
        let first = 600 + round * 200;
        let writer = std::thread::spawn({
            let world = Arc::clone(&world);
            move || publish(&world, first..first + 200)
        });
        let from = round * 37;
        let mut stream = follow(&world, &format!("&since={}", id(from))).await;
        let seen = ids(&mut stream, first + 200 - from - 1).await;
        assert_eq!(seen, expected(from + 1..first + 200), "round {round}");
        writer.join().expect("the writer ends");
    }
}

#[tokio::test]
async fn server_sent_events() {
    let world = world();
    let target = "/api/dossier/events?follow=true";
    let asked = with_header(request(Method::GET, target, ""), "accept", "text/event-stream");
    let response = world.api.answer(asked).await;
    assert_eq!(response.headers["content-type"], "text/event-stream");
    assert!(!response.headers.contains_key("etag"));
    let Body::Stream(mut stream) = response.body else { panic!("no stream") };
    let published = event(1, "b", EventType::ParityDriftDetected);
    world.publish(std::slice::from_ref(&published));
    let line = std::str::from_utf8(&published.line).expect("UTF-8");
    let expected =
        format!("id: {}\nevent: MissionDossierParityDriftDetected\ndata: {line}\n\n", id(1));
    assert_eq!(next(&mut stream).await, Some(expected));
}

#[tokio::test]
async fn a_quiet_stream_has_a_heartbeat() {
    let features = || [Plan::new("a", "001-alpha").view()];
    let world = World::with_heartbeat(features(), Duration::from_millis(5));
    let mut lines = follow(&world, "").await;
    let beat = next(&mut lines).await.expect("a line");
    assert_eq!(beat, "{\"at\":\"1970-01-01T00:16:40.000000Z\",\"heartbeat\":true}\n");
    let asked = request(Method::GET, "/api/dossier/events?follow=true", "");
    let mut sse = open(&world, with_header(asked, "accept", "text/event-stream")).await;
    assert_eq!(next(&mut sse).await.as_deref(), Some(": heartbeat\n\n"));
}

#[tokio::test]
async fn a_slow_reader_is_told_where_to_resume_and_the_others_get_all() {
    let world = world();
    let mut slow = follow(&world, "").await;
    let mut healthy = follow(&world, "").await;
    let mut seen = Vec::new();
    let total = 1200;
    for n in 0..total {
        publish(&world, n..n + 1);
        seen.extend(ids(&mut healthy, 1).await);
    }
    assert_eq!(seen, expected(0..total));
    let mut given = Vec::new();
    let notice = loop {
        let line = next(&mut slow).await.expect("a notice comes before the end");
        let line: Value = serde_json::from_str(&line).expect("JSON");
        match line["event_id"].as_str() {
            Some(id) => given.push(id.to_owned()),
            None => break line,
        }
    };
    assert!(!given.is_empty() && given.len() < total);
    assert_eq!(given, expected(0..given.len()));
    let last = given.last().expect("some came").clone();
    assert_eq!(notice, json!({"lagged": true, "resume_after": last}));
    assert_eq!(next(&mut slow).await, None);
    let mut resumed = follow(&world, &format!("&since={last}")).await;
    let rest = ids(&mut resumed, total - given.len()).await;
    assert_eq!(rest, expected(given.len()..total));
}

#[tokio::test]
async fn a_reader_that_goes_away_is_forgotten() {
    let world = world();
    let live = follow(&world, "").await;
    publish(&world, 0..5);
    let backlog = follow(&world, &format!("&since={}", id(0))).await;
    drop((live, backlog));
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while world.feed.followers() > 0 {
        assert!(std::time::Instant::now() < deadline, "they are still followed");
        tokio::task::yield_now().await;
    }
}

/// What one of many followers received, until it had `total` events or its stream ended.
async fn received(mut stream: Receiver<Bytes>, total: usize) -> Vec<Bytes> {
    let mut chunks = Vec::new();
    while chunks.len() < total {
        let chunk = tokio::time::timeout(Duration::from_secs(30), stream.recv());
        match chunk.await.expect("something comes within 30 s") {
            Some(chunk) => chunks.push(chunk),
            None => break,
        }
    }
    chunks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_followers_one_stalls_and_the_others_get_all() {
    let world = world();
    let total = 1000;
    let mut stalled = follow(&world, "").await;
    let mut healthy = Vec::new();
    for _ in 1..200 {
        healthy.push(tokio::spawn(received(follow(&world, "").await, total)));
    }
    // What one scan finds is published at once, and more than any queue was made for.
    let events: Vec<_> = (0..total).map(|n| event(n, "a", KINDS[0])).collect();
    for burst in [&events[..700], &events[700..]] {
        world.publish(burst);
        let all_took = std::time::Instant::now() + Duration::from_secs(30);
        while world.feed.behind() > 1 {
            assert!(std::time::Instant::now() < all_took, "a healthy follower is behind");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let wanted: Vec<Bytes> = events.iter().map(|e| [&e.line[..], b"\n"].concat().into()).collect();
    let mut first: Option<Vec<Bytes>> = None;
    for follower in healthy {
        let chunks = follower.await.expect("no panic");
        assert_eq!(chunks, wanted);
        // Not equal bytes only, but the same ones: a follower more costs no copy.
        let first = first.get_or_insert_with(|| chunks.clone());
        assert!(first.iter().zip(&chunks).all(|(a, b)| a.as_ptr() == b.as_ptr()));
    }
    let given = ids(&mut stalled, 700).await;
    assert_eq!(given, expected(0..700));
    let notice = next(&mut stalled).await.expect("a notice comes before the end");
    assert_eq!(notice, format!("{}\n", json!({"lagged": true, "resume_after": id(699)})));
    assert_eq!(next(&mut stalled).await, None);
}
