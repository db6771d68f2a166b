//! The command line of the comparison.

use std::path::PathBuf;

use clap::Parser;

/// Runs dossierd and its peers in turn on this machine, and prints one table.
///
/// Without names all rows are measured. Ends with 1 if a limit does not hold or something
/// was not measured.
#[derive(Debug, Parser)]
#[command(name = "compare")]
pub(crate) struct Options {
    /// Rows to measure, by name or by the beginning of names.
    pub(crate) rows: Vec<String>,
    /// List the rows and end.
    #[arg(long)]
    pub(crate) list: bool,
    /// How often dossierd and its peer are measured in turn.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) runs: u32,
    /// Write the table to benches/RESULTS.md too; for all rows of one run.
    #[arg(long, conflicts_with = "rows")]
    pub(crate) write: bool,
    /// Do not fail because a peer or an input is missing.
    #[arg(long)]
    pub(crate) allow_missing: bool,
    /// A project of real missions; it is copied, not touched [env: DOSSIERD_BENCH_CORPUS].
    #[arg(long, value_name = "DIR")]
    pub(crate) corpus: Option<PathBuf>,
    /// A Python with the packages of tests/interop/indexer.txt; else one is made [env: DOSSIERD_BENCH_PYTHON].
    #[arg(long, value_name = "FILE")]
    pub(crate) python: Option<PathBuf>,
    /// The dossierd to measure instead of the one built with this program.
    #[arg(long, value_name = "FILE")]
    pub(crate) binary: Option<PathBuf>,
    /// Where inputs are made and kept; else target/bench.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Cargo says so when it runs benches, but not when it runs them as tests.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}

impl Options {
    /// The command line, completed from the environment.
    pub(crate) fn read() -> Self {
        let mut options = Self::parse();
        let named = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        options.corpus = options.corpus.or_else(|| named("DOSSIERD_BENCH_CORPUS").map(Into::into));
        options.python = options.python.or_else(|| named("DOSSIERD_BENCH_PYTHON").map(Into::into));
        options
    }
}
