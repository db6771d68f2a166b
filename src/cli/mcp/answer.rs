//! An answer of a tool: text for the model, the same as a document for programs, or an error.
//!
//! Every answer is bounded, whatever a project has in it: a list ends where it becomes too
//! long, and says how many more there are and how to get them. So a call never costs the
//! caller more of its context than [`MOST_BYTES`].

use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use serde_json::Value;

use super::said;
use crate::cli::CliError;
use crate::cli::error::ErrorKind;

/// The most that an answer has, text and document together.
const MOST_BYTES: usize = 16 * 1024;
/// The most that the rows of a list have, as text and as a document each.
const ROWS_BYTES: usize = 5 * 1024;
/// Hints of an error that are shown.
const HINTS: usize = 12;

/// What a tool found.
#[derive(Debug)]
pub(super) struct Answer {
    /// Our words, with names set apart.
    text: String,
    /// What a file says, set apart, in a block of its own.
    data: Option<String>,
    /// The same for programs.
    document: Option<Value>,
}

impl Answer {
    /// An answer in words, and as a document.
    pub(super) fn new(text: String, document: &impl Serialize) -> Self {
        Self { text, data: None, document: serde_json::to_value(document).ok() }
    }

    /// An answer in words alone.
    pub(super) fn in_words(text: String) -> Self {
        Self { text, data: None, document: None }
    }

    /// An answer that hands on what a file says.
    pub(super) fn with_data(text: String, data: String) -> Self {
        Self { text, data: Some(data), document: None }
    }
}

/// What the protocol carries. A tool that could not do its work says why and what to do, so
/// that the model can react; that is no error of the protocol.
pub(super) fn result(answer: Result<Answer, CliError>) -> CallToolResult {
    match answer {
        Ok(answer) => {
            let blocks = std::iter::once(answer.text).chain(answer.data);
            let mut result = CallToolResult::success(blocks.map(ContentBlock::text).collect());
            result.structured_content = answer.document;
            debug_assert!(
                serde_json::to_string(&result).is_ok_and(|json| json.len() <= MOST_BYTES),
                "every list, name and text has a bound"
            );
            result
        }
        Err(error) => CallToolResult::error(vec![ContentBlock::text(explain(&error))]),
    }
}

/// What went wrong, what led to it, what to do.
fn explain(error: &CliError) -> String {
    let mut text = format!("error: {}", said::words(&error.to_string()));
    for cause in error.causes() {
        text.push_str(&format!("\ncaused by: {}", said::words(&cause)));
    }
    let own = next_step(error);
    let hints: Vec<&str> = match own {
        Some(own) if error.kind() == ErrorKind::Refused => vec![own],
        _ => error.hints().iter().map(String::as_str).chain(own).collect(),
    };
    for hint in hints.iter().take(HINTS) {
        text.push_str(&format!("\n- {}", said::words(hint)));
    }
    if let Some(more) = hints.len().checked_sub(HINTS + 1) {
        text.push_str(&format!("\n- and {} more", more + 1));
    }
    text
}

/// What to do, in terms of the tools.
fn next_step(error: &CliError) -> Option<&'static str> {
    match error.code()? {
        "feature-unknown" | "feature-needed" => {
            Some("the tool overview without a feature lists all of them")
        }
        "stale-read" => Some(
            "the daemon has not caught up with the latest changes yet; call again, or take what it knows now with fresh=false",
        ),
        "starting" => Some(
            "it is read for the first time: call again later; the tool overview without a feature and with fresh=false names what is still to come",
        ),
        "artifact-unknown" => Some("the tool artifacts lists keys and paths; search= narrows it"),
        "event-unknown" => Some("leave since out, and take next_since from the answer"),
        "bad-parameter" => Some("correct the argument and call again"),
        _ => None,
    }
}

/// A list that ends before it is too long.
#[derive(Debug, Default)]
pub(super) struct Rows<T> {
    /// One line a row.
    pub(super) text: String,
    /// The same rows for programs.
    pub(super) items: Vec<T>,
    bytes: usize,
    full: bool,
}

impl<T: Serialize> Rows<T> {
    pub(super) fn new() -> Self {
        Self { text: String::new(), items: Vec::new(), bytes: 0, full: false }
    }

    /// Takes a row, unless that makes the list too long: then it takes no other one either.
    pub(super) fn push(&mut self, line: &str, item: T) -> bool {
        let bytes = serde_json::to_string(&item).map_or(ROWS_BYTES, |json| json.len() + 1);
        let fits = self.text.len() + line.len() < ROWS_BYTES && self.bytes + bytes < ROWS_BYTES;
        self.full |= !fits;
        if self.full {
            return false;
        }
        self.bytes += bytes;
        self.text.push_str(line);
        self.text.push('\n');
        self.items.push(item);
        true
    }

    /// How many rows it has.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_before_it_is_too_long() {
        let mut rows = Rows::new();
        let taken = (0..10_000).filter(|i| rows.push(&format!("row {i}"), i.to_string())).count();
        assert_eq!(taken, rows.len());
        assert!(taken > 100 && rows.text.len() < ROWS_BYTES, "{taken}");
        let mut rows = Rows::new();
        assert!(rows.push("a", "b".to_owned()));
        assert!(!rows.push("a", "x".repeat(ROWS_BYTES)));
        assert!(!rows.push("a", "b".to_owned()), "nothing is left out in between");
    }

    #[test]
    fn an_error_says_what_to_do_in_terms_of_the_tools() {
        let refused = CliError::new(ErrorKind::Refused, "there is no \u{1b}x")
            .with_code("feature-unknown")
            .hint("`dossierd list` shows what is registered");
        assert_eq!(
            explain(&refused),
            "error: there is no \\u{1b}x\n- the tool overview without a feature lists all of them"
        );
        let many = (0..40).fold(CliError::new(ErrorKind::Input, "several"), |error, i| {
            error.hint(format!("f{i}"))
        });
        assert!(explain(&many).ends_with("\n- f11\n- and 28 more"), "{}", explain(&many));
    }
}
