//! `dossierd open`: the dashboard in a browser, logged in.
//!
//! The daemon gives a code that works once and for a minute. Its address comes over the
//! Unix socket, whose other side was checked, so no other process on the daemon's port can
//! get the code. The code goes to the browser in a page that only this user can read: on
//! the command line of the browser everybody could see it.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::json;

use super::args::OpenArgs;
use super::error::ErrorKind;
use super::new_file;
use super::route::Route;
use super::{CliError, Context, Verdict};

/// POST `/api/session/code`. Deliberately without `Debug`.
#[derive(Deserialize)]
struct SessionCode {
    url: String,
}

pub(super) fn run(args: OpenArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let answer = context.client()?.ask(&Route::post("/api/session/code", json!({})))?;
    let SessionCode { url } = answer.parse()?;
    check_url(&url)?;
    if args.print_url {
        context.output.line(url)?;
        return Ok(Verdict::Fine);
    }
    // Beside the socket only this user and root can read; `connect` has looked at both.
    let socket = context.socket_path()?;
    let directory = socket.parent().unwrap_or(Path::new(""));
    let page = directory.join("open.html");
    new_file::private(&page, redirect_page(&url).as_bytes())?;
    start_browser(&page)?;
    context.output.note("opened the dashboard; the address works once and for 60 seconds");
    Ok(Verdict::Fine)
}

/// Only this machine is opened, whatever the answer says.
fn check_url(url: &str) -> Result<(), CliError> {
    let rest = url.strip_prefix("http://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    let is_local = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
    let is_clean = url.bytes().all(|b| b.is_ascii_graphic());
    if is_local && is_clean && port.parse::<u16>().is_ok() {
        return Ok(());
    }
    Err(CliError::new(
        ErrorKind::Protocol,
        "the daemon gave an address that is not on this machine",
    )
    .hint("look at its configuration with `dossierd doctor`"))
}

/// A page that goes to `url` at once, and tells nobody where from.
fn redirect_page(url: &str) -> String {
    let mut safe = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta http-equiv=\"refresh\" content=\"0; url={safe}\">\n<title>dossierd</title>\n\
         <a href=\"{safe}\" rel=\"noreferrer\">Open the dashboard</a>\n"
    )
}

fn start_browser(page: &Path) -> Result<(), CliError> {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let hint = "open the address that `dossierd open --print-url` prints";
    let status = Command::new(program)
        .arg(page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| CliError::io(format!("cannot run {program}"), error).hint(hint))?;
    if status.success() {
        return Ok(());
    }
    let message = format!("{program} could not open a browser ({status})");
    Err(CliError::new(ErrorKind::Io, message).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_opened() {
        for good in
            ["http://127.0.0.1:7717/#code=abc_-", "http://[::1]:1/#code=a", "http://localhost:80/"]
        {
            assert!(check_url(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "https://127.0.0.1:1/",
            "http://127.0.0.1/",
            "http://127.0.0.1:1@evil.test/",
            "http://evil.test:7717/#code=a",
            "http://127.0.0.1.evil.test:1/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "http://127.0.0.1:99999/",
            "http://127.0.0.1:1/\n",
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_page_cannot_be_broken_out_of() {
        let page = redirect_page("http://127.0.0.1:1/#code=\"'><script>&");
        assert!(page.contains("url=http://127.0.0.1:1/#code=&quot;&#39;&gt;&lt;script&gt;&amp;\""));
        assert!(!page.contains("<script"));
    }
}
