//! Problem documents of the daemon (RFC 9457) as errors for people.

use serde::Deserialize;

use super::error::{CliError, ErrorKind};

/// What the daemon says when it refuses.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ProblemDocument {
    /// Stable, for programs.
    pub code: String,
    /// What happened.
    pub title: String,
    /// Where, and what to do.
    pub detail: String,
    /// Features that the name could mean.
    pub candidates: Vec<Candidate>,
}

/// One feature that a name could mean.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Candidate {
    /// Selects it.
    pub id: String,
    /// Its slug.
    pub slug: String,
    /// Its project.
    pub project_slug: Option<String>,
    /// The branch that is checked out.
    pub branch: Option<String>,
    /// Where it lies.
    pub dir: Option<serde_json::Value>,
}

impl Candidate {
    /// The hint that selects it.
    fn hint(&self) -> String {
        let mut words = vec![format!("{} is", self.id)];
        words.push(match &self.project_slug {
            Some(project) => format!("{} of {project}", self.slug),
            None => self.slug.clone(),
        });
        words.extend(self.branch.as_ref().map(|branch| format!("on {branch}")));
        words.extend(self.dir.as_ref().and_then(|dir| dir.as_str()).map(|dir| format!("in {dir}")));
        words.join(" ")
    }
}

impl ProblemDocument {
    /// The error for people.
    pub fn into_error(self, status: u16) -> CliError {
        let title = self.title.trim_end_matches('.');
        let detail = without_api_advice(&self.detail);
        let message = match (title, detail.as_str()) {
            ("", "") => format!("the daemon refused with status {status}"),
            (only, "") | ("", only) => only.to_owned(),
            (_, detail) if says_all(&self.code) => detail.to_owned(),
            (title, detail) if detail.starts_with(title) => detail.to_owned(),
            (title, detail) => format!("{title}: {detail}"),
        };
        let mut error = CliError::new(ErrorKind::Refused, message).with_code(self.code.as_str());
        if !self.candidates.is_empty() {
            error = ambiguous(error, &self.candidates);
        }
        match next_step(&self.code) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// Details of these problems are sentences that need no title.
fn says_all(code: &str) -> bool {
    const CODES: [&str; 4] =
        ["artifact-unknown", "bad-parameter", "feature-needed", "feature-unknown"];
    CODES.contains(&code)
}

/// A detail without the clauses that tell a program which request to send; `next_step`
/// tells a person which command to type.
fn without_api_advice(detail: &str) -> String {
    let clauses: Vec<&str> =
        detail.split("; ").filter(|clause| !clause.contains(" /api/")).collect();
    clauses.join("; ")
}

/// Adds how to choose one of several features.
pub fn ambiguous(error: CliError, candidates: &[Candidate]) -> CliError {
    let error = error.hint("name the one you mean by its id, or by the path of its directory:");
    candidates.iter().fold(error, |error, candidate| error.hint(candidate.hint()))
}

/// What to do about a problem, where the command line knows more than the daemon.
fn next_step(code: &str) -> Option<&'static str> {
    match code {
        "feature-unknown" => Some("`dossierd list` shows what is registered"),
        "feature-needed" => Some(
            "name a feature, or go into its directory; `dossierd status` shows all of them, `dossierd add PATH` registers more",
        ),
        "stale-read" => {
            Some("try again when the daemon has caught up, or take what it knows with --cached")
        }
        "artifact-unknown" => Some("`dossierd artifacts` shows all keys"),
        "event-unknown" => {
            Some("leave --since out, and take an event_id from `dossierd events --json`")
        }
        "starting" => Some(
            "it is read for the first time: wait; `dossierd status` shows how far the daemon is",
        ),
        "stopping" => Some("start it again with `dossierd run`"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(json: &str) -> CliError {
        serde_json::from_str::<ProblemDocument>(json).unwrap().into_error(409)
    }

    #[test]
    fn candidates_are_listed_with_how_to_select_one() {
        let error = error(
            r#"{"code":"feature-ambiguous","title":"Several features have this slug.","detail":"\"a\" is in 2 checkouts",
                "candidates":[{"id":"f1","slug":"a","project_slug":"shop","branch":"main","dir":"/w/a"},{"id":"f2","slug":"a"}]}"#,
        );
        assert_eq!(error.to_string(), "Several features have this slug: \"a\" is in 2 checkouts");
        assert_eq!(
            error.hints(),
            [
                "name the one you mean by its id, or by the path of its directory:",
                "f1 is a of shop on main in /w/a",
                "f2 is a",
            ]
        );
        assert_eq!(error.code(), Some("feature-ambiguous"));
    }

    #[test]
    fn a_detail_that_says_all_stands_alone() {
        let error = error(
            r#"{"code":"bad-parameter","title":"A parameter makes no sense.","detail":"since is \"x\"; send a ULID"}"#,
        );
        assert_eq!(error.to_string(), "since is \"x\"; send a ULID");
    }

    #[test]
    fn title_and_detail_are_said_once() {
        let say = |title: &str, detail: &str| {
            ProblemDocument { title: title.into(), detail: detail.into(), ..Default::default() }
                .into_error(500)
                .to_string()
        };
        assert_eq!(say("", ""), "the daemon refused with status 500");
        assert_eq!(say("No.", ""), "No");
        assert_eq!(say("", "why"), "why");
        assert_eq!(say("No", "No, because"), "No, because");
        assert_eq!(say("No", "because"), "No: because");
        assert_eq!(say("No", "because; GET /api/features lists them"), "No: because");
    }
}
