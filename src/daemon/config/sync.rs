//! `sync` of the configuration: where events are delivered to, and how long they are kept.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;

/// Where events are delivered to. Nothing is, unless this says so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sync {
    /// A back end that takes batches over HTTP.
    pub webhook: Option<Webhook>,
    /// A broker. Builds without the feature `nats` refuse a file that names one.
    pub nats: Option<Nats>,
    /// Closed segments of a log that stay once every sink has them; without it all stay.
    pub keep_segments: Option<u64>,
}

impl Sync {
    /// Files are named from the directory that the configuration is in.
    pub(super) fn files_from(&mut self, dir: &Path) {
        let mut files: Vec<&mut PathBuf> = Vec::new();
        if let Some(Webhook { token_file, ca_file, signing_secret_file, .. }) = &mut self.webhook {
            files.extend([token_file, ca_file, signing_secret_file].into_iter().flatten());
        }
        if let Some(Nats { token_file, credentials_file, ca_file, .. }) = &mut self.nats {
            files.extend([token_file, credentials_file, ca_file].into_iter().flatten());
        }
        for file in files {
            *file = dir.join(&file);
        }
    }

    /// The files that this names, and words for them.
    pub fn files(&self) -> Vec<(&Path, &'static str)> {
        let mut files = Vec::new();
        if let Some(Webhook { token_file, ca_file, signing_secret_file, .. }) = &self.webhook {
            files.extend([
                (token_file, "<sync.webhook.token_file>"),
                (ca_file, "<sync.webhook.ca_file>"),
                (signing_secret_file, "<sync.webhook.signing_secret_file>"),
            ]);
        }
        if let Some(Nats { token_file, credentials_file, ca_file, .. }) = &self.nats {
            files.extend([
                (token_file, "<sync.nats.token_file>"),
                (credentials_file, "<sync.nats.credentials_file>"),
                (ca_file, "<sync.nats.ca_file>"),
            ]);
        }
        files.into_iter().filter_map(|(file, word)| Some((file.as_deref()?, word))).collect()
    }
}

/// A back end that takes batches over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// `https`, or `http` to this machine.
    pub url: HttpUrl,
    /// Holds the bearer token; only its owner may have access.
    pub token_file: Option<PathBuf>,
    /// Events in a request at most.
    pub batch_size: BatchSize,
    /// Certificates in PEM that are trusted, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// What a request looks like.
    pub format: Format,
    /// Holds the secret that requests are signed with, in the form of Standard Webhooks:
    /// `whsec_` and base 64.
    pub signing_secret_file: Option<PathBuf>,
    /// For one request, from connecting to the end of the answer, in seconds.
    pub timeout_seconds: TimeoutSeconds,
}

impl Webhook {
    /// A back end at this address, with nothing else said of it.
    pub(super) fn to(url: HttpUrl) -> Self {
        Self {
            url,
            token_file: None,
            batch_size: BatchSize::default(),
            ca_file: None,
            format: Format::default(),
            signing_secret_file: None,
            timeout_seconds: TimeoutSeconds::default(),
        }
    }
}

/// What a request looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `POST <url>/api/v1/events/batch/`, compressed, answered event by event.
    #[default]
    Native,
    /// `POST <url>` with a batch of CloudEvents 1.0; a 2xx takes all of it.
    CloudEvents,
}

impl Format {
    pub(super) fn of(name: &str) -> Result<Self, String> {
        match name {
            "native" => Ok(Self::Native),
            "cloudevents" => Ok(Self::CloudEvents),
            _ => Err(format!("{name:?} is no format; use native or cloudevents")),
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::CloudEvents => "cloudevents",
        }
    }
}

/// A NATS broker with JetStream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nats {
    /// `nats://host:port` or `tls://host:port`.
    pub url: NatsUrl,
    /// Holds a token; only its owner may have access.
    pub token_file: Option<PathBuf>,
    /// Holds the user's JWT and seed, as `nsc` writes it.
    pub credentials_file: Option<PathBuf>,
    /// Certificates in PEM that are trusted, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Events that are published before their acknowledgements are awaited.
    pub batch_size: BatchSize,
}

impl Nats {
    /// A broker at this address, with nothing else said of it.
    pub(super) fn to(url: NatsUrl) -> Self {
        Self {
            url,
            token_file: None,
            credentials_file: None,
            ca_file: None,
            batch_size: BatchSize::default(),
        }
    }
}

/// How many events go into a request: 1 to 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSize(usize);

impl BatchSize {
    pub(super) const MAX: usize = 1000;

    /// The number.
    pub fn get(self) -> usize {
        self.0
    }
}

impl Default for BatchSize {
    fn default() -> Self {
        Self(Self::MAX)
    }
}

impl TryFrom<usize> for BatchSize {
    type Error = String;

    fn try_from(number: usize) -> Result<Self, String> {
        match number {
            1..=Self::MAX => Ok(Self(number)),
            _ => Err(format!("batch_size is {number}; 1 to {} are allowed", Self::MAX)),
        }
    }
}

/// How long a request may take: 1 to 600 seconds, 30 unless told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeoutSeconds(u64);

impl TimeoutSeconds {
    pub(super) const MAX: u64 = 600;

