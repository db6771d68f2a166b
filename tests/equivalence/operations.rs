//! Random file operations on a project, as people, editors, agents and git do them.
//!
//! Names and contents come from small sets, so that operations meet: a rename hits what is
//! there, a file takes the place of a directory, contents are the same under two names.
//! What fails because another thread was faster is no error.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::Instant;

use crate::kit::random::Random;

const SLUGS: [&str; 5] = ["001-a", "002-b", "003-c", "004-d", "05 ö"];
const FILES: [&str; 12] = [
    "spec.md",
    "plan.md",
    "tasks.md",
    "research.md",
    "findings.md",
    "notes.md",
    "data_x.json",
    "data.x.json",
    "a~",
    ".hidden",
    "status.json",
    "ü.md",
];
const DIRS: [&str; 6] = ["tasks", "research", "contracts", "docs", "deep", ".git"];
const WORK_PACKAGES: [&str; 3] = ["WP01-x.md", "WP02.md", "WP1.md"];
const CONTENTS: [&[u8]; 9] = [
    b"",
    b"# One\n",
    b"# Two\n",
    b"# Three, which is longer than the others\n",
    b"---\nwork_package_id: wp07\nlane: done\n---\n# Seven\n",
    b"---\nartifact_class: policy\n---\n",
    b"---\nbroken: [\n---\n",
    b"\xff\xfe not text",
    b"{\"work_packages\": {\"WP01\": {\"lane\": \"done\"}}}\n",
];
const METAS: [&str; 9] = [
    r#"{"mission_type": "software-dev", "current_step": "plan"}"#,
    r#"{"mission_type": "software-dev", "current_step": "review"}"#,
    r#"{"mission_type": "software-dev"}"#,
    r#"{"mission": "research", "state": "synthesis"}"#,
    r#"{"mission_type": "documentation", "step_id": "publish"}"#,
    r#"{"mission_type": "software-dev", "accepted_at": "2026-01-01T00:00:00Z"}"#,
    r#"{"mission_type": "never-heard-of"}"#,
    r#"{"mission_type": "software-dev", "current_step": "no such step"}"#,
    "{ not json",
];
const IGNORES: [&str; 6] =
    ["", "*.json\n", "tasks/\n", "/research\n!notes.md\n", "deep/**\n", "plan.md\n"];

/// Held by whoever gives a file another name, and shared by whoever writes.
static LINKING: RwLock<()> = RwLock::new(());

/// One operation that was done.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// When it had been done.
    pub(crate) at: Instant,
    /// What it was.
    pub(crate) what: String,
}

/// Does random operations below one `kitty-specs`.
pub(crate) struct Operator {
    pub(crate) random: Random,
    pub(crate) specs: PathBuf,
    pub(crate) outside: PathBuf,
    pub(crate) serial: usize,
    done: Vec<Step>,
}

impl Operator {
    /// `outside` is a directory of the same file system, not watched.
    pub(crate) fn new(seed: u64, specs: PathBuf, outside: PathBuf) -> Self {
        fs::create_dir_all(&outside).expect("made");
        Self { random: Random(seed), specs, outside, serial: 0, done: Vec::new() }
    }

