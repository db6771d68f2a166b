//! The indexer of the public Python package `spec-kitty-cli`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::children::{has, output};
use crate::fault::{Fault, Outcome, While, failed};
use crate::inputs::make_once;
use crate::stage::Stage;

/// Its name and version in the table.
pub(crate) const NAME: &str = "spec-kitty-cli==2.1.0, in process";

/// A Python with that package.
pub(crate) struct Indexer {
    python: PathBuf,
}

impl Indexer {
    /// The one that was named, or one made for this and kept.
    pub(crate) fn find(stage: &Stage) -> Outcome<Self> {
        if let Some(python) = &stage.options.python {
            return Ok(Self { python: python.clone() });
        }
        if !has("python3") {
            return Err(Fault::Missing("there is no python3".to_owned()));
        }
        let environment = stage.inputs.join("indexer");
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/indexer.txt");
        let python = environment.join("bin/python");
        make_once(&environment, "1", || {
            eprintln!("installing spec-kitty-cli …");
            output(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
            let install = output(Command::new(&python).args(pip).arg("-r").arg(packages));
            install.map(drop).map_err(|fault| Fault::Missing(fault.to_string()))
        })?;
        Ok(Self { python })
    }

    /// How long it takes to index a project, without its start-up.
    pub(crate) fn time(&self, project: &Path) -> Outcome<Duration> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare/peers/index.py");
        let mut command = Command::new(&self.python);
        command.arg(script).arg(project).env("PYTHONDONTWRITEBYTECODE", "1");
        let printed = String::from_utf8_lossy(&output(&mut command)?).into_owned();
        match printed.split_whitespace().next().map(str::parse) {
            Some(Ok(seconds)) => Duration::try_from_secs_f64(seconds).during("its time"),
            _ => failed(format!("the indexer printed no time: {printed}")),
        }
    }
}
