//! The few files that commands write where a person asked for them.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::error::CliError;

/// Writes a file whole or not at all: into a new one beside it, which then takes its
/// place. What is no regular file, such as `/dev/stdout`, is written to as it is.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let failed = |error| CliError::io(format!("cannot write {}", path.display()), error);
    // Through a link to the file it means, so that the link stays a link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if fs::metadata(&target).is_ok_and(|meta| !meta.is_file()) {
        let mut file = OpenOptions::new().write(true).open(&target).map_err(failed)?;
        return file.write_all(bytes).map_err(failed);
    }
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = target.with_file_name(name);
    let written = write_new(&temporary, bytes, OpenOptions::new().write(true).create_new(true))
        .and_then(|()| fs::rename(&temporary, &target));
    written.map_err(|error| {
        // It may not have been made at all; what counts is the error that led here.
        let _ = fs::remove_file(&temporary);
        failed(error)
    })
}

/// Writes a file that only its owner can read, in place of an older one. Never follows a
/// link: the name is made anew, and refused if somebody is quicker.
pub(super) fn private(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let failed = |error| CliError::io(format!("cannot write {}", path.display()), error);
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    write_new(path, bytes, &options).map_err(failed)
}

fn write_new(path: &Path, bytes: &[u8], options: &OpenOptions) -> io::Result<()> {
    let mut file: File = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_and_a_link_stays_a_link() {
        let tmp = tempfile::tempdir().unwrap();
        let file = tmp.path().join("out.json");
        let link = tmp.path().join("link");
        symlink(&file, &link).unwrap();
        fs::write(&file, "old").unwrap();
        replace(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        replace(Path::new("/dev/null"), b"x").unwrap();
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 2, "nothing is left behind");
    }

    #[test]
    fn an_error_names_the_file() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("missing/x");
        let error = replace(&path, b"").unwrap_err();
        assert_eq!(error.to_string(), format!("cannot write {}", path.display()));
        assert_eq!(error.causes().len(), 1);
    }

    #[test]
    fn private_files_are_made_anew() {
        let tmp = tempfile::tempdir().unwrap();
        let (path, victim) = (tmp.path().join("page.html"), tmp.path().join("victim"));
        fs::write(&victim, "keep").unwrap();
        symlink(&victim, &path).unwrap();
        private(&path, b"a").unwrap();
        private(&path, b"b").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"b");
        assert_eq!(fs::read(&victim).unwrap(), b"keep");
        let meta = fs::symlink_metadata(&path).unwrap();
        assert!(meta.is_file());
        assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    }
}
