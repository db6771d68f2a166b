//! `/api/sync/*` over a delivery that does as it is told, and as it is described.

use dossierd::api::delivery::{DeliveryFault, SinkReport};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::conformance::{conforms, description};
use crate::fake_delivery::{refused, sink};
use crate::kit::{Answered, SECRET_PLACE, World, local, request};

/// A world that delivers to two sinks, one of which is in trouble.
fn delivering() -> World {
    let world = World::simple();
    let troubled = SinkReport {
        reason: Some(format!("cannot read {SECRET_PLACE}/token: denied")),
        next_attempt_at: Some(crate::kit::time(1010)),
        oldest_pending_age_seconds: Some(90.25),
        last_success_at: None,
        failures: 3,
        fault: Some(format!("{SECRET_PLACE}/delivery is full")),
        ..sink("nats", "waiting")
    };
    world.delivery.has(vec![sink("webhook", "idle"), troubled], vec![refused(1), refused(2)]);
    world
}

/// Asks over TCP, checks the answer against its description, and returns it.
async fn asked(world: &World, method: Method, target: &str, body: &str) -> Answered {
    let api = description(world).await;
    let template = target.split('?').next().unwrap_or_default();
    let answer = world.ask(request(method.clone(), target, body)).await;
    conforms(&api, template, &method, target, &answer);
    answer
}

#[tokio::test]
async fn status_has_each_sink_and_honest_sums() {
    let world = delivering();
    let status = asked(&world, Method::GET, "/api/sync/status", "").await.ok();
    let sums = ["pending", "delivered", "duplicate", "rejected"].map(|name| status[name].clone());
    assert_eq!(sums, [json!(8), json!(60), json!(4), json!(2)]);
    assert_eq!(status["oldest_pending_age_seconds"], 90.25);
    assert_eq!((&status["configured"], &status["paused"]), (&json!(true), &json!(false)));
    let names: Vec<&Value> =
        status["sinks"].as_array().expect("a list").iter().map(|sink| &sink["name"]).collect();
    assert_eq!(names, ["webhook", "nats"]);
    assert_eq!(status["sinks"][1]["next_attempt_at"], "1970-01-01T00:16:50.000000Z");
}

#[tokio::test]
async fn only_those_on_the_machine_see_its_paths() {
    let world = delivering();
    let tcp = world.get("/api/sync/status").await;
    assert!(!tcp.text().contains(SECRET_PLACE), "{}", tcp.text());
    assert_eq!(tcp.ok()["sinks"][1]["fault"], "~/delivery is full");
    let socket = world.ask(local(request(Method::GET, "/api/sync/status", ""))).await;
    assert_eq!(socket.ok()["sinks"][1]["fault"], format!("{SECRET_PLACE}/delivery is full"));
}

#[tokio::test]
async fn without_sinks_there_is_nothing_to_act_on() {
    let world = World::simple();
    let status = asked(&world, Method::GET, "/api/sync/status", "").await.ok();
    let expected = json!({
        "configured": false, "sinks": [], "paused": false, "pending": 0, "delivered": 0,
        "duplicate": 0, "rejected": 0, "oldest_pending_age_seconds": null,
    });
    assert_eq!(status, expected);
    for verb in ["pause", "resume", "flush", "retry"] {
        let answer = asked(&world, Method::POST, &format!("/api/sync/{verb}"), "").await;
        answer.problem("sync-not-configured");
    }
    let letters = asked(&world, Method::GET, "/api/sync/dead-letters", "").await.ok();
    assert_eq!(letters, json!({"total": 0, "dead_letters": []}));
    assert_eq!(world.delivery.asked(), ["dead letters 100"]);
}

