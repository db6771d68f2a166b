//! The table, in Markdown that is also readable in a terminal.

use crate::row::Line;
use crate::series::{Series, Spread};

/// What one row gave.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) lines: Result<Vec<Line>, String>,
}

const HEAD: [&str; 8] =
    ["row", "what", "dossierd", "peer", "its figure", "ratio (min–max)", "limit", "holds"];

/// The table and the notes below it.
pub(crate) fn render(entries: &[Entry]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    let mut notes = Vec::new();
    for entry in entries {
        match &entry.lines {
            Ok(lines) => {
                for line in lines {
                    rows.push(cells(entry.name, line));
                    for note in &line.notes {
                        notes.push(format!("- {}, {}: {note}", entry.name, line.what));
                    }
                }
            }
            Err(reason) => {
                let mut row = [const { String::new() }; 8];
                row[0] = entry.name.to_owned();
                row[1] = format!("not measured: {}", reason.replace(['|', '\n'], " "));
                rows.push(row);
            }
        }
    }
    let mut text = aligned(&rows);
    if !notes.is_empty() {
        text.push('\n');
        text.push_str(&notes.join("\n"));
        text.push('\n');
    }
    text
}

fn cells(name: &str, line: &Line) -> [String; 8] {
    let (peer, its_figure) = match &line.peer {
        Some((peer, series)) => (peer.replace('|', "\\|"), figure(series)),
        None => ("–".to_owned(), "–".to_owned()),
    };
    let ratio = line.ratio().map_or_else(
        || "–".to_owned(),
        |Spread { median, min, max }| format!("{median:.3} ({min:.3}–{max:.3})"),
    );
    let holds = match line.holds() {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "–",
    };
    [
        name.to_owned(),
        line.what.clone(),
        figure(&line.ours),
        peer,
        its_figure,
        ratio,
        line.limit(),
        holds.to_owned(),
    ]
}

fn figure(series: &Series) -> String {
    let Spread { median, min, max } = series.spread();
    let show = |value| series.unit.show(value);
    match series.values.len() {
        1 => show(median),
        _ => format!("{} ({}–{})", show(median), show(min), show(max)),
    }
}

fn aligned(rows: &[[String; 8]]) -> String {
    let widths: [usize; 8] = std::array::from_fn(|column| {
        // What was not measured says why at length, and bears no alignment.
        let measured = rows.iter().filter(|row| column != 1 || !row[7].is_empty());
        measured.map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(widths) {
            text.push_str(&format!("| {cell:width$} "));
        }
        text.push_str("|\n");
        if number == 0 {
            for width in widths {
                text.push_str(&format!("|{}", "-".repeat(width + 2)));
            }
            text.push_str("|\n");
        }
    }
    text
}
