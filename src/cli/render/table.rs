//! Columns: as wide as their widest cell, two blanks apart, no frames.

use super::line::{Line, Page, Tone};

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
        let headings: Vec<Line> =
            self.columns.iter().map(|(name, _)| Line::toned(Tone::Faint, name)).collect();
        let headed = headings.iter().any(|heading| !heading.is_empty());
        let all = headed.then_some(&headings).into_iter().chain(&self.rows);
        let mut widths = vec![0; self.columns.len()];
        for row in all.clone() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let mut page = Page::new();
        for row in all {
            let mut line = Line::plain(" ".repeat(self.indent));
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let gap = if at == 0 { "" } else { "  " };
                let fill = " ".repeat(width - cell.width());
                line = match self.columns[at].1 {
                    Side::Left => line.text(gap).then(cell.clone()).text(fill),
                    Side::Right => line.text(gap).text(fill).then(cell.clone()),
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
}
