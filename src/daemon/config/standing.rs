//! What is in force, and how the file differs from it. A changed file is only told of; it is
//! applied when somebody asks for a reload.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::keys::{Applies, KEYS};
use super::{Config, ConfigSource, Effective, HttpUrl, NatsUrl};
use crate::daemon::caveat::{Caveat, CaveatKind};
use crate::store::with_causes;

/// The configuration of a daemon that runs.
pub struct Standing {
    source: ConfigSource,
    /// What it was started with: what cannot be changed while it runs is still so.
    started: Config,
    now: Mutex<Now>,
}

struct Now {
    /// What was loaded last and is in force.
    loaded: Config,
    /// What could not be applied at the last reload, and why.
    refused: Option<(Config, String)>,
}

impl Standing {
    /// Started with this.
    pub fn new(source: ConfigSource, started: &Effective) -> Self {
        let now = Now { loaded: started.config.clone(), refused: None };
        Self { source, started: started.config.clone(), now: Mutex::new(now) }
    }

    /// Where it is loaded from.
    pub fn source(&self) -> &ConfigSource {
        &self.source
    }

    /// What was loaded last and is in force.
    pub fn loaded(&self) -> Config {
        self.lock().loaded.clone()
    }

    /// From now on this is in force.
    pub fn take(&self, loaded: Config) {
        *self.lock() = Now { loaded, refused: None };
    }

    /// This could not be applied.
    pub fn refuse(&self, config: Config, why: String) {
        self.lock().refused = Some((config, why));
    }

    /// The keys whose values wait for the next start.
    pub fn waiting(&self, config: &Config) -> Vec<&'static str> {
        changed(&self.started, config, Applies::AtStart)
    }

    /// The keys that a reload with this configuration would change at once.
    pub fn applicable(&self, config: &Config) -> Vec<&'static str> {
        changed(&self.lock().loaded, config, Applies::AtReload)
    }

    /// What somebody should know: each a sentence.
    pub fn warnings(&self) -> Vec<Caveat> {
        let found = self.source.load().map(|effective| effective.config);
        let now = self.lock();
        let mut warnings = Vec::new();
        match (found, &now.refused) {
            (Err(error), _) => {
                let why = with_causes(&error);
                warnings.push(self.refused(&why));
            }
            (Ok(found), Some((refused, why))) if found == *refused => {
                warnings.push(self.refused(why));
            }
            (Ok(found), _) if found != now.loaded => {
                let text = format!(
                    "{} has changed since it was loaded; `systemctl --user reload dossierd`, or \
                     `kill -HUP {}`, applies it",
                    self.source.file.display(),
                    std::process::id()
                );
                warnings.push(self.of_file(CaveatKind::ConfigChanged, text));
            }
            (Ok(_), _) => {}
        }
        let waiting = changed(&self.started, &now.loaded, Applies::AtStart);
        if !waiting.is_empty() {
            warnings.push(self.of_file(CaveatKind::ConfigWaiting, takes_effect_later(&waiting)));
        }
        warnings
    }

    fn refused(&self, why: &str) -> Caveat {
        let text = format!("{why}; the former configuration stays in force");
        self.of_file(CaveatKind::ConfigRefused, text)
    }

    fn of_file(&self, kind: CaveatKind, text: String) -> Caveat {
        // Who reads it may have another current directory.
        let file = std::path::absolute(&self.source.file);
        Caveat { kind, text, file: Some(file.unwrap_or_else(|_| self.source.file.clone())) }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        // Each change of it is one assignment, so a panic leaves nothing half done.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is said of keys that cannot be applied while the daemon runs.
fn takes_effect_later(keys: &[&str]) -> String {
    format!("takes effect at the next start: {}", keys.join(", "))
}

fn changed(from: &Config, to: &Config, applies: Applies) -> Vec<&'static str> {
    let keys = KEYS.iter().filter(|key| key.applies == applies);
    let differs = |name| match name {
        // What is shown of them leaves out what may be secret.
        "sync.webhook.url" => webhook_url(from) != webhook_url(to),
        "sync.nats.url" => nats_url(from) != nats_url(to),
        _ => false,
    };
    keys.filter(|key| key.value(from) != key.value(to) || differs(key.name))
        .map(|key| key.name)
        .collect()
}

fn webhook_url(config: &Config) -> Option<&HttpUrl> {
    config.sync.webhook.as_ref().map(|webhook| &webhook.url)
}

fn nats_url(config: &Config) -> Option<&NatsUrl> {
    config.sync.nats.as_ref().map(|nats| &nats.url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_told_of_until_it_is_loaded_and_a_broken_one_with_its_line() {
        let tmp = tempfile::tempdir().expect("a directory");
        let file = tmp.path().join("config.yaml");
        let source = ConfigSource::of_file(&file);
        let standing = Standing::new(source.clone(), &source.load().expect("loads"));
        let write = |text: &str| std::fs::write(&file, text).expect("written");
        let warnings = || -> Vec<(CaveatKind, String)> {
            let all = standing.warnings().into_iter();
            all.inspect(|caveat| assert_eq!(caveat.file.as_ref(), Some(&file)))
                .map(|caveat| (caveat.kind, caveat.text))
                .collect()
        };
        assert_eq!(warnings(), []);

        write("log: debug\nlisten: 127.0.0.1:1\n");
        let told = warnings();
        assert!(told.len() == 1 && told[0].1.contains("has changed since"), "{told:?}");
        assert_eq!(told[0].0, CaveatKind::ConfigChanged);
        let config = source.load().expect("loads").config;
        assert_eq!(standing.applicable(&config), ["log"]);
        assert_eq!(standing.waiting(&config), ["listen"]);
        standing.take(config);
        let waiting = "takes effect at the next start: listen".to_owned();
        assert_eq!(warnings(), [(CaveatKind::ConfigWaiting, waiting)]);

        write("log: debug\nzz: 1\n");
        let (kind, told) = warnings().remove(0);
        assert!(told.contains("line 2") && told.contains("stays in force"), "{told}");
        assert_eq!(kind, CaveatKind::ConfigRefused);
        write("log: info\n");
        let config = source.load().expect("loads").config;
        standing.refuse(config, "no such file".to_owned());
        let (kind, told) = warnings().remove(0);
        assert!(told.starts_with("no such file; ") && kind == CaveatKind::ConfigRefused);
        write("log: trace\n");
        assert!(warnings()[0].1.contains("has changed since"));
    }
}
