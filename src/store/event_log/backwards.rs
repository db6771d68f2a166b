//! Looking from the end of a log for what its newest lines say, without reading all of it.

use std::ffi::OsStr;
use std::os::unix::fs::FileExt as _;

use super::segment::ACTIVE;
use crate::platform::Open;
use crate::store::dossier_dir::DossierDir;
use crate::store::error::{At, StoreError};

/// So much is read first; mostly the answer is in it.
const FIRST: u64 = 64 * 1024;
/// More of a log is not looked at.
const MOST: u64 = 4 * 1024 * 1024;

/// The first answer that a line gives, newest first, among those at the end of the active
/// segment; `None` if none of them gives one. Makes nothing and takes no lock.
pub fn ask_newest<T>(
    dir: &DossierDir,
    mut ask: impl FnMut(&[u8]) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let Some(dir) = dir.open_to_read()? else { return Ok(None) };
    let path = dir.path().join(ACTIVE);
    let file = match dir.open_file(OsStr::new(ACTIVE), Open::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("open", &path, error)),
    };
    let len = file.metadata().at("look at", &path)?.len();
    // What was asked already stands behind `asked` and has no answer.
    let mut asked = len;
    for window in [FIRST, MOST] {
        let start = len.saturating_sub(window);
        let mut bytes = vec![0; usize::try_from(asked - start).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, start).at("read the end of", &path)?;
        let whole = match start {
            0 => 0,
            // The first line is cut by the window, unless it ends there.
            _ => memchr::memchr(b'\n', &bytes).map_or(bytes.len(), |newline| newline + 1),
        };
        // What has no end is just being written, or torn.
        let end = memchr::memrchr(b'\n', &bytes).unwrap_or(0).max(whole);
        let answer = bytes[whole..end].rsplit(|byte| *byte == b'\n').find_map(&mut ask);
        if answer.is_some() || start == 0 {
            return Ok(answer);
        }
        asked = start + whole as u64;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::Home;

    fn place() -> (tempfile::TempDir, DossierDir) {
        let tmp = tempfile::tempdir().unwrap();
        let project = tmp.path().join("project");
        fs::create_dir_all(project.join(".kittify")).unwrap();
        let home = Home::resolve(Some(tmp.path().join("home"))).unwrap();
        let (place, _) = DossierDir::choose(&project, OsStr::new("f"), "p", &home);
        (tmp, place)
    }

    #[test]
    fn the_newest_line_with_an_answer_is_found_however_far_it_is_up_to_a_bound() {
        let (_tmp, place) = place();
        let wanted = |line: &[u8]| line.strip_prefix(b"yes ").map(<[u8]>::to_vec);
        assert_eq!(ask_newest(&place, wanted).unwrap(), None, "there is no log");
        for (behind, found) in [
            (0, true),
            (1, true),
            (FIRST, true),
            (FIRST * 7 + 3, true),
            (MOST - 100, true),
            (MOST, false),
        ] {
            let mut log = b"yes old\nno\nyes new\n".to_vec();
            let line = [&b"no "[..], &[b'.'; 997], b"\n"].concat();
            while (log.len() as u64) < behind {
                log.extend_from_slice(&line);
            }
            fs::write(place.path().join(ACTIVE), [&log[..], b"yes torn"].concat()).unwrap();
            let answer = ask_newest(&place, wanted).unwrap();
            assert_eq!(answer, found.then(|| b"new".to_vec()), "{behind}");
        }
        let mut lines = Vec::new();
        ask_newest::<()>(&place, |line| {
            lines.push(line.to_vec());
            None
        })
        .unwrap();
        let whole = |line: &&Vec<u8>| line.is_empty() || line.len() == 1000;
        assert_eq!(lines.iter().filter(whole).count(), lines.len(), "none is asked in part");
    }
}
