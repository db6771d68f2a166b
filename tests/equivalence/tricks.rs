//! Operations that are rare, and meant to be hard to notice.

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};

use crate::operations::{Operator, has_other_names, write_below};

impl Operator {
    /// A tree leaves what is watched, or one comes.
    pub(crate) fn move_out_or_in(&mut self) -> String {
        let away = self.outside.join(format!("t{}", self.random.below(2)));
        if away.exists() {
            let to = self.dir();
            let done = fs::rename(&away, &to);
            return self.told_two("move in", &away, &to, done);
        }
        let from = self.existing_dir();
        let done = fs::rename(&from, &away);
        self.told_two("move out", &from, &away, done)
    }

    /// Two entries change places at one moment: files, directories, or one of each.
    pub(crate) fn exchange(&mut self) -> String {
        let one = if self.random.once_in(2) { self.file() } else { self.existing_dir() };
        let other = if self.random.once_in(2) { self.file() } else { self.existing_dir() };
        let done = rustix::fs::renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE);
        self.told_two("exchange", &one, &other, done.map_err(Into::into))
    }

    /// Another name for a file, maybe in another feature.
    pub(crate) fn hard_link(&mut self) -> String {
        let (file, name) = (self.file(), self.path());
        let _ = name.parent().map(fs::create_dir_all);
        if self.random.once_in(3) {
            let _ = fs::remove_file(&name);
        }
        let done = fs::hard_link(&file, &name);
        self.told_two("hard link", &name, &file, done)
    }

    /// As many other bytes, and the time of the former ones.
    pub(crate) fn rewrite_unnoticed(&mut self) -> String {
        let path = self.file();
        if has_other_names(&path) {
            return "rewrite a link: left out".into();
        }
        self.serial += 1;
        let serial = self.serial;
        let done = fs::metadata(&path).and_then(|found| {
            let length = usize::try_from(found.len()).unwrap_or(0);
            let text = format!("{serial:08}\n").repeat(length / 9 + 1);
            let mut file = fs::OpenOptions::new().write(true).open(&path)?;
            file.write_all(&text.as_bytes()[..length])?;
            file.set_modified(found.modified()?)
        });
        self.told("rewrite unnoticed", &path, done)
    }

    /// A new file takes the place of one that is there, and goes at once.
    pub(crate) fn replace_and_remove(&mut self) -> String {
        let (path, content) = (self.file(), self.content());
        let temporary = path.with_file_name(format!("new-{}", self.random.0));
        let done = write_below(&temporary, &content)
            .and_then(|()| fs::rename(&temporary, &path))
            .and_then(|()| fs::remove_file(&path));
        if done.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        self.told("replace and remove", &path, done)
    }

    /// A file that is written before it has a name, and once more afterwards.
    pub(crate) fn make_nameless(&mut self) -> String {
        let (path, content) = (self.path(), self.content());
        let done = nameless(&path, &content);
        self.told("make nameless", &path, done)
    }

    /// Directories alone, one below the other.
    pub(crate) fn make_dirs(&mut self) -> String {
        let dir = self.dir().join("deep").join("research");
        let done = fs::create_dir_all(&dir);
        self.told("make dirs", &dir, done)
    }
}

fn nameless(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let parent = path.parent().expect("has a parent");
    fs::create_dir_all(parent)?;
    let _ = fs::remove_file(path);
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let mut file = fs::File::from(rustix::fs::open(parent, flags, Mode::from_raw_mode(0o644))?);
    file.write_all(content)?;
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, open, CWD, path, AtFlags::SYMLINK_FOLLOW)?;
    file.write_all(content)
}
