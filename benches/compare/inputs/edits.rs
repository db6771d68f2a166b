//! Edits of files that are undone at the end, so that inputs stay what they were.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::fault::{Outcome, While, failed};

/// Files that are edited in turn.
pub(crate) struct Edits {
    files: Vec<(PathBuf, Vec<u8>)>,
    /// Edits made.
    made: usize,
}

impl Edits {
    /// Up to `count` Markdown files of ordinary size below `dir`, spread over it evenly.
    pub(crate) fn spread(dir: &Path, count: usize) -> Outcome<Self> {
        let mut found = Vec::new();
        gather(dir, &mut found)?;
        found.sort();
        if found.is_empty() {
            return failed(format!("there is no file to edit in {}", dir.display()));
        }
        let every = (found.len() / count).max(1);
        let chosen = found.into_iter().step_by(every).take(count);
        let files = chosen.map(|path| {
            let bytes = fs::read(&path).at("cannot read", &path)?;
            Ok((path, bytes))
        });
        Ok(Self { files: files.collect::<Outcome<_>>()?, made: 0 })
    }

    /// Rewrites the next file, as editors do that write in place; tells when it was closed.
    pub(crate) fn next(&mut self) -> Outcome<Instant> {
        let (path, original) = &self.files[self.made % self.files.len()];
        self.made += 1;
        let mut content = original.clone();
        content.extend_from_slice(format!("\nEdit {}.\n", self.made).as_bytes());
        let mut file = File::create(path).at("cannot open", path)?;
        file.write_all(&content).at("cannot write", path)?;
        drop(file);
        Ok(Instant::now())
    }
}

impl Drop for Edits {
    fn drop(&mut self) {
        for (path, original) in &self.files {
            if let Err(error) = fs::write(path, original) {
                eprintln!("{} keeps the edits of the bench: {error}", path.display());
            }
        }
    }
}

fn gather(dir: &Path, found: &mut Vec<PathBuf>) -> Outcome<()> {
    const ORDINARY: std::ops::Range<u64> = 1_000..20_000;
    for entry in fs::read_dir(dir).at("cannot list", dir)? {
        let entry = entry.at("cannot list", dir)?;
        let path = entry.path();
        let metadata = entry.metadata().at("cannot look at", &path)?;
        if metadata.is_dir() {
            gather(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "md")
            && ORDINARY.contains(&metadata.len())
        {
            found.push(path);
        }
    }
    Ok(())
}
