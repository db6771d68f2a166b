//! Conditions of a mission's transitions: `artifact_exists("plan.md")` and the like.
//!
//! The grammar is `name` or `name(argument, …)`; an argument is text in double or single
//! quotes, or a whole number. Only facts on disk are evaluated; any other well-formed
//! condition stands for something that dossierd can't know, and is never taken as true.

use super::RelPath;

/// What conditions ask of a feature.
pub trait StepFacts {
    /// Is there a present artifact at exactly this path?
    fn artifact_exists(&self, path: &str) -> bool;
    /// Are all work packages in this lane? `None` if there are none.
    fn all_wp_status(&self, lane: &str) -> Option<bool>;
    /// How many events of this type are recorded? `None` without a record.
    fn event_count(&self, event_type: &str) -> Option<u64>;
}

/// One condition, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `artifact_exists("path")`.
    ArtifactExists(String),
    /// `all_wp_status("lane")`.
    AllWpStatus(String),
    /// `event_count("type", n)`: at least `n` of them.
    EventCount {
        /// The events' type.
        event_type: String,
        /// How many there must be.
        at_least: u64,
    },
    /// Anything else, such as `gate_passed("review_approved")`: a person's or a tool's word.
    Unevaluable(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Argument {
    Text(String),
    Number(u64),
}

impl Condition {
    /// Parses a condition; the error says what is allowed.
    pub fn parse(text: &str) -> Result<Condition, String> {
        let malformed = |why: &str| {
            format!("the condition {text:?} {why}; allowed is `name` or `name(\"text\", 3)`")
        };
        let trimmed = text.trim();
        let name_end = trimmed
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
            .unwrap_or(trimmed.len());
        let (name, rest) = trimmed.split_at(name_end);
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Err(malformed("does not begin with a name"));
        }
        let rest = rest.trim_start();
        let arguments = if rest.is_empty() {
            Vec::new()
        } else {
            let inner = rest.strip_prefix('(').and_then(|r| r.strip_suffix(')'));
            parse_arguments(inner.ok_or_else(|| malformed("has no closed list of arguments"))?)
                .ok_or_else(|| malformed("has arguments that can't be read"))?
        };
        let wrong =
            |usage: &str| format!("the condition {text:?} is used wrongly; allowed is `{usage}`");
        match (name, arguments.as_slice()) {
            ("artifact_exists", [Argument::Text(path)]) => match RelPath::new(path) {
                Ok(_) if !path.contains('\\') => Ok(Self::ArtifactExists(path.clone())),
                _ => Err(format!("the condition {text:?} names no path inside the feature")),
            },
            ("artifact_exists", _) => Err(wrong("artifact_exists(\"path\")")),
            ("all_wp_status", [Argument::Text(lane)]) => Ok(Self::AllWpStatus(lane.clone())),
            ("all_wp_status", _) => Err(wrong("all_wp_status(\"lane\")")),
            ("event_count", [Argument::Text(event_type), Argument::Number(at_least)]) => {
                Ok(Self::EventCount { event_type: event_type.clone(), at_least: *at_least })
            }
            ("event_count", _) => Err(wrong("event_count(\"type\", 3)")),
            _ => Ok(Self::Unevaluable(trimmed.to_owned())),
        }
    }

    /// Does it hold? `None` if that can't be evaluated.
    pub fn holds(&self, facts: &dyn StepFacts) -> Option<bool> {
        match self {
            Self::ArtifactExists(path) => Some(facts.artifact_exists(path)),
            Self::AllWpStatus(lane) => facts.all_wp_status(lane),
            Self::EventCount { event_type, at_least } => {
                facts.event_count(event_type).map(|count| count >= *at_least)
            }
            Self::Unevaluable(_) => None,
        }
    }
}

/// Arguments separated by commas; `None` if they are malformed.
fn parse_arguments(text: &str) -> Option<Vec<Argument>> {
    let mut arguments = Vec::new();
    let mut rest = text.trim_start();
    if rest.is_empty() {
        return Some(arguments);
    }
    loop {
        let (argument, after) = parse_argument(rest)?;
        arguments.push(argument);
        let after = after.trim_start();
        if after.is_empty() {
            return Some(arguments);
        }
        rest = after.strip_prefix(',')?.trim_start();
    }
}

fn parse_argument(text: &str) -> Option<(Argument, &str)> {
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            let (inner, after) = rest.split_once(quote)?;
            return Some((Argument::Text(inner.to_owned()), after));
        }
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((Argument::Number(number), &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_conditions() {
        let exists = |path: &str| Condition::ArtifactExists(path.to_owned());
        let unknown = |text: &str| Condition::Unevaluable(text.to_owned());
        for (text, parsed) in [
            ("artifact_exists(\"spec.md\")", exists("spec.md")),
            (" artifact_exists ( 'a/b, c.md' ) ", exists("a/b, c.md")),
            ("all_wp_status(\"done\")", Condition::AllWpStatus("done".into())),
            (
                "event_count('source_documented', 3)",
                Condition::EventCount { event_type: "source_documented".into(), at_least: 3 },
            ),
            ("gate_passed(\"review\")", unknown("gate_passed(\"review\")")),
            ("is_ready", unknown("is_ready")),
            ("any_of()", unknown("any_of()")),
        ] {
            assert_eq!(Condition::parse(text), Ok(parsed), "{text}");
        }
    }

    #[test]
    fn malformed_conditions() {
        for text in [
            "",
            "(\"x\")",
            "3()",
            "artifact_exists",
            "artifact_exists()",
            "artifact_exists(3)",
            "artifact_exists(\"a\", \"b\")",
            "artifact_exists(\"../a\")",
            "artifact_exists(\"/a\")",
            "artifact_exists(\"a",
            "artifact_exists(\"a\"",
            "artifact_exists(\"a\") and x()",
            "all_wp_status(done)",
            "event_count(\"x\")",
            "event_count(\"x\", -1)",
            "event_count(\"x\", 99999999999999999999999)",
            "gate_passed(\"a\",)",
            "not gate_passed(\"a\")",
        ] {
            assert!(Condition::parse(text).is_err(), "{text}");
        }
    }
}
