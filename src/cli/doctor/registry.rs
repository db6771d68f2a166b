//! The file that says which projects are registered: one that cannot be read keeps the daemon
//! from starting.

use std::path::PathBuf;

use super::super::render::plural;
use super::Check;
use crate::store::registry::RegistryFile;
use crate::store::{StoreError, with_causes};

/// Can the daemon read it? It is not touched.
pub(super) fn registry(path: PathBuf) -> Check {
    const NAME: &str = "registry";
    let shown = path.display().to_string();
    match RegistryFile::new(path).load() {
        Ok(registry) => {
            let roots = plural(registry.roots.len() as u64, "root", "roots");
            Check::ok(NAME, format!("{shown} has {roots}"))
        }
        Err(error @ StoreError::Newer { .. }) => {
            let hint = format!(
                "use the newer dossierd; or: mv {shown} {shown}.away, and register the projects again"
            );
            Check::fail(NAME, with_causes(&error), hint)
        }
        Err(error @ StoreError::Io { .. }) => {
            let hint = format!("make it yours and readable: ls -l {shown}");
            Check::fail(NAME, with_causes(&error), hint)
        }
        Err(error) => {
            let hint = format!(
                "correct it; or: mv {shown} {shown}.away, and register the projects again with `dossierd add PATH`"
            );
            Check::fail(NAME, with_causes(&error), hint)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::CheckStatus;
    use super::*;

    #[test]
    fn a_registry_that_keeps_the_daemon_from_starting_fails() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("registry.json");
        assert_eq!(registry(path.clone()).status, CheckStatus::Ok);
        assert_eq!(registry(tmp.path().join("none/registry.json")).status, CheckStatus::Ok);
        for (text, message, hint) in [
            (r#"{"schema_version":1,"roots":[]}"#, "has 0 roots", None),
            (r#"{"schema_version":99,"roots":[]}"#, "schema_version 99", Some("newer dossierd")),
            ("{\"schema_version\":1,\n  bad}", "line 2", Some("correct it")),
        ] {
            std::fs::write(&path, text).unwrap();
            let check = registry(path.clone());
            assert_eq!(check.status == CheckStatus::Fail, hint.is_some(), "{check:?}");
            assert!(check.message.contains(message), "{check:?}");
            assert!(check.hint.unwrap_or_default().contains(hint.unwrap_or_default()));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "it is only looked at");
        }
    }
}
