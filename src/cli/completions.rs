//! `dossierd completions`: completion scripts for shells.

use clap::CommandFactory;

use super::args::{Cli, CompletionsArgs};
use super::{CliError, Context, Verdict};

pub(super) fn run(args: CompletionsArgs, context: &mut Context) -> Result<Verdict, CliError> {
    // Into memory first: the generator panics when its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "dossierd", &mut script);
    context.output.bytes(&script)?;
    Ok(Verdict::Fine)
}

#[cfg(test)]
mod tests {
    use clap::Command;
    use clap_complete::Shell;

    use super::*;
    use crate::cli::output::tests::captured;

    fn script(shell: Shell) -> String {
        let (output, out, _) = captured(false);
        run(CompletionsArgs { shell }, &mut Context::new(output, None)).unwrap();
        out.text()
    }

    /// Every command with its names, the program's first.
    fn commands(command: &Command, names: &[String]) -> Vec<(Vec<String>, Command)> {
        let names = [names, &[command.get_name().to_owned()]].concat();
        let below = command.get_subcommands().filter(|inner| inner.get_name() != "help");
        let mut all: Vec<_> = below.flat_map(|inner| commands(inner, &names)).collect();
        all.push((names, command.clone()));
        all
    }

    fn all_commands() -> Vec<(Vec<String>, Command)> {
        let mut command = Cli::command();
        command.build();
        commands(&command, &[])
    }

    fn flags(command: &Command) -> Vec<String> {
        let long = |arg: &clap::Arg| arg.get_long().map(str::to_owned);
        command.get_arguments().filter_map(long).collect()
    }

    #[test]
    fn bash_knows_every_flag_and_command_where_it_belongs() {
        let script = script(Shell::Bash);
        for (names, command) in all_commands() {
            let name = names.join("__subcmd__").replace('-', "__subcmd__");
            let case = format!("\n        {name})\n            opts=\"");
            let case = script.split(&case).nth(1).unwrap_or_else(|| panic!("no {name}"));
            let offered: Vec<&str> =
                case.split('"').next().unwrap_or_default().split_whitespace().collect();
            for flag in flags(&command) {
                assert!(offered.contains(&format!("--{flag}").as_str()), "{name}: --{flag}");
            }
            for inner in command.get_subcommands() {
                assert!(offered.contains(&inner.get_name()), "{name}: {}", inner.get_name());
            }
        }
    }

    #[test]
    fn zsh_knows_every_flag_and_command_where_it_belongs() {
        let script = script(Shell::Zsh);
        for (names, command) in all_commands() {
            let name = names.last().expect("has a name");
            let begins = format!("({name})\n");
            // Of several commands with this name, one has to fit.
            let cases: Vec<&str> = match names.len() {
                1 => vec![&script],
                _ => script.split(&begins).skip(1).collect(),
            };
            let fits = |case: &&str| {
                let case = case.split("\n;;\n").next().unwrap_or_default();
                flags(&command).iter().all(|flag| {
                    case.contains(&format!("--{flag}[")) || case.contains(&format!("--{flag}=["))
                })
            };
            let whole = names.len() == 1 && flags(&command).iter().all(|f| script.contains(f));
            assert!(whole || cases.iter().any(fits), "{names:?} in {} cases", cases.len());
            for inner in command.get_subcommands() {
                let offered = format!("\n'{}:", inner.get_name());
                assert!(script.contains(&offered), "{names:?}: {}", inner.get_name());
            }
        }
    }

    #[test]
    fn fish_knows_every_flag_and_command_where_it_belongs() {
        let script = script(Shell::Fish);
        for (names, command) in all_commands() {
            let here: Vec<&str> = match names.as_slice() {
                [_] => script.lines().collect(),
                [_, first, rest @ ..] => {
                    let begins = format!("__fish_dossierd_using_subcommand {first}");
                    let seen =
                        rest.last().map(|last| format!("__fish_seen_subcommand_from {last}"));
                    let is_here = |line: &&str| {
                        line.contains(&begins)
                            && seen.as_ref().is_none_or(|seen| line.contains(seen.as_str()))
                    };
                    script.lines().filter(is_here).collect()
                }
                [] => Vec::new(),
            };
            for flag in flags(&command) {
                let offered = format!(" -l {flag} ");
                let is_offered = here.iter().any(|line| format!("{line} ").contains(&offered));
                assert!(is_offered, "{names:?}: --{flag}");
            }
            for inner in command.get_subcommands() {
                let offered = format!(" -a \"{}\"", inner.get_name());
                assert!(here.iter().any(|l| l.contains(&offered)), "{names:?}: {offered}");
            }
        }
    }
}
