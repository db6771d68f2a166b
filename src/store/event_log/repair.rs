//! Finding and cutting off what a crash has left at the end of a log.
//!
//! A batch goes in with one write, but a crash may keep any part of it: a line without its
//! end, or, after a power loss, pages of zeros in place of data that the file's length
//! already counted. No JSON line has a raw NUL in it, so both are recognised without
//! knowing what the lines say.
//!
//! The end is read once, backwards and in large pieces, whatever stands there, and cut once:
//! a file that somebody else has put there costs what it takes to read it, no more.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::MAX_LINE;
use crate::store::pace::Pace;

/// How many bytes are read at once, at most.
const CHUNK: u64 = 256 * 1024;
/// How many are read first: most logs end with a whole line.
const FIRST_CHUNK: u64 = 4 * 1024;
/// No crash tears more than was written at once; what is longer is not read through.
const LONGEST_TAIL: u64 = 256 * 1024 * 1024;

/// The end of a log after repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Tail {
    /// Length in bytes; the file is empty or ends in a newline.
    pub(in crate::store) len: u64,
    /// How many bytes were cut off.
    pub(super) cut: u64,
    /// Is the last line complete, but no JSON? Somebody else wrote it; it stays.
    pub(super) foreign_last_line: bool,
}

/// Cuts off the torn end of a log, durably: everything after the last newline, then every
/// last line with a NUL in it. Whatever is before that stays as it is. `None` if it was ended
/// early; then nothing was cut.
pub(in crate::store) fn repair(file: &File, pace: &Pace<'_>) -> io::Result<Option<Tail>> {
    let found = file.metadata()?.len();
    let (len, foreign_last_line) = match last_whole_line(file, found, pace)? {
        Search::Cancelled => return Ok(None),
        Search::Nothing => (0, false),
        Search::Line { start, end } => (end, !is_json(file, start, end)?),
    };
    if len < found {
        file.set_len(len)?;
        file.sync_all()?;
    }
    Ok(Some(Tail { len, cut: found - len, foreign_last_line }))
}

/// What was found behind which everything is torn.
enum Search {
    /// The last line that has an end and no NUL, with its newline.
    Line { start: u64, end: u64 },
    /// There is no such line.
    Nothing,
    /// It was not looked for to the end.
    Cancelled,
}

