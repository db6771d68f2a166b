//! Every answer that the server gives without asking the service, in one table.
//!
//! A refusal repeats nothing that a client sent: names, paths and tokens are hostile input.

use http::StatusCode;

use crate::api::problem::Problem;

/// Seconds after which a client may try again when a limit was reached.
const RETRY_SECONDS: u32 = 1;

pub(super) fn ambiguous_length() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "ambiguous-length",
        "The length of the request is ambiguous",
        "The request has both Transfer-Encoding and Content-Length; send one of them.",
    )
}

pub(super) fn uri_too_long(most: usize) -> Problem {
    Problem::new(
        StatusCode::URI_TOO_LONG,
        "uri-too-long",
        "The request target is too long",
        format!("At most {most} bytes of path and query are accepted."),
    )
}

pub(super) fn host_malformed(detail: &'static str) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "host-malformed",
        "The request does not name one host",
        detail,
    )
}

pub(super) fn host_not_allowed() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "host-not-allowed",
        "This server does not answer under that name",
        "Ask as 127.0.0.1, [::1] or localhost with the server's port (localhost or dossierd \
         over the Unix socket), or start it with --allowed-host.",
    )
}

pub(super) fn origin_not_allowed() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "origin-not-allowed",
        "Other sites may not call this server",
        "Origin and Sec-Fetch-Site say that the request comes from another page than the \
         dashboard of this server.",
    )
}

pub(super) fn browser_not_allowed() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "browser-not-allowed",
        "A browser may not use the Unix socket",
        "The request has an Origin, Referer or Sec-Fetch header; use the dashboard's address, \
         which `dossierd open` prints.",
    )
}

pub(super) fn token_in_url() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "token-in-url",
        "A token does not belong in an address",
        "Addresses end up in histories and logs; send the token as `Authorization: Bearer`.",
    )
}

pub(super) fn unauthorized() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "A valid token is needed",
        "Send `Authorization: Bearer` with the token that `dossierd token` prints; it is new at \
         each start of the daemon. `dossierd open` logs a browser in.",
    )
}

pub(super) fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "This method is not served",
        "OPTIONS, CONNECT and TRACE are never answered: there is no cross-origin access and no \
         proxying here.",
    )
}

pub(super) fn path_malformed(fault: &'static str) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "path-malformed",
        "The path is malformed",
        format!("The path {fault}."),
    )
}

pub(super) fn content_encoding() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "content-encoding-not-supported",
        "Compressed requests are not accepted",
        "Send the body without Content-Encoding.",
    )
}

pub(super) fn content_type() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "content-type-not-supported",
        "Writes must be JSON",
        "Send `Content-Type: application/json`, also when the body is empty.",
    )
}

pub(super) fn body_too_large(most: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body-too-large",
        "The request body is too large",
        format!("At most {most} bytes are accepted."),
    )
}

pub(super) fn body_too_slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "body-too-slow",
        "The request body did not arrive in time",
        "Send the whole body at once.",
    )
}

pub(super) fn body_broken() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "body-broken",
        "The request body could not be read",
        "The body ended early or its chunks are malformed.",
    )
}

pub(super) fn too_many_connections() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too-many-connections",
        "Too many connections are open",
        "Close some connections, or try again later.",
    )
    .retry_after(RETRY_SECONDS)
}

pub(super) fn too_many_streams() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too-many-streams",
        "Too many streams are open",
        "Close some of the streams that follow events, or try again later.",
    )
    .retry_after(RETRY_SECONDS)
}

pub(super) fn handler_too_slow() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "handler-too-slow",
        "The answer took too long",
        "The daemon is busy; try again later.",
    )
    .retry_after(RETRY_SECONDS)
}

/// `id` is the one that was logged.
pub(super) fn internal(id: &str) -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "Something went wrong inside dossierd",
        "This is a bug. The id below stands in the daemon's log next to what happened.",
    )
    .with("id", id)
}