    /// As a duration.
    pub fn get(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl Default for TimeoutSeconds {
    fn default() -> Self {
        Self(30)
    }
}

impl TryFrom<u64> for TimeoutSeconds {
    type Error = String;

    fn try_from(seconds: u64) -> Result<Self, String> {
        match seconds {
            1..=Self::MAX => Ok(Self(seconds)),
            _ => Err(format!("timeout_seconds is {seconds}; 1 to {} are allowed", Self::MAX)),
        }
    }
}

/// An address of a back end. Plain HTTP is for this machine only: a token and the names of
/// missions do not travel a network in the clear.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl(Uri);

impl HttpUrl {
    /// This machine.
    pub(super) fn this_machine() -> Self {
        Self(Uri::from_static("http://127.0.0.1"))
    }

    /// The address of a path below it.
    pub fn join(&self, path: &str) -> Uri {
        let base = self.0.to_string();
        let joined = format!("{}/{path}", base.trim_end_matches('/'));
        joined.parse().expect("an address without query, with a plain path behind it, is one")
    }

    /// The address as it is.
    pub fn uri(&self) -> &Uri {
        &self.0
    }

    /// As people see it in a configuration: that there is a path, but not which.
    pub(super) fn shown(&self) -> serde_json::Value {
        shown(self.origin(), &self.0)
    }

    /// Scheme, host and port, for people: a path may hold a secret.
    pub fn origin(&self) -> String {
        let host = self.0.authority().map_or("", |authority| authority.as_str());
        format!("{}://{host}", self.0.scheme_str().unwrap_or_default())
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

impl TryFrom<String> for HttpUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|error| format!("url is no address: {error}"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err("url needs a scheme and a host, as in https://events.example.org".into());
        };
        if authority.as_str().contains('@') {
            return Err("url has a user or password; name a token_file instead".into());
        }
        if uri.query().is_some() {
            return Err("url has a query, which is not sent; leave it out".into());
        }
        match scheme {
            "https" => Ok(Self(uri)),
            "http" if is_this_machine(authority.host()) => Ok(Self(uri)),
            "http" => Err("url is plain http to another machine; use https".into()),
            _ => Err(format!("url has the scheme {scheme:?}; https is wanted")),
        }
    }
}

/// A NATS address; without TLS for this machine only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsUrl(Uri);

impl NatsUrl {
    /// This machine.
    pub(super) fn this_machine() -> Self {
        Self(Uri::from_static("nats://127.0.0.1"))
    }

    /// As text.
    pub fn as_text(&self) -> String {
        self.0.to_string()
    }

    /// As people see it in a configuration: that there is a path, but not which.
    pub(super) fn shown(&self) -> serde_json::Value {
        let host = self.0.authority().map_or("", |authority| authority.as_str());
        shown(format!("{}://{host}", self.0.scheme_str().unwrap_or_default()), &self.0)
    }

    /// Is TLS wanted from the first byte?
    pub fn is_tls(&self) -> bool {
        self.0.scheme_str() == Some("tls")
    }
}

impl TryFrom<String> for NatsUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|error| format!("url is no address: {error}"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err("url needs a scheme and a host, as in tls://nats.example.org:4222".into());
        };
        if authority.as_str().contains('@') {
            return Err("url has a user or password; name a token_file instead".into());
        }
        match scheme {
            "tls" => Ok(Self(uri)),
            "nats" if is_this_machine(authority.host()) => Ok(Self(uri)),
            "nats" => Err("url is plain nats to another machine; use tls".into()),
            _ => Err(format!("url has the scheme {scheme:?}; tls or nats is wanted")),
        }
    }
}

fn shown(origin: String, uri: &Uri) -> serde_json::Value {
    match uri.path() {
        "" | "/" => origin.into(),
        _ => format!("{origin}/…").into(),
    }
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<HttpUrl, String> {
        HttpUrl::try_from(text.to_owned())
    }

    #[test]
    fn tokens_never_travel_in_the_clear() {
        for good in [
            "https://events.example.org",
            "https://events.example.org:8443/base/",
            "http://127.0.0.1:8000",
            "http://[::1]:8000",
            "http://localhost:1",
        ] {
            assert!(url(good).is_ok(), "{good}");
        }
        for (bad, reason) in [
            ("http://events.example.org", "use https"),
            ("http://127.0.0.1.example.org", "use https"),
            ("ftp://127.0.0.1", "https is wanted"),
            ("https://a:b@example.org", "token_file"),
            ("https://example.org/?token=1", "query"),
            ("events.example.org", "scheme and a host"),
            ("/x", "scheme and a host"),
        ] {
            let error = url(bad).expect_err(bad);
            assert!(error.contains(reason), "{bad}: {error}");
        }
    }

    #[test]
    fn paths_are_joined_with_one_slash_and_stay_out_of_what_people_see() {
        for base in ["https://example.org", "https://example.org/"] {
            let joined = url(base).expect("an address").join("api/v1/events/batch/");
            assert_eq!(joined, "https://example.org/api/v1/events/batch/");
        }
        let secret = url("https://example.org:1/hooks/s3cret").expect("an address");
        assert_eq!(secret.join("x"), "https://example.org:1/hooks/s3cret/x");
        assert_eq!(format!("{secret:?}"), "https://example.org:1");
    }
}
