//! Who may ask, decided from a request's head alone.
//!
//! Pure functions. The order of the checks is part of the contract: the name under which
//! we are asked, the page that asks, the token, and only then what is asked, so that
//! someone without a token learns nothing about paths. There are no cookies, so no browser
//! ever adds a credential by itself; Host and Origin are checked all the same.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::host::AllowedHosts;
use super::refusal;
use super::target::{check_path, query_has_token};
use crate::api::http::{Peer, Served};
use crate::api::problem::Problem;

/// How a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Over loopback, from anyone on this machine.
    Tcp,
    /// Over the Unix socket, from a process whose uid was checked.
    Unix,
}

impl Transport {
    /// A word for logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Unix => "unix",
        }
    }
}

/// What TCP asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TcpAuth {
    /// A bearer token on every path that is not public.
    #[default]
    Token,
    /// Nothing. For closed environments only; the server warns at each start.
    None,
}

/// What the checks compare with.
#[derive(Debug, Clone)]
pub struct GuardConfig {
    /// Names that `Host` may have over TCP.
    pub hosts: AllowedHosts,
    /// What TCP asks for.
    pub tcp_auth: TcpAuth,
    /// The longest request target, in bytes.
    pub uri_bytes: usize,
}

/// Names that `Host` may have over the Unix socket.
const UNIX_HOSTS: [&str; 2] = ["localhost", "dossierd"];

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// All checks of a request's head in their order. `served` is what the service has at the
/// path, `accepts` says whether a token is valid.
pub fn check(
    parts: &Parts,
    transport: Transport,
    config: &GuardConfig,
    served: Served,
    accepts: impl Fn(&str) -> bool,
) -> Result<Peer, Problem> {
    let public = served == Served::Public;
    check_length(parts, config)?;
    check_host(parts, transport, config)?;
    check_page(parts, transport, public)?;
    if query_has_token(parts.uri.query().unwrap_or_default()) {
        return Err(refusal::token_in_url());
    }
    let path = check_path(parts.uri.path());
    // A malformed path is never public, whatever the service thinks of it.
    let peer = check_token(parts, transport, config, public && path.is_ok(), accepts)?;
    match parts.method {
        Method::CONNECT | Method::TRACE => return Err(refusal::method_not_allowed()),
        // A path that has other methods says itself which.
        Method::OPTIONS if served != Served::OtherMethods => {
            return Err(refusal::method_not_allowed());
        }
        _ => {}
    }
    path.map_err(refusal::path_malformed)?;
    // What is not served is refused as such, whatever it carries.
    check_content(parts, matches!(served, Served::Public | Served::Guarded))?;
    Ok(peer)
}

fn check_length(parts: &Parts, config: &GuardConfig) -> Result<(), Problem> {
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let authority = parts.uri.authority().map_or(0, |authority| authority.as_str().len());
    if target + authority > config.uri_bytes {
        return Err(refusal::uri_too_long(config.uri_bytes));
    }
    Ok(())
}

/// Exactly one `Host`, equal to the target's authority where it has one, and one of ours.
/// Over the Unix socket it may be absent.
fn check_host(parts: &Parts, transport: Transport, config: &GuardConfig) -> Result<(), Problem> {
    let host = match single(&parts.headers, header::HOST) {
        Single::Many => return Err(refusal::host_malformed("Send exactly one Host header.")),
        Single::None if transport == Transport::Tcp || parts.uri.authority().is_some() => {
            return Err(refusal::host_malformed("Send a Host header."));
        }
        Single::None => return Ok(()),
        Single::One(value) => value,
    };
    if let Some(authority) = parts.uri.authority()
        && !authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes())
    {
        return Err(refusal::host_malformed("Host and the request target name different hosts."));
    }
    let allowed = host.to_str().is_ok_and(|host| match transport {
        Transport::Tcp => config.hosts.contains(host),
        Transport::Unix => UNIX_HOSTS.iter().any(|name| name.eq_ignore_ascii_case(host)),
    });
    if allowed { Ok(()) } else { Err(refusal::host_not_allowed()) }
}

