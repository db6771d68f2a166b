//! All routes, in one table: dispatch, 405 and its `Allow`, allowed parameters, labels of
//! `/metrics` and the check of `openapi.json` all come from it.

use std::future::Future;
use std::pin::Pin;

use http::Method;

use super::call::Call;
use super::http::Response;
use super::problem::Problem;
use super::query::decode_percent;
use super::resource::{
    artifact, artifacts, baseline, diff, drift, events, export, features, health, history, login,
    metrics, overview, page, schemas, sync,
};
use super::service::Api;

/// What a handler promises.
pub(super) type HandlerFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Response, Problem>> + Send + 'a>>;

type Handler = for<'a> fn(&'a Api, &'a Call) -> HandlerFuture<'a>;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone: what these routes say is no secret.
    Public,
    /// Local peers, and those with a token.
    Token,
    /// Peers on the Unix socket.
    Local,
}

/// One method of one path.
#[derive(Debug)]
pub struct Route {
    /// GET, POST, PUT or DELETE. HEAD is answered as GET; the transport drops the body.
    pub method: Method,
    /// The path; one segment may be open (`{artifact_key}`).
    pub template: &'static str,
    /// Who may ask.
    pub access: Access,
    /// Parameters that it takes.
    pub query: &'static [&'static str],
    /// Has the template an open segment?
    open: bool,
    handler: Handler,
}

const fn has_open_segment(template: &str) -> bool {
    let (bytes, mut at) = (template.as_bytes(), 0);
    while at < bytes.len() {
        if bytes[at] == b'{' {
            return true;
        }
        at += 1;
    }
    false
}

macro_rules! routes {
    ($($method:ident $template:literal $access:ident [$($query:literal)*] $handler:path;)*) => {
        &[$(Route {
            method: Method::$method,
            template: $template,
            access: Access::$access,
            query: &[$($query),*],
            open: has_open_segment($template),
            handler: |api, call| Box::pin($handler(api, call)),
        }),*]
    };
}

/// The table.
#[rustfmt::skip]
pub static ROUTES: &[Route] = routes! {
    GET "/api/dossier/overview" Token ["feature" "fresh"] overview::get;
    GET "/api/dossier/artifacts" Token ["feature" "class" "wp_id" "step_id" "required_only" "present" "q" "ignored" "limit" "cursor" "fresh"] artifacts::get;
    GET "/api/dossier/artifacts/{artifact_key}" Token ["feature" "raw" "render" "fresh"] artifact::get;
    GET "/api/dossier/snapshots/export" Token ["feature" "format" "fresh"] export::get;
    GET "/api/dossier/drift" Token ["feature" "fresh"] drift::get;
    GET "/api/dossier/diff" Token ["feature" "artifact" "fresh"] diff::get;
    GET "/api/dossier/baseline" Token ["feature" "fresh"] baseline::get;
    POST "/api/dossier/baseline" Token ["feature"] baseline::capture;
    DELETE "/api/dossier/baseline" Token ["feature"] baseline::clear;
    GET "/api/dossier/events" Token ["feature" "type" "order" "since" "before" "limit" "follow" "fresh"] events::get;
    GET "/api/dossier/history" Token ["feature" "points" "fresh"] history::get;
    GET "/api/features" Token ["fresh"] features::list;
    POST "/api/features" Token [] features::register;
    DELETE "/api/features" Token ["id"] features::unregister;
    POST "/api/features/{id}/rescan" Token [] features::rescan;
    PUT "/api/features/{id}/step" Token [] features::set_step;
    GET "/api/sync/status" Token ["fresh"] sync::status;
    POST "/api/sync/pause" Token [] sync::pause;
    POST "/api/sync/resume" Token [] sync::resume;
    POST "/api/sync/flush" Token [] sync::flush;
    GET "/api/sync/dead-letters" Token ["after" "limit" "fresh"] sync::dead_letters;
    POST "/api/sync/retry" Token [] sync::retry;
    POST "/api/session/code" Local [] login::issue_code;
    POST "/api/session" Public [] login::redeem_code;
    GET "/api/token" Local ["fresh"] login::token;
    GET "/api/status" Token ["fresh"] health::status;
    GET "/api/openapi.json" Token ["fresh"] page::openapi;
    GET "/api/schemas" Token ["fresh"] schemas::list;
    GET "/api/schemas/{name}" Token ["fresh"] schemas::get;
    GET "/metrics" Token ["fresh"] metrics::get;
    GET "/healthz" Public [] health::healthz;
    GET "/readyz" Public [] health::readyz;
    GET "/" Public [] page::index;
    GET "/static/{file}" Public [] page::asset;
};

