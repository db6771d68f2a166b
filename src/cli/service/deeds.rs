//! What install and uninstall do, each step said as it is done; with `--dry-run` only said.

use std::path::Path;
use std::time::Duration;

use super::disk;
use super::program::Program;
use super::service_file::{FileState, ServiceFile};
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::output::Output;
use crate::cli::render::{Line, Tone};
use crate::store::with_causes;

/// Does things, or says what it would do.
pub(super) struct Deeds<'a> {
    output: &'a mut Output,
    dry_run: bool,
    /// Commands that could not be run, for the user.
    left: Vec<String>,
}

impl<'a> Deeds<'a> {
    pub(super) fn new(output: &'a mut Output, dry_run: bool) -> Self {
        Self { output, dry_run, left: Vec::new() }
    }

    /// Says something that is no step.
    pub(super) fn say(&mut self, text: impl AsRef<str>) -> Result<(), CliError> {
        self.output.line(Line::plain(text))
    }

    /// Says what needs a look.
    pub(super) fn warn(&mut self, text: impl AsRef<str>) -> Result<(), CliError> {
        self.output.line(Line::toned(Tone::Warn, "! ").text(text))
    }

    fn step(&mut self, done: &str, would: &str, what: impl AsRef<str>) -> Result<(), CliError> {
        let line = match self.dry_run {
            true => Line::toned(Tone::Faint, format!("would {would} ")),
            false => Line::toned(Tone::Good, format!("{done} ")),
        };
        self.output.line(line.text(what))
    }

    /// Writes a file unless it is as it should be; says whether it was changed.
    pub(super) fn write(
        &mut self,
        file: &ServiceFile,
        state: &FileState,
    ) -> Result<bool, CliError> {
        let shown = file.path.display();
        if *state == FileState::Current {
            self.say(format!("{shown} is as it should be"))?;
            return Ok(false);
        }
        if !self.dry_run {
            disk::write(file)?;
        }
        match state {
            FileState::Absent => self.step("wrote", "write", format!("{shown}"))?,
            FileState::Outdated(version) => {
                self.step("replaced", "replace", format!("{shown} of version {version}"))?;
            }
            FileState::Changed(what) | FileState::Foreign(what) => {
                self.step("replaced", "replace", format!("{shown} ({what})"))?;
            }
            FileState::Masked => self.step("replaced", "replace", format!("{shown} (masked)"))?,
            FileState::Current => {}
        }
        Ok(true)
    }

    /// Makes a directory of the daemon's, if it is missing.
    pub(super) fn make_dir(&mut self, path: &Path) -> Result<(), CliError> {
        if disk::is_dir(path) {
            return Ok(());
        }
        if !self.dry_run {
            disk::make_private_dir(path)?;
        }
        self.step("made", "make", path.display().to_string())
    }

    /// Removes a file or link.
    pub(super) fn remove(&mut self, path: &Path) -> Result<(), CliError> {
        if !self.dry_run {
            disk::remove(path)?;
        }
        self.step("removed", "remove", path.display().to_string())
    }

    /// Removes a directory if it is empty.
    pub(super) fn remove_empty_dir(&mut self, path: &Path) {
        if !self.dry_run {
            disk::remove_empty_dir(path);
        }
    }

    /// Runs a command. Its failure is said and the command left to the user; the answer is whether
    /// it succeeded.
    pub(super) fn run(
        &mut self,
        program: &Program,
        args: &[&str],
        limit: Duration,
    ) -> Result<bool, CliError> {
        let line = program.line(args);
        if self.dry_run {
            self.step("ran", "run", line)?;
            return Ok(true);
        }
        match program.run(args, limit) {
            Ok(_) => {
                self.step("ran", "run", line)?;
                Ok(true)
            }
            Err(error) => {
                self.warn(format!("{line}: {}", with_causes(&error)))?;
                self.left.push(line);
                Ok(false)
            }
        }
    }

    /// Leaves a command to the user.
    pub(super) fn leave(&mut self, line: impl Into<String>) {
        self.left.push(line.into());
    }

    /// Says which commands are left; whether there are any.
    pub(super) fn end(mut self) -> Result<bool, CliError> {
        let left = std::mem::take(&mut self.left);
        if left.is_empty() {
            return Ok(false);
        }
        self.say("Left to do:")?;
        for line in left {
            self.say(format!("  {line}"))?;
        }
        Ok(true)
    }
}

/// May these files be written where they belong, and replaced? Looked at before anything is done;
/// `again` is the command that leaves the service in its places, `own` where settings of the user's
/// own are safe.
pub(super) fn check_replaceable(
    files: &[(ServiceFile, FileState)],
    force: bool,
    again: &str,
    own: &str,
) -> Result<(), CliError> {
    for (file, state) in files {
        disk::check_dir_of(file)?;
        let what = match state {
            FileState::Changed(difference) => format!("was changed by hand ({difference})"),
            FileState::Foreign(what) => format!("is not ours to replace: {what}"),
            FileState::Masked if !force => {
                let unit = file.path.file_name().unwrap_or_default().display();
                let message = format!("{} is masked; nothing was done", file.path.display());
                return Err(CliError::new(ErrorKind::Input, message)
                    .hint(format!("to allow it again: systemctl --user unmask {unit}")));
            }
            _ => continue,
        };
        if !force {
            let message = format!("{} {what}; nothing was done", file.path.display());
            return Err(CliError::new(ErrorKind::Input, message)
                .hint(format!("--force replaces it: {again} --force"))
                .hint(format!("settings of your own are safe {own}")));
        }
    }
    Ok(())
}
