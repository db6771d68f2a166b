//! The least that any program must do that knows the contents of a directory tree: walk
//! it, and look at, read, or read, check and hash every file. As fast as it can be written
//! plainly: opened relative to directories, small files read at once, buffers used again.
//!
//! Hidden entries are passed by, as dossierd does; links and special files are not opened.

use std::collections::VecDeque;
use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, openat, statat};
use sha2::{Digest, Sha256};

/// What is done to every file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Stat,
    Read,
    /// Read, check that it is UTF-8, and SHA-256.
    Hash,
}

/// What was found; printed, so that nothing of the work can be left out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// All digests combined.
    pub(crate) mark: u64,
    pub(crate) not_text: u64,
}

/// Files that are handed out together.
const BATCH: usize = 64;
const BUFFER: usize = 1 << 18;

enum Task {
    List(OwnedFd),
    Files(Arc<OwnedFd>, Vec<CString>),
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    /// Tasks that are in the queue or being done.
    open: usize,
    error: Option<io::Error>,
}

struct Walk {
    queue: Mutex<Queue>,
    bell: Condvar,
    work: Work,
}

/// Does the work for every file below `root`.
pub(crate) fn walk(root: &Path, work: Work, threads: usize) -> io::Result<Totals> {
    let first = Task::List(open_dir(CWD, root)?);
    let queue = Queue { tasks: [first].into(), open: 1, error: None };
    let walk = Walk { queue: Mutex::new(queue), bell: Condvar::new(), work };
    let totals = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| walk.run())).collect();
        let mut totals = walk.run();
        for other in others {
            let other = other.join().expect("a worker does not panic");
            totals.add(other);
        }
        totals
    });
    let queue = walk.queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    queue.error.map_or(Ok(totals), Err)
}

fn open_dir(at: impl std::os::fd::AsFd, name: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(openat(at, name, flags, Mode::empty())?)
}

impl Walk {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does tasks until there are none.
    fn run(&self) -> Totals {
        let mut totals = Totals::default();
        let mut buffer = vec![0; BUFFER];
        while let Some(task) = self.next() {
            let done = match task {
                Task::List(dir) => self.list(dir, &mut buffer, &mut totals),
                Task::Files(dir, names) => self.files(&dir, &names, &mut buffer, &mut totals),
            };
            let mut queue = self.queue();
            queue.open -= 1;
            if let Err(error) = done {
                queue.error.get_or_insert(error);
            }
            if queue.open == 0 {
                self.bell.notify_all();
            }
        }
        totals
    }

    fn next(&self) -> Option<Task> {
        let mut queue = self.queue();
        loop {
            // The newest first: few directories are open at a time.
            if let Some(task) = queue.tasks.pop_back() {
                return Some(task);
            }
            if queue.open == 0 {
                return None;
            }
            queue = self.bell.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn push(&self, tasks: impl Iterator<Item = Task>) {
        let mut queue = self.queue();
        let before = queue.tasks.len();
        queue.tasks.extend(tasks);
        let more = queue.tasks.len() - before;
        queue.open += more;
        if more > 0 {
            self.bell.notify_all();
        }
    }

    /// Lists a directory; its files are done here if they are few.
    fn list(&self, dir: OwnedFd, buffer: &mut [u8], totals: &mut Totals) -> io::Result<()> {
        let mut files = Vec::new();
        let mut dirs = Vec::new();
        let mut space = [MaybeUninit::uninit(); 32 * 1024];
        let mut entries = RawDir::new(&dir, &mut space);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_bytes().starts_with(b".") {
                continue;
            }
            match entry.file_type() {
                FileType::RegularFile => files.push(name.to_owned()),
                FileType::Directory => dirs.push(Task::List(open_dir(&dir, name)?)),
                _ => {}
            }
        }
        self.push(dirs.into_iter());
        if files.len() <= BATCH {
            return self.files(&dir, &files, buffer, totals);
        }
        let dir = Arc::new(dir);
        let mut batches = Vec::new();
        while !files.is_empty() {
            let rest = files.split_off(files.len().min(BATCH));
            batches.push(Task::Files(Arc::clone(&dir), std::mem::replace(&mut files, rest)));
        }
        self.push(batches.into_iter());
        Ok(())
    }

    fn files(
        &self,
        dir: &OwnedFd,
        names: &[CString],
        buffer: &mut [u8],
        totals: &mut Totals,
    ) -> io::Result<()> {
        for name in names {
            totals.files += 1;
            if self.work == Work::Stat {
                let stat = statat(dir, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)?;
                totals.bytes += u64::try_from(stat.st_size).unwrap_or(0);
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let file = openat(dir, name.as_c_str(), flags, Mode::empty())?;
            read(&file, self.work, buffer, totals)?;
        }
        Ok(())
    }
}

/// Reads a file to its end. A read that fills less than the buffer was the last one.
fn read(file: &OwnedFd, work: Work, buffer: &mut [u8], totals: &mut Totals) -> io::Result<()> {
    let mut hasher = (work == Work::Hash).then(Sha256::new);
    // Bytes of a character that the former read cut, at the beginning of the buffer.
    let mut cut = 0;
    loop {
        let read = rustix::io::read(file, &mut buffer[cut..])?;
        let last = read < buffer.len() - cut;
        totals.bytes += read as u64;
        if let Some(hasher) = &mut hasher {
            hasher.update(&buffer[cut..cut + read]);
            let valid = match std::str::from_utf8(&buffer[..cut + read]) {
                Ok(text) => text.len(),
                Err(error) if error.error_len().is_none() && !last => error.valid_up_to(),
                Err(_) => {
                    totals.not_text += 1;
                    cut + read
                }
            };
            buffer.copy_within(valid..cut + read, 0);
            cut = cut + read - valid;
        }
        if last {
            break;
        }
    }
    if let Some(hasher) = hasher {
        let digest = hasher.finalize();
        let first = digest.first_chunk().expect("a SHA-256 has 32 bytes");
        totals.mark ^= u64::from_le_bytes(*first);
    }
    Ok(())
}

impl Totals {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.mark ^= other.mark;
        self.not_text += other.not_text;
    }
}