    /// What was done since the last call.
    pub(crate) fn take_done(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.done)
    }

    /// Does one operation.
    pub(crate) fn operate(&mut self) {
        let choice = self.random.below(120);
        let links = (104..107).contains(&choice);
        // Nobody writes into a file while somebody else gives it another name.
        let _alone = links.then(|| LINKING.write().unwrap_or_else(PoisonError::into_inner));
        let _beside = (!links).then(|| LINKING.read().unwrap_or_else(PoisonError::into_inner));
        let what = match choice {
            0..22 => self.create(),
            22..30 => self.append(),
            30..34 => self.truncate(),
            34..42 => self.replace(),
            42..50 => self.rename_file(),
            50..56 => self.rename_dir(),
            56..60 => self.tree_at_once(),
            60..64 => self.remove_tree(),
            64..70 => self.remove_file(),
            70..76 => self.link(),
            76..79 => self.chmod(),
            79..82 => self.change_type(),
            82..85 => self.write_ignore(),
            85..89 => self.write_meta(),
            89..91 => self.move_out_or_in(),
            91..93 => self.new_feature(),
            93..94 => self.remove_feature(),
            94..96 => self.rename_feature(),
            96..100 => self.touch(),
            100..104 => self.exchange(),
            104..107 => self.hard_link(),
            107..111 => self.rewrite_unnoticed(),
            111..114 => self.replace_and_remove(),
            114..117 => self.make_nameless(),
            _ => self.make_dirs(),
        };
        self.done.push(Step { at: Instant::now(), what });
    }

    fn feature(&mut self) -> PathBuf {
        let mut dirs: Vec<PathBuf> = entries(&self.specs);
        dirs.retain(|dir| fs::symlink_metadata(dir).is_ok_and(|m| m.is_dir()));
        if dirs.is_empty() { self.specs.join(SLUGS[0]) } else { self.random.pick(&dirs).clone() }
    }

    /// A directory of a feature, which may or may not be there.
    pub(crate) fn dir(&mut self) -> PathBuf {
        let mut dir = self.feature();
        for _ in 0..self.random.below(3) {
            dir.push(*self.random.pick(&DIRS));
        }
        dir
    }

    /// A path of a file, which may or may not be there.
    pub(crate) fn path(&mut self) -> PathBuf {
        let dir = self.dir();
        if dir.ends_with("tasks") && !self.random.once_in(4) {
            return dir.join(*self.random.pick(&WORK_PACKAGES));
        }
        dir.join(*self.random.pick(&FILES))
    }

    /// A file that is there, if there is one.
    pub(crate) fn file(&mut self) -> PathBuf {
        let feature = self.feature();
        let mut all = Vec::new();
        walk(&feature, &mut all);
        all.retain(|path| fs::symlink_metadata(path).is_ok_and(|m| !m.is_dir()));
        if all.is_empty() { self.path() } else { self.random.pick(&all).clone() }
    }

    /// A directory that is there, if there is one below a feature.
    pub(crate) fn existing_dir(&mut self) -> PathBuf {
        let feature = self.feature();
        let mut all = Vec::new();
        walk(&feature, &mut all);
        all.retain(|path| fs::symlink_metadata(path).is_ok_and(|m| m.is_dir()));
        if all.is_empty() { self.dir() } else { self.random.pick(&all).clone() }
    }

    pub(crate) fn content(&mut self) -> Vec<u8> {
        if self.random.once_in(3) {
            self.serial += 1;
            return format!("# Number {} of {}\n", self.serial, self.random.0).into_bytes();
        }
        self.random.pick(&CONTENTS).to_vec()
    }

    fn create(&mut self) -> String {
        let (path, content) = (self.path(), self.content());
        let _ = path.parent().map(fs::create_dir_all);
        let done = write_below(&path, &content);
        self.told("create", &path, done)
    }

    fn append(&mut self) -> String {
        use std::io::Write;
        let (path, content) = (self.file(), self.content());
        if has_other_names(&path) {
            return "append to a link: left out".into();
        }
        let opened = fs::OpenOptions::new().append(true).open(&path);
        let done = opened.and_then(|mut file| {
            let (first, rest) = content.split_at(content.len() / 2);
            file.write_all(first)?;
            file.write_all(rest)
        });
        self.told("append", &path, done)
    }

    fn truncate(&mut self) -> String {
        let path = self.file();
        let to = self.random.below(9) as u64;
        if has_other_names(&path) {
            return "truncate a link: left out".into();
        }
        let done = fs::OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(to));
        self.told("truncate", &path, done)
    }

    fn replace(&mut self) -> String {
        let (path, content) = (self.file(), self.content());
        self.serial += 1;
        let temporary = path.with_file_name(format!(".{}.{}.tmp", self.serial, self.random.0));
        let done = fs::write(&temporary, content).and_then(|()| fs::rename(&temporary, &path));
        if done.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        self.told("replace", &path, done)
    }

    fn rename_file(&mut self) -> String {
        let (from, to) = (self.file(), self.path());
        let _ = to.parent().map(fs::create_dir_all);
        let done = fs::rename(&from, &to);
        self.told_two("rename file", &from, &to, done)
    }

    /// Within a feature or from one to another.
    fn rename_dir(&mut self) -> String {
        let (from, to) = (self.existing_dir(), self.dir());
        let _ = to.parent().map(fs::create_dir_all);
        let done = fs::rename(&from, &to);
        self.told_two("rename dir", &from, &to, done)
    }

    fn tree_at_once(&mut self) -> String {
        let mut dir = self.dir();
        dir.push(format!("x{}", self.random.below(4)));
        dir.push("y");
        let done = fs::create_dir_all(&dir).and_then(|()| {
            for name in FILES.iter().take(4) {
                write_below(&dir.join(name), &self.content())?;
                write_below(&dir.with_file_name(name), &self.content())?;
            }
            Ok(())
        });
        self.told("tree at once", &dir, done)
    }

    fn remove_tree(&mut self) -> String {
        let dir = self.existing_dir();
        let done = fs::remove_dir_all(&dir);
        self.told("remove tree", &dir, done)
    }

    fn remove_file(&mut self) -> String {
        let path = self.file();
        let done = fs::remove_file(&path);
        self.told("remove file", &path, done)
    }

    /// To a file inside or outside, to a directory, to nothing; made or retargeted.
    fn link(&mut self) -> String {
        let target = match self.random.below(6) {
            0 | 1 => self.file(),
            2 => PathBuf::from(*self.random.pick(&FILES)),
            3 => self.outside.join("secret.md"),
            4 => self.existing_dir(),
            _ => PathBuf::from("nowhere"),
        };
        let path = if self.random.once_in(3) { self.file() } else { self.path() };
        let target = match path.parent().and_then(|dir| target.strip_prefix(dir).ok()) {
            Some(relative) if !self.random.once_in(3) => relative.to_path_buf(),
            _ => target,
        };
        let _ = path.parent().map(fs::create_dir_all);
        let _ = fs::remove_file(&path);
        let done = symlink(&target, &path);
        self.told_two("link", &path, &target, done)
    }

    /// Takes or gives all permissions. For root it is only a change of attributes. What is
    /// known below a directory that cannot be listed stays known, so a survey that knows
    /// nothing says less: no directory is made unreadable here.
    fn chmod(&mut self) -> String {
        let path = if self.random.once_in(3) { self.existing_dir() } else { self.file() };
        let Ok(found) = fs::symlink_metadata(&path) else { return "chmod of nothing".into() };
        let mode = match (has_other_names(&path), found.is_dir()) {
            (true, _) => return "chmod of a link: left out".into(),
            (_, true) => *self.random.pick(&[0o700, 0o755]),
            _ => *self.random.pick(&[0o000, 0o755, 0o644]),
        };
        let done = fs::set_permissions(&path, fs::Permissions::from_mode(mode));
        self.told(&format!("chmod {mode:o}"), &path, done)
    }

    fn change_type(&mut self) -> String {
        let path = if self.random.once_in(2) { self.file() } else { self.existing_dir() };
        if fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir()) {
            let done =
                fs::remove_dir_all(&path).and_then(|()| write_below(&path, b"# Was a directory\n"));
            return self.told("directory to file", &path, done);
        }
        let done = fs::remove_file(&path)
            .and_then(|()| fs::create_dir(&path))
            .and_then(|()| write_below(&path.join("inside.md"), b"# Inside\n"));
        self.told("file to directory", &path, done)
    }

    fn write_ignore(&mut self) -> String {
        let dir = match self.random.below(3) {
            0 => self.specs.parent().expect("has one").to_path_buf(),
            _ => self.feature(),
        };
        let path = dir.join(".dossierignore");
        let text = *self.random.pick(&IGNORES);
        let done = match text {
            "" => fs::remove_file(&path),
            text => write_below(&path, text.as_bytes()),
        };
        self.told(&format!("ignore {text:?}"), &path, done)
    }

    fn write_meta(&mut self) -> String {
        let path = self.feature().join("meta.json");
        let text = *self.random.pick(&METAS);
        let done = write_below(&path, text.as_bytes());
        self.told(&format!("meta {text}"), &path, done)
    }

    fn new_feature(&mut self) -> String {
        let dir = self.specs.join(*self.random.pick(&SLUGS));
        let done = fs::create_dir_all(&dir)
            .and_then(|()| write_below(&dir.join("meta.json"), METAS[0].as_bytes()))
            .and_then(|()| write_below(&dir.join("spec.md"), &self.content()));
        self.told("new feature", &dir, done)
    }

    fn remove_feature(&mut self) -> String {
        let dir = self.feature();
        let done = fs::remove_dir_all(&dir);
        self.told("remove feature", &dir, done)
    }

    fn rename_feature(&mut self) -> String {
        let (from, to) = (self.feature(), self.specs.join(*self.random.pick(&SLUGS)));
        if self.random.once_in(3) {
            let _ = fs::remove_dir_all(&to);
        }
        let done = fs::rename(&from, &to);
        self.told_two("rename feature", &from, &to, done)
    }

    fn touch(&mut self) -> String {
        let path = self.file();
        if has_other_names(&path) {
            return "touch a link: left out".into();
        }
        let done = fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|file| file.set_modified(std::time::SystemTime::UNIX_EPOCH));
        self.told("touch", &path, done)
    }

    pub(crate) fn told(&self, what: &str, path: &Path, done: std::io::Result<()>) -> String {
        let path = path.strip_prefix(&self.specs).unwrap_or(path).display();
        done.map_or_else(
            |error| format!("{what} {path}: {}", error.kind()),
            |()| format!("{what} {path}"),
        )
    }

    pub(crate) fn told_two(
        &self,
        what: &str,
        a: &Path,
        b: &Path,
        done: std::io::Result<()>,
    ) -> String {
        let b = b.strip_prefix(&self.specs).unwrap_or(b).display();
        self.told(what, a, done) + &format!(" -> {b}")
    }
}

/// Writes a file, but never through a link, which may lead outside.
pub(crate) fn write_below(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if has_other_names(path) {
        fs::remove_file(path)?;
    }
    fs::write(path, content)
}

/// Is it a symbolic link, or a file with several names? What is written through one name of
/// a file is no event at its other names, which is a known limit of watching.
pub(crate) fn has_other_names(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink() || m.is_file() && m.nlink() > 1)
}

/// Entries of a directory, in order.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(dir).into_iter().flatten();
    let mut paths: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Everything below a directory, links not followed.
fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
    for path in entries(dir) {
        let is_dir = fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir());
        out.push(path.clone());
        if is_dir {
            walk(&path, out);
        }
    }
}
