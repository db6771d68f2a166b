//! Lines made to fit a number of columns, for pages that have edges.
//!
//! What comes out was in a [`Line`] before, so it is as harmless; columns are those of
//! `unicode-width`, as everywhere.

use unicode_width::UnicodeWidthChar;

use super::line::{Line, Tone};

/// How much further in the rest of a wrapped line stands.
const HANGING: usize = 2;

impl Line {
    /// The same line in at most this many columns; one that is cut ends with `…`.
    pub fn clipped(&self, columns: usize) -> Line {
        if self.width() <= columns {
            return self.clone();
        }
        let Some(mut left) = columns.checked_sub(1) else { return Line::new() };
        let mut line = Line::new();
        for (tone, text) in self.spans() {
            let mut end = 0;
            for c in text.chars() {
                let Some(rest) = left.checked_sub(columns_of(c)) else {
                    return line.tone(tone, &text[..end]).text("…");
                };
                left = rest;
                end += c.len_utf8();
            }
            line = line.tone(tone, text);
        }
        line.text("…")
    }

    /// The same text on as many lines as it needs, broken at blanks where there are any. What
    /// does not stand on the first line stands further in.
    pub fn wrapped(&self, columns: usize) -> Vec<Line> {
        if self.width() <= columns || columns == 0 {
            return vec![self.clone()];
        }
        let cells: Vec<(Tone, char)> =
            self.spans().flat_map(|(tone, text)| text.chars().map(move |c| (tone, c))).collect();
        let own = cells.iter().take_while(|(_, c)| *c == ' ').count();
        let hanging = (own + HANGING).min(columns / 2);
        let mut lines = Vec::new();
        let mut rest = cells.as_slice();
        while !rest.is_empty() {
            let indent = if lines.is_empty() { 0 } else { hanging };
            let (now, later) = rest.split_at(break_at(rest, columns - indent));
            lines.push(line_of(indent, now));
            let blanks = later.iter().take_while(|(_, c)| *c == ' ').count();
            rest = &later[blanks..];
        }
        lines
    }
}

/// How many of these stand on one line: up to the last blank that fits, if words begin before
/// it, else as many as fit, and at least one.
fn break_at(cells: &[(Tone, char)], columns: usize) -> usize {
    let mut used = 0;
    let fitting = cells.iter().take_while(|(_, c)| {
        used += columns_of(*c);
        used <= columns
    });
    let fitting = fitting.count();
    if fitting == cells.len() || cells[fitting].1 == ' ' {
        return fitting.max(1);
    }
    let words = cells.iter().position(|(_, c)| *c != ' ').unwrap_or(0);
    let blank = cells[..fitting].iter().rposition(|(_, c)| *c == ' ');
    blank.filter(|blank| *blank > words).unwrap_or(fitting).max(1)
}

fn line_of(indent: usize, cells: &[(Tone, char)]) -> Line {
    let mut line = Line::plain(" ".repeat(indent));
    for piece in cells.chunk_by(|one, next| one.0 == next.0) {
        line = line.tone(piece[0].0, piece.iter().map(|(_, c)| *c).collect::<String>());
    }
    line
}

fn columns_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::Page;
    use super::*;

    fn check_clipped(text: &str, columns: usize, expected: &str) {
        let clipped = Line::plain(text).clipped(columns);
        assert_eq!(Page::from(clipped.clone()).to_text(false), format!("{expected}\n"));
        assert!(clipped.width() <= columns, "{text:?} in {columns}");
    }

    fn check_wrapped(line: &Line, columns: usize, expected: &str) {
        let mut page = Page::new();
        for line in line.wrapped(columns) {
            assert!(line.width() <= columns, "{line:?} in {columns}");
            page.line(line);
        }
        assert_eq!(page.to_text(false), expected);
    }

    #[test]
    fn what_is_cut_says_so() {
        check_clipped("abc", 3, "abc");
        check_clipped("abcd", 3, "ab…");
        check_clipped("漢字漢字", 6, "漢字…");
        check_clipped("漢字漢字", 4, "漢…");
        check_clipped("abc", 1, "…");
        check_clipped("abc", 0, "");
        let toned = Line::toned(Tone::Bad, "✗ incomplete").text(", 1 is missing").clipped(6);
        assert_eq!(Page::from(toned).to_text(true), "\u{1b}[31m✗ inc\u{1b}[0m…\n");
    }

    #[test]
    fn lines_break_at_blanks_and_stand_further_in() {
        let line =
            Line::plain("  → write ").tone(Tone::Strong, "spec.md").text(" at once, all of it");
        check_wrapped(&line, 17, "  → write spec.md\n    at once, all\n    of it\n");
        check_wrapped(&Line::plain("abcdefgh"), 5, "abcde\n  fgh\n");
        check_wrapped(&Line::plain("a b"), 9, "a b\n");
        check_wrapped(&Line::plain("漢字漢字"), 3, "漢\n 字\n 漢\n 字\n");
    }

    #[test]
    fn nothing_is_lost_at_any_width() {
        let text = "one two  three\u{301} 漢字 ✗ \\u{1b} four";
        for columns in 2..40 {
            let lines = Line::plain(text).wrapped(columns);
            let all: String = lines.iter().flat_map(Line::spans).map(|(_, text)| text).collect();
            let letters = |text: &str| text.replace(' ', "");
            assert_eq!(letters(&all), letters(text), "{columns}");
        }
        assert_eq!(Line::plain(text).wrapped(0).len(), 1);
    }
}
