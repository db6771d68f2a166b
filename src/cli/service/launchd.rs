//! The service under the launchd of this user.

use super::agent::{self, LABEL};
use super::carried::{Carried, say_left_behind};
use super::deeds::{Deeds, check_replaceable};
use super::disk;
use super::moving;
use super::program::{ACTING, ASKING, Program, ProgramError};
use super::quoting::shell_word;
use super::service_file::FileState;
use super::setting::Setting;
use super::status::{Part, ServiceStatus};
use crate::cli::args::{InstallArgs, UninstallArgs, VariantArgs};
use crate::cli::error::{CliError, ErrorKind, Verdict};
use crate::cli::output::Output;
use crate::cli::places;
use crate::store::with_causes;

/// launchd's names for this user's agents, and for ours.
struct Target {
    domain: String,
    service: String,
}

impl Target {
    fn of_user() -> Self {
        let uid = crate::platform::user::uid().unwrap_or_default();
        Self { domain: format!("gui/{uid}"), service: format!("gui/{uid}/{LABEL}") }
    }
}

/// systemd's hardening does not exist here.
pub(super) fn check_hardened(variant: VariantArgs) -> Result<(), CliError> {
    if !variant.hardened {
        return Ok(());
    }
    let message = "--hardened is for systemd; launchd has nothing like it for dossierd";
    Err(CliError::new(ErrorKind::Usage, message).hint("leave --hardened out"))
}

/// The agent whose listeners launchd keeps is there, but is installed by hand.
fn check_variant(variant: VariantArgs, setting: &Setting) -> Result<(), CliError> {
    check_hardened(variant)?;
    if !variant.socket_activated {
        return Ok(());
    }
    let word = |path: &std::path::Path| shell_word(&path.to_string_lossy());
    let (file, runtime) = (agent::path(&setting.home), agent::socket(setting));
    let made = runtime.parent().map(word).unwrap_or_default();
    let message =
        "--socket-activated is for systemd; launchd's agent of that kind is installed by hand";
    Err(CliError::new(ErrorKind::Usage, message)
        .hint(format!(
            "leave it out; or: mkdir -p {} && mkdir -p -m 700 {made}",
            word(&agent::log_dir(&setting.home))
        ))
        .hint(format!(
            "then: dossierd service print --manager launchd --socket-activated > {0} && launchctl \
             bootstrap {1} {0}",
            word(&file),
            Target::of_user().domain
        ))
        .hint(format!("how it works is said in {}", agent::SOCKET_ACTIVATED)))
}

/// The variable of the agent that is installed, whoever wrote it.
fn installed(setting: &Setting) -> Result<Carried, CliError> {
    let text = disk::text(&agent::path(&setting.home))?;
    Ok(Carried::of_agent(text.as_deref().and_then(agent::dossierd_home_of).as_deref()))
}

pub(super) fn install(
    args: &InstallArgs,
    setting: &Setting,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    check_variant(args.variant, setting)?;
    let program = Program::find("launchctl").map_err(|error| {
        CliError::new(ErrorKind::Input, "this system has no launchd that could run a service")
            .because(error)
            .hint("let whatever starts services here start `dossierd run`")
    })?;
    let file = agent::file(setting)?;
    let state = disk::state(&file)?;
    let files = [(file, state)];
    let here = Carried::of_agent(setting.dossierd_home.as_deref());
    let installed = installed(setting)?;
    let again = moving::install_line(&installed.reaching(&here), args);
    let own = "in config.yaml; launchd has no drop-ins: dossierd config show --origin";
    check_replaceable(&files, args.force, &again, own)?;
    moving::check(&installed, &here, &setting.state_dir, args)?;
    let [(file, state)] = &files;
    let target = Target::of_user();
    let is_loaded = program.run(&["print", &target.service], ASKING).is_ok();
    let mut deeds = Deeds::new(output, args.dry_run);
    deeds.make_dir(&agent::log_dir(&setting.home))?;
    let changed = deeds.write(file, state)?;
    if let Some(home) = &setting.dossierd_home {
        deeds.say(format!("DOSSIERD_HOME={} is set, and goes with the service", home.display()))?;
    }
    say_left_behind(&mut deeds)?;
    if args.no_start {
        deeds.run(&program, &["disable", &target.service], ASKING)?;
        deeds.say(format!(
            "It was left off. To start it: launchctl enable {} && launchctl bootstrap {} {}",
            target.service,
            target.domain,
            file.path.display()
        ))?;
    } else {
        let path = file.path.to_string_lossy();
        start(&program, &target, &path, is_loaded, changed, &mut deeds)?;
        deeds.say("It runs while you are logged in, and starts again when you are.")?;
    }
    Ok(if deeds.end()? { Verdict::Findings } else { Verdict::Fine })
}

