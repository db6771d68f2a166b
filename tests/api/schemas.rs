//! `/api/schemas`: every schema in the repository is listed, served as it is, and says of
//! the keys of a file what the program says of them.

use std::collections::BTreeSet;
use std::path::Path;

use dossierd::daemon::config::Config;
use dossierd::dossier::definition::MissionDefinition;
use dossierd::dossier::manifest::Manifest;
use dossierd::dossier::mission::Mission;
use http::{Method, StatusCode};
use serde_json::Value;

use crate::kit::{World, request, with_header};

async fn schema(name: &str) -> Value {
    World::simple().get(&format!("/api/schemas/{name}")).await.ok()
}

#[tokio::test]
async fn all_of_the_repository_are_listed_and_served_as_they_are() {
    let world = World::simple();
    let list = world.get("/api/schemas").await.ok();
    let rows = list["schemas"].as_array().expect("a list");
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("static/schemas");
    let mut names: Vec<String> = std::fs::read_dir(&dir)
        .expect("can be listed")
        .map(|entry| entry.expect("can be listed").file_name().into_string().expect("a name"))
        .map(|file| file.strip_suffix(".schema.json").expect("is a schema").to_owned())
        .collect();
    names.sort();
    let listed: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(listed, names);
    for (row, name) in rows.iter().zip(&names) {
        let file = dir.join(format!("{name}.schema.json"));
        let answer = world.get(row["href"].as_str().expect("text")).await;
        assert_eq!(answer.header("content-type"), "application/schema+json");
        assert_eq!(answer.text(), std::fs::read_to_string(file).expect("readable"));
        let schema = answer.ok();
        assert_eq!(schema["$id"], format!("urn:dossierd:schema:{name}"));
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["title"], row["title"]);
        assert!(!schema["description"].as_str().expect("text").is_empty());
        references_lead_somewhere(&schema, &schema, &names);
        let tag = answer.header("etag");
        let again = with_header(
            request(Method::GET, &format!("/api/schemas/{name}"), ""),
            "if-none-match",
            tag,
        );
        assert_eq!(world.ask(again).await.status, StatusCode::NOT_MODIFIED);
    }
}

/// Every `$ref` leads to a definition of the same schema, or to another schema.
fn references_lead_somewhere(root: &Value, value: &Value, names: &[String]) {
    match value {
        Value::Array(items) => {
            items.iter().for_each(|item| references_lead_somewhere(root, item, names));
        }
        Value::Object(members) => {
            if let Some(to) = members.get("$ref").and_then(Value::as_str) {
                let other = to.strip_prefix("urn:dossierd:schema:");
                let known = match other {
                    Some(name) => names.iter().any(|known| known == name),
                    None => root.pointer(to.trim_start_matches('#')).is_some(),
                };
                assert!(known, "{} refers to {to}", root["$id"]);
            }
            members.values().for_each(|member| references_lead_somewhere(root, member, names));
        }
        _ => {}
    }
}

#[tokio::test]
async fn a_name_that_is_none_is_not_found() {
    let world = World::simple();
    for name in ["nothing", "event.schema.json", "..%2Fopenapi", "EVENT"] {
        let problem = world.get(&format!("/api/schemas/{name}")).await.problem("not-found");
        assert!(problem["detail"].as_str().expect("text").contains("/api/schemas lists"));
    }
}

/// The keys that an error calls allowed.
fn allowed(message: &str, after: &str) -> BTreeSet<String> {
    let (_, list) = message.split_once(after).unwrap_or_else(|| panic!("{message}"));
    let names = list.split([',', ' ']).map(|name| name.trim_matches(['`', '\n']));
    names.filter(|name| !matches!(*name, "" | "or")).map(str::to_owned).collect()
}

fn keys(schema: &Value, pointer: &str) -> BTreeSet<String> {
    let properties = schema.pointer(pointer).and_then(Value::as_object);
    properties.unwrap_or_else(|| panic!("{pointer} of {}", schema["$id"])).keys().cloned().collect()
}

#[tokio::test]
async fn definitions_have_the_keys_that_the_parser_allows() {
    let mission = schema("mission").await;
    let parse = |text: &str| Mission::parse(text, "m", "t").expect_err(text).message;
    for (text, pointer) in [
        ("zz: 1\n", "/properties"),
        ("mission: {zz: 1}\n", "/properties/mission/properties"),
        ("initial: a\nstates: [{zz: 1}]\n", "/properties/states/items/oneOf/1/properties"),
        (
            "initial: a\nstates: [a]\ntransitions: [{zz: 1}]\n",
            "/properties/transitions/items/properties",
        ),
    ] {
        assert_eq!(keys(&mission, pointer), allowed(&parse(text), "allowed are "), "{text}");
    }
    let manifest = schema("manifest").await;
    let definition = MissionDefinition::builtin("research").expect("is built in");
    let parse =
        |text: &str| Manifest::parse(text, "m", &definition.mission).expect_err(text).message;
    assert_eq!(keys(&manifest, "/properties"), allowed(&parse("zz: 1\n"), "allowed are "));
    let head = "schema_version: 1\nmission_type: research\nmanifest_version: 1\n";
    let message = parse(&format!("{head}required_always: [{{zz: 1}}]\n"));
    for of in ["required", "optional"] {
        let pointer = format!("/$defs/{of}/properties");
        assert_eq!(keys(&manifest, &pointer), allowed(&message, "allowed are "));
    }
}

#[tokio::test]
async fn the_configuration_has_the_keys_that_the_parser_allows() {
    let config = schema("config").await;
    let tmp = tempfile::tempdir().expect("a directory");
    let file = tmp.path().join("config.yaml");
    for (text, pointer) in [
        ("zz: 1\n", "/properties"),
        ("watch: {zz: 1}\n", "/properties/watch/properties"),
        ("limits: {zz: 1}\n", "/properties/limits/properties"),
        ("sync: {zz: 1}\n", "/properties/sync/properties"),
        ("sync: {webhook: {zz: 1}}\n", "/properties/sync/properties/webhook/oneOf/0/properties"),
    ] {
        std::fs::write(&file, text).expect("written");
        let message = Config::load_named(&file).expect_err(text).to_string();
        let described = keys(&config, pointer);
        // A message about other things may come behind.
        let message = message.split(" (and ").next().expect("has a first part");
        assert_eq!(described, allowed(message, "allowed are "), "{text}");
    }
}
