//! The systemd units of one user's service: those below `packaging/`, with this binary and the
//! places of this user put in. Nothing else of them is changed.

use std::path::{Path, PathBuf};

use super::quoting::{listed_path, program, sayable, specifiers};
use super::service_file::{ServiceFile, unit};
use super::setting::Setting;
use crate::cli::args::VariantArgs;
use crate::cli::error::CliError;

/// The service.
pub(super) const SERVICE: &str = "dossierd.service";
/// The Unix socket.
pub(super) const SOCKET: &str = "dossierd.socket";
/// The port.
pub(super) const HTTP_SOCKET: &str = "dossierd-http.socket";
/// All of them.
pub(super) const UNITS: [&str; 3] = [SERVICE, SOCKET, HTTP_SOCKET];
/// Where settings are added to the service.
pub(super) const DROP_INS: &str = "dossierd.service.d";
/// More isolation.
pub(super) const HARDENING: &str = "dossierd.service.d/hardening.conf";
/// Where the daemon's files are, for a service whose unit a package has brought.
pub(super) const ENVIRONMENT: &str = "dossierd.service.d/environment.conf";

const SERVICE_TEXT: &str = include_str!("../../../packaging/systemd/user/dossierd.service");
const SOCKET_TEXT: &str = include_str!("../../../packaging/systemd/user/dossierd.socket");
const HTTP_SOCKET_TEXT: &str = include_str!("../../../packaging/systemd/user/dossierd-http.socket");
const HARDENING_TEXT: &str =
    include_str!("../../../packaging/systemd/user/dossierd.service.d/hardening.conf");

const PROGRAM_LINE: &str = "ExecStart=/usr/bin/dossierd run\n";
const LISTEN_LINE: &str = "ListenStream=%t/dossierd/dossierd.sock\n";
const STATE_LINE: &str = "ReadWritePaths=%h/.local/state/dossierd\n";
const USUAL_STATE_LINE: &str = "ReadWritePaths=-%h/.local/state/dossierd\n";

/// The service and its drop-ins, then the sockets, as they belong into `dir`. What a package has
/// brought, by its name, is left to it.
pub(super) fn files(
    setting: &Setting,
    variant: VariantArgs,
    dir: &Path,
    packaged: impl Fn(&str) -> bool,
) -> Result<Vec<ServiceFile>, CliError> {
    let mut files = Vec::new();
    let mut add = |name: &str, body: String| {
        files.push(ServiceFile { path: dir.join(name), text: unit(&body) });
    };
    if !packaged(SERVICE) {
        add(SERVICE, service(setting)?);
    } else if !setting.carried.is_empty() {
        let lines = setting.carried.lines()?;
        add(ENVIRONMENT, format!("# Where the daemon's files are.\n[Service]\n{lines}"));
    }
    if variant.hardened {
        add(HARDENING, hardening(setting)?);
    }
    if variant.socket_activated {
        let socket = socket(setting)?;
        if !packaged(SOCKET) || setting.dossierd_home.is_some() {
            add(SOCKET, socket);
        }
        if !packaged(HTTP_SOCKET) {
            add(HTTP_SOCKET, HTTP_SOCKET_TEXT.to_owned());
        }
    }
    Ok(files)
}

/// Every file that any variant has, to look for what an earlier run has left.
pub(super) fn all_paths(dir: &Path) -> [PathBuf; 5] {
    [SERVICE, SOCKET, HTTP_SOCKET, HARDENING, ENVIRONMENT].map(|name| dir.join(name))
}

fn service(setting: &Setting) -> Result<String, CliError> {
    let mut lines = format!("ExecStart={} run\n", program("this binary", &setting.binary)?);
    lines.push_str(&setting.carried.lines()?);
    Ok(SERVICE_TEXT.replacen(PROGRAM_LINE, &lines, 1))
}

/// With DOSSIERD_HOME the daemon and its clients have their socket below it.
fn socket(setting: &Setting) -> Result<String, CliError> {
    if setting.dossierd_home.is_none() {
        return Ok(SOCKET_TEXT.to_owned());
    }
    let path = specifiers(sayable("the socket", &setting.socket)?);
    Ok(SOCKET_TEXT.replacen(LISTEN_LINE, &format!("ListenStream={path}\n"), 1))
}

