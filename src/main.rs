//! dossierd, the program: parse, run, map to an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(dossierd::cli::main(std::env::args_os()))
}
