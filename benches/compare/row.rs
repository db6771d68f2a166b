//! A row of the comparison: what is asked for by name, and the lines that it gives.

use crate::fault::Outcome;
use crate::series::{Series, Spread, Unit, ratios};
use crate::stage::Stage;

/// Something that can be measured by name.
pub(crate) struct Row {
    /// What is typed on the command line; a prefix of it will do.
    pub(crate) name: &'static str,
    /// What is measured, for `--list`.
    pub(crate) what: &'static str,
    /// Measures it.
    pub(crate) measure: fn(&Stage) -> Outcome<Vec<Line>>,
}

/// What is allowed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// dossierd's figure, less `slack`, is at most so many times the peer's.
    Times { at_most: f64, slack: f64 },
    /// dossierd's figure is at least so many times the peer's.
    Part { at_least: f64 },
    /// dossierd's figure is at most this.
    AtMost(f64),
    /// For information.
    None,
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) ours: Series,
    /// Its name, and its values in the same rounds.
    pub(crate) peer: Option<(String, Series)>,
    pub(crate) limit: Limit,
    /// What belongs below the table.
    pub(crate) notes: Vec<String>,
}

impl Line {
    /// A line without a peer.
    pub(crate) fn alone(what: impl Into<String>, ours: Series, limit: Limit) -> Self {
        Self { what: what.into(), ours, peer: None, limit, notes: Vec::new() }
    }

    /// A line with a peer.
    pub(crate) fn beside(
        what: impl Into<String>,
        ours: Series,
        peer: (impl Into<String>, Series),
        limit: Limit,
    ) -> Self {
        let peer = Some((peer.0.into(), peer.1));
        Self { what: what.into(), ours, peer, limit, notes: Vec::new() }
    }

    /// The same with a note.
    pub(crate) fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// dossierd's figure over the peer's, per round; without what the limit grants on top.
    pub(crate) fn ratio(&self) -> Option<Spread> {
        let (_, peer) = self.peer.as_ref()?;
        let slack = match self.limit {
            Limit::Times { slack, .. } => slack,
            _ => 0.0,
        };
        Some(Spread::of(&ratios(&self.ours.values, &peer.values, slack)))
    }

    /// Does the median hold the limit? `None` where there is no limit.
    pub(crate) fn holds(&self) -> Option<bool> {
        let ratio = self.ratio().map_or(f64::NAN, |ratio| ratio.median);
        match self.limit {
            Limit::Times { at_most, .. } => Some(ratio <= at_most),
            Limit::Part { at_least } => Some(ratio >= at_least),
            Limit::AtMost(most) => Some(self.ours.spread().median <= most),
            Limit::None => None,
        }
    }

    /// The limit in words.
    pub(crate) fn limit(&self) -> String {
        match self.limit {
            Limit::Times { at_most, slack: 0.0 } => format!("≤ {at_most} x"),
            Limit::Times { at_most, slack } => {
                format!("≤ {at_most} x + {}", Unit::Seconds.show(slack))
            }
            Limit::Part { at_least } => format!("≥ {at_least} x"),
            Limit::AtMost(most) => format!("≤ {}", self.ours.unit.show(most)),
            Limit::None => "–".to_owned(),
        }
    }
}
