//! JSON bodies of requests: one flat object whose members are all known.
//!
//! Depth is bounded before anything is parsed, so that no crafted nesting costs stack or
//! time. How large a body may be is left to the transport.

use std::path::PathBuf;

use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::code::{Code, quoted};
use super::problem::Problem;
use super::query::bad_parameter;
use crate::dossier::LosslessPath;

/// Deepest nesting of arrays and objects.
const MAX_DEPTH: usize = 32;

/// The members of a body.
#[derive(Debug)]
pub(super) struct JsonBody(Map<String, Value>);

impl JsonBody {
    /// Reads a body with members of these names only. An empty body counts as `{}`.
    pub(super) fn parse(bytes: &[u8], allowed: &[&str]) -> Result<Self, Problem> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(Map::new()));
        }
        if depth(bytes) > MAX_DEPTH {
            let detail = format!("the body is nested deeper than {MAX_DEPTH} levels");
            return Err(Code::BadJson.problem(detail));
        }
        let value: Value = serde_json::from_slice(bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or_default().to_owned();
            Code::BadJson.problem(format!("line {line}, column {column}: {what}"))
        })?;
        let Value::Object(members) = value else {
            return Err(Code::BadJson.problem("the body has to be one JSON object"));
        };
        if let Some(name) = members.keys().find(|name| !allowed.contains(&name.as_str())) {
            let known = match allowed {
                [] => "this route takes none".to_owned(),
                _ => format!("allowed are {}", allowed.join(", ")),
            };
            let detail = format!("the member {} is not known; {known}", quoted(name));
            return Err(bad_parameter(name, detail));
        }
        Ok(Self(members))
    }

    /// Is the member there, `null` or not?
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A member that is text, absent or `null`.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Problem> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(bad_parameter(name, format!("{name} has to be text"))),
        }
    }

    /// A member that is text and has to be there.
    pub(super) fn needed_text(&self, name: &str) -> Result<String, Problem> {
        self.text(name)?.ok_or_else(|| bad_parameter(name, format!("the member {name} is needed")))
    }

    /// A member that is a path, as text or as an array of bytes, and has to be there.
    pub(super) fn needed_path(&self, name: &str) -> Result<PathBuf, Problem> {
        let Some(value) = self.0.get(name).filter(|value| !value.is_null()) else {
            return Err(bad_parameter(name, format!("the member {name} is needed")));
        };
        let path = LosslessPath::deserialize(value);
        path.map(|path| path.0).map_err(|_| {
            bad_parameter(name, format!("{name} has to be text, or an array of bytes"))
        })
    }

    /// A member that is `true`, `false`, absent or `null`.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(bad_parameter(name, format!("{name} has to be true or false"))),
        }
    }

    /// A member that is a list of texts, absent or `null`.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Problem> {
        let wrong = || bad_parameter(name, format!("{name} has to be a list of texts"));
        let Some(value) = self.0.get(name).filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        let items = value.as_array().ok_or_else(wrong)?.iter();
        items
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

/// Refuses a write whose body does not say that it is JSON: what a form of another page
/// can send never says so.
pub(super) fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = "send Content-Type: application/json, also with an empty body";
    Err(Code::UnsupportedMediaType.problem(detail))
}

/// The deepest nesting of brackets outside of texts.
fn depth(bytes: &[u8]) -> usize {
    let (mut open, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        if in_text {
            in_text = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &str) -> &'static str {
        JsonBody::parse(body.as_bytes(), &["note", "paths"]).map_or_else(|p| p.code, |_| "fine")
    }

    #[test]
    fn bodies() {
        for (body, expected) in [
            ("", "fine"),
            (" \n", "fine"),
            ("{}", "fine"),
            (r#"{"note": "[[[[\"", "paths": ["a"]}"#, "fine"),
            ("[]", "bad-json"),
            ("1", "bad-json"),
            ("{", "bad-json"),
            ("{} {}", "bad-json"),
            ("{\"note\": \"\u{1}\"}", "bad-json"),
            (r#"{"Note": 1}"#, "bad-parameter"),
            (&"[".repeat(60_000), "bad-json"),
            (&format!("{{\"note\":{}{}}}", "[".repeat(32), "]".repeat(32)), "bad-json"),
            (&format!("{{\"note\":{}{}}}", "[".repeat(31), "]".repeat(31)), "fine"),
        ] {
            assert_eq!(code(body), expected, "{:.40}", body);
        }
    }

    #[test]
    fn an_error_says_where_and_what_is_allowed() {
        let parse = |text: &str| JsonBody::parse(text.as_bytes(), &["note"]).expect_err(text);
        assert!(parse("{\n \"note\" 1}").detail.starts_with("line 2, column"));
        let unknown = parse(r#"{"x": 1}"#);
        assert_eq!(unknown.detail, "the member \"x\" is not known; allowed are note");
        assert_eq!(unknown.extra["parameter"], "x");
    }

    #[test]
    fn members_have_types() {
        let body = br#"{"a": "x", "b": true, "c": ["p", "q"], "d": null, "e": [1]}"#;
        let body = JsonBody::parse(body, &["a", "b", "c", "d", "e"]).expect("parses");
        assert_eq!(body.text("a").expect("text").as_deref(), Some("x"));
        assert_eq!(body.flag("b").expect("a flag"), Some(true));
        assert_eq!(body.texts("c").expect("texts"), Some(vec!["p".into(), "q".into()]));
        assert!(body.has("d") && !body.has("f"));
        assert_eq!(body.text("d").expect("null"), None);
        for wrong in [body.text("b").map(drop), body.flag("a").map(drop), body.texts("e").map(drop)]
        {
            assert_eq!(wrong.expect_err("a wrong type").code, "bad-parameter");
        }
        assert_eq!(body.needed_text("d").expect_err("needed").extra["parameter"], "d");
    }

    #[test]
    fn writes_say_that_they_are_json() {
        let check = |value: &str| {
            let mut headers = HeaderMap::new();
            if !value.is_empty() {
                headers.insert(header::CONTENT_TYPE, value.parse().expect("a value"));
            }
            check_media_type(&headers).is_ok()
        };
        assert!(check("application/json") && check("Application/JSON; charset=utf-8"));
        assert!(!check("") && !check("text/plain") && !check("application/jsonx"));
    }
}
