//! Events that a back end refused, with its reason: kept until somebody has them sent
//! again. Source of the idea: the dead-letter channel of messaging systems.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::batch::{Entry, identified};
use crate::dossier::Timestamp;
use crate::store::{LineFile, StoreError};

const VERSION: u64 = 1;

/// An event that was refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeadLetter {
    schema_version: u64,
    /// ULID.
    pub event_id: String,
    /// The name of the log that has it.
    log: String,
    /// Why the other side refused it.
    pub reason: String,
    /// When it was refused last.
    pub rejected_at: Timestamp,
    /// How often it was sent.
    pub attempts: u32,
    /// The event as the log has it.
    pub event: Box<RawValue>,
}

/// The file of them. Their ids and logs are in memory, nothing else. Lines that are not
/// understood (of a later version, or damaged) stay where they are.
pub(super) struct DeadLetters {
    file: LineFile,
    /// The name of the log, by the id of the event.
    logs: BTreeMap<String, String>,
    damaged: usize,
}

impl DeadLetters {
    /// Reads which there are.
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        let file = LineFile::new(dir.join("dead-letters.jsonl"));
        let mut letters = Self { file, logs: BTreeMap::new(), damaged: 0 };
        letters.file.read(|line| {
            match parse(line) {
                Some(letter) => drop(letters.logs.insert(letter.event_id, letter.log)),
                None => letters.damaged += 1,
            }
            true
        })?;
        Ok(letters)
    }

    /// How many are of logs that are wanted.
    pub(super) fn count(&self, wanted: impl Fn(&str) -> bool) -> u64 {
        self.logs.values().filter(|log| wanted(log)).count() as u64
    }

    /// Lines that are not understood.
    pub(super) fn damaged(&self) -> usize {
        self.damaged
    }

    /// The ids of all of them.
    pub(super) fn ids(&self) -> impl Iterator<Item = &String> {
        self.logs.keys()
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.logs.contains_key(id)
    }

    /// Writes refused events down, durably. One that is there already stays as it is, since
    /// a crash can have an event refused twice.
    pub(super) fn put(
        &mut self,
        refused: &[(&Entry, &str)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut lines = Vec::new();
        let mut new = Vec::new();
        for (entry, reason) in refused {
            if self.logs.contains_key(&entry.event_id) {
                continue;
            }
            let event = serde_json::from_slice(&entry.line)
                .expect("only whole lines of JSON become entries");
            let letter = DeadLetter {
                schema_version: VERSION,
                event_id: entry.event_id.clone(),
                log: entry.log.clone(),
                reason: (*reason).to_owned(),
                rejected_at: now,
                attempts: 1,
                event,
            };
            write(&letter, &mut lines);
            new.push((letter.event_id, letter.log));
        }
        if !new.is_empty() {
            self.file.append(&lines)?;
            self.logs.extend(new);
        }
        Ok(())
    }

    /// The first `limit` of them that `wanted` wants, oldest first.
    pub(super) fn list(
        &self,
        limit: usize,
        mut wanted: impl FnMut(&str) -> bool,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let mut letters = Vec::new();
        self.file.read(|line| {
            letters.extend(parse(line).filter(|letter| wanted(&letter.event_id)));
            letters.len() < limit
        })?;
        Ok(letters)
    }

    /// The first `limit` of them behind this one, or of all; none behind one that is none.
    pub(super) fn page(
        &self,
        limit: usize,
        after: Option<&str>,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let mut is_behind = after.is_none();
        self.list(limit, |id| {
            let wanted = is_behind;
            is_behind |= after == Some(id);
            wanted
        })
    }

    /// Takes out those that were delivered after all (`None`), and notes for the others why
    /// they were refused again.
    pub(super) fn update(
        &mut self,
        results: &BTreeMap<String, Option<String>>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut lines = Vec::new();
        let mut logs = BTreeMap::new();
        self.file.read(|line| {
            let Some(mut letter) = parse(line) else {
                lines.extend_from_slice(line);
                lines.push(b'\n');
                return true;
            };
            match results.get(&letter.event_id) {
                Some(None) => return true,
                Some(Some(reason)) => {
                    letter.reason.clone_from(reason);
                    letter.rejected_at = now;
                    letter.attempts = letter.attempts.saturating_add(1);
                }
                None => {
                    // As it is, with whatever a later version has put into it.
                    lines.extend_from_slice(line);
                    lines.push(b'\n');
                    logs.insert(letter.event_id, letter.log);
                    return true;
                }
            }
            write(&letter, &mut lines);
            logs.insert(letter.event_id, letter.log);
            true
        })?;
        self.file.replace(&lines)?;
        self.logs = logs;
        Ok(())
    }
}

impl DeadLetter {
    /// The event, to be sent again.
    pub(super) fn entry(&self) -> Entry {
        Entry {
            log: self.log.clone(),
            event_id: self.event_id.clone(),
            line: bytes::Bytes::copy_from_slice(self.event.get().as_bytes()),
            at: crate::store::Position { segment: 0, offset: 0 },
        }
    }
}

/// The letter in a line. Its event has to be one that could be sent again, under the same id.
fn parse(line: &[u8]) -> Option<DeadLetter> {
    let letter: DeadLetter = serde_json::from_slice(line).ok()?;
    let (event_id, _) = identified(letter.event.get().as_bytes())?;
    (letter.schema_version <= VERSION && letter.event_id == event_id).then_some(letter)
}

