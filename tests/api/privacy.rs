//! What local peers see and others do not.

use http::Method;
use serde_json::{Value, json};

use crate::kit::{Plan, SECRET_PLACE, World, local, request};
use crate::routes::happy;
use dossierd::daemon::command::CommandError;
use dossierd::daemon::view::{PendingFeature, WatchState};

fn world() -> World {
    let polled = WatchState::Polling { reason: format!("cannot watch {SECRET_PLACE}/p/x y: no") };
    let world = World::new([Plan::new("f1", "001-alpha").watched(polled).view()]);
    world.text.put("spec.md", Ok(b"# Spec\n".to_vec()));
    world.api.set_http("127.0.0.1:7717".parse().expect("an address"));
    world
}

#[tokio::test]
async fn no_absolute_path_leaves_over_tcp() {
    let world = world();
    for name in ["register", "step"] {
        world.refuse(name, CommandError::Failed(format!("cannot write {SECRET_PLACE}/p/f: no")));
    }
    for (method, target, body, _) in happy() {
        let answer = world.ask(request(method.clone(), target, body)).await;
        let text = String::from_utf8_lossy(&answer.bytes);
        assert!(!text.contains(" secret"), "{method} {target}: {text}");
        assert!(!text.contains("/home"), "{method} {target}: {text}");
        for value in answer.headers.values() {
            assert!(!value.to_str().unwrap_or_default().contains("/home"), "{target}");
        }
    }
}

#[tokio::test]
async fn local_peers_see_where_things_are() {
    let world = world();
    for (target, pointer) in [
        ("/api/dossier/overview", "/dir"),
        ("/api/dossier/overview", "/store/fallback_reason"),
        ("/api/dossier/overview", "/watch/reason"),
        ("/api/features", "/roots/0/path"),
        ("/api/features", "/features/0/dir"),
        ("/api/features", "/health/warnings/0"),
        ("/api/features", "/health/warning_details/0/message"),
        ("/api/features", "/health/warning_details/0/file"),
        ("/api/status", "/socket"),
    ] {
        let shown = world.ask(local(request(Method::GET, target, ""))).await.ok();
        let text = shown.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        assert!(text.contains(SECRET_PLACE), "{target} {pointer}: {text}");
    }
    let twins = World::new([Plan::new("a", "t").view(), Plan::new("b", "t").view()]);
    let target = "/api/dossier/drift?feature=t";
    let seen =
        twins.ask(local(request(Method::GET, target, ""))).await.problem("feature-ambiguous");
    assert!(seen["candidates"][0]["dir"].as_str().expect("text").starts_with(SECRET_PLACE));
    let unseen = twins.get(target).await.problem("feature-ambiguous");
    assert_eq!(unseen["candidates"][0].get("dir"), None);
}

#[tokio::test]
async fn one_peer_never_gets_what_was_rendered_for_the_other() {
    let world = world();
    let target = "/api/dossier/overview";
    for _ in 0..2 {
        assert!(world.ask(local(request(Method::GET, target, ""))).await.ok().get("dir").is_some());
        assert!(world.get(target).await.ok().get("dir").is_none());
    }
}

#[tokio::test]
async fn where_a_feature_lies_that_is_not_scanned_yet_is_for_local_peers() {
    let world = world();
    let mut next = crate::kit::view([Plan::new("f1", "001-alpha").view()]);
    next.pending = vec![PendingFeature {
        id: "f8".into(),
        slug: "late".into(),
        root_id: "r1".into(),
        dir: SECRET_PLACE.into(),
    }];
    *world.upcoming.lock().expect("not poisoned") = Some(next);
    let unseen = world.get("/api/features?fresh=true").await.ok();
    let expected = json!([{"id": "f8", "slug": "late", "root_id": "r1"}]);
    assert_eq!(unseen["pending"], expected);
    assert_eq!(unseen["health"]["features_pending"], 1);
    let seen = world.ask(local(request(Method::GET, "/api/features", ""))).await.ok();
    assert_eq!(seen["pending"][0]["dir"], SECRET_PLACE);
}
