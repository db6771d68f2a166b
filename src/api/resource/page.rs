//! The page's shell and the description of the API: everything that is served as it is,
//! compiled in. The shell holds no data; what it shows it fetches with a token.

use http::{HeaderValue, StatusCode, header};

use crate::api::call::Call;
use crate::api::code::{Code, quoted};
use crate::api::http::Response;
use crate::api::problem::Problem;
use crate::api::reply::JSON;
use crate::api::service::Api;

const INDEX: &str = include_str!("../../../static/index.html");
const OPENAPI: &str = include_str!("../../../static/openapi.json");

/// Name, media type and contents of a script.
macro_rules! script {
    ($name:literal) => {
        ($name, "text/javascript; charset=utf-8", include_str!(concat!("../../../static/", $name)))
    };
}

/// Name, media type and contents of what the page loads.
const ASSETS: [(&str, &str, &str); 25] = [
    script!("api.js"),
    script!("app.js"),
    script!("artifacts.js"),
    script!("baseline.js"),
    script!("detail.js"),
    script!("dialog.js"),
    script!("diff.js"),
    script!("document.js"),
    script!("dom.js"),
    script!("drift.js"),
    script!("events.js"),
    script!("feature.js"),
    script!("features.js"),
    script!("grid.js"),
    script!("health.js"),
    script!("history.js"),
    script!("keys.js"),
    script!("live.js"),
    script!("route.js"),
    script!("rows.js"),
    script!("state.js"),
    script!("syntax.js"),
    script!("theme.js"),
    ("style.css", "text/css; charset=utf-8", include_str!("../../../static/style.css")),
    ("icon.svg", "image/svg+xml", include_str!("../../../static/icon.svg")),
];

pub(in crate::api) async fn index(_: &Api, _: &Call) -> Result<Response, Problem> {
    Ok(file("text/html; charset=utf-8", INDEX))
}

pub(in crate::api) async fn asset(_: &Api, call: &Call) -> Result<Response, Problem> {
    match ASSETS.iter().find(|(name, _, _)| *name == call.segment) {
        Some((_, media_type, contents)) => Ok(file(media_type, contents)),
        None => {
            let detail = format!("the page has no file {}", quoted(&call.segment));
            Err(Code::NotFound.problem(detail))
        }
    }
}

pub(in crate::api) async fn openapi(api: &Api, call: &Call) -> Result<Response, Problem> {
    api.view(call).await?;
    Ok(file(JSON, OPENAPI))
}

/// A file that a client may keep, and asks for again by its ETag.
fn file(media_type: &'static str, contents: &'static str) -> Response {
    Response::full(StatusCode::OK, media_type, contents)
        .with_header(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))
}
