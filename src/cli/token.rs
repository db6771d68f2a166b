//! `dossierd token`: the current token of the HTTP API.

use serde::Deserialize;

use super::args::TokenArgs;
use super::route::Route;
use super::{CliError, Context, Verdict};

/// GET `/api/token`. Deliberately without `Debug`.
#[derive(Deserialize)]
struct TokenDocument {
    token: String,
}

pub(super) fn run(args: TokenArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let answer = context.client()?.ask(&Route::get("/api/token"))?;
    if args.json.json {
        context.output.json(&answer.body)?;
    } else {
        let document: TokenDocument = answer.parse()?;
        context.output.line(document.token)?;
    }
    Ok(Verdict::Fine)
}
