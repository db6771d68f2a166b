//! Commands: what reaches the loop, and what comes back.

use dossierd::daemon::command::CommandError;
use http::Method;
use serde_json::json;

use crate::kit::{Plan, World, request};

async fn asked(world: &World, method: Method, target: &str, body: &str) -> String {
    let answer = world.ask(request(method, target, body)).await;
    assert!(answer.status.is_success(), "{target} {body}: {}", answer.text());
    let asked = world.asked.lock().expect("not poisoned");
    asked.last().cloned().expect("a command")
}

#[tokio::test]
async fn commands_carry_what_was_asked() {
    let world = World::simple();
    for (method, target, body, parts) in [
        (
            Method::POST,
            "/api/features",
            r#"{"path": "/a b", "mission_type": "research", "step": "scoping"}"#,
            &["Register", "\"/a b\"", "Some(\"research\")", "Some(\"scoping\")"][..],
        ),
        (Method::POST, "/api/features/f1/rescan", "", &["Rescan", "\"f1\"", "reemit: false"]),
        (
            Method::PUT,
            "/api/features/001-alpha/step",
            r#"{"step": null}"#,
            &["SetStep", "\"f1\"", "step: None"],
        ),
        (
            Method::POST,
            "/api/dossier/baseline?feature=001-alpha",
            r#"{"note": "n", "paths": ["a", "b"]}"#,
            &["Capture", "Some(\"n\")", "Some([\"a\", \"b\"])"],
        ),
        (Method::POST, "/api/dossier/baseline", "", &["Capture", "note: None", "paths: None"]),
        (Method::DELETE, "/api/dossier/baseline", "", &["ClearBaseline", "\"f1\""]),
        (Method::DELETE, "/api/features?id=root-f", "", &["Unregister", "\"root-f\""]),
    ] {
        let command = asked(&world, method, target, body).await;
        for part in parts {
            assert!(command.contains(part), "{target} {body} asked {command}");
        }
    }
}

#[tokio::test]
async fn bad_bodies_reach_nobody() {
    let world = World::simple();
    for (method, target, body, code) in [
        (Method::POST, "/api/features", "", "bad-parameter"),
        (Method::POST, "/api/features", r#"{"path": "relative"}"#, "bad-parameter"),
        (Method::POST, "/api/features", r#"{"path": "/a\u0000b"}"#, "bad-parameter"),
        (Method::POST, "/api/features", r#"{"path": 1}"#, "bad-parameter"),
        (Method::POST, "/api/features", r#"{"path": "/x", "force": true}"#, "bad-parameter"),
        (Method::POST, "/api/features", "[1", "bad-json"),
        (Method::POST, "/api/features/f1/rescan", r#"{"reemit": "yes"}"#, "bad-parameter"),
        (Method::PUT, "/api/features/f1/step", "{}", "bad-parameter"),
        (Method::PUT, "/api/features/f1/step", r#"{"step": 3}"#, "bad-parameter"),
        (Method::PUT, "/api/features/none/step", r#"{"step": "x"}"#, "feature-unknown"),
        (Method::POST, "/api/dossier/baseline", r#"{"paths": []}"#, "bad-parameter"),
        (Method::POST, "/api/dossier/baseline", r#"{"paths": [1]}"#, "bad-parameter"),
        (Method::POST, "/api/dossier/baseline", r#"{"expected_tree_hash": "x"}"#, "bad-parameter"),
        (Method::POST, "/api/dossier/baseline?fresh=true", "", "bad-parameter"),
        (Method::DELETE, "/api/features", "", "bad-parameter"),
    ] {
        world.ask(request(method, target, body)).await.problem(code);
    }
    assert!(world.asked.lock().expect("not poisoned").is_empty());
}

#[tokio::test]
async fn refusals_of_the_loop_become_problems() {
    let world = World::simple();
    let step = || request(Method::PUT, "/api/features/f1/step", r#"{"step": "nope"}"#);
    for (error, status, code) in [
        (CommandError::Invalid("step nope is none of discovery, …".into()), 400, "bad-parameter"),
        (CommandError::Conflict("the log cannot be written".into()), 409, "conflict"),
        (CommandError::NotFound("f1".into()), 404, "feature-unknown"),
        (CommandError::Timeout("no answer within 600 s".into()), 504, "timeout"),
        (CommandError::Failed("disk full".into()), 500, "internal"),
        (CommandError::Stopping, 503, "stopping"),
    ] {
        world.refuse("step", error);
        let answer = world.ask(step()).await;
        assert_eq!(answer.status.as_u16(), status);
        answer.problem(code);
    }
    world.refuse("step", CommandError::Invalid("no".into()));
    assert_eq!(world.ask(step()).await.problem("bad-parameter")["parameter"], "step");
}

#[tokio::test]
async fn registering_twice_says_so() {
    let world = World::simple();
    let first = world.ask(request(Method::POST, "/api/features", r#"{"path": "/x"}"#)).await;
    assert_eq!((first.status.as_u16(), &first.ok()["already"]), (201, &json!(false)));
    let again = world.ask(request(Method::POST, "/api/features", r#"{"path": "/again"}"#)).await;
    assert_eq!((again.status.as_u16(), &again.ok()["already"]), (200, &json!(true)));
    assert_eq!(again.ok()["features"][0]["slug"], "001-alpha");
}

#[tokio::test]
async fn only_a_feature_that_is_a_root_itself_is_unregistered_by_its_name() {
    let mut own = Plan::new("f2", "002-own");
    own.root_id = "root-f".into();
    let world = World::new([Plan::new("f1", "001-alpha").view(), own.view()]);
    for id in ["root-f", "f2", "002-own"] {
        let answer =
            world.ask(request(Method::DELETE, &format!("/api/features?id={id}"), "")).await;
        assert_eq!(answer.ok(), json!({"removed": {"id": "root-f", "kind": "feature"}}), "{id}");
    }
    let kept = world.ask(request(Method::DELETE, "/api/features?id=001-alpha", "")).await;
    let detail = kept.problem("conflict")["detail"].to_string();
    assert!(detail.contains("root-p"), "{detail}");
}
