//! `/api/schemas`: JSON Schemas of what dossierd writes and reads, compiled in. They are
//! formats, not data: nothing in them depends on what is registered.

use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::api::call::Call;
use crate::api::code::{Code, quoted};
use crate::api::http::Response;
use crate::api::problem::Problem;
use crate::api::reply::ok;
use crate::api::service::Api;

/// The media type of a JSON Schema (draft 2020-12, core, section 14).
const JSON_SCHEMA: &str = "application/schema+json";

macro_rules! schemas {
    ($($name:literal)*) => {
        &[$((
            $name,
            include_str!(concat!("../../../static/schemas/", $name, ".schema.json")),
        )),*]
    };
}

/// Name and text of each, by name.
static SCHEMAS: &[(&str, &str)] = schemas! {
    "baseline"
    "clock"
    "cloudevents-batch"
    "config"
    "dead-letter"
    "delivery-answer"
    "delivery-batch"
    "delivery-cursor"
    "delivery-pause"
    "event"
    "manifest"
    "mission"
    "mission-overrides"
    "project-identity"
    "project-scan"
    "registry"
    "sessions"
    "snapshot"
};

#[derive(Serialize)]
struct List {
    schemas: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    title: &'static str,
    href: String,
}

#[derive(Deserialize)]
struct Head {
    title: &'static str,
}

pub(in crate::api) async fn list(api: &Api, call: &Call) -> Result<Response, Problem> {
    api.view(call).await?;
    let rows = SCHEMAS.iter().map(|(name, text)| {
        let head: Head = serde_json::from_str(text)
            .expect("each schema is an object with a plain title, which a test reads");
        Row { name, title: head.title, href: format!("/api/schemas/{name}") }
    });
    Ok(ok(&List { schemas: rows.collect() }))
}

pub(in crate::api) async fn get(api: &Api, call: &Call) -> Result<Response, Problem> {
    api.view(call).await?;
    match SCHEMAS.iter().find(|(name, _)| *name == call.segment) {
        Some((_, text)) => Ok(Response::full(StatusCode::OK, JSON_SCHEMA, *text)
            .with_header(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))),
        None => {
            let detail = format!(
                "there is no schema {}; /api/schemas lists those that there are",
                quoted(&call.segment)
            );
            Err(Code::NotFound.problem(detail))
        }
    }
}
