//! Recovery and reading of an event log. The input's first byte says how many whole events stand
//! before the damage, and the rest is the damage: what a crash, a disk or somebody else has left
//! at the log's end.

use dossierd::dossier::event::{Payload, RawEvent};
use dossierd::dossier::fleet::Fleet;
use dossierd::dossier::timeline::Timeline;
use dossierd::dossier::verify::{LogVerifier, event_type_of, is_ulid};
use dossierd::fuzzing::served_line;
use dossierd::store::{DossierDir, EventLog, LineBody, LogLine, LogReader, Pace, Position};
use dossierd::survey::History;

use super::scratch;

/// A real log: a first scan, an accepted baseline, an edit, a rename.
const WHOLE: &str = include_str!("../fixtures/events.jsonl");
/// No segment is full by itself.
const LARGE: u64 = 1 << 30;
/// From about so many places the log is read again.
const POSITIONS: usize = 6;
const NEXT: &[u8] = b"{\"written\":\"after the crash\"}";

pub fn check(data: &[u8]) {
    let (first, damage) = data.split_first().unwrap_or((&0, &[]));
    let known = WHOLE.lines().count() + 1;
    let before: String = WHOLE.split_inclusive('\n').take(usize::from(*first) % known).collect();
    let found = [before.as_bytes(), damage].concat();

    let root = scratch::directory();
    let place = scratch::log_place(root.path());
    let path = place.path().join("events.jsonl");
    std::fs::write(&path, &found).expect("the log can be written");
    let read = || std::fs::read(&path).expect("the log can be read");

    let (log, recovery) =
        EventLog::open(place.clone(), LARGE, &Pace::default()).expect("no damage keeps it shut");
    let kept = read();
    assert_eq!(kept, repaired(&found), "what is kept");
    assert!(kept.starts_with(before.as_bytes()), "nothing before the damage is lost");
    assert_eq!(recovery.cut_bytes as usize, found.len() - kept.len());
    assert!(!recovery.foreign_last_line || last_line_is_foreign(&kept));
    drop(log);

    let (log, again) =
        EventLog::open(place.clone(), LARGE, &Pace::default()).expect("it opens again");
    assert_eq!((again.cut_bytes, again.foreign_last_line), (0, recovery.foreign_last_line));
    assert_eq!(read(), kept, "a second repair finds nothing");
    check_lines(&place, &kept, log, recovery.cut_bytes == 0 && damage.is_empty());
}

/// The definition of the repair, with no regard to cost.
fn repaired(found: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = found.split_inclusive(|byte| *byte == b'\n').collect();
    while let Some(last) = lines.last()
        && (!last.ends_with(b"\n") || last.contains(&0))
    {
        lines.pop();
    }
    lines.concat()
}

fn last_line_is_foreign(kept: &[u8]) -> bool {
    let text = kept.strip_suffix(b"\n").unwrap_or(kept);
    let last = text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice::<serde_json::Value>(last).is_err()
}

/// What the repaired log says, to everyone who reads it, and that it goes on.
fn check_lines(place: &DossierDir, kept: &[u8], mut log: EventLog, is_sound: bool) {
    let mut expected: Vec<Vec<u8>> =
        kept.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    expected.pop();
    let lines = all_lines(place);
    assert_eq!(bodies(&lines), expected);
    read_as_events(&expected, is_sound);
    // The state is folded from it at each start. A foreign line is a fault to be told, not more.
    drop(History::read(LogReader::new(place.clone()), &Pace::default()).expect("it can be read"));

    log.append(&[NEXT, b"\n"].concat()).expect("it can be appended to");
    assert!(log.rotate().expect("it can be closed"), "it has something in it");
    log.append(&[NEXT, b"\n"].concat()).expect("the next segment can be appended to");
    expected.extend([NEXT.to_vec(), NEXT.to_vec()]);
    let lines = all_lines(place);
    assert_eq!(bodies(&lines), expected, "order and lines survive a rotation");
    // From wherever somebody has stopped, the rest follows and nothing else.
    for (at, line) in lines.iter().enumerate().step_by(1 + lines.len() / POSITIONS) {
        let rest = reader_from(place, line.end);
        assert_eq!(bodies(&rest), expected[at + 1..], "behind line {at}");
        assert_eq!(reader_from(place, line.at).len(), expected.len() - at);
    }
}

fn all_lines(place: &DossierDir) -> Vec<LogLine> {
    LogReader::new(place.clone()).map(|line| line.expect("it can be read")).collect()
}

fn reader_from(place: &DossierDir, position: Position) -> Vec<LogLine> {
    let reader = LogReader::from(place.clone(), position).expect("a line begins there");
    reader.map(|line| line.expect("it can be read")).collect()
}

fn bodies(lines: &[LogLine]) -> Vec<Vec<u8>> {
    let body = |line: &LogLine| match &line.body {
        LineBody::Whole(bytes) => bytes.clone(),
        other => panic!("a line that is not whole in a repaired log: {other:?}"),
    };
    lines.iter().map(body).collect()
}

/// What is served stays inside the document or the event of the stream that it is put into.
fn check_served(line: &[u8]) {
    let Some((id, json)) = served_line(line) else { return };
    let json = std::str::from_utf8(&json).expect("a document is UTF-8");
    serde_json::from_str::<serde::de::IgnoredAny>(json).expect("a document is JSON");
    assert!(!json.contains(['\r', '\n']) && !id.contains(char::is_control), "{id:?}: {json:?}");
    assert!(is_ulid(&id), "nobody can ask for what comes after {id:?}");
}

fn read_as_events(lines: &[Vec<u8>], is_sound: bool) {
    let (mut verifier, mut timeline, mut fleet) =
        (LogVerifier::default(), Timeline::new(4), Fleet::default());
    verifier.begin_segment();
    let (mut right, mut snapshots) = (0, 0);
    for line in lines {
        check_served(line);
        let verified = verifier.line(line);
        assert!(!is_sound || verified.is_ok(), "{verified:?}");
        right += usize::from(verified.is_ok());
        // It only judges what is an event at all, but of that it must know the type.
        let event = serde_json::from_slice::<RawEvent>(line).ok();
        assert!(event.is_some() || verified.is_err());
        let taken = fleet.take(line);
        assert!(taken.is_ok() || verified.is_err() || !is_sound, "{taken:?}");
        let Some(event) = event else { continue };
        assert_eq!(event_type_of(line), Some(event.event_type));
        if let Ok(payload) = Payload::parse(event.event_type, event.payload) {
            assert_eq!(payload.event_type(), event.event_type);
            snapshots += usize::from(matches!(payload, Payload::SnapshotComputed(_)));
            timeline.apply(&event.event_id, &payload);
        }
    }
    assert_eq!(verifier.summary().events, right);
    let (total, points) = timeline.finish();
    assert_eq!(total, snapshots);
    assert!(points.len() <= 5 && points.is_empty() == (total == 0));
    drop(fleet.features());
}
