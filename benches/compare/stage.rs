//! What all rows share: options, inputs, and how things are measured in turn.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::daemon::Home;
use crate::fault::{Outcome, While};
use crate::inputs::{Project, STAND_IN, Shape};
use crate::options::Options;
use crate::series::{Series, Unit};

/// Where rows are measured.
pub(crate) struct Stage {
    pub(crate) options: Options,
    pub(crate) binary: PathBuf,
    /// Where inputs are kept.
    pub(crate) inputs: PathBuf,
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
        Ok(Self { options, binary, inputs })
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
        Home::new(&self.binary, &self.inputs)
    }

    /// Times them in turn, A B A B, after one round that does not count: it fills the page
    /// cache.
    pub(crate) fn in_turn<const N: usize>(
        &self,
        mut contenders: [Contender<'_>; N],
    ) -> Outcome<[Series; N]> {
        let mut series = std::array::from_fn(|_| Series::new(Unit::Seconds));
        for run in 0..=self.runs() {
            for (contender, series) in contenders.iter_mut().zip(&mut series) {
                let time = contender()?;
                if run > 0 {
                    series.push_time(time);
                }
            }
        }
        Ok(series)
    }
}
