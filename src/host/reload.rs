//! Another configuration for a host that runs.
//!
//! It is read and checked as a whole before anything of it is applied; what is broken leaves
//! everything as it was. What cannot change while the daemon runs is named, and waits for
//! the next start. Connections stay open, and so do streams, but for those of readers who
//! may no longer ask.

use super::check::refused;
use super::error::HostError;
use super::places::places;
use super::running::{Host, server_auth, server_limits};
use crate::daemon::config::{Config, DEFAULT_LOG, TcpAuth};
use crate::store::with_causes;

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// Keys whose values have changed and are in force.
    pub applied: Vec<&'static str>,
    /// Keys whose values wait for the next start.
    pub waiting: Vec<&'static str>,
    /// The filter of the log, which the caller applies.
    pub log: String,
}

impl Host {
    /// Reads the configuration again and applies it. On an error the former one stays in
    /// force, and health says why.
    pub fn reload(&mut self) -> Result<Reloaded, HostError> {
        let result = self.try_reload();
        self.daemon.configuration_changed();
        match &result {
            Ok(Reloaded { applied, waiting, .. }) => {
                let (applied, waiting) = (applied.join(", "), waiting.join(", "));
                tracing::info!(%applied, "the configuration has been reloaded");
                if !waiting.is_empty() {
                    tracing::warn!("takes effect at the next start: {waiting}");
                }
            }
            Err(error) => {
                let error = with_causes(error);
                tracing::error!(%error, "the configuration was not reloaded; the former one stays in force");
            }
        }
        result
    }

    fn try_reload(&mut self) -> Result<Reloaded, HostError> {
        let effective = self.standing.source().load()?;
        // Whatever is said of either, before it is said.
        let (former, file) = (self.standing.loaded(), &self.standing.source().file);
        self.api().set_places(places(&self.home, file, &[&former, &effective.config]));
        if let Some(error) = refused(self.standing.source(), &effective) {
            self.standing.refuse(effective.config, error.to_string());
            return Err(error.into());
        }
        let (before, config) = (self.standing.loaded(), effective.config);
        let reloaded = Reloaded {
            applied: self.standing.applicable(&config),
            waiting: self.standing.waiting(&config),
            log: config.log.clone().unwrap_or_else(|| DEFAULT_LOG.to_owned()),
        };
        if let Err(error) = self.apply(&before, &config) {
            self.standing.refuse(config, with_causes(&error));
            return Err(error);
        }
        self.standing.take(config);
        Ok(reloaded)
    }

    /// Applies all of it, or nothing.
    fn apply(&mut self, before: &Config, config: &Config) -> Result<(), HostError> {
        self.change_rules(config)?;
        // A file of certificates may have other contents, and is read when a sink starts.
        if before.sync != config.sync || names_certificates(config) {
            let handle = self.daemon.handle();
            if let Err(error) = self.couriers.replace(&config.sync, handle, &self.home) {
                self.change_rules(before)?;
                self.couriers.replace(&before.sync, handle, &self.home)?;
                self.courier_ended = Box::pin(self.couriers.failed());
                return Err(error.into());
            }
            // Those that ended made room for others.
            self.courier_ended = Box::pin(self.couriers.failed());
        }
        // Nothing fails from here on, and who is logged out cannot be logged in again.
        self.api().limit_sessions(config.limits.sessions.count());
        if config.tcp_auth == TcpAuth::None && before.tcp_auth != TcpAuth::None {
            tracing::warn!("{}", crate::server::Warning::NoTcpAuth);
        }
        Ok(())
    }

    /// What the server and the API hold clients to.
    fn change_rules(&self, config: &Config) -> Result<(), HostError> {
        let limits = server_limits(&config.limits);
        self.server.change_rules(server_auth(config.tcp_auth), &config.allowed_hosts, &limits)?;
        let is_open = config.tcp_auth == TcpAuth::None;
        self.api().change(is_open, config.limits.text_bytes.get());
        Ok(())
    }
}

fn names_certificates(config: &Config) -> bool {
    let webhook = config.sync.webhook.as_ref().and_then(|webhook| webhook.ca_file.as_ref());
    let nats = config.sync.nats.as_ref().and_then(|nats| nats.ca_file.as_ref());
    webhook.or(nats).is_some()
}
