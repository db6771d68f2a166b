//! The variables that go with the service: its manager starts it without those of the shell in which
//! it was installed, so without them it would look for its files elsewhere than that shell's clients.
//!
//! `XDG_RUNTIME_DIR` is none of them: a user's manager sets it for all that it starts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::deeds::Deeds;
use super::quoting::{first_word, sayable, word};
use crate::cli::error::CliError;

const HOME: &str = "DOSSIERD_HOME";
const CONFIG: &str = "XDG_CONFIG_HOME";
const STATE: &str = "XDG_STATE_HOME";
/// Where a user's configuration and state are below the home directory, and what moves them.
const USUAL: [(&str, &str); 2] = [(CONFIG, ".config"), (STATE, ".local/state")];

/// Names with absolute paths. With DOSSIERD_HOME there is nothing else, since it stands above all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Carried(Vec<(&'static str, PathBuf)>);

impl Carried {
    /// DOSSIERD_HOME, else of XDG's variables those that lead elsewhere than usual; as everywhere,
    /// one that is not absolute counts as not set.
    pub(super) fn of(
        dossierd_home: Option<&Path>,
        home: &Path,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        if let Some(dir) = dossierd_home {
            return Self(vec![(HOME, dir.to_path_buf())]);
        }
        let elsewhere = USUAL.into_iter().filter_map(|(name, usual)| {
            let dir = PathBuf::from(variable(name)?);
            (dir.is_absolute() && dir != home.join(usual)).then_some((name, dir))
        });
        Self(elsewhere.collect())
    }

    /// Those that the texts of units have, as [`Self::lines`] writes them.
    pub(super) fn of_units<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut found = Vec::new();
        for line in texts.flat_map(str::lines) {
            let value = line.trim().strip_prefix("Environment=").and_then(first_word);
            let Some((name, dir)) = value.as_deref().and_then(|word| word.split_once('=')) else {
                continue;
            };
            if let Some(name) = [HOME, CONFIG, STATE].into_iter().find(|known| *known == name) {
                found.push((name, PathBuf::from(dir)));
            }
        }
        Self(found)
    }

    /// Is there none?
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their names.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|(name, _)| *name).collect()
    }

    /// One `Environment=` for each.
    pub(super) fn lines(&self) -> Result<String, CliError> {
        let lines = self.0.iter().map(|(name, dir)| {
            let text = sayable(name, dir)?;
            Ok(format!("Environment={}\n", word(&format!("{name}={text}"))))
        });
        lines.collect()
    }

    /// State and configuration of a daemon that has these variables.
    pub(super) fn places(&self, home: &Path) -> (PathBuf, PathBuf) {
        if let Some(dir) = self.get(HOME) {
            return (dir.join("state"), dir.join("config"));
        }
        let [config, state] = USUAL.map(|(name, usual)| {
            let base = self.get(name).map_or_else(|| home.join(usual), Path::to_path_buf);
            base.join("dossierd")
        });
        (state, config)
    }

    fn get(&self, wanted: &str) -> Option<&Path> {
        let found = self.0.iter().rev().find(|(name, _)| *name == wanted);
        found.map(|(_, dir)| dir.as_path())
    }

    /// Says what goes with the service.
    pub(super) fn say(&self, deeds: &mut Deeds<'_>) -> Result<(), CliError> {
        for (name, dir) in &self.0 {
            deeds.say(format!("{name}={} is set, and goes with the service", dir.display()))?;
        }
        Ok(())
    }
}

/// Says which of the variables that commands read here the service will not have.
pub(super) fn say_left_behind(deeds: &mut Deeds<'_>) -> Result<(), CliError> {
    for name in left_behind(std::env::vars_os().map(|(name, _)| name)) {
        deeds.warn(format!(
            "{name} is set here, and does not go with the service; what shall hold for it belongs \
             into its config.yaml"
        ))?;
    }
    Ok(())
}

fn left_behind(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let names = names.filter_map(|name| name.into_string().ok());
    let mut left: Vec<String> =
        names.filter(|name| name.starts_with("DOSSIERD_") && name != HOME).collect();
    left.sort_unstable();
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dossierd_home: Option<&str>, set: &[(&str, &str)]) -> Carried {
        Carried::of(dossierd_home.map(Path::new), Path::new("/home/a"), |name| {
            set.iter().find(|(other, _)| *other == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn what_leads_elsewhere_is_carried_and_read_again() {
        let usual = [(CONFIG, "/home/a/.config"), (STATE, "relative")];
        assert!(of(None, &usual).is_empty());
        let moved = [(CONFIG, "/c"), (STATE, "/s t/50%"), ("XDG_RUNTIME_DIR", "/r")];
        for (carried, lines, state, config) in [
            (of(None, &usual), "", "/home/a/.local/state/dossierd", "/home/a/.config/dossierd"),
            (
                of(None, &moved),
                "Environment=XDG_CONFIG_HOME=/c\nEnvironment=\"XDG_STATE_HOME=/s t/50%%\"\n",
                "/s t/50%/dossierd",
                "/c/dossierd",
            ),
            (of(Some("/d"), &moved), "Environment=DOSSIERD_HOME=/d\n", "/d/state", "/d/config"),
        ] {
            assert_eq!(carried.lines().unwrap(), lines);
            let unit = format!("[Service]\nEnvironment=OTHER=/x\n{lines}");
            assert_eq!(Carried::of_units([unit.as_str()].into_iter()), carried);
            let expected = (PathBuf::from(state), PathBuf::from(config));
            assert_eq!(carried.places(Path::new("/home/a")), expected);
        }
    }

    #[test]
    fn only_our_other_variables_are_left_behind() {
        let names = ["PATH", "DOSSIERD_LOG", "DOSSIERD_HOME", "DOSSIERD_CONFIG"];
        let left = left_behind(names.into_iter().map(OsString::from));
        assert_eq!(left, ["DOSSIERD_CONFIG", "DOSSIERD_LOG"]);
    }
}
