//! A file of lines beside the logs: appended to durably, read line by line, replaced whole.
//!
//! Its directory is the daemon's own. A torn end, left by a crash, is cut off before the
//! next append, and passed over by readers.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::atomic::{self, open_parent};
use super::error::{At, StoreError};
use super::event_log::repair::repair;
use super::pace::Pace;
use crate::platform::Open;

/// A file of lines. Cheap to clone; opened at each use.
#[derive(Debug, Clone)]
pub struct LineFile {
    path: PathBuf,
}

impl LineFile {
    /// The file at this path, which need not exist; its directory has to.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends complete lines; they are durable when this returns. After an error none of
    /// them is in the file, or all of them are.
    pub fn append(&self, lines: &[u8]) -> Result<(), StoreError> {
        let (dir, name) = open_parent(&self.path)?;
        let mut file = dir.open_file(&name, Open::AppendOrCreate(0o600)).at("open", &self.path)?;
        let repaired = repair(&file, &Pace::default()).at("repair", &self.path)?;
        let cancelled = || StoreError::Cancelled { path: self.path.clone() };
        let len = repaired.ok_or_else(cancelled)?.len;
        if let Err(source) = file.write_all(lines).and_then(|()| file.sync_data()) {
            // What cannot be cut off now is a torn end for the next append.
            let _ = file.set_len(len);
            return Err(StoreError::io("append to", &self.path, source));
        }
        if len == 0 {
            dir.sync().at("sync the directory of", &self.path)?;
        }
        Ok(())
    }

    /// Calls `each` with every complete line, without its newline, until it says `false`.
    pub fn read(&self, mut each: impl FnMut(&[u8]) -> bool) -> Result<(), StoreError> {
        let (dir, name) = open_parent(&self.path)?;
        let file: File = match dir.open_file(&name, Open::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(StoreError::io("open", &self.path, source)),
        };
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            reader.read_until(b'\n', &mut line).at("read", &self.path)?;
            let Some(whole) = line.strip_suffix(b"\n") else { return Ok(()) };
            if !each(whole) {
                return Ok(());
            }
        }
    }

    /// Replaces everything by these complete lines, atomically and durably.
    pub fn replace(&self, lines: &[u8]) -> Result<(), StoreError> {
        atomic::replace(&self.path, lines, 0o600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(file: &LineFile) -> Vec<String> {
        let mut lines = Vec::new();
        let take = |line: &[u8]| {
            lines.push(String::from_utf8_lossy(line).into_owned());
            true
        };
        file.read(take).expect("reads");
        lines
    }

    #[test]
    fn lines_come_back_in_order_and_a_torn_end_does_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = LineFile::new(dir.path().join("a.jsonl"));
        assert_eq!(lines(&file), [""; 0]);
        file.append(b"1\n2\n").expect("appends");
        std::fs::write(file.path(), "1\n2\n3 is to").expect("written");
        assert_eq!(lines(&file), ["1", "2"]);
        file.append(b"3\n").expect("appends");
        assert_eq!(lines(&file), ["1", "2", "3"]);
        file.replace(b"4\n").expect("replaces");
        assert_eq!(lines(&file), ["4"]);
    }

    #[test]
    fn reading_ends_when_it_is_told_to() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = LineFile::new(dir.path().join("a.jsonl"));
        file.append(b"1\n2\n3\n").expect("appends");
        let mut seen = 0;
        file.read(|_| {
            seen += 1;
            seen < 2
        })
        .expect("reads");
        assert_eq!(seen, 2);
    }
}
