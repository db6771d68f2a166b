//! Every route answers, and every code can be had.

use std::collections::BTreeSet;

use dossierd::api::code::Code;
use dossierd::api::http::{Body, Peer, Served, Service};
use dossierd::api::ports::TextFault;
use dossierd::api::router::{Access, ROUTES};
use dossierd::daemon::command::CommandError;
use dossierd::daemon::view::PendingFeature;
use dossierd::dossier::ErrorReason;
use http::{Method, StatusCode};

use crate::kit::{Answered, Plan, World, local, request, with_header};

/// A request to each route that it answers well: method, target, body, status.
pub(crate) fn happy() -> Vec<(Method, &'static str, &'static str, u16)> {
    use Method as M;
    vec![
        (M::GET, "/api/dossier/overview?feature=f1", "", 200),
        (M::GET, "/api/dossier/artifacts", "", 200),
        (M::GET, "/api/dossier/artifacts/input.spec.main", "", 200),
        (M::GET, "/api/dossier/snapshots/export", "", 200),
        (M::GET, "/api/dossier/drift", "", 200),
        (M::GET, "/api/dossier/diff?artifact=input.spec.main", "", 200),
        (M::GET, "/api/dossier/baseline", "", 200),
        (M::POST, "/api/dossier/baseline", r#"{"note": "fine", "paths": ["spec.md"]}"#, 201),
        (M::DELETE, "/api/dossier/baseline", "", 200),
        (M::GET, "/api/dossier/events", "", 200),
        (M::GET, "/api/dossier/history", "", 200),
        (M::GET, "/api/features", "", 200),
        (M::POST, "/api/features", r#"{"path": "/x", "step": null}"#, 201),
        (M::DELETE, "/api/features?id=root-p", "", 200),
        (M::POST, "/api/features/001-alpha/rescan", r#"{"reemit": true}"#, 200),
        (M::PUT, "/api/features/f1/step", r#"{"step": "plan"}"#, 200),
        (M::GET, "/api/sync/status", "", 200),
        (M::POST, "/api/sync/pause", "", 409),
        (M::POST, "/api/sync/resume", "", 409),
        (M::POST, "/api/sync/flush", "", 409),
        (M::GET, "/api/sync/dead-letters?limit=5", "", 200),
        (M::POST, "/api/sync/retry", "", 409),
        (M::POST, "/api/session/code", "", 200),
        (M::POST, "/api/session", r#"{"code": "wrong"}"#, 401),
        (M::GET, "/api/token", "", 200),
        (M::GET, "/api/status", "", 200),
        (M::GET, "/api/openapi.json", "", 200),
        (M::GET, "/api/schemas", "", 200),
        (M::GET, "/api/schemas/event", "", 200),
        (M::GET, "/metrics", "", 200),
        (M::GET, "/healthz", "", 200),
        (M::GET, "/readyz", "", 200),
        (M::GET, "/", "", 200),
        (M::GET, "/static/app.js", "", 200),
    ]
}

#[tokio::test]
async fn each_route_answers() {
    let world = World::simple();
    world.api.set_http("127.0.0.1:7717".parse().expect("an address"));
    let cases = happy();
    assert_eq!(cases.len(), ROUTES.len(), "a case for each route, in the table's order");
    for ((method, target, body, status), route) in cases.into_iter().zip(ROUTES) {
        assert_eq!(method, route.method, "{target}");
        let answer = world.ask(local(request(method.clone(), target, body))).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {target}: {}", answer.text());
        if method == Method::GET {
            assert!(answer.headers.contains_key("etag"), "{target}");
            let again = with_header(request(method, target, ""), "if-none-match", "*");
            let again = world.ask(local(again)).await;
            assert_eq!((again.status, again.bytes.len()), (StatusCode::NOT_MODIFIED, 0));
        }
    }
}

#[tokio::test]
async fn reads_with_fresh_ask_the_loop_first() {
    let world = World::simple();
    let reads = happy().into_iter().zip(ROUTES).filter(|(_, r)| r.method == Method::GET);
    for ((_, target, _, _), route) in reads {
        let takes_fresh = route.query.contains(&"fresh");
        assert_eq!(takes_fresh, route.access != Access::Public, "{}", route.template);
        if !takes_fresh {
            continue;
        }
        let target = format!("{target}{}fresh", if target.contains('?') { '&' } else { '?' });
        let before = world.asked.lock().expect("not poisoned").len();
        let answer = world.ask(local(request(Method::GET, &format!("{target}=true"), ""))).await;
        assert_eq!(answer.status, StatusCode::OK, "{target} {}", answer.text());
        let asked = world.asked.lock().expect("not poisoned").len();
        assert_eq!(asked, before + 1, "{target}");
        world.get(&format!("{target}=false")).await;
        assert_eq!(world.asked.lock().expect("not poisoned").len(), asked, "{target}");
    }
}

#[tokio::test]
async fn a_fresh_read_shows_what_the_loop_published_and_finds_new_features() {
    let world = World::simple();
    let next = crate::kit::view([Plan::new("f9", "009-new").view()]);
    *world.upcoming.lock().expect("not poisoned") = Some(next);
    let answer = world.get("/api/dossier/overview?feature=009-new&fresh=true").await.ok();
    assert_eq!(answer["feature_id"], "f9");
}

#[tokio::test]
async fn head_is_answered_as_get() {
    let world = World::simple();
    let answer = world.ask(request(Method::HEAD, "/api/dossier/overview", "")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("etag"), world.get("/api/dossier/overview").await.header("etag"));
}

#[tokio::test]
async fn without_a_token_only_public_routes_answer() {
    let world = World::simple();
    for (method, target, body, _) in happy() {
        let (path, _) = target.split_once('?').unwrap_or((target, ""));
        let mut asked = request(method.clone(), target, body);
        asked.peer = Peer::Anonymous;
        let answer = world.ask(asked).await;
        let is_public = world.api.served(&method, path) == Served::Public;
        let code = String::from_utf8_lossy(&answer.bytes).contains("\"unauthorized\"");
        assert_eq!(code, !is_public, "{method} {target}");
    }
    // Not even whether a path exists.
    for (method, target) in [(Method::GET, "/nothing"), (Method::PATCH, "/api/features")] {
        let mut asked = request(method, target, "");
        asked.peer = Peer::Anonymous;
        world.ask(asked).await.problem("unauthorized");
    }
}

/// Features for all that can go wrong with one.
fn troubled() -> World {
    let world = World::new([
        Plan::new("f1", "001-alpha")
            .file("gone.md", "x")
            .file("pipe", "x")
            .file("big.md", "x")
            .faulty("latin.md", ErrorReason::InvalidFormat, "byte 3")
            .view(),
        Plan::new("f2", "twin").view(),
        Plan::new("f3", "twin").view(),
    ]);
    world.text.put("pipe", Err(TextFault::Special("FIFO")));
    world.text.put("big.md", Ok(vec![b'x'; 5 * 1024 * 1024 + 1]));
    world
}

#[tokio::test]
async fn each_code_can_be_had() {
    let world = troubled();
    let mut seen = BTreeSet::new();
    let mut check = |answer: Answered, code: Code| {
        let problem = answer.problem(code.as_str());
        assert_eq!(answer.status, code.status(), "{problem}");
        seen.insert(code.as_str());
    };
    let get = |target: &str| request(Method::GET, target, "");
    let key = |name: &str| get(&format!("/api/dossier/artifacts/artifact.{name}?feature=f1"));
    for (asked, code) in [
        (key("gone_md"), Code::ArtifactGone),
        (key("latin_md"), Code::ArtifactGone),
        (key("pipe"), Code::ArtifactSpecial),
        (key("nothing"), Code::ArtifactUnknown),
        (get("/api/dossier/artifacts/output.tasks.list?feature=f1"), Code::ArtifactMissing),
        (get("/api/dossier/artifacts/artifact.big_md?feature=f1&raw=true"), Code::TooLarge),
        (get("/api/dossier/artifacts?feature=f1&class=other"), Code::BadParameter),
        (get("/api/dossier/overview?x=1"), Code::BadParameter),
        (get("/api/dossier/overview"), Code::FeatureNeeded),
        (get("/api/dossier/overview?feature=twin"), Code::FeatureAmbiguous),
        (get("/api/dossier/overview?feature=001"), Code::FeatureUnknown),
        (
            get("/api/dossier/events?feature=f1&since=01ARZ3NDEKTSV4RRFFQ69G5FAV"),
            Code::EventUnknown,
        ),
        (get("/api/token"), Code::LocalOnly),
        (get("/nothing"), Code::NotFound),
        (get("/static/nothing.js"), Code::NotFound),
        (request(Method::PATCH, "/api/features", ""), Code::MethodNotAllowed),
        (request(Method::POST, "/api/features", "{"), Code::BadJson),
        (request(Method::POST, "/api/session", r#"{"code": "x"}"#), Code::CodeInvalid),
        (request(Method::DELETE, "/api/features?id=f1", ""), Code::Conflict),
        (request(Method::DELETE, "/api/features?id=none", ""), Code::RootUnknown),
        (request(Method::POST, "/api/sync/flush", ""), Code::SyncNotConfigured),
    ] {
        check(world.ask(asked).await, code);
    }
    let mut form = request(Method::POST, "/api/features", "path=/x");
    form.headers.clear();
    check(world.ask(form).await, Code::UnsupportedMediaType);
    let mut anonymous = get("/api/features");
    anonymous.peer = Peer::Anonymous;
    check(world.ask(anonymous).await, Code::Unauthorized);
    let mut next = crate::kit::view([Plan::new("f1", "001-alpha").view()]);
    let late = |id: &str, slug: &str| PendingFeature {
        id: id.into(),
        slug: slug.into(),
        root_id: "r".into(),
        dir: slug.into(),
    };
    next.pending = vec![late("f8", "late"), late("f9", "001-alpha")];
    *world.upcoming.lock().expect("not poisoned") = Some(next);
    check(world.ask(get("/api/dossier/overview?feature=late&fresh=true")).await, Code::Starting);
    // One feature of this name is known, and there is another one; its id means it alone.
    check(world.ask(get("/api/dossier/overview?feature=001-alpha")).await, Code::Starting);
    world.get("/api/dossier/overview?feature=f1").await.ok();
    for (error, code) in [
        (CommandError::Timeout("slow".into()), Code::StaleRead),
        (CommandError::Stopping, Code::Stopping),
        (CommandError::Failed("broken".into()), Code::Internal),
    ] {
        world.refuse("fresh", error);
        check(world.ask(get("/api/features?fresh=true")).await, code);
    }
    world.refuse("register", CommandError::Timeout("slow".into()));
    let register = request(Method::POST, "/api/features", r#"{"path": "/x"}"#);
    check(world.ask(register).await, Code::Timeout);
    // Only a disk that hangs makes it busy; the module of blocking reads tests that.
    seen.insert(Code::Busy.as_str());
    let all: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(seen, all);
}

#[tokio::test]
async fn problems_say_what_would_work() {
    let world = troubled();
    let allow = world.ask(request(Method::PUT, "/api/features", "")).await;
    assert_eq!(allow.header("allow"), "GET, HEAD, POST, DELETE");
    let unknown = world.get("/api/dossier/drift?feature=001-alpa").await.problem("feature-unknown");
    assert!(unknown["detail"].as_str().expect("text").contains("\"001-alpha\""), "{unknown}");
    let twins = world.get("/api/dossier/drift?feature=twin").await.problem("feature-ambiguous");
    let ids: Vec<_> =
        twins["candidates"].as_array().expect("a list").iter().map(|c| &c["id"]).collect();
    assert_eq!(ids, ["f2", "f3"]);
    let parameter = world.get("/api/dossier/drift?feature=f1&feature=f1").await;
    assert_eq!(parameter.problem("bad-parameter")["parameter"], "feature");
    let gone = world.get("/api/dossier/artifacts/artifact.latin_md?feature=f1").await;
    let gone = gone.problem("artifact-gone");
    assert_eq!(
        (gone["error_reason"].as_str(), gone["error_detail"].as_str()),
        (Some("invalid_format"), Some("byte 3"))
    );
    world.refuse("fresh", CommandError::Timeout("slow".into()));
    let stale = world.get("/api/features?fresh=true").await;
    assert_eq!((stale.status.as_u16(), stale.header("retry-after")), (504, "1"));
}

#[tokio::test]
async fn streams_are_announced() {
    let world = World::simple();
    let is_stream = |query: &str| world.api.is_stream(&Method::GET, "/api/dossier/events", query);
    assert!(is_stream("follow=true") && is_stream("feature=x&follow=true"));
    assert!(!is_stream("") && !is_stream("follow=false") && !is_stream("follow=true&x=1"));
    assert!(!world.api.is_stream(&Method::GET, "/api/features", "follow=true"));
    let answer =
        world.api.answer(request(Method::GET, "/api/dossier/events?follow=true", "")).await;
    assert!(matches!(answer.body, Body::Stream(_)));
}
