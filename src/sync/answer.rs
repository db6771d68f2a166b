//! The answer to a batch: `{"results":[{"event_id","status","error"}]}`.
//!
//! It comes from another program, so what it does not say counts as not said: an event
//! without a result, or with a status that is none of three, is sent again.

use std::collections::HashMap;
use std::fmt::Display;

use serde::Deserialize;

use super::sink::Verdict;

#[derive(Deserialize)]
struct Answer {
    results: Vec<Result_>,
}

#[derive(Deserialize)]
struct Result_ {
    event_id: String,
    status: String,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

/// A reason that is shown and kept is at most so long, in bytes.
const MAX_REASON: usize = 1000;

/// What an answer says about the events with these ids, in their order; the error says why
/// it is no answer.
pub(super) fn verdicts<'a>(
    body: &[u8],
    ids: impl Iterator<Item = &'a str>,
) -> Result<Vec<Option<Verdict>>, String> {
    let no_answer = |error: &dyn Display| format!("the answer is not {{\"results\":[…]}}: {error}");
    // The parser skips members that nobody asks for without looking at their encoding.
    let text = std::str::from_utf8(body).map_err(|error| no_answer(&error))?;
    let answer: Answer = serde_json::from_str(text).map_err(|error| no_answer(&error))?;
    let mut said: HashMap<String, Verdict> = HashMap::with_capacity(answer.results.len());
    for result in answer.results {
        let verdict = match result.status.as_str() {
            "success" => Verdict::Delivered,
            "duplicate" => Verdict::Duplicate,
            "rejected" => Verdict::Rejected(reason(result.error)),
            _ => continue,
        };
        said.insert(result.event_id, verdict);
    }
    Ok(ids.map(|id| said.remove(id)).collect())
}

/// The reason of a rejection as text on one line.
fn reason(error: Option<serde_json::Value>) -> String {
    match error {
        None | Some(serde_json::Value::Null) => "the back end gives no reason".to_owned(),
        Some(serde_json::Value::String(text)) => shortened(&text),
        Some(other) => shortened(&other.to_string()),
    }
}

/// The beginning of a text, without what would act on a terminal.
pub(super) fn shortened(text: &str) -> String {
    let beginning = &text[..text.floor_char_boundary(MAX_REASON)];
    beginning.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Vec<Option<Verdict>>, String> {
        verdicts(body.as_bytes(), ["a", "b", "c"].into_iter())
    }

    #[test]
    fn results_count_by_id_not_by_place() {
        let body = r#"{"results":[
            {"event_id":"c","status":"rejected","error":"no\u001b[31m"},
            {"event_id":"x","status":"success"},
            {"event_id":"a","status":"success","error":null},
            {"event_id":"b","status":"duplicate"}]}"#;
        assert_eq!(
            read(body),
            Ok(vec![
                Some(Verdict::Delivered),
                Some(Verdict::Duplicate),
                Some(Verdict::Rejected("no [31m".into())),
            ])
        );
    }

    #[test]
    fn what_is_not_said_is_not_guessed() {
        let body = r#"{"results":[{"event_id":"a","status":"perhaps"},{"event_id":"b","status":"rejected"}]}"#;
        let reason = "the back end gives no reason".to_owned();
        assert_eq!(read(body), Ok(vec![None, Some(Verdict::Rejected(reason)), None]));
        assert_eq!(read(r#"{"results":[]}"#), Ok(vec![None, None, None]));
        for broken in ["", "[]", "{}", "<html>", r#"{"results":[{}]}"#] {
            assert!(read(broken).expect_err(broken).contains("results"), "{broken}");
        }
        let spoiled = b"{\"results\":[{\"event_id\":\"a\",\"status\":\"success\",\"x\":\"\xff\"}]}";
        let error = verdicts(spoiled, ["a"].into_iter()).expect_err("it is not UTF-8");
        assert!(error.contains("utf-8"), "{error}");
    }

    #[test]
    fn structured_errors_are_kept_as_text_and_long_ones_are_cut() {
        let body = format!(
            r#"{{"results":[{{"event_id":"a","status":"rejected","error":{{"code":1}}}},
                {{"event_id":"b","status":"rejected","error":"{}"}}]}}"#,
            "é".repeat(2000)
        );
        let read = read(&body).expect("an answer");
        assert_eq!(read[0], Some(Verdict::Rejected(r#"{"code":1}"#.into())));
        let Some(Verdict::Rejected(long)) = &read[1] else { panic!("{:?}", read[1]) };
        assert_eq!(long.len(), MAX_REASON);
    }
}
