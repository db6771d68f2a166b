use std::ffi::OsString;

use clap::CommandFactory;

use super::*;

/// The commands of the core, as they will stand beside the others.
#[derive(Debug, Parser)]
#[command(name = "dossierd", version)]
struct CoreCli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: CoreCommand,
}

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("dossierd").chain(line.split_whitespace()))
}

fn parse_core(line: &str) -> Result<CoreCli, clap::Error> {
    CoreCli::try_parse_from(std::iter::once("dossierd").chain(line.split_whitespace()))
}

#[test]
fn the_definitions_hold_together() {
    Cli::command().debug_assert();
    CoreCli::command().debug_assert();
}

/// Every command and flag says what it is for, and every command without others below it
/// shows how it is used.
fn check_help(command: &mut clap::Command, path: &str) {
    let help = command.render_long_help().to_string();
    assert!(help.contains("Usage:"), "{path}");
    for argument in command.get_arguments() {
        let has_help = argument.get_help().is_some_and(|help| help.to_string().len() > 3);
        assert!(has_help, "{path}: {} has no help", argument.get_id());
    }
    let has_examples =
        command.get_after_help().is_some_and(|help| help.to_string().contains("Examples:"));
    assert!(has_examples || command.has_subcommands(), "{path} has no examples");
    // clap makes `help` itself, with a copy of every command.
    for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
        assert!(inner.get_about().is_some(), "{path} {} says nothing", inner.get_name());
        let inner_path = format!("{path} {}", inner.get_name());
        check_help(inner, &inner_path);
    }
}

#[test]
fn every_help_renders_with_examples() {
    for mut command in [Cli::command(), CoreCli::command()] {
        command.build();
        check_help(&mut command, "dossierd");
    }
}

#[test]
fn usage_errors_and_help_have_their_exit_codes() {
    let code = |line: &str| {
        let args = std::iter::once("dossierd").chain(line.split_whitespace());
        crate::cli::main(args.map(OsString::from))
    };
    for bad in ["", "frobnicate", "add", "list --frob", "events --limit 0", "show", "baseline"] {
        let error = parse(bad).unwrap_err();
        assert!(error.use_stderr(), "{bad}");
    }
    assert_eq!(code("list --frob"), 64);
    assert_eq!(code("--version"), 0);
    assert_eq!(code("status --help"), 0);
}

#[test]
fn global_flags_work_on_both_sides() {
    for line in ["--socket /s list", "list --socket /s", "baseline show --socket /s"] {
        assert_eq!(parse(line).unwrap().global.socket, Some("/s".into()), "{line}");
    }
}

#[cfg(unix)]
#[test]
fn paths_need_not_be_utf8() {
    use std::os::unix::ffi::OsStringExt;
    let odd = || OsString::from_vec(b"/w/\xff".to_vec());
    for command in ["add", "remove", "status", "drift"] {
        let args = ["dossierd".into(), command.into(), odd()];
        assert!(Cli::try_parse_from(args).is_ok(), "{command}");
    }
    for command in ["scan", "check", "explain", "watch", "verify"] {
        let args = ["dossierd".into(), command.into(), odd()];
        assert!(CoreCli::try_parse_from(args).is_ok(), "{command}");
    }
}

#[test]
fn types_are_understood_in_all_forms() {
    let line = "tail --type drift,Missing --type MissionDossierSnapshotComputed,artifactindexed";
    let Command::Tail(args) = parse(line).unwrap().command else { panic!("not tail") };
    let words: Vec<&str> = args.types.iter().map(|kind| kind.word()).collect();
    assert_eq!(words, ["drift", "missing", "snapshot", "indexed"]);
    assert!(parse("tail --type nonsense").is_err());
    assert!(parse("tail f --all").is_err());
}

#[test]
fn check_fails_on_both_unless_told_otherwise() {
    for (line, expected) in [
        ("check", &[FailOn::Missing, FailOn::Drift][..]),
        ("check . --fail-on drift", &[FailOn::Drift]),
        ("check --fail-on missing,drift", &[FailOn::Missing, FailOn::Drift]),
    ] {
        let CoreCommand::Check(args) = parse_core(line).unwrap().command else {
            panic!("not check")
        };
        assert_eq!(args.fail_on, expected, "{line}");
        assert_eq!(args.path, PathBuf::from("."));
    }
    assert!(parse_core("check --fail-on nothing").is_err());
    assert!(parse_core("verify").is_err());
}

#[test]
fn only_loopback_can_be_listened_on() {
    for good in ["127.0.0.1:0", "127.0.0.1:7717", "[::1]:1"] {
        assert!(parse_core(&format!("run --listen {good}")).is_ok(), "{good}");
    }
    for bad in ["0.0.0.0:1", "10.0.0.1:1", "[::]:1", "localhost:1", "7717", "127.0.0.1"] {
        assert!(parse_core(&format!("run --listen {bad}")).is_err(), "{bad}");
    }
}

#[test]
fn classes_are_those_of_the_dossier() {
    assert!(parse("artifacts --class evidence").is_ok());
    assert!(parse("artifacts --class other").is_err());
    assert!(parse("artifacts --ignored --class input").is_err());
}
