//! Paths inside units and property lists: how they are written there, and which cannot be.
//!
//! systemd.syntax(7) and systemd.service(5): words may stand in double quotes, in which C's escapes
//! count; `%` is doubled everywhere. Control characters could be escaped in some settings and not in
//! others, so no path with one is taken at all.

use std::path::Path;

use crate::cli::error::{CliError, ErrorKind};

/// The path as text, if units and property lists can hold it.
pub(super) fn sayable<'a>(what: &str, path: &'a Path) -> Result<&'a str, CliError> {
    let problem = match path.to_str() {
        None => "is not UTF-8",
        Some(text) if text.chars().any(|c| c.is_control() || is_no_character(c)) => {
            "has a line end or another control character"
        }
        Some(_) if !path.is_absolute() => "is not absolute",
        Some(text) => return Ok(text),
    };
    let message = format!("{what}, {}, {problem}, which a service cannot have", path.display());
    Err(CliError::new(ErrorKind::Input, message).hint("move or rename it"))
}

/// XML 1.0 has no way to say these.
fn is_no_character(c: char) -> bool {
    matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// One word of `ExecStart=` or `Environment=`.
pub(super) fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._+@:,=-~%".contains(c);
    let text = specifiers(text);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    let mut quoted = String::with_capacity(text.len() + 8);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// The program of `ExecStart=`. systemd takes no quote or backslash in its name, however written.
pub(super) fn program(what: &str, path: &Path) -> Result<String, CliError> {
    unquoted(what, path, "systemd starts no program of such a name; move or rename it").map(word)
}

/// One path of `ReadWritePaths=`, where quotes count but escapes do not.
pub(super) fn listed_path(what: &str, path: &Path) -> Result<String, CliError> {
    let hint = "ReadWritePaths= cannot say that; rename it, or leave --hardened out";
    let text = specifiers(unquoted(what, path, hint)?);
    Ok(if text.contains(' ') { format!("\"{text}\"") } else { text })
}

fn unquoted<'a>(what: &str, path: &'a Path, hint: &str) -> Result<&'a str, CliError> {
    let text = sayable(what, path)?;
    if text.contains(['"', '\'', '\\']) {
        let message = format!("{what}, {text}, has a quote or backslash");
        return Err(CliError::new(ErrorKind::Input, message).hint(hint));
    }
    Ok(text)
}

/// A whole value that is not split into words, such as that of `ListenStream=`.
pub(super) fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// The first word of a value, as systemd reads it; `None` if a quote is not closed. Specifiers other
/// than `%%` stay as they are.
pub(super) fn first_word(value: &str) -> Option<String> {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = value.trim_start().chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', _) => word.push(chars.next()?),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, None) if c.is_whitespace() => break,
            (c, _) => word.push(c),
        }
    }
    quote.is_none().then(|| word.replace("%%", "%"))
}

/// One word of a command that a person types into a shell.
pub(super) fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._+@:,=-%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Text between two tags.
pub(super) fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The text that [`xml`] was given.
pub(super) fn from_xml(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_they_were() {
        for (text, expected) in [
            ("/usr/bin/dossierd", "/usr/bin/dossierd"),
            ("/opt/é漢/dossierd", "/opt/é漢/dossierd"),
            ("/a b/dossierd", "\"/a b/dossierd\""),
            ("/100%/dossierd", "/100%%/dossierd"),
            ("/a\"b/'c'/d\\e", "\"/a\\\"b/'c'/d\\\\e\""),
            ("/$HOME/;x", "\"/$HOME/;x\""),
            ("", "\"\""),
        ] {
            assert_eq!(word(text), expected);
            assert_eq!(first_word(&format!(" {} run", word(text))).as_deref(), Some(text));
            assert_eq!(from_xml(&xml(text)), text);
        }
        assert_eq!(first_word("'/a b' run").as_deref(), Some("/a b"));
        assert_eq!(first_word("\"/a b"), None);
    }

    #[test]
    fn a_shell_reads_what_was_meant() {
        for (text, expected) in [
            ("/d/é", "/d/é"),
            ("/a b", "'/a b'"),
            ("/$x'y", r"'/$x'\''y'"),
            ("~/d", "'~/d'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(text), expected);
        }
    }

    #[test]
    fn what_cannot_be_said_is_refused_with_its_name() {
        for path in ["/a\nb", "/a\tb", "/a\u{7f}", "/a\u{85}b", "/a\u{fffe}", "a/b"] {
            let error = sayable("the binary", Path::new(path)).unwrap_err();
            assert!(error.to_string().starts_with("the binary, "), "{error}");
        }
        assert_eq!(listed_path("x", Path::new("/a b/50%")).unwrap(), "\"/a b/50%%\"");
        for path in ["/a\"b", "/a'b", "/a\\b"] {
            assert!(listed_path("x", Path::new(path)).is_err(), "{path}");
            assert!(program("x", Path::new(path)).is_err(), "{path}");
        }
        assert_eq!(xml("/a&b<c>"), "/a&amp;b&lt;c&gt;");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_text_is_refused() {
        use std::os::unix::ffi::OsStrExt;

        let path = Path::new(std::ffi::OsStr::from_bytes(b"/a\xff"));
        assert!(sayable("the binary", path).unwrap_err().to_string().contains("not UTF-8"));
    }
}
