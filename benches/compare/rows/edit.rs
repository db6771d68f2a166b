//! From an edit to the view.
//!
//! A file is rewritten in place and closed; that is when the clock starts. A client on the
//! Unix socket asks for the overview over and over, without a pause and with
//! If-None-Match, and the clock stops when an answer has another parity hash. The client
//! and the thread that answers it keep about one core busy, so on a machine with two the
//! daemon has the other one to work on. Before the next edit of another file the daemon
//! comes to rest.

use std::time::{Duration, Instant};

use crate::client::Client;
use crate::daemon::{Daemon, Home, Watched};
use crate::fault::{Outcome, failed};
use crate::inputs::{Edits, ONE_1_000, ONE_50_000, ONE_100_000, Shape};
use crate::row::{Limit, Line};
use crate::series::{Series, Unit};
use crate::stage::Stage;

/// Edits per row, whatever the number of runs.
const EDITS: u32 = 100;
/// An edit that takes longer is lost.
const LIMIT: Duration = Duration::from_secs(30);

/// A daemon with one feature, whose files are edited.
///
/// Fields are dropped in order: the edits are undone when the daemon is gone.
struct Subject {
    client: Client,
    daemon: Daemon,
    _home: Home,
    watched: Watched,
    edits: Edits,
}

impl Subject {
    fn new(stage: &Stage, shape: Shape) -> Outcome<Self> {
        let (project, home) = (stage.project(shape)?, stage.home()?);
        let slug = Shape::slug(0);
        let edits = Edits::spread(&project.feature(&slug), EDITS as usize)?;
        let (daemon, mut client) = home.start_with(&project.root)?;
        let watched = Watched::new(&mut client, &slug)?;
        Ok(Self { client, daemon, _home: home, watched, edits })
    }

    /// The median of some edits, each of which is also appended to `all`.
    fn round(&mut self, edits: u32, all: &mut Series) -> Outcome<f64> {
        let mut round = Series::new(Unit::Seconds);
        for _ in 0..edits {
            self.rest()?;
            let closed = self.edits.next()?;
            let seen = self.watched.wait_change(&mut self.client, LIMIT)?;
            round.push_time(seen - closed);
        }
        all.values.extend(&round.values);
        Ok(round.spread().median)
    }

    /// Waits until the daemon has nothing to do, and the state is known.
    fn rest(&mut self) -> Outcome<()> {
        self.daemon.wait_idle(Duration::from_millis(100))?;
        self.watched.has_changed(&mut self.client).map(drop)
    }
}

/// The median of 100 edits at 1,000 artifacts.
pub(super) fn small(stage: &Stage) -> Outcome<Vec<Line>> {
    let mut subject = Subject::new(stage, ONE_1_000)?;
    let mut times = Series::new(Unit::Seconds);
    subject.round(EDITS, &mut times)?;
    let what = "one edit, file closed to view published, 1,000 artifacts";
    Ok(vec![Line::alone(what, times, Limit::AtMost(0.002))])
}

/// The time of a request with `fresh=true` that follows an edit at once, at 50,000.
///
/// An answer of 504, which says that two seconds were not enough, is asked for again; the
/// time is that until the answer that has the edit.
pub(super) fn fresh(stage: &Stage) -> Outcome<Vec<Line>> {
    let mut subject = Subject::new(stage, ONE_50_000)?;
    let mut times = Series::new(Unit::Seconds);
    for _ in 0..EDITS {
        subject.rest()?;
        let closed = subject.edits.next()?;
        if !subject.watched.has_changed_fresh(&mut subject.client)? {
            return failed("a fresh answer did not have the edit before it");
        }
        times.push_time(Instant::now() - closed);
    }
    let what = "one edit, then a read with fresh=true over the socket, 50,000 artifacts";
    Ok(vec![Line::alone(what, times, Limit::AtMost(0.040))])
}

/// How much longer it takes at 100,000 artifacts of one feature than at 1,000: medians of
/// rounds of edits in turn, 100 edits on each side or a few more.
pub(super) fn large(stage: &Stage) -> Outcome<Vec<Line>> {
    let mut small = Subject::new(stage, ONE_1_000)?;
    let mut large = Subject::new(stage, ONE_100_000)?;
    let mut all = [Series::new(Unit::Seconds), Series::new(Unit::Seconds)];
    let mut medians = [Series::new(Unit::Seconds), Series::new(Unit::Seconds)];
    for _ in 0..stage.runs() {
        let edits = EDITS.div_ceil(stage.runs());
        medians[0].values.push(large.round(edits, &mut all[0])?);
        medians[1].values.push(small.round(edits, &mut all[1])?);
    }
    let what = "one edit, file closed to view published, 100,000 artifacts";
    let [ours, peer] = medians;
    let limit = Limit::Times { at_most: 10.0, slack: 0.0 };
    let worst = all.map(|series| Unit::Seconds.show(series.spread().max));
    let [worst_large, worst_small] = worst;
    Ok(vec![
        Line::beside(what, ours, ("dossierd at 1,000 artifacts", peer), limit).note(format!(
            "Slowest of all edits: {worst_large} at 100,000, {worst_small} at 1,000."
        )),
    ])
}
