//! Resident memory of a daemon at rest.

use std::path::Path;
use std::time::Duration;

use crate::daemon::Home;
use crate::fault::Outcome;
use crate::inputs::{MANY_100_000, ONE_100_000};
use crate::row::{Limit, Line};
use crate::series::{Series, Unit};
use crate::stage::Stage;
use crate::usage::{Memory, memory};

/// At rest is who did nothing for so long.
const CALM: Duration = Duration::from_secs(2);

/// With real missions registered.
pub(super) fn corpus(stage: &Stage) -> Outcome<Vec<Line>> {
    let (project, name) = stage.corpus()?;
    let home = stage.home()?;
    measure(&home, &project.root, name, 20e6)
}

/// At 100,000 artifacts: in one feature, and in a hundred.
pub(super) fn large(stage: &Stage) -> Outcome<Vec<Line>> {
    let mut lines = Vec::new();
    for (shape, name) in [
        (ONE_100_000, "100,000 artifacts in one feature"),
        (MANY_100_000, "100,000 artifacts in 100 features"),
    ] {
        let (project, home) = (stage.project(shape)?, stage.home()?);
        lines.extend(measure(&home, &project.root, name, 100e6)?);
    }
    Ok(lines)
}

/// After the registration with its first scan, and after a restart.
fn measure(home: &Home, project: &Path, name: &str, most: f64) -> Outcome<Vec<Line>> {
    let (daemon, client) = home.start_with(project)?;
    drop(client);
    daemon.wait_idle(CALM)?;
    let first = memory(daemon.pid())?;
    daemon.stop()?;
    let (daemon, _) = home.start()?;
    daemon.wait_idle(CALM)?;
    let again = memory(daemon.pid())?;
    daemon.stop()?;
    Ok(vec![
        line(&format!("resident memory, {name}, idle after the first scan"), first, most),
        line(&format!("resident memory, {name}, idle after a restart"), again, most),
    ])
}

fn line(what: &str, memory: Memory, most: f64) -> Line {
    let Memory { total, anonymous, file } = memory;
    let show = |bytes| Unit::Bytes.show(bytes);
    Line::alone(what, Series::one(Unit::Bytes, total), Limit::AtMost(most)).note(format!(
        "{} anonymous, {} of files.",
        show(anonymous),
        show(file)
    ))
}
