//! `dossierd service`: the daemon as a service of this user, under systemd or launchd.
//!
//! The units are those below `packaging/`, with this binary put in. Every step is said; what
//! concerns more than this service, such as lingering after logout, is said and left to the user.
//! Files that were changed by hand, or that are not ours, are neither replaced nor removed.

pub(super) mod systemd;

mod agent;
mod carried;
mod deeds;
mod disk;
mod launchd;
mod moving;
mod program;
mod quoting;
mod service_file;
mod setting;
mod status;
mod unit;

pub(in crate::cli) use disk::{is_file, is_same_file};
pub(in crate::cli) use status::{Answering, ServiceStatus};

use setting::Setting;

use super::args::{Manager, PrintArgs, ServiceArgs, ServiceCommand, ServiceStatusArgs};
use super::error::ErrorKind;
use super::route::Route;
use super::{CliError, Context, Verdict};

pub(super) fn run(args: ServiceArgs, context: &mut Context) -> Result<Verdict, CliError> {
    match args.command {
        ServiceCommand::Install(args) => {
            let manager = chosen(args.manager.manager)?;
            let setting = Setting::of_environment()?;
            match manager {
                Manager::Systemd => systemd::install(&args, &setting, &mut context.output),
                Manager::Launchd => launchd::install(&args, &setting, &mut context.output),
            }
        }
        ServiceCommand::Uninstall(args) => {
            let manager = chosen(args.manager.manager)?;
            let setting = Setting::of_environment()?;
            match manager {
                Manager::Systemd => systemd::uninstall(&args, &setting, &mut context.output),
                Manager::Launchd => launchd::uninstall(&args, &setting, &mut context.output),
            }
        }
        ServiceCommand::Status(args) => show(&args, context),
        ServiceCommand::Print(args) => print(&args, context),
    }
}

/// The manager that was named, else the one of this system.
fn chosen(named: Option<Manager>) -> Result<Manager, CliError> {
    match (named, system()) {
        (Some(manager), _) | (None, Some(manager)) => Ok(manager),
        (None, None) => {
            let message = format!("no service manager is known for {}", std::env::consts::OS);
            Err(CliError::new(ErrorKind::Input, message)
                .hint("let whatever starts services here start `dossierd run`"))
        }
    }
}

fn system() -> Option<Manager> {
    match std::env::consts::OS {
        "linux" => Some(Manager::Systemd),
        "macos" => Some(Manager::Launchd),
        _ => None,
    }
}

/// How the service of this system stands; `None` where there is no such thing.
pub(super) fn status_here() -> Result<Option<ServiceStatus>, CliError> {
    let Some(manager) = system() else { return Ok(None) };
    status_of(manager).map(Some)
}

fn status_of(manager: Manager) -> Result<ServiceStatus, CliError> {
    let setting = Setting::of_environment()?;
    match manager {
        Manager::Systemd => systemd::status(&setting),
        Manager::Launchd => launchd::status(&setting),
    }
}

fn show(args: &ServiceStatusArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let status = status_of(chosen(args.manager.manager)?)?;
    // Without a daemon there is no version to show, and the rest says why.
    let answering: Option<Answering> =
        context.client().and_then(|client| client.ask(&Route::get("/api/status"))?.parse()).ok();
    if args.json {
        let document = status.json(answering.as_ref());
        context.output.json(document.to_string().as_bytes())?;
    } else {
        context.output.page(&status.page(answering.as_ref()))?;
    }
    Ok(status.verdict())
}

fn print(args: &PrintArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let manager = chosen(args.manager.manager)?;
    let setting = Setting::of_environment()?;
    let files = match manager {
        Manager::Launchd => {
            launchd::check_hardened(args.variant)?;
            let text = match args.variant.socket_activated {
                true => agent::socket_activated(&setting)?,
                false => agent::file(&setting)?.text,
            };
            context.output.bytes(text.as_bytes())?;
            return Ok(Verdict::Fine);
        }
        Manager::Systemd => {
            let dir = systemd::Manager::find(&setting.home).unit_dir;
            unit::files(&setting, args.variant, &dir, |_| false)?
        }
    };
    // As `systemctl cat` shows them: each with its place in a comment.
    for (at, file) in files.iter().enumerate() {
        let gap = if at > 0 { "\n" } else { "" };
        let text = format!("{gap}# {}\n{}", file.path.display(), file.text);
        context.output.bytes(text.as_bytes())?;
    }
    Ok(Verdict::Fine)
}
