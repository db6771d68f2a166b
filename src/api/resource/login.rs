//! Logging a page in: a one-time code over the Unix socket, traded for a session over TCP.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use crate::api::call::Call;
use crate::api::code::Code;
use crate::api::http::Response;
use crate::api::problem::Problem;
use crate::api::reply::ok;
use crate::api::service::Api;
use crate::api::session::{CODE_LIFETIME, SESSION_IDLE};
use crate::api::token::RandomError;

pub(in crate::api) async fn issue_code(api: &Api, call: &Call) -> Result<Response, Problem> {
    call.members(&[])?;
    let http = api.http_url().ok_or_else(|| {
        Code::Conflict.problem("the daemon serves no TCP address, so there is no page to open")
    })?;
    let code = api.sessions.issue_code(Instant::now()).map_err(random_problem)?;
    let url = format!("{http}/#code={code}");
    let expires_in_seconds = CODE_LIFETIME.as_secs();
    Ok(ok(&json!({ "code": code, "expires_in_seconds": expires_in_seconds, "url": url })))
}

pub(in crate::api) async fn redeem_code(api: &Api, call: &Call) -> Result<Response, Problem> {
    let code = call.members(&["code"])?.needed_text("code")?;
    let redeemed = api.sessions.redeem(&code, Instant::now(), (api.clock)());
    let session = redeemed.map_err(random_problem)?;
    let session = session.ok_or_else(|| {
        let detail = "a code works once and for a minute; run dossierd open for a new one";
        Code::CodeInvalid.problem(detail)
    })?;
    let (sessions, store) = (Arc::clone(&api.sessions), Arc::clone(&api.session_store));
    api.blocking.run(move || sessions.keep(store.as_ref())).await?;
    let idle_seconds = SESSION_IDLE.as_secs();
    Ok(ok(&json!({ "token": session.expose(), "idle_seconds": idle_seconds })))
}

pub(in crate::api) async fn token(api: &Api, call: &Call) -> Result<Response, Problem> {
    api.view(call).await?;
    Ok(ok(&json!({ "token": api.token.expose(), "http": api.http_url() })))
}

fn random_problem(error: RandomError) -> Problem {
    Code::Internal.problem(error.to_string())
}