fn write(letter: &DeadLetter, lines: &mut Vec<u8>) {
    serde_json::to_writer(&mut *lines, letter).expect("texts and numbers always serialise");
    lines.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Position;

    /// The ULID that ends in these characters.
    fn id(end: &str) -> String {
        format!("{end:0>26}")
    }

    fn entry(end: &str) -> Entry {
        let event_id = id(end);
        let line = format!(
            r#"{{"event_id":"{event_id}","event_type":"t","aggregate_id":"a","timestamp":"2026-01-02T03:04:05Z","project_uuid":"u","n":1.50}}"#
        );
        let at = Position { segment: 1, offset: 0 };
        Entry { log: "l".into(), event_id, line: line.into(), at }
    }

    #[test]
    fn letters_survive_a_restart_and_keep_the_event_as_it_was() {
        let dir = tempfile::tempdir().expect("a directory");
        let now = Timestamp::from_micros(1_000_000);
        let mut letters = DeadLetters::open(dir.path()).expect("opens");
        let (a, b) = (entry("A"), entry("B"));
        letters.put(&[(&a, "no"), (&b, "never")], now).expect("written");
        letters.put(&[(&a, "no again")], now).expect("written");
        let again = DeadLetters::open(dir.path()).expect("opens");
        assert_eq!(again.count(|log| log == "l"), 2);
        assert_eq!(again.count(|_| false), 0);
        let listed = again.list(10, |_| true).expect("reads");
        assert_eq!(listed.iter().map(|l| l.reason.as_str()).collect::<Vec<_>>(), ["no", "never"]);
        assert_eq!(listed[0].entry().line, a.line, "to the last digit");
        assert_eq!(again.list(1, |_| true).expect("reads").len(), 1);
        let page = |after: Option<&str>| again.page(10, after).expect("reads").len();
        let behind = |end: &str| page(Some(&id(end)));
        assert_eq!((page(None), behind("A"), behind("B"), behind("X")), (2, 1, 0, 0));
        let b = again.list(10, |known| known == id("B")).expect("reads");
        assert_eq!(b[0].event_id, id("B"));
    }

    #[test]
    fn what_is_delivered_after_all_goes_and_the_rest_counts_its_attempts() {
        let dir = tempfile::tempdir().expect("a directory");
        let now = Timestamp::from_micros(1_000_000);
        let mut letters = DeadLetters::open(dir.path()).expect("opens");
        let entries = [entry("A"), entry("B"), entry("C")];
        let refused: Vec<_> = entries.iter().map(|entry| (entry, "no")).collect();
        letters.put(&refused, now).expect("written");
        let results = BTreeMap::from([(id("A"), None), (id("B"), Some("still no".to_owned()))]);
        letters.update(&results, now).expect("written");
        let left = letters.list(10, |_| true).expect("reads");
        let told: Vec<_> =
            left.iter().map(|l| (l.event_id.as_str(), l.reason.as_str(), l.attempts)).collect();
        let (b, c) = (id("B"), id("C"));
        assert_eq!(told, [(b.as_str(), "still no", 2), (c.as_str(), "no", 1)]);
        assert_eq!(letters.count(|_| true), 2);
    }

    #[test]
    fn what_is_not_understood_stays_where_it_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let now = Timestamp::from_micros(1_000_000);
        let mut letters = DeadLetters::open(dir.path()).expect("opens");
        letters.put(&[(&entry("A"), "no")], now).expect("written");
        letters.file.append(b"{\"schema_version\":9}\nnonsense\n").expect("appends");
        let mut letters = DeadLetters::open(dir.path()).expect("opens");
        assert_eq!((letters.count(|_| true), letters.damaged()), (1, 2));
        letters.update(&BTreeMap::from([(id("A"), None)]), now).expect("written");
        assert_eq!(DeadLetters::open(dir.path()).expect("opens").damaged(), 2);
    }

    #[test]
    fn what_could_not_be_sent_again_is_no_letter() {
        let dir = tempfile::tempdir().expect("a directory");
        let now = Timestamp::from_micros(1_000_000);
        DeadLetters::open(dir.path())
            .expect("opens")
            .put(&[(&entry("A"), "no")], now)
            .expect("put");
        let path = dir.path().join("dead-letters.jsonl");
        let right = std::fs::read_to_string(&path).expect("reads");
        let check = |line: &str, letters: usize| {
            std::fs::write(&path, line).expect("written");
            let found = DeadLetters::open(dir.path()).expect("opens");
            assert_eq!((found.ids().count(), found.damaged()), (letters, 1 - letters), "{line}");
        };
        check(&right, 1);
        // Its event has another id, or none, or is no event at all.
        check(&right.replacen(&id("A"), &id("B"), 1), 0);
        check(&right.replace("event_type", "type"), 0);
        let (head, _) = right.split_once("\"event\":").expect("it has an event");
        check(&format!("{head}\"event\":{{}}}}\n"), 0);
        check(&format!("{head}\"event\":null}}\n"), 0);
    }

    #[test]
    fn attempts_are_counted_to_the_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let now = Timestamp::from_micros(1_000_000);
        let mut letters = DeadLetters::open(dir.path()).expect("opens");
        letters.put(&[(&entry("A"), "no")], now).expect("written");
        let path = letters.file.path().to_owned();
        let text = std::fs::read_to_string(&path).expect("reads");
        let most = format!("\"attempts\":{}", u32::MAX);
        std::fs::write(&path, text.replace("\"attempts\":1", &most)).expect("written");
        letters.update(&BTreeMap::from([(id("A"), Some("no".into()))]), now).expect("written");
        assert_eq!(letters.list(1, |_| true).expect("reads")[0].attempts, u32::MAX);
    }
}
