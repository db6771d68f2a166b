//! `dossierd man`: the manual pages.

use clap::CommandFactory;

use super::args::{Cli, ManArgs};
use super::{CliError, Context, Verdict};

pub(super) fn run(args: ManArgs, context: &mut Context) -> Result<Verdict, CliError> {
    if let Some(dir) = &args.dir {
        std::fs::create_dir_all(dir)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), dir))
            .map_err(|error| {
            CliError::io(format!("cannot write manual pages into {}", dir.display()), error)
        })?;
        return Ok(Verdict::Fine);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut page)
        .map_err(|error| CliError::io("cannot render the manual page", error))?;
    context.output.bytes(&page)?;
    Ok(Verdict::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::tests::captured;

    #[test]
    fn one_page_on_stdout_or_all_in_a_directory() {
        let (output, out, _) = captured(false);
        let mut context = Context::new(output, None);
        run(ManArgs { dir: None }, &mut context).unwrap();
        assert!(out.text().contains(".TH dossierd 1"), "{}", out.text());

        let tmp = tempfile::tempdir().unwrap();
        run(ManArgs { dir: Some(tmp.path().join("man1")) }, &mut context).unwrap();
        for page in ["dossierd.1", "dossierd-status.1", "dossierd-baseline-capture.1"] {
            assert!(tmp.path().join("man1").join(page).is_file(), "{page}");
        }
    }

    /// Its page, and those of the commands below it, say every flag.
    fn check(command: &clap::Command, name: &str, dir: &std::path::Path) {
        let path = dir.join(format!("{name}.1"));
        let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            if let Some(flag) = argument.get_long() {
                let written = format!("\\-\\-{}", flag.replace('-', "\\-"));
                assert!(page.contains(&written), "{name}: --{flag}");
            }
        }
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            check(inner, &format!("{name}-{}", inner.get_name()), dir);
        }
    }

    #[test]
    fn every_command_has_a_page_with_all_its_flags() {
        let tmp = tempfile::tempdir().unwrap();
        let (output, _, _) = captured(false);
        run(ManArgs { dir: Some(tmp.path().into()) }, &mut Context::new(output, None)).unwrap();
        let mut command = Cli::command();
        command.build();
        check(&command, "dossierd", tmp.path());
    }
}
