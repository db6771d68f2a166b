//! openapi.json and the program say the same: routes, parameters, codes, and the members
//! of every answer.

use std::collections::{BTreeMap, BTreeSet};

use dossierd::api::code::Code;
use dossierd::api::router::{Access, ROUTES};
use dossierd::dossier::ErrorReason;
use http::Method;
use serde_json::Value;

use crate::described::{self, resolve};
use crate::kit::{Answered, Plan, World, local, request};
use crate::routes::happy;
use crate::versions::{committed, run_of_a_drift};

pub(crate) async fn description(world: &World) -> Value {
    world.get("/api/openapi.json").await.ok()
}

#[tokio::test]
async fn each_route_is_described_and_nothing_else_is() {
    let world = World::simple();
    let api = description(&world).await;
    let mut described = BTreeMap::new();
    for (path, methods) in api["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            described.insert((method.to_uppercase(), path.clone()), operation.clone());
        }
    }
    assert_eq!(described.len(), ROUTES.len());
    for route in ROUTES {
        let name = (route.method.to_string(), route.template.to_owned());
        let operation = described.get(&name).unwrap_or_else(|| panic!("{name:?} is not described"));
        let none = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&none);
        let of_kind = |kind: &str| -> BTreeSet<String> {
            let parameters = parameters.iter().map(|p| resolve(&api, p));
            parameters
                .filter(|p| p["in"] == kind)
                .map(|p| p["name"].as_str().expect("a name").to_owned())
                .collect()
        };
        let query: BTreeSet<String> = route.query.iter().map(|q| (*q).to_owned()).collect();
        assert_eq!(of_kind("query"), query, "{name:?}");
        let open: BTreeSet<String> = route
            .template
            .split('/')
            .filter_map(|part| Some(part.strip_prefix('{')?.strip_suffix('}')?.to_owned()))
            .collect();
        assert_eq!(of_kind("path"), open, "{name:?}");
        let is_public = operation.get("security").is_some_and(|s| s == &serde_json::json!([]));
        assert_eq!(is_public, route.access == Access::Public, "{name:?}");
        assert_eq!(
            operation.get("requestBody").is_some(),
            matches!(route.method, Method::POST | Method::PUT)
        );
    }
}

#[tokio::test]
async fn all_codes_are_described() {
    let api = description(&World::simple()).await;
    let codes = &api["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
    let codes: BTreeSet<&str> =
        codes.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    for code in Code::ALL {
        assert!(codes.contains(code.as_str()), "{code:?}");
    }
}

pub(crate) fn conforms(
    api: &Value,
    template: &str,
    method: &Method,
    target: &str,
    answer: &Answered,
) {
    let media_type = answer.header("content-type");
    let (status, bytes) = (answer.status.as_u16(), &answer.bytes);
    described::check_answer(api, template, method.as_str(), status, media_type, bytes)
        .unwrap_or_else(|fault| panic!("{target}: {fault}"));
}

#[tokio::test]
async fn answers_have_the_members_that_are_described() {
    let plan = Plan::new("f1", "001-alpha").accepted("main");
    let plan =
        plan.faulty("bad", ErrorReason::Unreadable, "no").without("plan.md").file("x.md", "#");
    let world = World::new([plan.view()]);
    world.text.put("spec.md", Ok(b"changed".to_vec()));
    world.text.commit("spec.md", Ok(committed(b"# Spec\n")));
    world.text.commit("x.md", Err("no checkout".into()));
    for logged in run_of_a_drift() {
        world.logs.append(&logged);
    }
    world.api.set_http("127.0.0.1:7717".parse().expect("an address"));
    let api = description(&world).await;
    for ((method, target, body, _), route) in happy().into_iter().zip(ROUTES) {
        for asked in
            [local(request(method.clone(), target, body)), request(method.clone(), target, body)]
        {
            conforms(&api, route.template, &method, target, &world.ask(asked).await);
        }
    }
    for (template, target) in [
        ("/api/dossier/artifacts", "?ignored=true"),
        ("/api/dossier/artifacts", "?class=input&limit=1"),
        ("/api/dossier/artifacts", "?class=nothing"),
        ("/api/dossier/snapshots/export", "?format=in-toto"),
        ("/api/dossier/snapshots/export", "?format=sha256sums"),
        ("/api/dossier/overview", "?feature=none"),
        ("/api/dossier/events", "?since=x"),
        ("/api/dossier/events", "?order=newest&limit=1"),
        ("/api/dossier/events", "?order=newest&type=drift"),
        ("/api/dossier/diff", "?artifact=input.spec.main"),
        ("/api/dossier/diff", "?artifact=artifact.x"),
        ("/api/dossier/diff", ""),
        ("/api/dossier/history", "?points=2"),
        ("/api/dossier/history", "?points=1"),
    ] {
        let target = format!("{template}{target}");
        conforms(&api, template, &Method::GET, &target, &world.get(&target).await);
    }
    let template = "/api/dossier/artifacts/{artifact_key}";
    for key in [
        "artifact.bad",
        "output.tasks.list",
        "none",
        "input.spec.main?raw=true",
        "input.spec.main?render=tree",
    ] {
        let target = template.replace("{artifact_key}", key);
        conforms(&api, template, &Method::GET, &target, &world.get(&target).await);
    }
}
