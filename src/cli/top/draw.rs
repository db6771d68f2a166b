//! The state as cells on a screen: header, list or detail, footer, and help on top.
//!
//! All text comes from [`Line`]s, which hold nothing that a terminal obeys; a status is a
//! word, colour comes on top of it. Nothing is assumed about the size of the screen.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as CellLine, Span};
use ratatui::widgets::{Block, Clear};

use super::app::{App, Connection};
use super::listing::Filter;
use crate::cli::render::features::{complaints, nothing_to_show};
use crate::cli::render::{Line, Tone, moment, plural};

/// Rows of the header, and of the footer.
const HEADER: u16 = 1;
const FOOTER: u16 = 2;

/// The keys, and what each is for, the ones that matter most first.
const HELP: [(&str, &str); 8] = [
    ("j k ↓ ↑", "next, previous"),
    ("PgDn PgUp", "a page down, up"),
    ("g G", "first, last"),
    ("Enter l", "open the feature"),
    ("Esc h ←", "back to the list"),
    ("/ Tab", "filter; attention only"),
    ("r", "rescan the feature"),
    ("q Ctrl-Z", "quit; suspend"),
];

/// Draws everything; tells the state how much room it has.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, coloured: bool) {
    let all = frame.area();
    let rows = all.height.saturating_sub(HEADER + FOOTER);
    let body = Rect { y: HEADER, height: rows, ..all };
    app.fit(usize::from(all.width), usize::from(rows));
    let mut canvas = Canvas { frame, coloured };
    canvas.line(header(app), all, 0, Style::new());
    if app.detail.is_some() {
        detail(app, &mut canvas, body);
    } else {
        list(app, &mut canvas, body);
    }
    let below = HEADER + rows;
    if app.is_typing {
        search(app, &mut canvas, all, below);
    } else {
        canvas.line(state(app), all, below, Style::new());
    }
    canvas.line(keys(app), all, below + 1, Style::new());
    if app.is_helping {
        help(&mut canvas, all);
    }
}

/// Where lines are put.
struct Canvas<'a, 'b> {
    frame: &'a mut Frame<'b>,
    coloured: bool,
}

impl Canvas<'_, '_> {
    /// Puts a line on this row of an area; what does not fit is cut.
    fn line(&mut self, line: impl Into<Line>, area: Rect, row: u16, style: Style) {
        let place = Rect { y: area.y.saturating_add(row), height: 1, ..area };
        let place = place.intersection(area).intersection(self.frame.area());
        let line = line.into().clipped(usize::from(place.width));
        let spans: Vec<Span<'_>> = line
            .spans()
            .map(|(tone, text)| Span::styled(text.to_owned(), self.style(tone)))
            .collect();
        self.frame.render_widget(CellLine::from(spans).style(style), place);
    }

    /// The attributes of a tone, the same as in text with colour.
    fn style(&self, tone: Tone) -> Style {
        let style = Style::new();
        match tone {
            _ if !self.coloured => style,
            Tone::Plain => style,
            Tone::Strong => style.add_modifier(Modifier::BOLD),
            Tone::Faint => style.add_modifier(Modifier::DIM),
            Tone::Good => style.fg(Color::Green),
            Tone::Warn => style.fg(Color::Yellow),
            Tone::Bad => style.fg(Color::Red),
        }
    }
}

fn header(app: &App) -> Line {
    let counts = app.listing.counts();
    let mut line = Line::toned(Tone::Strong, "dossierd");
    line = line.text(format!("  {}", plural(counts.all as u64, "feature", "features")));
    for (count, tone, words) in [
        (counts.attention, Tone::Warn, "! attention"),
        (counts.drifted, Tone::Bad, "≠ drifted"),
        (counts.incomplete, Tone::Bad, "✗ incomplete"),
    ] {
        if count > 0 {
            line = line.text("  ").tone(tone, words).text(format!(" {count}"));
        }
    }
    if !app.health.ready {
        line = line.tone(Tone::Faint, "  … still scanning");
    }
    if app.listing.filter() == Filter::Attention || !app.listing.search().is_empty() {
        line = line.text(format!("  {} shown", counts.shown));
    }
    line
}

