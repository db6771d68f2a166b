//! dossierd and its peers side by side: prepares inputs, measures both in turn on the same
//! machine, and prints one table of ratios.
//!
//! `cargo bench --bench compare -- [ROW…]` builds the release binary and this program, which
//! knows the binary from cargo. Each row says at its function what exactly is measured;
//! `--list` names the rows. Inputs are generated once and kept in `target/bench`.
//!
//! What is measured here are whole processes and what their users see of them; the hot
//! paths inside have benches of their own.

mod children;
mod client;
mod daemon;
mod fault;
mod follower;
mod inputs;
mod machine;
mod options;
mod peers;
mod row;
mod rows;
mod series;
mod stage;
mod table;
mod usage;

use std::path::Path;
use std::process::ExitCode;

use fault::{Fault, Outcome, While as _};
use options::Options;
use row::Row;
use rows::ROWS;
use stage::Stage;
use table::Entry;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let done = match args.split_first() {
        Some((first, rest)) if first == peers::PEER => peers::run(rest).map(|()| true),
        _ => compare(Options::read()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("error: {fault}");
            ExitCode::from(2)
        }
    }
}

/// True if all was measured and every limit holds.
fn compare(options: Options) -> Outcome<bool> {
    let rows = chosen(&options)?;
    // Cargo runs benches as tests too; then there is nothing to wait for.
    if options.list || !options.bench {
        for row in rows {
            println!("{:<16} {}", row.name, row.what);
        }
        if !options.list {
            println!("measure them with: cargo bench --bench compare -- [ROW…]");
        }
        return Ok(true);
    }
    children::end_with_us()?;
    let stage = Stage::new(options)?;
    let mut entries = Vec::new();
    let mut good = true;
    for row in rows {
        eprintln!("{}: {} …", row.name, row.what);
        let lines = (row.measure)(&stage);
        good &= match &lines {
            Ok(lines) => lines.iter().all(|line| line.holds() != Some(false)),
            Err(Fault::Missing(_)) => stage.options.allow_missing,
            Err(Fault::Failed(_)) => false,
        };
        let entry = Entry { name: row.name, lines: lines.map_err(|fault| fault.to_string()) };
        eprintln!("{}", table::render(std::slice::from_ref(&entry)));
        entries.push(entry);
    }
    let table = table::render(&entries);
    let machine = machine::describe(&stage);
    println!("{table}\n{machine}");
    if stage.options.write {
        write(&table, &machine)?;
    }
    Ok(good)
}

/// The rows that were asked for; all, if none was named.
fn chosen(options: &Options) -> Outcome<Vec<&'static Row>> {
    if options.rows.is_empty() {
        return Ok(ROWS.iter().collect());
    }
    let mut chosen = vec![false; ROWS.len()];
    for name in &options.rows {
        // A whole name means that row alone, also where another one begins with it.
        let is_whole = ROWS.iter().any(|row| row.name == name);
        if !ROWS.iter().any(|row| row.name.starts_with(name.as_str())) {
            return fault::failed(format!("no row begins with {name:?}; --list has their names"));
        }
        for (row, chosen) in ROWS.iter().zip(&mut chosen) {
            *chosen |= row.name == name || (!is_whole && row.name.starts_with(name.as_str()));
        }
    }
    Ok(ROWS.iter().zip(chosen).filter_map(|(row, chosen)| chosen.then_some(row)).collect())
}

fn write(table: &str, machine: &str) -> Outcome<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/RESULTS.md");
    let text = format!(
        "# Results\n\nWritten by `cargo bench --bench compare -- --write`. A ratio is dossierd's \
         figure over that of its peer in the same round: median, least and greatest of all \
         rounds; what a limit grants on top is taken off first. What holds is the \
         median.\n\n{table}\n## The machine\n\n{machine}"
    );
    std::fs::write(&path, text).at("cannot write", &path)
}
