//! The page, its code, its session.

use dossierd::api::http::{Peer, Service};
use http::{Method, StatusCode};

use crate::kit::{World, local, request};

#[tokio::test]
async fn a_code_is_traded_for_a_session_once() {
    let world = World::simple();
    let code = || local(request(Method::POST, "/api/session/code", "{}"));
    world.ask(code()).await.problem("conflict");
    world.api.set_http("127.0.0.1:7717".parse().expect("an address"));
    let issued = world.ask(code()).await.ok();
    let text = issued["code"].as_str().expect("text");
    assert_eq!(issued["url"], format!("http://127.0.0.1:7717/#code={text}"));
    assert_eq!(issued["expires_in_seconds"], 60);
    let trade = || {
        let mut trade = request(Method::POST, "/api/session", &format!(r#"{{"code": "{text}"}}"#));
        trade.peer = Peer::Anonymous;
        trade
    };
    let session = world.ask(trade()).await.ok();
    let token = session["token"].as_str().expect("text");
    assert!(world.api.accepts_token(token));
    assert!(!world.api.accepts_token(text));
    assert_eq!(world.ask(trade()).await.status, StatusCode::UNAUTHORIZED);
    world.ask(request(Method::POST, "/api/session/code", "")).await.problem("local-only");
}

#[tokio::test]
async fn the_token_is_for_local_peers() {
    let world = World::simple();
    let answer = world.ask(local(request(Method::GET, "/api/token", ""))).await.ok();
    assert_eq!(answer["token"], world.token.expose());
    assert!(world.api.accepts_token(world.token.expose()));
    assert!(!world.api.accepts_token("") && !world.api.accepts_token("dsr1_"));
    // Nothing but the answer that is made for it shows the token.
    for target in ["/api/status", "/metrics", "/api/features", "/", "/static/app.js"] {
        let answer = world.ask(local(request(Method::GET, target, ""))).await;
        assert!(!answer.text().contains(world.token.expose()), "{target}");
    }
}

#[tokio::test]
async fn the_page_has_nothing_inline_and_nothing_from_elsewhere() {
    let world = World::simple();
    let html = world.get("/").await;
    assert_eq!(html.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(html.header("cache-control"), "no-cache");
    let html = html.text();
    for part in
        ["<style", "style=", "<script>", "javascript:", "http:", "https:", " onclick", " onload"]
    {
        assert!(!html.contains(part), "{part} is in the page");
    }
    for name in ["app.js", "style.css", "icon.svg"] {
        assert!(html.contains(&format!("\"/static/{name}\"")), "{name} is not loaded");
        let asset = world.get(&format!("/static/{name}")).await;
        assert_eq!((asset.status, asset.header("cache-control")), (StatusCode::OK, "no-cache"));
        assert!(!asset.bytes.is_empty());
    }
    for name in scripts() {
        let script = world.get(&format!("/static/{name}")).await;
        assert_eq!(script.status, StatusCode::OK, "{name} is served");
        for part in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
            "EventSource",
            "cookie",
        ] {
            assert!(!script.text().contains(part), "{part} is in {name}");
        }
        // Choices of the reader may be kept for other tabs; a token never is.
        let keeps = script.text().contains("localStorage");
        assert!(!keeps || !script.text().contains("token"), "{name}");
    }
}

/// The scripts of the page.
fn scripts() -> Vec<String> {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/static")).expect("there");
    let names = files.map(|file| file.expect("readable").file_name().into_string().expect("text"));
    let scripts: Vec<_> = names.filter(|name| name.ends_with(".js")).collect();
    assert!(scripts.len() > 10, "{scripts:?}");
    scripts
}
