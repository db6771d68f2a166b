//! What is logged: a level, or levels for parts of the program.
//!
//! The filter behind it takes any word as the name of a part, so that a mistyped level would be a
//! part that does not exist, and nothing would be logged. Here a word by itself has to be a level,
//! and what no directive is about is logged where it is an error.

use tracing_subscriber::EnvFilter;

use crate::dossier::similar::similar;

/// Least first; `off` is nothing at all.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What would be allowed.
const ALLOWED: &str = "use error, warn, info, debug, trace or off, or such levels for parts, as in \
                       info,dossierd::watch=debug";

/// A filter of the log, as it was given, if it is one.
pub fn log_filter(text: &str) -> Result<String, String> {
    check(text).map_err(|why| format!("{text:?} is no log filter: {why}"))?;
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{text:?} is no log filter: {error}; {ALLOWED}")),
    }
}

/// The same with what it leaves out: errors of parts that it does not name.
pub fn log_directives(filter: &str) -> String {
    let has_level_for_all = filter.split(',').any(is_level);
    match has_level_for_all {
        true => filter.to_owned(),
        false => format!("error,{filter}"),
    }
}

fn check(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err(format!("it is empty; {ALLOWED}"));
    }
    text.split(',').try_for_each(directive)
}

/// `LEVEL`, or `TARGET=LEVEL`.
fn directive(text: &str) -> Result<(), String> {
    let (part, level) = match text.split_once('=') {
        Some((part, level)) => (Some(part), level),
        None => (None, text),
    };
    if !is_level(level) {
        return Err(no_level(level, part));
    }
    match part {
        Some(part) if !is_target(part) => Err(format!("{part:?} is no name of a part; {ALLOWED}")),
        _ => Ok(()),
    }
}

fn no_level(text: &str, part: Option<&str>) -> String {
    if part.is_none() && text.is_empty() {
        return format!("between its commas something is empty; {ALLOWED}");
    }
    let meant = match (similar(text, LEVELS.into_iter()).first(), part) {
        (Some(close), _) => format!(" (did you mean `{close}`?)"),
        // A part was named, and not how much of it.
        (None, None) if text.starts_with("dossierd") => format!(" (did you mean `{text}=debug`?)"),
        (None, _) => String::new(),
    };
    format!("{text:?} is no level{meant}; {ALLOWED}")
}

fn is_level(text: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(text))
}

/// The path of a module, of this program or of a library of it.
fn is_target(text: &str) -> bool {
    let is_part_of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.split("::").all(|name| !name.is_empty() && name.bytes().all(is_part_of_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_levels_of_parts_are_filters() {
        for text in [
            "error",
            "WARN",
            "off",
            "info,dossierd::watch=debug",
            "trace,notify=trace",
            "hyper=debug",
        ] {
            assert_eq!(log_filter(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_would_silence_the_log_by_mistake_is_refused_with_what_was_meant() {
        for (text, words) in [
            ("", "it is empty; use error,"),
            (" ", "it is empty"),
            ("debgu", "\"debgu\" is no level (did you mean `debug`?); use"),
            ("warning", "(did you mean `warn`?)"),
            ("verbose", "\"verbose\" is no level; use"),
            ("true", "\"true\" is no level; use"),
            ("3", "is no level"),
            ("info,", "something is empty"),
            ("dossierd::watch", "(did you mean `dossierd::watch=debug`?)"),
            ("info,dossierd::watch=debgu", "\"debgu\" is no level (did you mean `debug`?)"),
            ("info,dossierd::watch=", "\"\" is no level; use"),
            ("=debug", "\"\" is no name of a part"),
            ("[span]=debug", "\"[span]\" is no name of a part"),
            ("[[", "is no level"),
        ] {
            let error = log_filter(text).unwrap_err();
            assert!(error.contains("is no log filter: ") && error.contains(words), "{error}");
        }
    }

    #[test]
    fn errors_are_logged_unless_they_are_switched_off() {
        assert_eq!(log_directives("info,hyper=off"), "info,hyper=off");
        assert_eq!(log_directives("off"), "off");
        assert_eq!(log_directives("dossierd::watch=debug"), "error,dossierd::watch=debug");
    }
}