/// The state has to stay writable where it really is. The usual place stays writable, too, if it is
/// there (`-`): a drop-in may take the variables away again.
fn hardening(setting: &Setting) -> Result<String, CliError> {
    let usual = setting.home.join(".local/state/dossierd");
    let writable = setting.dossierd_home.as_ref().unwrap_or(&setting.state_dir);
    if *writable == usual {
        return Ok(HARDENING_TEXT.to_owned());
    }
    let path = listed_path("the daemon's directory", writable)?;
    Ok(HARDENING_TEXT.replacen(
        STATE_LINE,
        &format!("{USUAL_STATE_LINE}ReadWritePaths={path}\n"),
        1,
    ))
}

#[cfg(test)]
mod tests {
    use super::super::carried::Carried;
    use super::*;

    fn at_home(dir: &str, setting: Setting) -> Setting {
        let carried = Carried::of(Some(Path::new(dir)), &setting.home, |_| None);
        Setting { dossierd_home: Some(dir.into()), carried, ..setting }
    }

    fn setting() -> Setting {
        Setting {
            binary: "/usr/bin/dossierd".into(),
            home: "/home/a".into(),
            dossierd_home: None,
            carried: Carried::default(),
            state_dir: "/home/a/.local/state/dossierd".into(),
            socket: "/run/user/1/dossierd/dossierd.sock".into(),
        }
    }

    fn all() -> VariantArgs {
        VariantArgs { socket_activated: true, hardened: true }
    }

    fn bodies(setting: &Setting, variant: VariantArgs, packaged: &[&str]) -> Vec<(String, String)> {
        let files = files(setting, variant, Path::new("/u"), |name| packaged.contains(&name));
        let body = |file: ServiceFile| {
            let name = file.path.strip_prefix("/u").unwrap().to_str().unwrap().to_owned();
            (name, file.text.split_once('\n').unwrap().1.to_owned())
        };
        files.unwrap().into_iter().map(body).collect()
    }

    #[test]
    fn at_the_usual_places_they_are_what_packages_have() {
        let expected = [
            (SERVICE, SERVICE_TEXT),
            (HARDENING, HARDENING_TEXT),
            (SOCKET, SOCKET_TEXT),
            (HTTP_SOCKET, HTTP_SOCKET_TEXT),
        ];
        let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(bodies(&setting(), all(), &[]), expected);
        assert_eq!(bodies(&setting(), VariantArgs::default(), &[]), expected[..1]);
        assert_eq!(bodies(&setting(), VariantArgs::default(), &UNITS), []);
    }

    #[test]
    fn other_places_are_put_in_and_nothing_else_changes() {
        let home = PathBuf::from("/data/50% \"x\"");
        let other = Setting {
            binary: "/opt/a b/dossierd".into(),
            socket: home.join("run/dossierd.sock"),
            ..at_home("/data/50% \"x\"", setting())
        };
        let variant = VariantArgs { socket_activated: true, hardened: false };
        let bodies = bodies(&other, variant, &[]);
        let changed = |at: usize, from: &str| -> Vec<String> {
            let text: Vec<&str> = bodies[at].1.lines().collect();
            text.into_iter()
                .filter(|line| !from.lines().any(|l| l == *line))
                .map(Into::into)
                .collect()
        };
        assert_eq!(
            changed(0, SERVICE_TEXT),
            [
                "ExecStart=\"/opt/a b/dossierd\" run",
                "Environment=\"DOSSIERD_HOME=/data/50%% \\\"x\\\"\""
            ]
        );
        assert_eq!(changed(1, SOCKET_TEXT), ["ListenStream=/data/50%% \"x\"/run/dossierd.sock"]);
        assert!(files(&other, all(), Path::new("/u"), |_| false).is_err(), "a quote in a list");
        let other = at_home("/data/a b", other);
        let hardened = VariantArgs { socket_activated: false, hardened: true };
        let found = files(&other, hardened, Path::new("/u"), |_| false).unwrap();
        let lines = format!("\n{USUAL_STATE_LINE}ReadWritePaths=\"/data/a b\"\n");
        assert!(found[1].text.contains(&lines), "{}", found[1].text);
    }

    #[test]
    fn a_packages_unit_gets_a_home_by_a_drop_in() {
        let other = at_home("/data", setting());
        let bodies = bodies(&other, VariantArgs::default(), &UNITS);
        let expected =
            "# Where the daemon's files are.\n[Service]\nEnvironment=DOSSIERD_HOME=/data\n";
        assert_eq!(bodies, [(ENVIRONMENT.to_owned(), expected.to_owned())]);
    }
}