/// An agent that is loaded keeps its old text, so it is taken out first if that has changed.
fn start(
    program: &Program,
    target: &Target,
    path: &str,
    is_loaded: bool,
    changed: bool,
    deeds: &mut Deeds<'_>,
) -> Result<(), CliError> {
    let mut commands: Vec<Vec<&str>> = Vec::new();
    if is_loaded && changed {
        commands.push(vec!["bootout", &target.service]);
    }
    commands.push(vec!["enable", &target.service]);
    if is_loaded && !changed {
        commands.push(vec!["kickstart", &target.service]);
    } else {
        commands.push(vec!["bootstrap", &target.domain, path]);
    }
    let mut failed = false;
    for command in commands {
        if failed {
            deeds.leave(program.line(&command));
            continue;
        }
        failed = !deeds.run(program, &command, ACTING)?;
    }
    Ok(())
}

pub(super) fn uninstall(
    args: &UninstallArgs,
    setting: &Setting,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    let file = agent::file(setting)?;
    let shown = file.path.display().to_string();
    let state = disk::state(&file)?;
    let mut deeds = Deeds::new(output, args.dry_run);
    match &state {
        FileState::Absent => return take_out(deeds),
        FileState::Changed(difference) if !args.force => {
            let message = format!("{shown} was changed by hand ({difference}); nothing was done");
            return Err(CliError::new(ErrorKind::Input, message).hint("--force removes it"));
        }
        FileState::Masked | FileState::Foreign(_) => {
            let what = state.not_ours().unwrap_or_default();
            deeds.warn(format!("{shown} stays: {what}"))?;
            return Ok(Verdict::Findings);
        }
        FileState::Current | FileState::Outdated(_) | FileState::Changed(_) => {}
    }
    // The daemon's files are where the agent says, whatever this shell's environment does.
    let its_home = disk::text(&file.path)?.as_deref().and_then(agent::dossierd_home_of);
    let places = places::home_of(its_home)?;
    let target = Target::of_user();
    match Program::find("launchctl") {
        Ok(program) if program.run(&["print", &target.service], ASKING).is_ok() => {
            deeds.run(&program, &["bootout", &target.service], ACTING)?;
        }
        Ok(_) => {}
        Err(error) => {
            deeds.warn(with_causes(&error))?;
            deeds.leave(format!("launchctl bootout {}", target.service));
        }
    }
    deeds.remove(&file.path)?;
    deeds.say(format!(
        "State in {}, configuration in {} and logs in {} stay, and so do dossiers in projects.",
        places.state_dir().display(),
        places.config_dir().display(),
        agent::log_dir(&setting.home).display()
    ))?;
    Ok(if deeds.end()? { Verdict::Findings } else { Verdict::Fine })
}

