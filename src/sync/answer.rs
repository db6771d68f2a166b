//! The answer to a batch: `{"results":[{"event_id","status","error"}]}`.
//!
//! It comes from another program, so what it does not say counts as not said: an event
//! without a result, or with a status that is none of three, is sent again. What it says for
//! people is kept without the secrets that were sent, and not beyond a bound.

use std::collections::HashMap;
use std::fmt::Display;

use serde::Deserialize;

use super::redaction::Redaction;
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
    redaction: &Redaction,
) -> Result<Vec<Option<Verdict>>, String> {
    // An error of the parser repeats what it did not expect.
    let no_answer = |error: &dyn Display| {
        shown(&format!("the answer is not {{\"results\":[…]}}: {error}"), redaction)
    };
    // The parser skips members that nobody asks for without looking at their encoding.
    let text = std::str::from_utf8(body).map_err(|error| no_answer(&error))?;
    let answer: Answer = serde_json::from_str(text).map_err(|error| no_answer(&error))?;
    let mut said: HashMap<String, Verdict> = HashMap::with_capacity(answer.results.len());
    for result in answer.results {
        let verdict = match result.status.as_str() {
            "success" => Verdict::Delivered,
            "duplicate" => Verdict::Duplicate,
            "rejected" => Verdict::Rejected(reason(result.error, redaction)),
            _ => continue,
        };
        said.insert(result.event_id, verdict);
    }
    Ok(ids.map(|id| said.remove(id)).collect())
}

/// The reason of a rejection as text on one line.
fn reason(error: Option<serde_json::Value>, redaction: &Redaction) -> String {
    match error {
        None | Some(serde_json::Value::Null) => "the back end gives no reason".to_owned(),
        Some(serde_json::Value::String(text)) => shown(&text, redaction),
        Some(other) => shown(&other.to_string(), redaction),
    }
}

/// The beginning of what another program says, without secrets and without what would act on
/// a terminal. Nothing is cut off before the secrets are gone: a part of one would stay.
pub(super) fn shown(text: &str, redaction: &Redaction) -> String {
    let text = redaction.of(text);
    let beginning = &text[..text.floor_char_boundary(MAX_REASON)];
    beginning.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Vec<Option<Verdict>>, String> {
        verdicts(body.as_bytes(), ["a", "b", "c"].into_iter(), &Redaction::default())
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
        let error = verdicts(spoiled, ["a"].into_iter(), &Redaction::default())
            .expect_err("it is not UTF-8");
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
    #[test]
    fn secrets_are_hidden_once_a_reason_is_text_and_before_it_is_cut() {
        let mut redaction = Redaction::default();
        redaction.hide("abc/def+gh/ijklmnop");
        let read = |body: &str| verdicts(body.as_bytes(), ["a", "b"].into_iter(), &redaction);
        let body = format!(
            r#"{{"results":[
                {{"event_id":"a","status":"rejected","error":{{"told":"abc\/def\u002Bgh\/ijklmnop"}}}},
                {{"event_id":"b","status":"rejected","error":"{}abc\/def+gh\/ijklmnop"}}]}}"#,
            "x".repeat(MAX_REASON - 12)
        );
        let told = read(&body).expect("an answer");
        assert_eq!(told[0], Some(Verdict::Rejected(r#"{"told":"[secret]"}"#.into())));
        let Some(Verdict::Rejected(cut)) = &told[1] else { panic!("{:?}", told[1]) };
        assert!(cut.ends_with("xx[secret]"), "{cut}");
        let long = format!(r#"{{"results":"abc\/def+gh\/ijklmnop{}"}}"#, "x".repeat(5000));
        let error = read(&long).expect_err("no list");
        assert!(error.contains("[secret]") && !error.contains("ijkl"), "{error}");
        assert!(error.len() <= MAX_REASON, "{}", error.len());
    }
}
