//! Where logged-in pages are kept over a restart: `sessions.json` in the state directory.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::api::ports::SessionStore;
use crate::api::session::KeptSession;
use crate::store::{StoreError, atomic, document, secret, with_causes};

const VERSION: u64 = 1;

/// The file. What cannot be read or written costs a new login, so it is told and no more. A
/// file that can't be replaced is removed: it may let pages in that were logged out since.
pub(super) struct SessionFile(pub(super) PathBuf);

#[derive(Serialize, Deserialize)]
struct Document {
    schema_version: u64,
    sessions: Vec<KeptSession>,
}

impl SessionFile {
    fn read(&self) -> Result<Vec<KeptSession>, StoreError> {
        // As private as a token, although it opens nothing.
        let Some(bytes) = secret::read_secret(&self.0)? else { return Ok(Vec::new()) };
        let document: Document = document::parse(&bytes, &self.0, "list of sessions", VERSION)?;
        Ok(document.sessions)
    }

    fn write(&self, sessions: &[KeptSession]) -> Result<(), StoreError> {
        let document = Document { schema_version: VERSION, sessions: sessions.to_vec() };
        atomic::replace(&self.0, &document::render(&document, &self.0)?, 0o600)
    }
}

impl SessionStore for SessionFile {
    fn load(&self) -> Vec<KeptSession> {
        self.read().unwrap_or_else(|error| {
            let error = with_causes(&error);
            tracing::warn!(%error, "pages that were logged in have to log in again");
            Vec::new()
        })
    }

    fn save(&self, sessions: &[KeptSession]) {
        let Err(error) = self.write(sessions) else { return };
        let error = with_causes(&error);
        match atomic::remove(&self.0) {
            Ok(_) => tracing::warn!(%error, "pages will have to log in again after a restart"),
            Err(removing) => tracing::error!(
                %error,
                removing = %with_causes(&removing),
                "pages that were logged out may be logged in again after a restart; remove the file"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_come_back_and_a_broken_file_is_none() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = SessionFile(dir.path().join("sessions.json"));
        assert_eq!(file.load(), []);
        let hash = "0".repeat(64);
        let kept = format!(r#"{{"token_sha256":"{hash}","last_used":"2026-01-02T03:04:05Z"}}"#);
        let session: KeptSession = serde_json::from_str(&kept).expect("a session");
        file.save(std::slice::from_ref(&session));
        assert_eq!(file.load(), [session]);
        std::fs::write(&file.0, "nonsense").expect("written");
        assert_eq!(file.load(), []);
    }

    #[test]
    fn a_warning_says_what_led_to_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = SessionFile(dir.path().join("sessions.json"));
        atomic::replace(&file.0, b"nonsense", 0o600).expect("written");
        let said = tempfile::NamedTempFile::new().expect("a file");
        let out = said.reopen().expect("opens");
        let log = tracing_subscriber::fmt().with_writer(std::sync::Mutex::new(out)).finish();
        tracing::subscriber::with_default(log, || assert_eq!(file.load(), []));
        let said = std::fs::read_to_string(said.path()).expect("reads");
        assert!(said.contains("not a valid list of sessions"), "{said}");
        assert!(said.contains("expected ident"), "what the parser said: {said}");
    }
}