/// An agent whose file is gone runs until the end of the session, and is not there after it.
fn take_out(mut deeds: Deeds<'_>) -> Result<Verdict, CliError> {
    let target = Target::of_user();
    let asked = Program::find("launchctl")
        .and_then(|program| program.run(&["print", &target.service], ASKING).map(|_| program));
    match asked {
        Ok(program) => {
            deeds.warn("its file is gone, but launchd still has the agent")?;
            deeds.run(&program, &["bootout", &target.service], ACTING)?;
        }
        Err(ProgramError::Missing(_) | ProgramError::Failed { .. }) => {
            deeds.say("not installed as a service; nothing to do")?;
        }
        Err(error) => {
            deeds.warn(with_causes(&error))?;
            deeds.leave(format!("launchctl bootout {}", target.service));
        }
    }
    Ok(if deeds.end()? { Verdict::Findings } else { Verdict::Fine })
}

pub(super) fn status(setting: &Setting) -> Result<ServiceStatus, CliError> {
    // An agent is as it should be in its own places, whatever this shell's environment has.
    let installed = installed(setting)?;
    let here = Carried::of_agent(setting.dossierd_home.as_deref());
    let file = agent::file(&setting.with(installed.clone())?)?;
    let state = disk::state(&file)?;
    let is_there = state != FileState::Absent;
    let target = Target::of_user();
    let asked = Program::find("launchctl")
        .and_then(|program| program.run(&["print", &target.service], ASKING));
    let (answer, unreachable) = match asked {
        Ok(answer) => (answer, None),
        // launchd does not know an agent that is not loaded.
        Err(ProgramError::Failed { .. }) => (String::new(), None),
        Err(error) => (String::new(), Some(with_causes(&error))),
    };
    let said = Printed::of(&answer);
    let program = match is_there {
        true => disk::text(&file.path)?.as_deref().and_then(agent::program_of),
        false => None,
    };
    Ok(ServiceStatus {
        manager: "launchd",
        units: vec![Part {
            name: LABEL,
            file: is_there.then(|| file.path.clone()),
            origin: state.origin(),
            state,
            enabled: unreachable.is_none().then_some(!answer.is_empty()),
            active: unreachable.is_none().then(|| said.active().to_owned()),
            sub: said.state.clone(),
            result: said.exit_code.clone(),
        }],
        unreachable,
        hardened: None,
        program,
        pid: said.pid,
        since: None,
        needs_reload: false,
        environment_missing: if is_there { installed.missing(&here) } else { Vec::new() },
        prefix: installed.reaching(&here),
        linger: None,
    })
}

/// What `launchctl print` says of an agent; its form is for people, and only these lines are used.
#[derive(Debug, Default, PartialEq, Eq)]
struct Printed {
    state: Option<String>,
    pid: Option<u32>,
    exit_code: Option<String>,
}

impl Printed {
    fn of(answer: &str) -> Self {
        let value = |name: &str| {
            let lines = answer.lines().filter_map(|line| line.trim().split_once(" = "));
            lines.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        };
        Self {
            state: value("state"),
            pid: value("pid").and_then(|pid| pid.parse().ok()),
            exit_code: value("last exit code").filter(|code| code != "(never exited)"),
        }
    }

    /// systemd's word for it.
    fn active(&self) -> &'static str {
        match (self.state.as_deref(), self.exit_code.as_deref()) {
            (Some("running"), _) => "active",
            (_, Some(code)) if !code.starts_with('0') => "failed",
            _ => "inactive",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_launchd_prints_is_understood() {
        let answer = "gui/501/dev.dossier.dossierd = {\n\tactive count = 1\n\tstate = running\n\
                      \tpid = 612\n\tlast exit code = (never exited)\n}\n";
        let printed = Printed::of(answer);
        assert_eq!((printed.pid, printed.active()), (Some(612), "active"));
        let printed = Printed::of("\tstate = not running\n\tlast exit code = 78: EX_CONFIG\n");
        assert_eq!((printed.pid, printed.active()), (None, "failed"));
        let printed = Printed::of("\tstate = not running\n\tlast exit code = 0\n");
        assert_eq!(printed.active(), "inactive");
        assert_eq!(Printed::of(""), Printed::default());
    }
}
