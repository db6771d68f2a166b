//! The list: which features are shown, in which order, which one is chosen, and from where
//! on they are on the screen.
//!
//! Pure. The chosen feature is remembered by its id, so that it stays chosen wherever an
//! update puts it. Where it is no longer shown, the one in its place is chosen.

use crate::cli::render::features::{DISPENSABLE, in_order, needs_attention, table};
use crate::cli::render::{Line, Page};
use crate::cli::wire::FeatureRow;

/// Which features are shown at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Filter {
    #[default]
    All,
    /// Something is wrong with them.
    Attention,
}

/// How many there are of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) all: usize,
    pub(super) attention: usize,
    pub(super) incomplete: usize,
    pub(super) drifted: usize,
    /// Pass the filter and the search.
    pub(super) shown: usize,
}

#[derive(Debug, Default)]
pub(super) struct Listing {
    /// All, in the order of `status`.
    rows: Vec<FeatureRow>,
    /// Indices of those that are shown.
    shown: Vec<usize>,
    filter: Filter,
    search: String,
    chosen: Option<String>,
    /// Where the chosen one is among those shown.
    at: usize,
    /// The first on the screen, and how many fit.
    top: usize,
    height: usize,
    /// Headings and those that are shown, as they fit.
    page: Page,
    columns: usize,
}

impl Listing {
    /// Takes a new state of everything.
    pub(super) fn replace(&mut self, features: &[FeatureRow]) {
        self.rows = in_order(features).into_iter().cloned().collect();
        self.arrange();
    }

    pub(super) fn filter(&self) -> Filter {
        self.filter
    }

    pub(super) fn set_filter(&mut self, filter: Filter) {
        self.filter = filter;
        self.arrange();
    }

    pub(super) fn search(&self) -> &str {
        &self.search
    }

    /// Shows only what has this text in it, in any case.
    pub(super) fn set_search(&mut self, search: String) {
        self.search = search;
        self.arrange();
    }

    /// So many columns and rows fit on the screen, headings not counted.
    pub(super) fn fit(&mut self, columns: usize, height: usize) {
        self.height = height;
        if columns != self.columns {
            self.columns = columns;
            self.lay_out();
        }
        self.scroll();
    }

    /// How many rows fit on the screen, at least one.
    pub(super) fn page(&self) -> isize {
        isize::try_from(self.height.max(1)).unwrap_or(isize::MAX)
    }

    /// Chooses the one so many places further down; at an end it stays there.
    pub(super) fn go(&mut self, places: isize) {
        self.at = self.at.saturating_add_signed(places);
        self.choose_at();
    }

    /// Chooses a feature by its id, if it is shown.
    pub(super) fn choose(&mut self, id: &str) {
        if let Some(at) = self.shown.iter().position(|row| self.rows[*row].id == id) {
            self.at = at;
            self.choose_at();
        }
    }

    pub(super) fn chosen(&self) -> Option<&FeatureRow> {
        self.shown.get(self.at).map(|row| &self.rows[*row])
    }

    /// The headings.
    pub(super) fn headings(&self) -> Option<&Line> {
        self.page.lines().first()
    }

    /// The rows on the screen, and whether each is the chosen one.
    pub(super) fn visible(&self) -> impl Iterator<Item = (&Line, bool)> {
        let rows = self.page.lines().iter().skip(1).enumerate();
        rows.skip(self.top).take(self.height).map(|(at, line)| (line, at == self.at))
    }

    /// Is nothing registered at all?
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Any feature, shown or not.
    pub(super) fn find(&self, id: &str) -> Option<&FeatureRow> {
        self.rows.iter().find(|row| row.id == id)
    }

    pub(super) fn counts(&self) -> Counts {
        let count = |is: fn(&FeatureRow) -> bool| self.rows.iter().filter(|row| is(row)).count();
        Counts {
            all: self.rows.len(),
            attention: count(needs_attention),
            incomplete: count(|row| row.completeness_status == "incomplete"),
            drifted: count(|row| matches!(row.parity_status.as_str(), "drifted" | "moved")),
            shown: self.shown.len(),
        }
    }

    fn arrange(&mut self) {
        let wanted = self.search.to_lowercase();
        let shown = self.rows.iter().enumerate().filter(|(_, row)| {
            (self.filter == Filter::All || needs_attention(row)) && says(row, &wanted)
        });
        self.shown = shown.map(|(at, _)| at).collect();
        let chosen = self.chosen.as_deref();
        if let Some(at) = self.shown.iter().position(|row| Some(&*self.rows[*row].id) == chosen) {
            self.at = at;
        }
        self.choose_at();
        self.lay_out();
    }

    fn lay_out(&mut self) {
        let shown: Vec<&FeatureRow> = self.shown.iter().map(|row| &self.rows[*row]).collect();
        // A quarter is enough to know most by, and leaves room for how they are.
        let least = (self.columns / 4).max(8);
        self.page = table(&shown, &self.rows).page_within(self.columns, least, &DISPENSABLE);
    }

    fn choose_at(&mut self) {
        self.at = self.at.min(self.shown.len().saturating_sub(1));
        if let Some(id) = self.chosen().map(|row| row.id.clone()) {
            self.chosen = Some(id);
        }
        self.scroll();
    }

