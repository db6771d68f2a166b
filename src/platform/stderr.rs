//! Where this process writes what it says on stderr.

use std::fs::File;
use std::io;

/// Is it a file that grows with each line, as a service manager or a redirection gives it, and no
/// terminal, pipe or socket, whose other side decides what is kept?
#[cfg(unix)]
pub fn is_a_file() -> bool {
    use rustix::fs::{FileType, fstat};
    fstat(rustix::stdio::stderr())
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

/// This system does not tell.
#[cfg(not(unix))]
pub fn is_a_file() -> bool {
    false
}

/// From here on it is this file.
#[cfg(unix)]
pub fn lead_to(file: &File) -> io::Result<()> {
    Ok(rustix::stdio::dup2_stderr(file)?)
}

/// It stays what it is; nobody asks for this where [`is_a_file`] does not hold.
#[cfg(not(unix))]
pub fn lead_to(_file: &File) -> io::Result<()> {
    Ok(())
}
