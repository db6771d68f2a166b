//! One feature in full: its page, wrapped to the screen, and how far it is scrolled.
//!
//! Pure. An update keeps the place on the page; what was read stays when the feature goes.

use crate::cli::render::drift::drift as drift_page;
use crate::cli::render::overview::overview as overview_page;
use crate::cli::render::{Line, Page, Tone};
use crate::cli::wire::{Drift, Overview};

#[derive(Debug)]
pub(super) struct Detail {
    pub(super) id: String,
    pub(super) slug: String,
    page: Page,
    /// The page as it fits.
    lines: Vec<Line>,
    columns: usize,
    rows: usize,
    /// The first line on the screen.
    top: usize,
    is_gone: bool,
}

impl Detail {
    pub(super) fn new(id: String, slug: String) -> Self {
        let mut page = Page::from(Line::toned(Tone::Strong, &slug));
        page.line(Line::toned(Tone::Faint, "reading …"));
        let lines = page.lines().to_vec();
        Self { id, slug, page, lines, columns: 0, rows: 0, top: 0, is_gone: false }
    }

    /// Shows what was read.
    pub(super) fn show(&mut self, overview: &Overview, drift: Option<&Drift>) {
        let mut page = overview_page(overview);
        if let Some(drift) = drift {
            page.gap();
            page.line(Line::toned(Tone::Strong, "Drift"));
            page.append(drift_page(drift));
        }
        self.replace(page);
    }

    /// Shows why nothing could be read.
    pub(super) fn refuse(&mut self, reason: String) {
        let mut page = Page::from(Line::toned(Tone::Strong, &self.slug));
        page.line(Line::toned(Tone::Bad, "✗ ").text(reason));
        self.replace(page);
    }

    /// Is it no longer registered? What was read of it stays.
    pub(super) fn set_gone(&mut self, is_gone: bool) {
        self.is_gone = is_gone;
    }

    pub(super) fn is_gone(&self) -> bool {
        self.is_gone
    }

    pub(super) fn fit(&mut self, columns: usize, rows: usize) {
        if (columns, rows) != (self.columns, self.rows) {
            (self.columns, self.rows) = (columns, rows);
            self.wrap();
        }
    }

    /// How many lines are on the screen, at least one.
    pub(super) fn page(&self) -> isize {
        isize::try_from(self.rows.max(1)).unwrap_or(isize::MAX)
    }

    /// Goes so many lines down; at an end it stays there.
    pub(super) fn scroll(&mut self, lines: isize) {
        self.top = self.top.saturating_add_signed(lines).min(self.last_top());
    }

    /// The lines on the screen.
    pub(super) fn visible(&self) -> &[Line] {
        let end = (self.top + self.rows).min(self.lines.len());
        &self.lines[self.top.min(end)..end]
    }

    /// How many lines are above and below the screen.
    pub(super) fn hidden(&self) -> (usize, usize) {
        (self.top, self.last_top().saturating_sub(self.top))
    }

    fn replace(&mut self, page: Page) {
        if page != self.page {
            self.page = page;
            self.wrap();
        }
    }

    fn wrap(&mut self) {
        self.lines = self.page.lines().iter().flat_map(|line| line.wrapped(self.columns)).collect();
        self.scroll(0);
    }

    fn last_top(&self) -> usize {
        self.lines.len().saturating_sub(self.rows)
    }
}
