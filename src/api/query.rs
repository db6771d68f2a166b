//! Query parameters, read strictly: what is not allowed, or there twice, is refused.
//!
//! Decoding is that of `application/x-www-form-urlencoded` (WHATWG URL section 5.1), once:
//! `+` is a space. Where that standard replaces what is malformed, this refuses it.

use std::ops::RangeInclusive;

use percent_encoding::percent_decode_str;

use super::code::{Code, quoted};
use super::problem::Problem;

/// The parameters of one request, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a raw query, without `?`.
    pub(super) fn parse(raw: &str, allowed: &[&str]) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for piece in raw.split('&').filter(|piece| !piece.is_empty()) {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let name = decode(name, name)?;
            let value = decode(value, &name)?;
            if !allowed.contains(&name.as_str()) {
                let known = match allowed {
                    [] => "this route takes none".to_owned(),
                    _ => format!("allowed are {}", allowed.join(", ")),
                };
                let detail = format!("the parameter {} is not known; {known}", quoted(&name));
                return Err(bad_parameter(&name, detail));
            }
            if pairs.iter().any(|(known, _)| *known == name) {
                let detail = format!("the parameter {name} is there twice; send it once");
                return Err(bad_parameter(&name, detail));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// The decoded value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that is `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.get(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => {
                let detail = format!("{name} is {}; allowed are true and false", quoted(other));
                Err(bad_parameter(name, detail))
            }
        }
    }

    /// A parameter that is a whole number in a range.
    pub(super) fn number(
        &self,
        name: &str,
        range: RangeInclusive<usize>,
    ) -> Result<Option<usize>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && range.contains(&number) => Ok(Some(number)),
            _ => {
                let (least, most) = (range.start(), range.end());
                let detail = format!(
                    "{name} is {}; allowed is a whole number from {least} to {most}",
                    quoted(text)
                );
                Err(bad_parameter(name, detail))
            }
        }
    }
}

/// The problem of a parameter, or a member of a body, with its name.
pub(super) fn bad_parameter(name: &str, detail: impl Into<String>) -> Problem {
    let short: String = name.chars().take(80).collect();
    Code::BadParameter.problem(detail).with("parameter", short)
}

/// Decodes a name, or the value of the parameter `name`.
fn decode(text: &str, name: &str) -> Result<String, Problem> {
    let spaced = text.replace('+', " ");
    decode_percent(&spaced).ok_or_else(|| {
        let detail = format!("{} is not percent-encoded UTF-8; encode it anew", quoted(text));
        bad_parameter(name, detail)
    })
}

/// Decodes percent-encoded UTF-8 once; `None` for a `%` without two hex digits, for bytes
/// that are not UTF-8, and for a NUL, which no name has.
pub(super) fn decode_percent(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let stray = (0..bytes.len()).any(|i| bytes[i] == b'%' && !(is_hex(i + 1) && is_hex(i + 2)));
    if stray {
        return None;
    }
    let decoded = percent_decode_str(text).decode_utf8().ok()?.into_owned();
    (!decoded.contains('\0')).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Result<Query, Problem> {
        Query::parse(raw, &["feature", "q", "fresh", "limit"])
    }

    fn check(raw: &str, name: &str, expected: &str) {
        assert_eq!(parse(raw).expect(raw).get(name), Some(expected), "{raw}");
    }

    fn refused(raw: &str, parameter: &str, part: &str) {
        let problem = parse(raw).expect_err(raw);
        assert_eq!(problem.code, "bad-parameter", "{raw}");
        assert_eq!(problem.extra["parameter"], parameter, "{raw}");
        assert!(problem.detail.contains(part), "{raw}: {}", problem.detail);
    }

    #[test]
    fn values_are_decoded_once() {
        check("q=a+b%2Bc", "q", "a b+c");
        check("q=%2541", "q", "%41");
        check("&&q=%C5%BElu%C5%A5&", "q", "žluť");
        check("q", "q", "");
        check("q=a=b", "q", "a=b");
    }

    #[test]
    fn what_is_unknown_repeated_or_malformed_is_refused() {
        refused("x=1", "x", "allowed are feature, q, fresh, limit");
        refused("q=1&q=1", "q", "twice");
        refused("%71=1&q=2", "q", "twice");
        for raw in ["q=%", "q=%4", "q=%zz", "q=%ff", "q=%00"] {
            assert_eq!(parse(raw).expect_err(raw).code, "bad-parameter", "{raw}");
        }
    }

    #[test]
    fn flags_and_numbers() {
        let query = parse("fresh=true&limit=0010&q=1").expect("parses");
        assert_eq!(query.flag("fresh").expect("a flag"), Some(true));
        assert_eq!(query.flag("feature").expect("absent"), None);
        assert!(query.flag("q").is_err());
        assert_eq!(query.number("limit", 1..=1000).expect("a number"), Some(10));
        for bad in ["0", "1001", "+5", "-1", "", "1.0", "99999999999999999999999"] {
            let query = parse(&format!("limit={}", bad.replace('+', "%2B"))).expect("parses");
            assert!(query.number("limit", 1..=1000).is_err(), "{bad}");
        }
    }
}