/// The page that asks, if a browser sent the request.
fn check_page(parts: &Parts, transport: Transport, public: bool) -> Result<(), Problem> {
    match transport {
        Transport::Unix if is_from_browser(&parts.headers) => Err(refusal::browser_not_allowed()),
        Transport::Unix => Ok(()),
        Transport::Tcp => {
            check_origin(&parts.headers)?;
            // Opening the dashboard from a file, a terminal or a bookmark is "cross-site" to
            // a browser. Such a navigation shows the shell, which holds no data, to the user
            // and nothing to the page that links to it.
            if public && is_navigation(parts) {
                return Ok(());
            }
            check_fetch_site(&parts.headers)
        }
    }
}

fn is_from_browser(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        *name == header::ORIGIN
            || *name == header::REFERER
            || name.as_str().starts_with("sec-fetch-")
    })
}

/// `Origin`, where present, must be the one under which we were asked; `null` is refused.
/// The scheme is always http: nothing here speaks TLS.
fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let origin = match single(headers, header::ORIGIN) {
        Single::None => return Ok(()),
        Single::Many => return Err(refusal::origin_not_allowed()),
        Single::One(origin) => origin.as_bytes(),
    };
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    match origin.split_at_checked(b"http://".len()) {
        Some((b"http://", rest)) if rest.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(refusal::origin_not_allowed()),
    }
}

/// `same-site` is refused too: every other port of localhost is the same site.
fn check_fetch_site(headers: &HeaderMap) -> Result<(), Problem> {
    let foreign = headers
        .get_all(SEC_FETCH_SITE)
        .iter()
        .any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"));
    if foreign { Err(refusal::origin_not_allowed()) } else { Ok(()) }
}

fn is_navigation(parts: &Parts) -> bool {
    let is = |name, value: &[u8]| match single(&parts.headers, name) {
        Single::One(found) => found.as_bytes() == value,
        Single::None | Single::Many => false,
    };
    matches!(parts.method, Method::GET | Method::HEAD)
        && is(SEC_FETCH_MODE, b"navigate")
        && is(SEC_FETCH_DEST, b"document")
}

fn check_token(
    parts: &Parts,
    transport: Transport,
    config: &GuardConfig,
    public: bool,
    accepts: impl Fn(&str) -> bool,
) -> Result<Peer, Problem> {
    if transport == Transport::Unix {
        return Ok(Peer::Local);
    }
    if config.tcp_auth == TcpAuth::None || bearer(&parts.headers).is_some_and(accepts) {
        return Ok(Peer::Bearer);
    }
    if public { Ok(Peer::Anonymous) } else { Err(refusal::unauthorized()) }
}

/// The token of the one `Authorization: Bearer` header (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    match single(headers, header::AUTHORIZATION) {
        Single::One(value) => token_of(value),
        Single::None | Single::Many => None,
    }
}

/// The token in the value of such a header.
pub(super) fn token_of(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// What a request carries. A form can't send JSON, so asking for it also keeps a form of
/// another page from writing; DELETE is never sent across sites without being asked first.
fn check_content(parts: &Parts, is_served: bool) -> Result<(), Problem> {
    if parts.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(refusal::content_encoding());
    }
    let is_write = matches!(parts.method, Method::POST | Method::PUT | Method::PATCH);
    if is_served && is_write && !is_json(&parts.headers) {
        return Err(refusal::content_type());
    }
    Ok(())
}

fn is_json(headers: &HeaderMap) -> bool {
    let Single::One(value) = single(headers, header::CONTENT_TYPE) else {
        return false;
    };
    value.to_str().is_ok_and(|value| {
        let essence = value.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("application/json")
    })
}

/// How often a header is there; one that is there twice has no value to trust.
enum Single<'a> {
    None,
    One(&'a HeaderValue),
    Many,
}

fn single(headers: &HeaderMap, name: HeaderName) -> Single<'_> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Single::None,
        (Some(value), None) => Single::One(value),
        (Some(_), Some(_)) => Single::Many,
    }
}

#[cfg(test)]
mod tests;
