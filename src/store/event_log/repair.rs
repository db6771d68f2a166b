//! Finding and cutting off what a crash has left at the end of a log.
//!
//! A batch goes in with one write, but a crash may keep any part of it: a line without its
//! end, or, after a power loss, pages of zeros in place of data that the file's length
//! already counted. No JSON line has a raw NUL in it, so both are recognised without
//! knowing what the lines say.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::MAX_LINE;

const CHUNK: usize = 64 * 1024;
/// How many are read first.
const FIRST_CHUNK: u64 = 512;
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
/// last line with a NUL in it. Whatever is before that stays as it is.
pub(in crate::store) fn repair(file: &File) -> io::Result<Tail> {
    let found = file.metadata()?.len();
    let mut len = found;
    let foreign_last_line = loop {
        len = after_newline_before(file, len)?;
        if len == 0 {
            break false;
        }
        let start = after_newline_before(file, len - 1)?;
        if !has_nul(file, start, len)? {
            break !is_json(file, start, len)?;
        }
        len = start;
    };
    if len < found {
        file.set_len(len)?;
        file.sync_all()?;
    }
    Ok(Tail { len, cut: found - len, foreign_last_line })
}

/// The last line of the first `len` bytes, without its newline; `None` without one, or if
/// it is longer than a line of ours.
pub(super) fn last_line(file: &File, len: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(end) = len.checked_sub(1) else { return Ok(None) };
    let start = after_newline_before(file, end)?;
    if end - start > MAX_LINE as u64 {
        return Ok(None);
    }
    let mut file = file;
    file.seek(SeekFrom::Start(start))?;
    let mut line = Vec::new();
    file.take(end - start).read_to_end(&mut line)?;
    Ok(Some(line))
}

/// The place behind the last newline in the first `end` bytes; 0 if there is none.
fn after_newline_before(file: &File, end: u64) -> io::Result<u64> {
    let mut buffer = [0; CHUNK];
    let (from, mut end) = (end, end);
    // Small first: many short lines must not cost a large chunk each.
    let mut length = FIRST_CHUNK;
    while end > 0 {
        if from - end > LONGEST_TAIL {
            let problem = format!(
                "its last {} MiB have no line: this is no event log; move it away",
                LONGEST_TAIL >> 20
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        let start = end.saturating_sub(length);
        length = (length * 4).min(CHUNK as u64);
        let chunk = read_chunk(file, start, end, &mut buffer)?;
        if let Some(at) = chunk.iter().rposition(|b| *b == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn has_nul(file: &File, start: u64, end: u64) -> io::Result<bool> {
    let mut buffer = [0; CHUNK];
    let mut start = start;
    while start < end {
        let until = end.min(start + CHUNK as u64);
        if read_chunk(file, start, until, &mut buffer)?.contains(&0) {
            return Ok(true);
        }
        start = until;
    }
    Ok(false)
}

/// Is the line one JSON value? One that is longer than a line of ours can be is none.
fn is_json(file: &File, start: u64, end: u64) -> io::Result<bool> {
    if end - start > MAX_LINE as u64 {
        return Ok(false);
    }
    let mut file = file;
    file.seek(SeekFrom::Start(start))?;
    let mut line = Vec::new();
    file.take(end - start).read_to_end(&mut line)?;
    // The parser skips strings without looking at their encoding.
    let text = std::str::from_utf8(&line);
    Ok(text.is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()))
}

/// Reads the bytes from `start` to `end`, at most [`CHUNK`].
fn read_chunk<'a>(
    file: &File,
    start: u64,
    end: u64,
    buffer: &'a mut [u8; CHUNK],
) -> io::Result<&'a [u8]> {
    let mut file = file;
    file.seek(SeekFrom::Start(start))?;
    let length = usize::try_from(end - start).map_or(CHUNK, |length| length.min(CHUNK));
    file.read_exact(&mut buffer[..length])?;
    Ok(&buffer[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &[u8], expected: &[u8], foreign: bool) {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("log");
        std::fs::write(&path, content).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let tail = repair(&file).unwrap();
        let shown = String::from_utf8_lossy(&content[..content.len().min(80)]);
        assert_eq!(std::fs::read(&path).unwrap(), expected, "{shown:?}");
        assert_eq!(tail.len, expected.len() as u64, "{shown:?}");
        assert_eq!(tail.cut, (content.len() - expected.len()) as u64, "{shown:?}");
        assert_eq!(tail.foreign_last_line, foreign, "{shown:?}");
        let again = repair(&file).unwrap();
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
        let long = format!("{{\"a\":\"{}\"}}\n", "x".repeat(3 * CHUNK));
        check(long.as_bytes(), long.as_bytes(), false);
        let torn = [b"{}\n", &long.as_bytes()[..long.len() - 1]].concat();
        check(&torn, b"{}\n", false);
        let giant = [&vec![b'x'; MAX_LINE + 1][..], b"\n"].concat();
        check(&giant, &giant, true);
    }
}
