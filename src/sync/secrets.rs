//! A secret that is read anew for each request, so that a rotated one counts at once.

use std::path::{Path, PathBuf};

use crate::dossier::Digest;
use crate::store::{secret, with_causes};

/// A file with a secret on one line.
#[derive(Debug)]
pub(super) struct SecretFile {
    path: PathBuf,
    /// May it have several lines?
    is_long: bool,
    /// Which contents were given out last.
    given: Option<Digest>,
}

impl SecretFile {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), is_long: false, given: None }
    }

    /// A file with a secret on several lines.
    pub(super) fn lines(path: &Path) -> Self {
        Self { is_long: true, ..Self::new(path) }
    }

    /// The secret, without white space around it. The error says what to do, and nothing of
    /// what the file holds.
    pub(super) fn read(&mut self) -> Result<String, String> {
        let text = self.contents()?;
        self.given = Some(Digest::sha256(&text));
        Ok(text)
    }

    /// Does the file have other contents than were given out last?
    pub(super) fn has_changed(&self) -> bool {
        self.contents().is_ok_and(|text| Some(Digest::sha256(&text)) != self.given)
    }

    fn contents(&self) -> Result<String, String> {
        let path = self.path.display();
        let bytes = secret::read_secret(&self.path)
            .map_err(|error| with_causes(&error))?
            .ok_or_else(|| format!("there is no file {path}; it should hold the secret"))?;
        let text = String::from_utf8(bytes).map_err(|_| format!("{path} is not text"))?;
        let text = text.trim();
        let is_foreign = |c: char| !c.is_ascii() || (c.is_control() && !self.is_long);
        if text.is_empty() || text.contains(is_foreign) {
            return Err(format!("{path} should hold one line of plain ASCII"));
        }
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[cfg(unix)]
    #[test]
    fn a_secret_is_private_and_on_one_line_and_a_new_one_is_noticed() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("token");
        let mut file = SecretFile::new(&path);
        assert!(file.read().expect_err("missing").contains("no file"));
        fs::write(&path, "s3cret\n").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
        let error = file.read().expect_err("readable by others");
        assert!(!error.contains("s3cret"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        assert!(file.has_changed());
        assert_eq!(file.read().as_deref(), Ok("s3cret"));
        assert!(!file.has_changed());
        fs::write(&path, "other\r\n").expect("written");
        assert!(file.has_changed());
        fs::write(&path, "two\nlines").expect("written");
        assert!(file.read().expect_err("two lines").contains("one line"));
    }
}
