//! Where rounds are run: a back-end, a file system, a length of the kernel's queue.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use dossierd::daemon::{BackendFactory, Setup};

use crate::backend::Backend;
use crate::kit::Bench;
use crate::queue_limit::QueueLimit;

/// So small a queue overflows in nearly every burst.
const SHORT_QUEUE: u32 = 64;

/// So small a segment makes logs rotate.
const SEGMENT_BYTES: u64 = 512 * 1024;

/// A kind of file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    /// Where the build is: a disk, mostly.
    Disk,
    /// A file system in memory.
    Memory,
}

impl Medium {
    /// A directory on it; `None`, loudly, if there is none of that kind.
    fn directory(self) -> Option<PathBuf> {
        let disk = chosen("DOSSIERD_DISK").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
        if self == Self::Disk {
            return Some(disk);
        }
        let memory = chosen("DOSSIERD_MEMORY").unwrap_or_else(|| "/dev/shm".into());
        let device = |dir: &Path| dir.metadata().map(|found| found.dev()).ok();
        if device(&memory).is_none() || device(&memory) == device(&disk) {
            let (memory, disk) = (memory.display(), disk.display());
            eprintln!("SKIP rounds in memory: {memory} is no file system beside that of {disk}");
            return None;
        }
        Some(memory)
    }
}

fn chosen(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) backend: Backend,
    medium: Medium,
    directory: PathBuf,
    queue: Option<u32>,
}

impl Field {
    /// `None`, loudly, where this machine has no such thing.
    pub(crate) fn new(backend: Backend, medium: Medium, short_queue: bool) -> Option<Self> {
        let directory = medium.directory()?;
        if short_queue && !QueueLimit::can_be_lowered() {
            return None;
        }
        Some(Self { backend, medium, directory, queue: short_queue.then_some(SHORT_QUEUE) })
    }

    /// A bench there, whose daemon does not run. Its project is a repository of its own,
    /// or it would be part of the one that this is built in, whose head may change.
    pub(crate) fn bench(&self) -> Bench {
        let bench = Bench::stopped_in(&self.directory);
        let git = bench.project().join(".git");
        crate::kit::write(&git.join("HEAD"), "ref: refs/heads/main\n");
        for inside in ["objects", "refs"] {
            std::fs::create_dir(git.join(inside)).expect("made");
        }
        bench
    }

    /// Starts the daemon of a bench.
    pub(crate) fn start(&self, bench: &mut Bench) {
        let (backend, queue) = (self.backend, self.queue);
        let factory: BackendFactory = Box::new(move |dirty, cookies| {
            let _held = QueueLimit::hold(queue);
            backend.start(dirty, cookies)
        });
        let setup = Setup { backend: factory, segment_bytes: SEGMENT_BYTES, ..Setup::default() };
        bench.start_with(setup);
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let medium = match self.medium {
            Medium::Disk => "disk",
            Medium::Memory => "memory",
        };
        let queue = self.queue.map_or_else(|| "default".to_owned(), |queue| queue.to_string());
        write!(f, "{}, {medium}, queue {queue}", self.backend.name())
    }
}
