//! Is a request's path one that could ever name a resource?
//!
//! Resources are addressed by names of their own, never by file paths, so nothing that looks
//! like one gets further. The path is decoded once, for this question only; the service gets
//! it as it came.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Why a path is refused, as the end of the sentence "the path …".
pub(super) type PathFault = &'static str;

/// Checks a raw path: valid percent escapes, and after decoding them once no control
/// character, no `\`, no encoded `/`, no empty, `.` or `..` segment. `/` alone is fine.
pub(super) fn check_path(raw: &str) -> Result<(), PathFault> {
    let Some(rest) = raw.strip_prefix('/') else {
        return Err("does not begin with a slash");
    };
    if rest.is_empty() {
        return Ok(());
    }
    rest.split('/').try_for_each(check_segment)
}

fn check_segment(raw: &str) -> Result<(), PathFault> {
    if !escapes_are_valid(raw) {
        return Err("has an invalid percent escape");
    }
    // Allocates only where there is something to decode.
    let decoded = Cow::from(percent_decode_str(raw));
    match decoded.as_ref() {
        b"" => Err("has an empty segment"),
        b"." | b".." => Err("has a dot segment"),
        segment if segment.contains(&b'/') => Err("has an encoded slash"),
        segment if segment.contains(&b'\\') => Err("has a backslash"),
        segment if segment.iter().any(u8::is_ascii_control) => Err("has a control character"),
        _ => Ok(()),
    }
}

fn escapes_are_valid(text: &str) -> bool {
    // What stands before the first `%` is no escape.
    text.split('%').skip(1).all(|after| {
        matches!(after.as_bytes(), [high, low, ..]
            if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
    })
}

/// Does the query carry a secret, which would then stand in logs and histories?
pub(super) fn query_has_token(query: &str) -> bool {
    query.split(['&', ';']).any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        let name = Cow::from(percent_decode_str(name));
        name.eq_ignore_ascii_case(b"token") || name.eq_ignore_ascii_case(b"access_token")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths() {
        let cases = [
            ("/", true),
            ("/api/dossier/overview", true),
            ("/api/dossier/artifacts/artifact.na%C3%AFve__x", true),
            ("/api/a%252e%252e", true),
            ("/api/...", true),
            ("/api/a..b", true),
            ("", false),
            ("*", false),
            ("api", false),
            ("//", false),
            ("/api//x", false),
            ("/api/", false),
            ("/..", false),
            ("/api/./x", false),
            ("/api/%2e%2e/x", false),
            ("/api/.%2E/x", false),
            ("/a/..%2f..%2fetc/passwd", false),
            ("/a%2Fb", false),
            ("/a%5cb", false),
            ("/a\\b", false),
            ("/a%00", false),
            ("/a%0d%0ab", false),
            ("/a%7f", false),
            ("/a%", false),
            ("/a%2", false),
            ("/a%zz", false),
            ("/a%+1", false),
            ("/%%32%65", false),
        ];
        for (path, fine) in cases {
            assert_eq!(check_path(path).is_ok(), fine, "{path:?}");
        }
    }

    #[test]
    fn queries() {
        let cases = [
            ("", false),
            ("feature=x&limit=3", false),
            ("tokens=3&x=token", false),
            ("token=abc", true),
            ("token", true),
            ("a=b&TOKEN=x", true),
            ("a=b;token=x", true),
            ("to%6ben=x", true),
            ("access_token=x", true),
        ];
        for (query, secret) in cases {
            assert_eq!(query_has_token(query), secret, "{query:?}");
        }
    }

    proptest! {
        #[test]
        fn no_accepted_path_can_climb(raw in "/[a-z./%\\\\0-9A-F]{0,24}") {
            if check_path(&raw).is_ok() {
                let decoded: Vec<u8> = percent_decode_str(&raw).collect();
                prop_assert_eq!(
                    decoded.iter().filter(|byte| **byte == b'/').count(),
                    raw.matches('/').count()
                );
                prop_assert!(decoded[1..].split(|byte| *byte == b'/').all(|part| part != b".."));
                prop_assert!(!decoded.contains(&0) && !decoded.contains(&b'\\'));
            }
        }
    }
}