    /// Keeps the chosen one on the screen, and the screen full.
    fn scroll(&mut self) {
        let last_top = self.shown.len().saturating_sub(self.height.max(1));
        let lowest = (self.at + 1).saturating_sub(self.height.max(1));
        self.top = self.top.clamp(lowest, self.at.max(lowest)).min(last_top);
    }
}

/// Is this (in lower case) in what a person sees of the feature?
fn says(row: &FeatureRow, wanted: &str) -> bool {
    let texts = [
        Some(row.slug.as_str()),
        Some(row.id.as_str()),
        Some(row.completeness_status.as_str()),
        Some(row.watch.state.as_str()),
        row.project_slug.as_deref(),
        row.branch.as_deref(),
        row.mission_type.as_deref(),
        row.current_step.as_deref(),
    ];
    // On the screen it is "in sync", in the document "in_sync".
    let parity = row.parity_status.replace('_', " ");
    let mut all = texts.into_iter().flatten().chain([parity.as_str()]);
    wanted.is_empty() || all.any(|text| text.to_lowercase().contains(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, parity: &str) -> FeatureRow {
        FeatureRow {
            id: id.into(),
            slug: format!("slug-{id}"),
            completeness_status: "complete".into(),
            parity_status: parity.into(),
            ..FeatureRow::default()
        }
    }

    fn listing(ids: &[&str]) -> Listing {
        let rows: Vec<FeatureRow> = ids.iter().map(|id| row(id, "in_sync")).collect();
        let mut listing = Listing::default();
        listing.fit(80, 3);
        listing.replace(&rows);
        listing
    }

    fn chosen(listing: &Listing) -> &str {
        listing.chosen().map_or("", |row| &row.id)
    }

    fn place(listing: &Listing) -> (usize, usize) {
        (listing.top, listing.at)
    }

    #[test]
    fn the_chosen_one_stays_chosen_wherever_it_goes() {
        let mut listing = listing(&["a", "b", "c", "d"]);
        assert_eq!(chosen(&listing), "a");
        listing.go(2);
        assert_eq!(chosen(&listing), "c");
        let mut rows: Vec<FeatureRow> =
            ["a", "b", "c", "d", "e"].iter().map(|id| row(id, "in_sync")).collect();
        rows[2].parity_status = "drifted".into();
        listing.replace(&rows);
        assert_eq!((chosen(&listing), place(&listing)), ("c", (0, 0)));
        // It is gone: the one in its place.
        rows.remove(2);
        listing.replace(&rows);
        assert_eq!(chosen(&listing), "a");
        listing.go(isize::MAX);
        assert_eq!(chosen(&listing), "e");
        rows.truncate(2);
        listing.replace(&rows);
        assert_eq!(chosen(&listing), "b");
        listing.replace(&[]);
        assert_eq!(chosen(&listing), "");
        rows.reverse();
        listing.replace(&rows);
        assert_eq!(chosen(&listing), "b");
    }

    #[test]
    fn the_screen_follows_and_stays_full() {
        let mut listing = listing(&["a", "b", "c", "d", "e"]);
        let tops = |listing: &mut Listing, moves: &[isize]| -> Vec<usize> {
            let place = |by: &isize| {
                listing.go(*by);
                place(listing).0
            };
            moves.iter().map(place).collect()
        };
        assert_eq!(tops(&mut listing, &[1, 1, 1, -1, -1, -1]), [0, 0, 1, 1, 1, 0]);
        listing.go(isize::MAX);
        assert_eq!(place(&listing), (2, 4));
        listing.fit(80, 10);
        assert_eq!(place(&listing), (0, 4));
        listing.fit(80, 0);
        assert_eq!(place(&listing), (4, 4));
        listing.go(isize::MIN);
        assert_eq!(place(&listing), (0, 0));
    }

    #[test]
    fn filters_combine_and_counts_tell() {
        let mut listing = Listing::default();
        let mut rows = vec![
            row("a", "in_sync"),
            row("b", "drifted"),
            row("c", "no_baseline"),
            row("d", "moved"),
        ];
        rows[2].completeness_status = "incomplete".into();
        rows[3].project_slug = Some("Läden".into());
        listing.replace(&rows);
        let ids = |listing: &Listing| -> String {
            listing.shown.iter().map(|row| &*listing.rows[*row].id).collect()
        };
        assert_eq!(ids(&listing), "bdca");
        listing.set_filter(Filter::Attention);
        assert_eq!(ids(&listing), "bdc");
        listing.set_search("LÄD".into());
        assert_eq!((ids(&listing).as_str(), chosen(&listing)), ("d", "d"));
        let counts = Counts { all: 4, attention: 3, incomplete: 1, drifted: 2, shown: 1 };
        assert_eq!(listing.counts(), counts);
        listing.set_search("nothing has this".into());
        assert!(listing.chosen().is_none());
        // What was chosen last is chosen again when it is back.
        listing.set_search(String::new());
        assert_eq!(chosen(&listing), "d");
        listing.set_filter(Filter::All);
        listing.set_search("in sync".into());
        assert_eq!(ids(&listing), "a");
    }
}
