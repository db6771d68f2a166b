//! Flags over environment over file over default: the one place where the program's own
//! settings are resolved, for `run` and `watch` as for `config` and `doctor`.

use std::ffi::OsString;
use std::path::PathBuf;

use super::args::ListenArgs;
use super::error::ErrorKind;
use super::{CliError, places};
use crate::daemon::config::{BackendChoice, ConfigSource, Origin, Overrides, log_filter, loopback};

/// Reads one variable.
type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The socket that a flag names, or a variable; the default if neither does.
pub(super) fn socket(flag: Option<PathBuf>) -> Result<(Option<PathBuf>, Origin), CliError> {
    path(flag, "--socket", "DOSSIERD_SOCKET", &environment)
}

/// The configuration file, with all that comes before it.
pub(super) fn source(listen: &ListenArgs) -> Result<ConfigSource, CliError> {
    source_in(listen, &environment)
}

fn source_in(listen: &ListenArgs, environment: Environment<'_>) -> Result<ConfigSource, CliError> {
    let (named, _) = path(listen.config.clone(), "--config", "DOSSIERD_CONFIG", environment)?;
    let is_named = named.is_some();
    let file = match named {
        Some(file) => file,
        None => places::home()?.config_file(),
    };
    let overrides = Overrides {
        listen: given(listen.listen, "--listen", "DOSSIERD_LISTEN", loopback, environment)?,
        log: given(
            listen.log.as_deref().map(log_filter).transpose().map_err(usage)?,
            "--log",
            "DOSSIERD_LOG",
            log_filter,
            environment,
        )?,
        backend: given(
            None,
            "",
            "DOSSIERD_WATCH_BACKEND",
            |name| BackendChoice::try_from(name.to_owned()),
            environment,
        )?,
        allowed_hosts: listen.allowed_host.clone(),
    };
    Ok(ConfigSource { file, is_named, overrides })
}

/// What a flag says, or where there is none what a variable says.
fn given<T>(
    flag: Option<T>,
    flag_name: &'static str,
    variable: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
    environment: Environment<'_>,
) -> Result<Option<(T, Origin)>, CliError> {
    if let Some(value) = flag {
        return Ok(Some((value, Origin::Flag(flag_name))));
    }
    let Some(text) = environment(variable) else { return Ok(None) };
    let text = text.to_str().ok_or_else(|| usage(format!("{variable} is not UTF-8 text")))?;
    let value = parse(text).map_err(|message| usage(format!("{variable}: {message}")))?;
    Ok(Some((value, Origin::Variable(variable))))
}

fn path(
    flag: Option<PathBuf>,
    flag_name: &'static str,
    variable: &'static str,
    environment: Environment<'_>,
) -> Result<(Option<PathBuf>, Origin), CliError> {
    if let Some(path) = flag {
        return Ok((Some(path), Origin::Flag(flag_name)));
    }
    match environment(variable) {
        None => Ok((None, Origin::Default)),
        Some(text) if text.is_empty() => {
            Err(usage(format!("{variable} is empty; unset it, or set it to a path")))
        }
        Some(text) => Ok((Some(PathBuf::from(text)), Origin::Variable(variable))),
    }
}

fn usage(message: String) -> CliError {
    CliError::new(ErrorKind::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> ListenArgs {
        ListenArgs {
            listen: None,
            config: Some(PathBuf::from("/c.yaml")),
            allowed_host: Vec::new(),
            log: None,
            log_json: false,
        }
    }

    fn variables<'a>(given: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        move |name| given.iter().find(|(known, _)| *known == name).map(|(_, text)| text.into())
    }

    #[test]
    fn a_flag_comes_before_a_variable() {
        let environment = variables(&[
            ("DOSSIERD_LISTEN", "127.0.0.1:1"),
            ("DOSSIERD_LOG", "debug"),
            ("DOSSIERD_CONFIG", "/d.yaml"),
            ("DOSSIERD_WATCH_BACKEND", "notify"),
        ]);
        let flags = ListenArgs { listen: loopback("127.0.0.1:2").ok(), ..args() };
        let source = source_in(&flags, &environment).unwrap();
        assert_eq!((source.file, source.is_named), (PathBuf::from("/c.yaml"), true));
        let overrides = source.overrides;
        assert_eq!(overrides.listen.unwrap().1, Origin::Flag("--listen"));
        let log = overrides.log.unwrap();
        assert_eq!(log, ("debug".to_owned(), Origin::Variable("DOSSIERD_LOG")));
        assert_eq!(overrides.backend.unwrap().1, Origin::Variable("DOSSIERD_WATCH_BACKEND"));
        let unnamed = ListenArgs { config: None, ..args() };
        assert_eq!(source_in(&unnamed, &environment).unwrap().file, PathBuf::from("/d.yaml"));
    }

    #[test]
    fn a_variable_that_makes_no_sense_is_named() {
        for (name, text) in [
            ("DOSSIERD_LISTEN", "0.0.0.0:1"),
            ("DOSSIERD_LISTEN", ""),
            ("DOSSIERD_LOG", "[["),
            ("DOSSIERD_LOG", ""),
            ("DOSSIERD_LOG", "debgu"),
            ("DOSSIERD_WATCH_BACKEND", "poll"),
        ] {
            let error = source_in(&args(), &variables(&[(name, text)])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().starts_with(name), "{error}");
        }
        let unnamed = ListenArgs { config: None, ..args() };
        let error = source_in(&unnamed, &variables(&[("DOSSIERD_CONFIG", "")])).unwrap_err();
        assert!(error.to_string().contains("DOSSIERD_CONFIG is empty"), "{error}");
    }
}