fn list(app: &App, canvas: &mut Canvas<'_, '_>, area: Rect) {
    let [columns, marked] = ["  ", "› "];
    if app.listing.chosen().is_none() {
        let lines = match app.listing.is_empty() {
            true => nothing_to_show(&app.health).lines().to_vec(),
            false => vec![Line::plain("no feature is like this; Esc shows all, Tab changes which")],
        };
        let width = usize::from(area.width);
        for (row, line) in (0..).zip(lines.iter().flat_map(|line| line.wrapped(width))) {
            canvas.line(line, area, row, Style::new());
        }
        return;
    }
    if let Some(headings) = app.listing.headings() {
        canvas.line(Line::plain(columns).then(headings.clone()), area, 0, Style::new());
    }
    for (row, (line, is_chosen)) in (1..).zip(app.listing.visible()) {
        let (marker, style) = match is_chosen {
            true => (marked, Style::new().add_modifier(Modifier::REVERSED)),
            false => (columns, Style::new()),
        };
        canvas.line(Line::plain(marker).then(line.clone()), area, row, style);
    }
}

fn detail(app: &App, canvas: &mut Canvas<'_, '_>, area: Rect) {
    let Some(detail) = &app.detail else { return };
    for (row, line) in (0..).zip(detail.visible()) {
        canvas.line(line.clone(), area, row, Style::new());
    }
}

/// What is being typed, with the cursor behind it.
fn search(app: &App, canvas: &mut Canvas<'_, '_>, area: Rect, row: u16) {
    let mut line = Line::plain(format!("/{}", app.listing.search()));
    let width = usize::from(area.width);
    // The end is what matters: of a text that is too long it is shown.
    if line.width() >= width {
        let skipped = line.width() + 2 - width;
        let typed = app.listing.search().chars().skip(skipped).collect::<String>();
        line = Line::plain(format!("/…{typed}")).clipped(width.saturating_sub(1));
    }
    let column = u16::try_from(line.width()).unwrap_or(u16::MAX);
    canvas.line(line, area, row, Style::new());
    let position = Position::new(area.x.saturating_add(column), area.y.saturating_add(row));
    if canvas.frame.area().contains(position) {
        canvas.frame.set_cursor_position(position);
    }
}

/// How the daemon can be reached, and what there is to say besides.
fn state(app: &App) -> Line {
    let line = match app.connection() {
        Connection::Starting => Line::toned(Tone::Faint, "… connecting"),
        Connection::Live => Line::toned(Tone::Good, "✓ live"),
        Connection::Polled(reason) => {
            Line::toned(Tone::Warn, "! asking now and then").text(": ").text(reason)
        }
        Connection::Lost(_) => Line::toned(Tone::Bad, "✗ the daemon is away, trying again")
            .tone(Tone::Faint, format!("; shown as of {}", moment(&app.as_of))),
    };
    if let Some(message) = &app.message {
        return line.text("  ").then(message.clone());
    }
    if app.detail.as_ref().is_some_and(|detail| detail.is_gone()) {
        return line.text("  ").tone(Tone::Warn, "! no longer registered");
    }
    match complaints(&app.health).lines() {
        [first, ..] if app.connection() == Connection::Live => line.text("  ").then(first.clone()),
        _ => line,
    }
}

fn keys(app: &App) -> Line {
    let keys = match (&app.detail, app.is_typing) {
        (_, true) => "Enter keep  Esc clear  ↑ ↓ choose".to_owned(),
        (Some(detail), false) => {
            let more = match detail.hidden() {
                (0, 0) => String::new(),
                (above, below) => format!("  ↑{above} ↓{below}"),
            };
            format!("? help  q quit  Esc back  j/k scroll  r rescan{more}")
        }
        (None, false) => {
            let searched = match app.listing.search() {
                "" => String::new(),
                search => format!("  filter: {search}"),
            };
            let attention = match app.listing.filter() {
                Filter::All => "",
                Filter::Attention => "  attention only",
            };
            format!("? help  q quit  Enter open  / filter  r rescan{attention}{searched}")
        }
    };
    Line::toned(Tone::Faint, keys)
}

fn help(canvas: &mut Canvas<'_, '_>, area: Rect) {
    let lines: Vec<Line> = HELP
        .iter()
        .map(|(keys, what)| Line::toned(Tone::Strong, format!("{keys:<11}")).text(*what))
        .collect();
    let wanted = lines.iter().map(Line::width).max().unwrap_or(0) + 4;
    let width = area.width.min(u16::try_from(wanted).unwrap_or(u16::MAX));
    let height = area.height.min(HELP.len() as u16 + 2);
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    // Where a frame would take the room of the keys, they stand without one.
    let is_framed = usize::from(height) == HELP.len() + 2;
    canvas.frame.render_widget(Clear, place);
    let inner = if is_framed {
        let block = Block::bordered().title(" any key closes ");
        let inner = block.inner(place);
        canvas.frame.render_widget(block, place);
        inner
    } else {
        place
    };
    for (row, line) in (0..).zip(lines) {
        canvas.line(Line::plain(" ").then(line), inner, row, Style::new());
    }
}

#[cfg(test)]
mod tests;
