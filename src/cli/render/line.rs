//! Lines of harmless, toned text.
//!
//! Invariant: what is inside a [`Line`] has been escaped; there is no way to put raw text
//! in. Colour codes are added only when a page is written to something that wants them.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use super::escape;

/// How a piece of text stands out, where colour is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// Bold: names and headings.
    Strong,
    /// Faint: what can be skipped.
    Faint,
    /// Green: as it should be.
    Good,
    /// Yellow: needs a look.
    Warn,
    /// Red: needs to be done.
    Bad,
}

impl Tone {
    /// The SGR parameter (ECMA-48 8.3.117).
    fn sgr(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Faint => Some("2"),
            Self::Good => Some("32"),
            Self::Warn => Some("33"),
            Self::Bad => Some("31"),
        }
    }
}

/// One line, without its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    spans: Vec<(Tone, String)>,
}

impl Line {
    /// An empty line.
    pub fn new() -> Self {
        Self::default()
    }

    /// A line of plain text.
    pub fn plain(text: impl AsRef<str>) -> Self {
        Self::new().text(text)
    }

    /// A line of toned text.
    pub fn toned(tone: Tone, text: impl AsRef<str>) -> Self {
        Self::new().tone(tone, text)
    }

    /// The same line with more plain text.
    pub fn text(self, text: impl AsRef<str>) -> Self {
        self.tone(Tone::Plain, text)
    }

    /// The same line with more toned text.
    pub fn tone(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        self.spans.push((tone, escape::line(text.as_ref()).into_owned()));
        self
    }

    /// The same line with another one at its end.
    pub fn then(mut self, other: Line) -> Self {
        self.spans.extend(other.spans);
        self
    }

    /// Columns that it takes on a terminal.
    pub fn width(&self) -> usize {
        self.spans.iter().map(|(_, text)| text.width()).sum()
    }

    /// Its pieces from left to right, harmless as they are.
    pub fn spans(&self) -> impl Iterator<Item = (Tone, &str)> {
        self.spans.iter().map(|(tone, text)| (*tone, text.as_str()))
    }

    /// Is there nothing on it?
    pub fn is_empty(&self) -> bool {
        self.spans.iter().all(|(_, text)| text.is_empty())
    }

    /// Appends the line and its end to `out`; no blanks at the end.
    fn write(&self, out: &mut String, colour: bool) {
        let start = out.len();
        for (tone, text) in &self.spans {
            match tone.sgr().filter(|_| colour && !text.trim().is_empty()) {
                Some(sgr) => {
                    let _ = write!(out, "\x1b[{sgr}m{text}\x1b[0m");
                }
                None => out.push_str(text),
            }
        }
        out.truncate(start + out[start..].trim_end_matches(' ').len());
        // CI systems obey lines that begin like this, and a name of a file can.
        let first = start + out[start..].len() - out[start..].trim_start().len();
        if out[first..].starts_with("::") {
            out.replace_range(first..=first, "\\u{3a}");
        }
        out.push('\n');
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        Self::plain(text)
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self::plain(text)
    }
}

/// Lines, from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    lines: Vec<Line>,
}

impl Page {
    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line.
    pub fn line(&mut self, line: impl Into<Line>) {
        self.lines.push(line.into());
    }

    /// Adds an empty line between two parts; never first, never twice.
    pub fn gap(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(Line::new());
        }
    }

    /// Adds all lines of another page.
    pub fn append(&mut self, other: Page) {
        self.lines.extend(other.lines);
    }

    /// The lines from top to bottom.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The text to write, each line with its end.
    pub fn to_text(&self, colour: bool) -> String {
        let mut out = String::new();
        for line in &self.lines {
            line.write(&mut out, colour);
        }
        out
    }
}

impl From<Line> for Page {
    fn from(line: Line) -> Self {
        Self { lines: vec![line] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_comes_on_top_of_the_text_and_never_from_it() {
        let line = Line::toned(Tone::Bad, "✗ drifted").text("  a\x1b[0mb  ");
        let page = Page::from(line);
        assert_eq!(page.to_text(false), "✗ drifted  a\\u{1b}[0mb\n");
        assert_eq!(page.to_text(true), "\x1b[31m✗ drifted\x1b[0m  a\\u{1b}[0mb\n");
    }

    #[test]
    fn no_name_begins_a_line_as_a_command_of_a_ci_system() {
        for indent in ["", "  "] {
            let line = Line::plain(indent).text("::error::a");
            assert_eq!(Page::from(line).to_text(false), format!("{indent}\\u{{3a}}:error::a\n"));
        }
        assert_eq!(Page::from(Line::plain("a ::b")).to_text(false), "a ::b\n");
    }

    #[test]
    fn gaps_are_single_and_never_first() {
        let mut page = Page::new();
        page.gap();
        page.line("a");
        page.gap();
        page.gap();
        page.line("b");
        assert_eq!(page.to_text(false), "a\n\nb\n");
    }

    #[test]
    fn width_counts_columns() {
        assert_eq!(Line::plain("漢字").width(), 4);
        assert_eq!(Line::plain("a\x07").width(), 6);
    }
}
