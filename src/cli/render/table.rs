//! Columns: as wide as their widest cell, two blanks apart, no frames.

use super::line::{Line, Page, Tone};

/// Blanks between two columns.
const GAP: usize = 2;

/// On which side a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// Rows under headings.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<(&'static str, Side)>,
    rows: Vec<Vec<Line>>,
    indent: usize,
}

impl Table {
    /// A table with these headings; one that begins with `>` stands on the right, for
    /// numbers. With only empty headings none is printed.
    pub fn new(headings: &[&'static str]) -> Self {
        let column = |heading: &&'static str| match heading.strip_prefix('>') {
            Some(rest) => (rest, Side::Right),
            None => (*heading, Side::Left),
        };
        Self { columns: headings.iter().map(column).collect(), rows: Vec::new(), indent: 0 }
    }

    /// The same table, moved to the right.
    pub fn indented(mut self, columns: usize) -> Self {
        self.indent = columns;
        self
    }

    /// Adds a row; missing cells are empty, surplus ones have no column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Line>) {
        let mut cells: Vec<Line> = cells.into_iter().collect();
        cells.resize(self.columns.len(), Line::new());
        self.rows.push(cells);
    }

    /// Are there no rows?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines of the table.
    pub fn page(&self) -> Page {
        self.lines(&self.widths())
    }

    /// The lines of the table in this many columns. First the columns of the headings in
    /// `dispensable` go, in this order, as long as the first column would have fewer than
    /// `least`; then it is cut, at last all lines are.
    pub fn page_within(&self, columns: usize, least: usize, dispensable: &[&str]) -> Page {
        let mut widths = self.widths();
        let first = widths.first().copied().flatten().unwrap_or(0);
        // What the first column can have beside the others.
        let room = |widths: &[Option<usize>]| {
            let others: usize = widths.iter().skip(1).flatten().map(|width| width + GAP).sum();
            columns.saturating_sub(self.indent + others)
        };
        for heading in dispensable {
            if room(&widths) >= first.min(least) {
                break;
            }
            let name = heading.trim_start_matches('>');
            let at = self.columns.iter().position(|(column, _)| *column == name);
            if let Some(width) = at.filter(|at| *at > 0).and_then(|at| widths.get_mut(at)) {
                *width = None;
            }
        }
        let left = room(&widths).max(first.min(least));
        if let Some(width) = widths.first_mut() {
            *width = Some(first.min(left));
        }
        let mut page = Page::new();
        for line in self.lines(&widths).lines() {
            page.line(line.clipped(columns));
        }
        page
    }

    fn headings(&self) -> Option<Vec<Line>> {
        let headings: Vec<Line> =
            self.columns.iter().map(|(name, _)| Line::toned(Tone::Faint, name)).collect();
        headings.iter().any(|heading| !heading.is_empty()).then_some(headings)
    }

    /// How wide each column has to be.
    fn widths(&self) -> Vec<Option<usize>> {
        let mut widths = vec![Some(0); self.columns.len()];
        let headings = self.headings();
        for row in headings.iter().chain(&self.rows) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(Some(cell.width()));
            }
        }
        widths
    }

    /// The lines with columns of these widths; those without one are left out.
    fn lines(&self, widths: &[Option<usize>]) -> Page {
        let mut page = Page::new();
        let headings = self.headings();
        let last = widths.iter().rposition(Option::is_some);
        for row in headings.iter().chain(&self.rows) {
            let mut line = Line::plain(" ".repeat(self.indent));
            for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
                let Some(width) = *width else { continue };
                let gap = " ".repeat(if at == 0 { 0 } else { GAP });
                let cell = cell.clipped(width);
                let fill = " ".repeat(width - cell.width());
                line = match self.columns[at].1 {
                    Side::Left if Some(at) == last => line.text(gap).then(cell),
                    Side::Left => line.text(gap).then(cell).text(fill),
                    Side::Right => line.text(gap).text(fill).then(cell),
                };
            }
            page.line(line);
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_script() {
        let mut table = Table::new(&["NAME", ">SIZE", "STATE"]).indented(2);
        table.row(["漢字".into(), "7".into(), Line::toned(Tone::Good, "ok")]);
        table.row(["ab\n".into(), "1234".into()]);
        let lines = ["  NAME     SIZE  STATE", "  漢字        7  ok", "  ab\\u{a}  1234", ""];
        assert_eq!(table.page().to_text(false), lines.join("\n"));
    }

    #[test]
    fn without_headings_there_is_no_heading_line() {
        let mut table = Table::new(&["", ""]);
        table.row(["a".into(), "b".into()]);
        assert_eq!(table.page().to_text(false), "a  b\n");
    }

    #[test]
    fn where_there_is_no_room_columns_go_and_the_first_one_is_cut() {
        let mut table = Table::new(&["NAME", ">SIZE", "STATE", "NOTE"]);
        table.row(["a-long-name".into(), "7".into(), Line::toned(Tone::Good, "ok"), "x".into()]);
        let check = |columns: usize, expected: [&str; 2]| {
            let page = table.page_within(columns, 6, &["NOTE", ">SIZE"]);
            assert!(page.lines().iter().all(|line| line.width() <= columns), "{columns}");
            assert_eq!(page.to_text(false), format!("{}\n{}\n", expected[0], expected[1]));
        };
        check(99, ["NAME         SIZE  STATE  NOTE", "a-long-name     7  ok     x"]);
        check(28, ["NAME       SIZE  STATE  NOTE", "a-long-n…     7  ok     x"]);
        check(24, ["NAME         SIZE  STATE", "a-long-name     7  ok"]);
        check(17, ["NAME        STATE", "a-long-na…  ok"]);
        check(11, ["NAME    ST…", "a-lon…  ok"]);
        check(3, ["NA…", "a-…"]);
    }
}
