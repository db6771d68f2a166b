//! Doors for the fuzz targets: the answer of a back end, and the files of a sink.

use std::collections::BTreeMap;
use std::path::Path;

use super::answer::verdicts;
use super::batch::Batch;
use super::cursor::Cursor;
use super::dead_letters::{DeadLetter, DeadLetters};
use super::redaction::Redaction;
use super::sink::Verdict;
use crate::dossier::Timestamp;
use crate::store::{DossierDir, LogReader, StoreError};

/// What a back end says of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It has it.
    Settled,
    /// It refuses it, for this reason.
    Refused(String),
    /// Nothing that can be understood.
    Nothing,
}

/// What a back end's answer says of the events with these ids.
pub fn results_of(answer: &[u8], ids: &[&str]) -> Result<Vec<Told>, String> {
    let told = |verdict| match verdict {
        Some(Verdict::Delivered | Verdict::Duplicate) => Told::Settled,
        Some(Verdict::Rejected(reason)) => Told::Refused(reason),
        None => Told::Nothing,
    };
    Ok(verdicts(answer, ids.iter().copied(), &Redaction::default())?
        .into_iter()
        .map(told)
        .collect())
}

/// Reads the cursor `<log>.json` of a sink's directory, writes it down again, and gives the
/// reader of what is behind it in the log at `place`, with the id up to which events are passed
/// over.
pub fn keep_place(
    dir: &Path,
    log: &str,
    place: &DossierDir,
    now: Timestamp,
) -> Result<(LogReader, Option<String>), StoreError> {
    let cursor = Cursor::load(dir, log)?;
    cursor.save(dir, log)?;
    assert_eq!(Cursor::load(dir, log)?, cursor, "a cursor comes back as it was");
    Ok(cursor.reader(place, now))
}

/// Reads `dead-letters.jsonl` of a sink's directory and makes the requests that send its letters
/// again, in both forms; then writes them down as refused once more, but for those that `wanted`
/// does not want, which go. Gives how many letters and how many lines without one there were.
pub fn keep_dead_letters(
    dir: &Path,
    now: Timestamp,
    wanted: impl Fn(&str) -> bool,
) -> Result<(usize, usize), StoreError> {
    let mut letters = DeadLetters::open(dir)?;
    let found = (letters.ids().count(), letters.damaged());
    let entries = letters.list(usize::MAX, |_| true)?.iter().map(DeadLetter::entry).collect();
    let batch = Batch { entries };
    assert!(!batch.native().is_empty() && !batch.cloud_events().is_empty());
    let results: BTreeMap<String, Option<String>> = letters
        .ids()
        .map(|id| (id.clone(), wanted(id).then(|| "refused again".to_owned())))
        .collect();
    letters.update(&results, now)?;
    Ok(found)
}