/// Looks for the last whole line in the first `found` bytes.
fn last_whole_line(file: &File, found: u64, pace: &Pace<'_>) -> io::Result<Search> {
    // Where the line ends that is being passed, if it has an end and no NUL up to here.
    let mut line_end = None;
    let mut buffer = Vec::new();
    let (mut until, mut length) = (found, FIRST_CHUNK);
    while until > 0 {
        if found - until > LONGEST_TAIL {
            let problem = format!(
                "its last {} MiB have no whole line: this is no event log; move it away",
                LONGEST_TAIL >> 20
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        if !pace.goes_on() {
            return Ok(Search::Cancelled);
        }
        let start = until.saturating_sub(length);
        length = (length * 4).min(CHUNK);
        let chunk = read_from(file, start, until - start, &mut buffer)?;
        for (at, byte) in chunk.iter().enumerate().rev() {
            let place = start + at as u64;
            line_end = match (byte, line_end) {
                (b'\n', Some(end)) => return Ok(Search::Line { start: place + 1, end }),
                (b'\n', None) => Some(place + 1),
                (0, _) => None,
                (_, line_end) => line_end,
            };
        }
        until = start;
    }
    Ok(line_end.map_or(Search::Nothing, |end| Search::Line { start: 0, end }))
}

/// The last line of the first `len` bytes, without its newline; `None` without one, or if
/// it is longer than a line of ours.
pub(super) fn last_line(file: &File, len: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(end) = len.checked_sub(1) else { return Ok(None) };
    // With the newline before it, which is not there if it is the first one.
    let start = end.saturating_sub(MAX_LINE as u64 + 1);
    let mut buffer = Vec::new();
    let bytes = read_from(file, start, end - start, &mut buffer)?;
    Ok(match memchr::memrchr(b'\n', bytes) {
        Some(newline) => Some(bytes[newline + 1..].to_vec()),
        None if start == 0 && bytes.len() <= MAX_LINE => Some(bytes.to_vec()),
        None => None,
    })
}

/// Is the line one JSON value? One that is longer than a line of ours can be is none.
fn is_json(file: &File, start: u64, end: u64) -> io::Result<bool> {
    if end - start > MAX_LINE as u64 {
        return Ok(false);
    }
    let mut line = Vec::new();
    // The parser skips strings without looking at their encoding.
    let text = std::str::from_utf8(read_from(file, start, end - start, &mut line)?);
    Ok(text.is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()))
}

/// Reads so many bytes from `start` on.
fn read_from<'a>(
    file: &File,
    start: u64,
    length: u64,
    buffer: &'a mut Vec<u8>,
) -> io::Result<&'a [u8]> {
    let mut file = file;
    file.seek(SeekFrom::Start(start))?;
    buffer.clear();
    let read = file.take(length).read_to_end(buffer)? as u64;
    if read < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, AtomicU64};

    use super::*;

    fn check(content: &[u8], expected: &[u8], foreign: bool) {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("log");
        std::fs::write(&path, content).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let tail = repair(&file, &Pace::default()).unwrap().unwrap();
        let shown = String::from_utf8_lossy(&content[..content.len().min(80)]);
        assert_eq!(std::fs::read(&path).unwrap(), expected, "{shown:?}");
        assert_eq!(tail.len, expected.len() as u64, "{shown:?}");
        assert_eq!(tail.cut, (content.len() - expected.len()) as u64, "{shown:?}");
        assert_eq!(tail.foreign_last_line, foreign, "{shown:?}");
        let again = repair(&file, &Pace::default()).unwrap().unwrap();
        assert_eq!((again.len, again.cut), (tail.len, 0), "a second repair finds nothing");
    }

    #[test]
    fn whatever_part_of_the_last_line_is_there_it_goes_and_the_rest_stays() {
        let before = b"{\"a\":1}\n{\"b\":\"two\"}\n";
        let last = "{\"c\":\"drei \\u0000 \u{fc}\"}\n".as_bytes();
        for cut in 0..last.len() {
            check(&[before, &last[..cut]].concat(), before, false);
            check(&last[..cut], b"", false);
            for zeros in [1, 7, 4096, 70_000] {
                let torn = [before, &last[..cut], &vec![0; zeros]].concat();
                check(&torn, before, false);
            }
        }
        check(&[before, last].concat(), &[before, last].concat(), false);
    }

    #[test]
    fn a_hole_of_zeros_inside_the_last_lines_goes_with_them() {
        check(b"{}\n{\"a\0\0\":1}\n", b"{}\n", false);
        check(b"{}\n\0\0\n\0{}\n", b"{}\n", false);
        check(b"\0\n", b"", false);
        // With whole lines after it a hole is no torn end.
        check(b"{}\n\0\n{}\n", b"{}\n\0\n{}\n", false);
    }

    #[test]
    fn complete_foreign_lines_stay_and_are_reported() {
        check(b"{}\nnote to self\n", b"{}\nnote to self\n", true);
        check(b"{}\n\"\xff\"\n", b"{}\n\"\xff\"\n", true);
        check(b"{}\n\n", b"{}\n\n", true);
        check(b"", b"", false);
    }

    #[test]
    fn lines_longer_than_the_buffer_are_found_whole() {
        let long = format!("{{\"a\":\"{}\"}}\n", "x".repeat(3 << 18));
        check(long.as_bytes(), long.as_bytes(), false);
        let torn = [b"{}\n", &long.as_bytes()[..long.len() - 1]].concat();
        check(&torn, b"{}\n", false);
        let giant = [&vec![b'x'; MAX_LINE + 1][..], b"\n"].concat();
        check(&giant, &giant, true);
    }

    #[test]
    fn many_torn_lines_are_read_once_and_cut_once() {
        let lines = b"\0\n".repeat(1 << 20);
        check(&[b"{}\n", &lines[..]].concat(), b"{}\n", false);
        let file = tempfile::tempfile().unwrap();
        (&file).write_all(&[b"{}\n", &lines[..]].concat()).unwrap();
        let steps = AtomicU64::new(0);
        let pace = Pace { cancelled: None, beat: Some(&steps) };
        assert_eq!(repair(&file, &pace).unwrap().map(|tail| tail.len), Some(3));
        let expected = lines.len() as u64 / CHUNK;
        let steps = steps.into_inner();
        assert!((expected..expected + 6).contains(&steps), "{steps} reads");
    }

    #[test]
    fn whoever_does_not_wait_for_it_finds_nothing_cut() {
        let file = tempfile::tempfile().unwrap();
        let content = [b"{}\n", &[0; 100_000][..]].concat();
        (&file).write_all(&content).unwrap();
        let cancelled = AtomicBool::new(true);
        let pace = Pace { cancelled: Some(&cancelled), beat: None };
        assert_eq!(repair(&file, &pace).unwrap(), None);
        assert_eq!(file.metadata().unwrap().len(), content.len() as u64);
    }

    #[test]
    fn the_last_line_is_found_whole_or_not_at_all() {
        let last = |content: &[u8]| {
            let file = tempfile::tempfile().unwrap();
            (&file).write_all(content).unwrap();
            last_line(&file, content.len() as u64).unwrap()
        };
        assert_eq!(last(b""), None);
        assert_eq!(last(b"a\n"), Some(b"a".to_vec()));
        assert_eq!(last(b"a\nbc\n"), Some(b"bc".to_vec()));
        for (length, found) in [(MAX_LINE, true), (MAX_LINE + 1, false)] {
            let line = vec![b'x'; length];
            for before in [&b""[..], b"a\n"] {
                let content = [before, &line[..], b"\n"].concat();
                assert_eq!(last(&content), found.then(|| line.clone()), "{length}");
            }
        }
    }
}
