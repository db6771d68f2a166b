//! What the view knows and what a key or a piece of news makes of it.
//!
//! Pure: no clock, no terminal, no daemon. Keys and news come in, at most one [`Effect`]
//! comes out; [`super::draw`] shows the state.

use std::collections::BTreeSet;

use super::detail::Detail;
use super::key::Key;
use super::listing::{Filter, Listing};
use crate::cli::render::{Line, Tone, mark};
use crate::cli::wire::{Drift, Features, Health, Overview};

/// Columns of what marks the chosen feature.
pub(super) const MARKER: usize = 2;

/// What came from the daemon.
#[derive(Debug)]
pub(super) enum News {
    /// Everything, and when it was read.
    Features(Box<Features>, String),
    /// Reading failed, and why.
    Unreachable(String),
    /// Changes are not told any more, and why.
    StreamLost(String),
    /// They are told from now on.
    StreamBack,
    /// The feature that is looked at, in full.
    Detail(Box<Overview>, Option<Box<Drift>>),
    /// The feature of this id cannot be looked at, and why.
    NoDetail(String, String),
    /// A rescan of the feature of this id has ended, and how the feature is now.
    Rescanned(String, Result<Box<Overview>, String>),
}

/// What the view wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    Quit,
    /// Give the terminal back until the shell goes on with this process.
    Suspend,
    /// Paint everything anew.
    Repaint,
    /// Read this feature too, by its id; or none any more.
    Look(Option<String>),
    /// Scan this feature, by its id.
    Rescan(String),
}

/// How the daemon can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Connection {
    /// It answers; whether it tells of changes is not known yet.
    Starting,
    /// It tells of changes, and answers.
    Live,
    /// It answers, but does not tell of changes, and why.
    Polled(String),
    /// It does not answer, and why: what is shown is old.
    Lost(String),
}

#[derive(Debug, Default)]
pub(super) struct App {
    pub(super) listing: Listing,
    pub(super) health: Health,
    /// When the shown state was read.
    pub(super) as_of: String,
    /// Why reading failed last, and why changes are not told.
    unreachable: Option<String>,
    stream_lost: Option<String>,
    /// Have changes been told since the start?
    is_followed: bool,
    /// The feature that is looked at.
    pub(super) detail: Option<Detail>,
    /// Is the search being typed?
    pub(super) is_typing: bool,
    pub(super) is_helping: bool,
    /// Said once, until the next key.
    pub(super) message: Option<Line>,
    rescanning: BTreeSet<String>,
}

impl App {
    /// With everything that was read at this time, and a search.
    pub(super) fn new(features: Features, as_of: String, search: String) -> Self {
        let mut app = Self::default();
        app.news(News::Features(Box::new(features), as_of));
        app.listing.set_search(search);
        app
    }

    pub(super) fn connection(&self) -> Connection {
        match (&self.unreachable, &self.stream_lost) {
            (Some(reason), _) => Connection::Lost(reason.clone()),
            (None, Some(reason)) => Connection::Polled(reason.clone()),
            (None, None) if self.is_followed => Connection::Live,
            (None, None) => Connection::Starting,
        }
    }

    /// The part between header and footer has this size.
    pub(super) fn fit(&mut self, columns: usize, rows: usize) {
        // One of them is for the headings.
        self.listing.fit(columns.saturating_sub(MARKER), rows.saturating_sub(1));
        if let Some(detail) = &mut self.detail {
            detail.fit(columns, rows);
        }
    }

    /// Opens the detail of a feature that is listed.
    fn open(&mut self, id: &str) -> Option<Effect> {
        self.listing.choose(id);
        let row = self.listing.find(id)?;
        self.detail = Some(Detail::new(row.id.clone(), row.slug.clone()));
        Some(Effect::Look(Some(id.to_owned())))
    }

    pub(super) fn news(&mut self, news: News) {
        match news {
            News::Features(features, at) => {
                let Features { features, health, .. } = *features;
                self.listing.replace(&features);
                (self.health, self.as_of, self.unreachable) = (health, at, None);
                if let Some(detail) = &mut self.detail {
                    detail.set_gone(self.listing.find(&detail.id).is_none());
                }
            }
            News::Unreachable(reason) => self.unreachable = Some(reason),
            News::StreamLost(reason) => self.stream_lost = Some(reason),
            News::StreamBack => (self.stream_lost, self.is_followed) = (None, true),
            News::Detail(overview, drift) => {
                if let Some(detail) = self.detail_of(&overview.feature_id) {
                    detail.show(&overview, drift.as_deref());
                }
            }
            News::NoDetail(id, reason) => {
                if let Some(detail) = self.detail_of(&id) {
                    detail.refuse(reason);
                }
            }
            News::Rescanned(id, outcome) => {
                self.rescanning.remove(&id);
                let slug = self.slug(&id);
                self.message = Some(match outcome {
                    Ok(overview) => Line::plain(format!("rescanned {slug}: "))
                        .then(mark::completeness(&overview.completeness_status))
                        .text(", ")
                        .then(mark::parity(&overview.parity_status)),
                    Err(reason) => Line::toned(Tone::Bad, "✗ ").text(slug).text(": ").text(reason),
                });
            }
        }
    }

