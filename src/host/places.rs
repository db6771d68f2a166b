//! What messages to peers over TCP call the places that they must not name: the directories of
//! the daemon and of its user, and the files that the configuration names, wherever they are.

use std::path::{Path, PathBuf};

use crate::daemon::config::Config;
use crate::store::Home;

/// Where a file of the configuration is, if it is not in a directory that has a word.
const BESIDE: &str = "<path>";

/// All places, for a configuration from this file. Several configurations where messages may be
/// about more than one: the former stays in force while another one is refused.
pub(super) fn places(
    home: &Home,
    file: &Path,
    configs: &[&Config],
) -> Vec<(PathBuf, &'static str)> {
    let own = [
        (home.config_dir(), "<config>"),
        (home.state_dir(), "<state>"),
        (home.runtime_dir(), "<runtime>"),
    ];
    let mut places: Vec<_> = own.map(|(dir, word)| (dir.to_owned(), word)).into();
    let mut named = vec![(file, "<config-file>")];
    named.extend(configs.iter().flat_map(|config| config.sync.files()));
    for (file, word) in named {
        for form in forms(file) {
            // Some have a word already, and their names say more than another one.
            let is_own = own.iter().any(|(dir, _)| form.parent() == Some(dir));
            if !is_own {
                places.extend(form.parent().map(|dir| (dir.to_owned(), BESIDE)));
                places.push((form, word));
            }
        }
    }
    // A directory keeps its own word, whatever is in it.
    places.sort_by_key(|(_, word)| *word == BESIDE);
    places.extend(directories::BaseDirs::new().map(|dirs| (dirs.home_dir().to_owned(), "~")));
    let mut seen = std::collections::HashSet::new();
    places.retain(|(place, _)| seen.insert(place.clone()));
    places
}

/// How messages may write a path: as it was given, from the root, and without links.
fn forms(file: &Path) -> Vec<PathBuf> {
    let absolute = std::path::absolute(file).ok();
    let dir = absolute.as_deref().and_then(Path::parent);
    let resolved = dir.and_then(|dir| Some(dir.canonicalize().ok()?.join(file.file_name()?)));
    let mut forms: Vec<PathBuf> =
        [Some(file.to_owned()), absolute, resolved].into_iter().flatten().collect();
    // A name alone tells no place.
    forms.retain(|form| form.parent().is_some_and(|dir| !dir.as_os_str().is_empty()));
    forms.dedup();
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::config::ConfigSource;

    #[test]
    fn what_a_configuration_names_has_a_word_in_every_form() {
        let dir = tempfile::tempdir().expect("a directory");
        let real = dir.path().canonicalize().expect("is there").join("real place");
        std::fs::create_dir(&real).expect("made");
        let home = Home::resolve(Some(dir.path().join("home"))).expect("a home");
        let (file, named) = (real.join("a token"), dir.path().join("c.yaml"));
        let own = home.config_dir().join("ca.pem");
        let text = format!(
            "sync: {{webhook: {{url: 'https://example.org', token_file: {}, ca_file: {}}}}}\n",
            file.display(),
            own.display()
        );
        crate::store::atomic::replace(&named, text.as_bytes(), 0o600).expect("written");
        let config = ConfigSource::of_file(&named).load().expect("a configuration").config;
        let places = places(&home, Path::new("c.yaml"), &[&Config::default(), &config]);
        let word =
            |path: &Path| places.iter().find(|(place, _)| place == path).map(|(_, word)| *word);
        assert_eq!(word(&file), Some("<sync.webhook.token_file>"));
        assert_eq!(word(&real), Some(BESIDE));
        assert_eq!(word(home.config_dir()), Some("<config>"));
        assert_eq!(word(&own), None, "its directory has a word");
        let here = std::env::current_dir().expect("is there");
        assert_eq!(word(&here.join("c.yaml")), Some("<config-file>"));
        assert_eq!(word(Path::new("c.yaml")), None, "it tells no place");
    }
}
