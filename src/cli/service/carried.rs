//! The variables that go with the service: its manager starts it without those of the shell in which
//! it was installed, so without them it would look for its files elsewhere than that shell's clients.
//!
//! `XDG_RUNTIME_DIR` is none of them: a user's manager sets it for all that it starts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::deeds::Deeds;
use super::quoting::{first_word, sayable, shell_word, word};
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

    /// That of an agent of launchd, which has no other: macOS knows nothing of XDG's.
    pub(super) fn of_agent(dossierd_home: Option<&Path>) -> Self {
        Self(dossierd_home.map(|dir| (HOME, dir.to_path_buf())).into_iter().collect())
    }

    /// Those that the texts of units have, as [`Self::lines`] writes them; the last of a name counts.
    pub(super) fn of_units<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut found = Vec::new();
        for line in texts.flat_map(str::lines) {
            let value = line.trim().strip_prefix("Environment=").and_then(first_word);
            let Some((name, dir)) = value.as_deref().and_then(|word| word.split_once('=')) else {
                continue;
            };
            if let Some(name) = [HOME, CONFIG, STATE].into_iter().find(|known| *known == name) {
                found.retain(|(other, _)| *other != name);
                found.push((name, PathBuf::from(dir)));
            }
        }
        if found.iter().any(|(name, _)| *name == HOME) {
            found.retain(|(name, _)| *name == HOME);
        }
        found.sort_unstable();
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

    /// DOSSIERD_HOME, if it is one of them.
    pub(super) fn dossierd_home(&self) -> Option<&Path> {
        self.get(HOME)
    }

    /// What stands before a command here, so that it reaches a service with these; one that has none
    /// is told to lack those of `here` instead.
    pub(super) fn reaching(&self, here: &Self) -> String {
        if self.is_empty() { String::new() } else { self.prefix(here) }
    }

    /// The names of `here`, where a service has none at all.
    pub(super) fn missing(&self, here: &Self) -> Vec<&'static str> {
        if self.is_empty() { here.names() } else { Vec::new() }
    }

    /// What stands before a command in a shell that carries `here`, so that it means these places;
    /// empty where it does anyway.
    pub(super) fn prefix(&self, here: &Self) -> String {
        let mut words = Vec::new();
        if self.get(HOME).is_none() {
            let is_ours = |name: &str| self.get(name).is_some();
            let others = here.names().into_iter().filter(|name| !is_ours(name));
            words.extend(others.map(|name| format!("-u {name} ")));
        }
        if !words.is_empty() {
            words.insert(0, "env ".to_owned());
        }
        let differing = self.0.iter().filter(|(name, dir)| here.get(name) != Some(dir));
        words.extend(
            differing.map(|(name, dir)| format!("{name}={} ", shell_word(&dir.to_string_lossy()))),
        );
        words.concat()
    }

    /// For a sentence: `DOSSIERD_HOME=/d`, or several with a comma.
    pub(super) fn told(&self) -> String {
        let each = self.0.iter().map(|(name, dir)| format!("{name}={}", dir.display()));
        each.collect::<Vec<_>>().join(", ")
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
        let found = self.0.iter().find(|(name, _)| *name == wanted);
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
    fn a_command_can_be_told_to_mean_the_places_of_a_service() {
        let xdg = of(None, &[(STATE, "/s t")]);
        let other = of(None, &[(CONFIG, "/c"), (STATE, "/s")]);
        let (none, home) = (Carried::default(), of(Some("/d"), &[]));
        for (service, here, expected) in [
            (&home, &none, "DOSSIERD_HOME=/d "),
            (&home, &home, ""),
            (&home, &xdg, "DOSSIERD_HOME=/d "),
            (&xdg, &none, "XDG_STATE_HOME='/s t' "),
            (&xdg, &other, "env -u XDG_CONFIG_HOME XDG_STATE_HOME='/s t' "),
            (&xdg, &home, "env -u DOSSIERD_HOME XDG_STATE_HOME='/s t' "),
        ] {
            assert_eq!(service.prefix(here), expected, "{service:?} {here:?}");
        }
    }

    #[test]
    fn of_two_lines_the_last_counts_and_a_home_stands_above_all() {
        let unit = "Environment=XDG_STATE_HOME=/s\nEnvironment=DOSSIERD_HOME=/a\nEnvironment=DOSSIERD_HOME=/b\n";
        assert_eq!(Carried::of_units([unit].into_iter()), of(Some("/b"), &[]));
    }

    #[test]
    fn only_our_other_variables_are_left_behind() {
        let names = ["PATH", "DOSSIERD_LOG", "DOSSIERD_HOME", "DOSSIERD_CONFIG"];
        let left = left_behind(names.into_iter().map(OsString::from));
        assert_eq!(left, ["DOSSIERD_CONFIG", "DOSSIERD_LOG"]);
    }
}