/// Where a request leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// To this route, with the decoded open segment, if there is one.
    Route(usize, String),
    /// To a path that has these methods only, as `Allow` has them.
    OtherMethods(String),
    /// Nowhere.
    Nothing,
}

impl Route {
    /// Answers a call to this route.
    pub(super) fn handle<'a>(&self, api: &'a Api, call: &'a Call) -> HandlerFuture<'a> {
        (self.handler)(api, call)
    }

    /// The raw open segment where the path fits the template.
    fn fit<'p>(&self, path: &'p str) -> Option<&'p str> {
        if !self.open {
            return (path == self.template).then_some("");
        }
        let mut open = "";
        let mut parts = path.split('/');
        for wanted in self.template.split('/') {
            let part = parts.next()?;
            if wanted.starts_with('{') && !part.is_empty() {
                open = part;
            } else if wanted != part {
                return None;
            }
        }
        parts.next().is_none().then_some(open)
    }
}

/// Finds the route of a raw path; HEAD counts as GET.
pub(super) fn find(method: &Method, path: &str) -> Found {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let mut allowed: Vec<&str> = Vec::new();
    for (index, route) in ROUTES.iter().enumerate() {
        // A segment that cannot be decoded fits nothing.
        let Some(segment) = route.fit(path).and_then(decode_percent) else { continue };
        if route.method == *method {
            return Found::Route(index, segment);
        }
        allowed.push(route.method.as_str());
        if route.method == Method::GET {
            allowed.push("HEAD");
        }
    }
    if allowed.is_empty() { Found::Nothing } else { Found::OtherMethods(allowed.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, path: &str, expected: Option<(&str, &str)>) {
        match (find(&method, path), expected) {
            (Found::Route(index, segment), Some((template, open))) => {
                assert_eq!((ROUTES[index].template, segment.as_str()), (template, open), "{path}");
            }
            (Found::Nothing, None) => {}
            (found, _) => panic!("{method} {path} led to {found:?}"),
        }
    }

    #[test]
    fn paths_meet_their_routes() {
        let artifact = "/api/dossier/artifacts/{artifact_key}";
        check(Method::GET, "/", Some(("/", "")));
        check(Method::HEAD, "/healthz", Some(("/healthz", "")));
        check(Method::GET, "/api/dossier/artifacts", Some(("/api/dossier/artifacts", "")));
        check(Method::GET, "/api/dossier/artifacts/a.b", Some((artifact, "a.b")));
        check(Method::GET, "/api/dossier/artifacts/%61%2Fb", Some((artifact, "a/b")));
        check(Method::PUT, "/api/features/f1/step", Some(("/api/features/{id}/step", "f1")));
        for nothing in [
            "",
            "//",
            "/api",
            "/api/",
            "/api/dossier/artifacts/",
            "/api/dossier/artifacts/a/b",
            "/api/dossier/artifacts/%zz",
            "/api/dossier/artifacts/%ff",
            "/api/dossier/overview/",
            "/API/dossier/overview",
            "/api/%64ossier/overview",
            "/static/../etc/passwd",
            "/static/",
        ] {
            check(Method::GET, nothing, None);
        }
    }

    #[test]
    fn a_path_with_other_methods_names_them() {
        let allowed = |method, path: &str| find(&method, path);
        let get = Found::OtherMethods("GET, HEAD".into());
        assert_eq!(allowed(Method::POST, "/api/dossier/overview"), get);
        let three = Found::OtherMethods("GET, HEAD, POST, DELETE".into());
        assert_eq!(allowed(Method::PATCH, "/api/dossier/baseline"), three);
        let rescan = Found::OtherMethods("POST".into());
        assert_eq!(allowed(Method::GET, "/api/features/x/rescan"), rescan);
    }

    #[test]
    fn no_two_routes_are_the_same_and_public_ones_are_few() {
        for (i, a) in ROUTES.iter().enumerate() {
            assert!(
                ROUTES[..i].iter().all(|b| (&a.method, a.template) != (&b.method, b.template)),
                "{a:?}"
            );
        }
        let public: Vec<&str> =
            ROUTES.iter().filter(|r| r.access == Access::Public).map(|r| r.template).collect();
        assert_eq!(public, ["/api/session", "/healthz", "/readyz", "/", "/static/{file}"]);
    }
}