#[tokio::test]
async fn pause_resume_and_flush_answer_with_how_it_stands_then() {
    let world = delivering();
    for (verb, state, paused) in
        [("pause", "paused", true), ("resume", "sending", false), ("flush", "idle", false)]
    {
        let status = asked(&world, Method::POST, &format!("/api/sync/{verb}"), "{}").await.ok();
        assert_eq!(status["paused"], paused, "{verb}");
        assert_eq!(status["sinks"][0]["state"], state, "{verb}");
        assert_eq!(world.delivery.asked(), [verb]);
        let answer = asked(&world, Method::POST, &format!("/api/sync/{verb}"), r#"{"x": 1}"#).await;
        answer.problem("bad-parameter");
        assert!(world.delivery.asked().is_empty(), "{verb}");
    }
}

#[tokio::test]
async fn it_is_paused_only_when_every_sink_is() {
    let world = World::simple();
    world.delivery.has(vec![sink("webhook", "paused"), sink("nats", "idle")], Vec::new());
    assert_eq!(world.get("/api/sync/status").await.ok()["paused"], false);
}

#[tokio::test]
async fn what_is_not_known_before_the_first_scans_have_ended_is_no_zero() {
    let world = World::simple();
    let starting = SinkReport {
        pending: None,
        delivered: None,
        duplicate: None,
        rejected: None,
        oldest_pending_age_seconds: None,
        ..sink("nats", "starting")
    };
    world.delivery.has(vec![sink("webhook", "idle"), starting], vec![refused(1)]);
    let status = asked(&world, Method::GET, "/api/sync/status", "").await.ok();
    for count in ["pending", "delivered", "duplicate", "rejected"] {
        assert_eq!(status[count], Value::Null, "a sum with a part that is not known: {count}");
        assert!(status["sinks"][0][count].is_u64(), "{count}");
    }
    let letters = asked(&world, Method::GET, "/api/sync/dead-letters", "").await.ok();
    assert_eq!(letters["total"], Value::Null);
    let metrics = world.get("/metrics").await.text().to_owned();
    for name in
        ["pending", "delivered_total", "duplicate_total", "rejected", "oldest_pending_seconds"]
    {
        let sample =
            |sink: &str| metrics.contains(&format!("dossierd_sync_{name}{{sink=\"{sink}\"}}"));
        assert!(sample("webhook") && !sample("nats"), "{name}: {metrics}");
    }
    world.delivery.fail(DeliveryFault::Starting);
    let answer = asked(&world, Method::POST, "/api/sync/flush", "{}").await;
    answer.problem("starting");
}

#[tokio::test]
async fn dead_letters_come_whole_and_as_many_as_are_asked_for() {
    let world = delivering();
    let letters = asked(&world, Method::GET, "/api/sync/dead-letters?limit=1", "").await.ok();
    assert_eq!(letters["total"], 2);
    assert_eq!(letters["dead_letters"].as_array().map(Vec::len), Some(1));
    let letter = &letters["dead_letters"][0];
    assert_eq!(letter["event"]["event_id"], letter["event_id"]);
    assert_eq!((&letter["attempts"], &letter["sink"]), (&json!(2), &json!("webhook")));
    for limit in ["0", "1001", "x"] {
        let target = format!("/api/sync/dead-letters?limit={limit}");
        asked(&world, Method::GET, &target, "").await.problem("bad-parameter");
    }
    assert_eq!(world.delivery.asked(), ["dead letters 1"]);
}

#[tokio::test]
async fn retry_takes_some_or_all() {
    let world = delivering();
    for (body, retrying, told) in [
        ("", 2, "retry None"),
        ("{}", 2, "retry None"),
        (r#"{"event_ids": null}"#, 2, "retry None"),
        (r#"{"event_ids": ["A"]}"#, 1, r#"retry Some(["A"])"#),
    ] {
        let answer = asked(&world, Method::POST, "/api/sync/retry", body).await.ok();
        assert_eq!(answer, json!({"retrying": retrying}), "{body}");
        assert_eq!(world.delivery.asked(), [told]);
    }
    for body in [r#"{"event_ids": "A"}"#, r#"{"event_ids": [1]}"#, r#"{"ids": []}"#] {
        asked(&world, Method::POST, "/api/sync/retry", body).await.problem("bad-parameter");
    }
    assert!(world.delivery.asked().is_empty());
}

#[tokio::test]
async fn ids_of_no_dead_letter_are_named() {
    let world = delivering();
    for (unknown, detail) in [
        (vec!["A".to_owned()], "\"A\" is no dead letter"),
        (vec!["A".to_owned(), "B".into(), "C".into()], "\"A\" and 2 more are no dead letters"),
    ] {
        world.delivery.fail(DeliveryFault::Unknown(unknown));
        let body = r#"{"event_ids": ["A", "B", "C"]}"#;
        let answer = asked(&world, Method::POST, "/api/sync/retry", body).await;
        let problem = answer.problem("bad-parameter");
        assert_eq!(
            (&problem["detail"], &problem["parameter"]),
            (&json!(detail), &json!("event_ids"))
        );
    }
}

#[tokio::test]
async fn what_does_not_work_out_says_why() {
    let world = delivering();
    world.delivery.fail(DeliveryFault::Failed("no space left".into()));
    for (method, path) in [
        (Method::POST, "pause"),
        (Method::POST, "resume"),
        (Method::POST, "flush"),
        (Method::POST, "retry"),
        (Method::GET, "dead-letters"),
    ] {
        let answer = asked(&world, method, &format!("/api/sync/{path}"), "").await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.problem("internal")["detail"], "no space left", "{path}");
    }
}
