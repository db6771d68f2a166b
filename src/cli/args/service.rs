//! Arguments of `service`: the daemon as a service of this user.

use clap::{Args, Subcommand, ValueEnum};

/// `service`.
#[derive(Debug, Clone, Args)]
#[command(arg_required_else_help = true)]
pub struct ServiceArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ServiceCommand,
}

/// What to do with the service.
#[derive(Debug, Clone, Subcommand)]
pub enum ServiceCommand {
    /// Install the daemon as a service of this user, and start it
    Install(InstallArgs),
    /// Stop the service and remove what install has written
    Uninstall(UninstallArgs),
    /// Show what is installed, whether it runs, and whether it is this version's
    Status(ServiceStatusArgs),
    /// Print the files that install would write
    Print(PrintArgs),
}

/// Who runs services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Manager {
    /// The systemd of this user
    Systemd,
    /// The launchd of this user
    Launchd,
}

impl Manager {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Launchd => "launchd",
        }
    }
}

/// `--manager` of all `service` commands.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct ManagerArg {
    /// Who runs services [default: launchd on macOS, systemd on Linux]
    #[arg(long, value_name = "NAME")]
    pub manager: Option<Manager>,
}

/// Which files a service is made of.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct VariantArgs {
    /// Let systemd listen, on the Unix socket and the port, and start the daemon when it is asked
    #[arg(long)]
    pub socket_activated: bool,
    /// Isolate it further, where users may have namespaces; projects are then read-only to it
    #[arg(long)]
    pub hardened: bool,
}

/// `service install`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd service install
  dossierd service install --dry-run
  dossierd service install --socket-activated --hardened
  DOSSIERD_HOME=~/dossiers dossierd service install

Writes the unit (or the launchd agent) for this binary, enables and starts it. DOSSIERD_HOME is
carried over if it is set; a service that has it keeps it, and is refused to a shell with another one
or none. Where a package has brought the unit, that one is enabled instead. It can be run again, also
by a newer version.

Exits 0 when the service runs or was left off as asked; 1 when the files are written but the service
manager could not be reached or did not start it, with the commands that are left to run; 2 if
nothing could be done.")]
pub struct InstallArgs {
    /// Which files.
    #[command(flatten)]
    pub variant: VariantArgs,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write the files, but neither enable nor start the service
    #[arg(long)]
    pub no_start: bool,
    /// Replace files also if they were changed by hand or are not ours, or have another DOSSIERD_HOME
    #[arg(long)]
    pub force: bool,
    /// Who.
    #[command(flatten)]
    pub manager: ManagerArg,
}

/// `service uninstall`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd service uninstall
  dossierd service uninstall --dry-run

Stops and disables the service, and removes the files that `service install` has written. State,
configuration and dossiers stay.

Exits 0 when it is gone; 1 when something is left, as the output says; 2 if nothing could be done.")]
pub struct UninstallArgs {
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Remove files of ours also if they were changed by hand
    #[arg(long)]
    pub force: bool,
    /// Who.
    #[command(flatten)]
    pub manager: ManagerArg,
}

/// `service status`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd service status
  dossierd service status --json

Exits 0 if the service is installed as this version would and runs (or waits on its sockets), 1 if
not, 2 if that could not be told.")]
pub struct ServiceStatusArgs {
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
    /// Who.
    #[command(flatten)]
    pub manager: ManagerArg,
}

/// `service print`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  dossierd service print
  dossierd service print --hardened
  dossierd service print --manager launchd")]
pub struct PrintArgs {
    /// Which files.
    #[command(flatten)]
    pub variant: VariantArgs,
    /// Who.
    #[command(flatten)]
    pub manager: ManagerArg,
}