    pub(super) fn key(&mut self, key: Key) -> Option<Effect> {
        self.message = None;
        match key {
            Key::Ctrl('c') => return Some(Effect::Quit),
            Key::Ctrl('z') => return Some(Effect::Suspend),
            Key::Ctrl('l') => return Some(Effect::Repaint),
            _ => {}
        }
        if std::mem::take(&mut self.is_helping) {
            return (key == Key::Char('q')).then_some(Effect::Quit);
        }
        if self.is_typing {
            self.type_search(key);
            return None;
        }
        match key {
            Key::Char('?') => {
                self.is_helping = true;
                None
            }
            Key::Char('q') => Some(Effect::Quit),
            Key::Char('r') => self.rescan(),
            key if self.detail.is_some() => self.key_in_detail(key),
            key => self.key_in_list(key),
        }
    }

    fn key_in_list(&mut self, key: Key) -> Option<Effect> {
        let page = self.listing.page();
        match key {
            Key::Enter | Key::Right | Key::Char('l') => {
                let id = self.listing.chosen()?.id.clone();
                return self.open(&id);
            }
            Key::Char('/') => self.is_typing = true,
            Key::Esc => self.listing.set_search(String::new()),
            Key::Tab | Key::BackTab => self.listing.set_filter(match self.listing.filter() {
                Filter::All => Filter::Attention,
                Filter::Attention => Filter::All,
            }),
            key => {
                if let Some(places) = places(key, page) {
                    self.listing.go(places);
                }
            }
        }
        None
    }

    fn key_in_detail(&mut self, key: Key) -> Option<Effect> {
        let detail = self.detail.as_mut()?;
        match key {
            Key::Esc | Key::Char('h') | Key::Left | Key::Backspace => {
                self.detail = None;
                return Some(Effect::Look(None));
            }
            key => {
                if let Some(lines) = places(key, detail.page()) {
                    detail.scroll(lines);
                }
            }
        }
        None
    }

    fn type_search(&mut self, key: Key) {
        let mut search = self.listing.search().to_owned();
        match key {
            Key::Enter => self.is_typing = false,
            Key::Esc => {
                self.is_typing = false;
                search.clear();
            }
            Key::Backspace => {
                search.pop();
            }
            Key::Ctrl('u') => search.clear(),
            Key::Char(c) => search.push(c),
            Key::Up => self.listing.go(-1),
            Key::Down => self.listing.go(1),
            _ => {}
        }
        if search != self.listing.search() {
            self.listing.set_search(search);
        }
    }

    /// Asks for a scan of the feature that is looked at, or else chosen, once at a time.
    fn rescan(&mut self) -> Option<Effect> {
        let id = match &self.detail {
            Some(detail) => detail.id.clone(),
            None => self.listing.chosen()?.id.clone(),
        };
        self.message = Some(Line::plain("… rescanning ").text(self.slug(&id)));
        self.rescanning.insert(id.clone()).then_some(Effect::Rescan(id))
    }

    fn detail_of(&mut self, id: &str) -> Option<&mut Detail> {
        self.detail.as_mut().filter(|detail| detail.id == id)
    }

    fn slug(&self, id: &str) -> String {
        self.listing.find(id).map_or_else(|| id.to_owned(), |row| row.slug.clone())
    }
}

/// How far a key goes down, where a page has so many rows.
fn places(key: Key, page: isize) -> Option<isize> {
    match key {
        Key::Char('j') | Key::Down | Key::Ctrl('n') => Some(1),
        Key::Char('k') | Key::Up | Key::Ctrl('p') => Some(-1),
        Key::PageDown | Key::Char(' ') | Key::Ctrl('f') => Some(page),
        Key::PageUp | Key::Ctrl('b') => Some(-page),
        Key::Char('g') | Key::Home => Some(isize::MIN),
        Key::Char('G') | Key::End => Some(isize::MAX),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
