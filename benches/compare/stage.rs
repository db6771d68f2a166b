//! What all rows share: options, inputs, and how things are measured in turn.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::daemon::Home;
use crate::fault::{Outcome, While, failed};
use crate::inputs::{Project, STAND_IN, Shape};
use crate::options::Options;
use crate::series::{Series, Unit};
use crate::usage;

/// How the names of directories begin that are not kept.
const SCRATCH: &str = "scratch-";

/// Where rows are measured.
pub(crate) struct Stage {
    pub(crate) options: Options,
    pub(crate) binary: PathBuf,
    /// Where inputs are kept.
    pub(crate) inputs: PathBuf,
    /// Held as long as the inputs are ours.
    _lock: File,
}

/// What timing in turn gave of one contender.
#[derive(Debug)]
pub(crate) struct Timed {
    /// What it says itself that it took.
    pub(crate) wall: Series,
    /// Seconds on processors, of it and all that it started, in all rounds together.
    pub(crate) processor: f64,
}

/// One of several that are timed in turn.
pub(crate) type Contender<'a> = Box<dyn FnMut() -> Outcome<Duration> + 'a>;

impl Stage {
    /// As the options say.
    pub(crate) fn new(options: Options) -> Outcome<Self> {
        let built = Path::new(env!("CARGO_BIN_EXE_dossierd"));
        let binary = options.binary.clone().unwrap_or_else(|| built.to_path_buf());
        let binary = binary.canonicalize().at("there is no", &binary)?;
        let target = built.ancestors().nth(2).unwrap_or(Path::new("target"));
        let inputs = options.dir.clone().unwrap_or_else(|| target.join("bench"));
        std::fs::create_dir_all(&inputs).at("cannot make", &inputs)?;
        let inputs = inputs.canonicalize().at("there is no", &inputs)?;
        let lock = File::create(inputs.join("lock")).at("cannot make a lock in", &inputs)?;
        if lock.try_lock().is_err() {
            return failed(format!("another comparison uses {}; wait for it", inputs.display()));
        }
        remove_left_overs(&inputs)?;
        Ok(Self { options, binary, inputs, _lock: lock })
    }

    /// A directory that is removed when this is dropped.
    pub(crate) fn scratch(&self) -> Outcome<TempDir> {
        let made = tempfile::Builder::new().prefix(SCRATCH).tempdir_in(&self.inputs);
        made.at("cannot make a directory in", &self.inputs)
    }

    /// How often everything is measured.
    pub(crate) fn runs(&self) -> u32 {
        self.options.runs
    }

    /// A generated project.
    pub(crate) fn project(&self, shape: Shape) -> Outcome<Project> {
        Project::generated(&self.inputs, shape)
    }

    /// The project of real missions with its name, or a generated one that stands in.
    pub(crate) fn corpus(&self) -> Outcome<(Project, &'static str)> {
        match &self.options.corpus {
            Some(from) => Ok((Project::copied(&self.inputs, from)?, "real missions")),
            None => Ok((self.project(STAND_IN)?, "generated missions that stand in for real ones")),
        }
    }

    /// An empty home for a daemon.
    pub(crate) fn home(&self) -> Outcome<Home> {
        Ok(Home::new(&self.binary, self.scratch()?))
    }

    /// Times them in turn, A B A B, after one round that does not count: it fills the page
    /// cache.
    pub(crate) fn in_turn<const N: usize>(
        &self,
        mut contenders: [Contender<'_>; N],
    ) -> Outcome<[Timed; N]> {
        let mut timed =
            std::array::from_fn(|_| Timed { wall: Series::new(Unit::Seconds), processor: 0.0 });
        for run in 0..=self.runs() {
            for (contender, timed) in contenders.iter_mut().zip(&mut timed) {
                let before = usage::children()?;
                let time = contender()?;
                if run > 0 {
                    timed.wall.push_time(time);
                    timed.processor += usage::children()? - before;
                }
            }
        }
        Ok(timed)
    }
}

/// Removes what a run that was killed left behind.
fn remove_left_overs(inputs: &Path) -> Outcome<()> {
    for entry in fs::read_dir(inputs).at("cannot list", inputs)? {
        let entry = entry.at("cannot list", inputs)?;
        if entry.file_name().to_string_lossy().starts_with(SCRATCH) {
            let path = entry.path();
            fs::remove_dir_all(&path).at("cannot remove", &path)?;
        }
    }
    Ok(())
}
