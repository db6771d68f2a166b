//! `status.events.jsonl`: the input is a file.

use dossierd::dossier::RelPath;
use dossierd::dossier::extract::{Extract, extract};
use dossierd::dossier::status::EventFacts;
use serde_json::Value;

use super::is_one_line;

pub fn check(data: &[u8]) {
    let facts = EventFacts::parse(data);
    assert!(facts.whole);
    let path = RelPath::new("status.events.jsonl").expect("a path");
    assert_eq!(extract(&path, data), Extract::Events(facts.clone()));
    assert_eq!(facts, slowly(data), "read line by line, by a second reader");
    assert!(facts.fault.as_deref().is_none_or(is_one_line));
    // Two files behind each other say what the second one says after the first one.
    for at in [data.len() / 3, data.len() / 2] {
        let (first, second) = data.split_at(at);
        check_joined(first, second);
    }
    // A torn last line takes nothing from the lines before it.
    if let Some(end) = data.iter().rposition(|byte| *byte == b'\n') {
        let before = EventFacts::parse(&data[..end]);
        assert!(before.counts.iter().all(|(name, count)| facts.counts.get(name) >= Some(count)));
        assert!(before.lanes.keys().all(|id| facts.lanes.contains_key(id)));
    }
}

/// The definition, with no regard to cost.
fn slowly(data: &[u8]) -> EventFacts {
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let mut facts = EventFacts { whole: true, ..EventFacts::default() };
    let mut skipped = Vec::new();
    for (number, line) in data.split(|byte| *byte == b'\n').enumerate() {
        let Ok(Value::Object(event)) = serde_json::from_slice(line) else {
            if !line.iter().all(|byte| b" \t\r\x0c".contains(byte)) {
                skipped.push(number + 1);
            }
            continue;
        };
        let text = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
        if let Some(kind) = text("type").or_else(|| text("event_type")) {
            *facts.counts.entry(kind).or_default() += 1;
        }
        if let (Some(package), Some(lane)) = (text("wp_id"), text("to_lane")) {
            facts.lanes.insert(package, lane);
        }
    }
    facts.fault = skipped.first().map(|first| {
        let count = skipped.len();
        format!("{count} lines are no JSON object and were skipped, from line {first} on")
    });
    facts
}

fn check_joined(first: &[u8], second: &[u8]) {
    let both = EventFacts::parse(&[first, b"\n", second].concat());
    let (first, second) = (EventFacts::parse(first), EventFacts::parse(second));
    if second.fault.is_some() && both.fault.is_none() {
        panic!("a fault is gone");
    }
    let mut lanes = first.lanes;
    lanes.extend(second.lanes);
    if second.fault.is_none() && first.fault.is_none() && both.fault.is_none() {
        let mut counts = first.counts;
        for (name, count) in second.counts {
            *counts.entry(name).or_default() += count;
        }
        assert_eq!((both.lanes, both.counts), (lanes, counts));
    }
}
