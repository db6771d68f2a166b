//! The configuration file, and the port that it names.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::super::args::ListenArgs;
use super::super::{CliError, settings};
use super::{Check, failure};
use crate::daemon::config::{ConfigError, ConfigSource, DEFAULT_LISTEN};
use crate::host;
use crate::store::with_causes;

/// How long a port of this machine may take to answer.
const CONNECT: Duration = Duration::from_secs(1);

/// The configuration as `run` would have it without flags.
pub(super) fn source() -> Result<ConfigSource, CliError> {
    settings::source(&ListenArgs::default())
}

/// Can the file be used, with everything that it refers to?
pub(super) fn file(source: &ConfigSource) -> Check {
    const NAME: &str = "configuration file";
    let shown = source.file.display();
    match host::check(source) {
        Ok(found) if found.file_is_there => Check::ok(NAME, format!("{shown} can be used")),
        Ok(_) => Check::ok(NAME, format!("{shown} does not exist; the defaults hold")),
        Err(error @ ConfigError::Invalid { .. }) => {
            Check::fail(NAME, error.to_string(), "dossierd config check")
        }
        Err(error @ ConfigError::Read(_)) => {
            Check::fail(NAME, with_causes(&error), "do what it says, then: dossierd config check")
        }
        Err(error) => failure(NAME, &super::super::run::explain(host::HostError::Config(error))),
    }
}

/// Is the configured port ours, or free? `served` is where the daemon listens.
pub(super) fn port(source: &ConfigSource, served: Option<&str>) -> Vec<Check> {
    const NAME: &str = "port";
    // What is wrong with the file is told of the file.
    let Ok(effective) = source.load() else { return Vec::new() };
    let wanted = effective.config.listen;
    let address = wanted.unwrap_or(DEFAULT_LISTEN);
    let served = served.and_then(|http| http.strip_prefix("http://")?.parse::<SocketAddr>().ok());
    if address.port() == 0 {
        return vec![Check::ok(NAME, "any that is free, as configured")];
    }
    if served == Some(address) {
        return vec![Check::ok(NAME, format!("{address} is ours"))];
    }
    let is_free = match TcpStream::connect_timeout(&address, CONNECT) {
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => true,
        Err(error) => {
            let message = format!("{address} cannot be looked at: {error}");
            return vec![Check::warn(NAME, message, listeners(address))];
        }
    };
    vec![match (is_free, served) {
        (true, Some(served)) => {
            Check::ok(NAME, format!("{address} is free; the daemon listens at {served}"))
        }
        (true, None) => Check::ok(NAME, format!("{address} is free")),
        (false, Some(served)) => Check::warn(
            NAME,
            format!(
                "{address} belongs to another process{}; the daemon listens at {served}",
                owner(address)
            ),
            format!("see who has it, or set `listen`: {}", listeners(address)),
        ),
        (false, None) => {
            let message = format!("{address} belongs to another process{}", owner(address));
            let hint = format!("see who has it, or set `listen`: {}", listeners(address));
            match wanted {
                // Where nothing is configured another port is picked.
                None => Check::warn(NAME, message, hint),
                Some(_) => Check::fail(
                    NAME,
                    format!("{message}, so the daemon cannot start"),
                    hint.replace("set `listen`", "set `listen` to another one"),
                ),
            }
        }
    }]
}

fn listeners(address: SocketAddr) -> String {
    match cfg!(target_os = "linux") {
        true => format!("ss -ltnp 'sport = :{}'", address.port()),
        false => format!("lsof -nP -iTCP:{} -sTCP:LISTEN", address.port()),
    }
}

/// Whose process listens there, where the system says it (proc_net(5)).
fn owner(address: SocketAddr) -> String {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let uid = tables.iter().find_map(|table| {
        let text = std::fs::read_to_string(table).ok()?;
        text.lines().skip(1).find_map(|line| listening_uid(line, address.port()))
    });
    uid.map_or_else(String::new, |uid| format!(" (of uid {uid})"))
}

/// The uid of a line of the table, if it is about a socket that listens at this port.
fn listening_uid(line: &str, port: u16) -> Option<u32> {
    const LISTEN: &str = "0A";
    let cells: Vec<&str> = line.split_whitespace().collect();
    let (_, number) = cells.get(1)?.rsplit_once(':')?;
    let is_it = u16::from_str_radix(number, 16) == Ok(port) && cells.get(3) == Some(&LISTEN);
    is_it.then(|| cells.get(7)?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::super::CheckStatus;
    use super::*;

    fn configured(text: &str) -> (tempfile::TempDir, ConfigSource) {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("config.yaml");
        std::fs::write(&path, text).unwrap();
        (tmp, ConfigSource::of_file(&path))
    }

    #[test]
    fn a_file_that_cannot_be_used_fails() {
        let (tmp, source) = configured("log: info\n");
        assert_eq!(file(&source).status, CheckStatus::Ok);
        let none = ConfigSource::of_file(&tmp.path().join("none.yaml"));
        assert_eq!(file(&none).status, CheckStatus::Ok);
        for (text, words) in [
            ("zz: 1\n", "line 1"),
            ("sync: {webhook: {url: 'https://a.test', ca_file: no}}\n", "ca_file"),
        ] {
            let (_tmp, source) = configured(text);
            let check = file(&source);
            assert_eq!(check.status, CheckStatus::Fail);
            assert!(check.message.contains(words), "{check:?}");
            assert_eq!(check.hint.as_deref(), Some("dossierd config check"));
        }
    }

    #[test]
    fn a_port_is_ours_or_free_or_somebody_elses() {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = holder.local_addr().unwrap();
        let (_tmp, source) = configured(&format!("listen: {address}\n"));
        let look = |served: Option<&str>| port(&source, served).remove(0);
        assert_eq!(look(Some(&format!("http://{address}"))).status, CheckStatus::Ok);
        for served in [None, Some("http://127.0.0.1:1")] {
            let check = look(served);
            // A start would be refused; a daemon that runs elsewhere goes on.
            let expected = if served.is_none() { CheckStatus::Fail } else { CheckStatus::Warn };
            assert_eq!(check.status, expected);
            assert!(check.message.contains("another process"), "{check:?}");
            if cfg!(target_os = "linux") {
                let uid = rustix::process::geteuid().as_raw();
                assert!(check.message.contains(&format!("of uid {uid}")), "{check:?}");
            }
            assert!(check.hint.unwrap().contains(&address.port().to_string()));
        }
        drop(holder);
        assert!(look(None).message.contains("is free"));
        let (_tmp, any) = configured("listen: 127.0.0.1:0\n");
        assert_eq!(port(&any, None)[0].status, CheckStatus::Ok);
    }
}
