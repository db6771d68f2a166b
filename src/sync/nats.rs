//! The sink that publishes each event to a stream of an existing NATS broker.
//!
//! Subject `dossier.<project_uuid>.<mission_slug>.<event_type>`, `Nats-Msg-Id` the event's
//! id, so that the broker itself removes duplicates within its window. A batch is published
//! in order over one connection; then all acknowledgements are awaited. After any fault the
//! connection is given up, and the next attempt makes another, with the secrets as they are
//! then.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context};
use async_nats::{ConnectErrorKind, ConnectOptions};
use futures_util::StreamExt as _;
use serde::Deserialize;

use super::batch::{Batch, Entry};
use super::secrets::SecretFile;
use super::sink::{Outcome, Verdict};
use super::tls;
use crate::daemon::config::{Nats as Config, NatsUrl};
use crate::dossier::event::EventType;
use crate::dossier::fleet::{SUBJECTS, subject};
use crate::store::with_causes;

/// JetStream's `JSStreamMessageExceedsMaximumErr`.
const MESSAGE_TOO_LARGE: ErrorCode = ErrorCode(10054);
/// Until a connection is there, and for each acknowledgement.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How to reach a broker.
pub struct Broker {
    url: NatsUrl,
    token: Option<SecretFile>,
    credentials: Option<SecretFile>,
    ca_file: Option<PathBuf>,
}

/// Why there is no connection.
pub enum NoConnection {
    /// The broker does not want us.
    Unauthorised(String),
    /// Anything else.
    Failed(String),
}

impl Broker {
    /// The broker that is configured.
    pub fn new(config: &Config) -> Self {
        Self {
            url: config.url.clone(),
            token: config.token_file.as_deref().map(SecretFile::new),
            credentials: config.credentials_file.as_deref().map(SecretFile::lines),
            ca_file: config.ca_file.clone(),
        }
    }

    /// Connects. What is trusted over TLS are the system's certificates or a given file's.
    pub async fn connect(&mut self) -> Result<Context, NoConnection> {
        let failed = NoConnection::Failed;
        let tls = tls::client(self.ca_file.as_deref()).map_err(failed)?;
        let mut options = ConnectOptions::new()
            .name(concat!("dossierd/", env!("CARGO_PKG_VERSION")))
            .connection_timeout(TIMEOUT)
            .max_reconnects(1)
            // Another address than the configured one never gets the secrets.
            .ignore_discovered_servers()
            .tls_client_config(std::sync::Arc::unwrap_or_clone(tls))
            .require_tls(self.url.is_tls());
        if let Some(token) = &mut self.token {
            options = options.token(token.read().map_err(failed)?);
        }
        if let Some(credentials) = &mut self.credentials {
            let text = credentials.read().map_err(failed)?;
            options = options
                .credentials(&text)
                .map_err(|error| failed(format!("the credentials make no sense: {error}")))?;
        }
        let connected = options.connect(self.url.as_text()).await;
        let client = connected.map_err(|error| match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                NoConnection::Unauthorised(format!("the broker refuses: {}", with_causes(&error)))
            }
            _ => NoConnection::Failed(with_causes(&error)),
        })?;
        Ok(jetstream::ContextBuilder::new().timeout(TIMEOUT).ack_timeout(TIMEOUT).build(client))
    }

    fn has_new_secret(&self) -> bool {
        [&self.token, &self.credentials].into_iter().flatten().any(SecretFile::has_changed)
    }
}

/// What is needed of an event to address it.
#[derive(Deserialize)]
struct Address {
    project_uuid: String,
    aggregate_id: String,
    event_type: String,
}

pub(super) struct NatsSink {
    broker: Broker,
    connection: Option<Context>,
}

impl NatsSink {
    pub(super) fn new(config: &Config) -> Result<Self, String> {
        // What is wrong with the certificates is told before anything is started.
        tls::client(config.ca_file.as_deref())?;
        Ok(Self { broker: Broker::new(config), connection: None })
    }

    pub(super) fn has_new_secret(&self) -> bool {
        self.broker.has_new_secret()
    }

    pub(super) async fn send(&mut self, batch: &Batch) -> Outcome {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => match self.broker.connect().await {
                Ok(connection) => connection,
                Err(NoConnection::Unauthorised(reason)) => return Outcome::Unauthorised(reason),
                Err(NoConnection::Failed(reason)) => return Outcome::failed(reason),
            },
        };
        match publish(&connection, batch).await {
            Ok(verdicts) => {
                self.connection = Some(connection);
                Outcome::Answered(verdicts)
            }
            Err((verdicts, reason)) if verdicts.iter().all(Option::is_none) => {
                Outcome::failed(reason)
            }
            // What is known is kept; the rest is sent again over another connection.
            Err((verdicts, reason)) => Outcome::Partly(verdicts, reason),
        }
    }
}

type Verdicts = Vec<Option<Verdict>>;

/// Publishes a batch; the error has what is known all the same, and what went wrong.
async fn publish(broker: &Context, batch: &Batch) -> Result<Verdicts, (Verdicts, String)> {
    let mut under_way: Vec<Option<PublishAckFuture>> = Vec::new();
    let mut verdicts: Verdicts = vec![None; batch.entries.len()];
    let mut fault = None;
    for (entry, verdict) in batch.entries.iter().zip(&mut verdicts) {
        match publish_one(broker, entry).await {
            Ok(acknowledged) => under_way.push(Some(acknowledged)),
            Err((true, reason)) => {
                *verdict = Some(Verdict::Rejected(reason));
                under_way.push(None);
            }
            Err((false, reason)) => {
                fault = Some(reason);
                break;
            }
        }
    }
    for (acknowledged, verdict) in under_way.into_iter().zip(&mut verdicts) {
        let Some(acknowledged) = acknowledged else { continue };
        match acknowledged.await {
            Ok(taken) if taken.duplicate => *verdict = Some(Verdict::Duplicate),
            Ok(_) => *verdict = Some(Verdict::Delivered),
            Err(error) if is_too_large(&error) => {
                *verdict = Some(Verdict::Rejected(explained(&error)));
            }
            Err(error) => {
                fault.get_or_insert(explained(&error));
            }
        }
    }
    match fault {
        None => Ok(verdicts),
        Some(reason) => Err((verdicts, reason)),
    }
}

/// Publishes an event; the error says whether it is about this event alone.
async fn publish_one(broker: &Context, entry: &Entry) -> Result<PublishAckFuture, (bool, String)> {
    let address: Address = serde_json::from_slice(&entry.line)
        .map_err(|error| (true, format!("the event has no address: {error}")))?;
    let subject = subject(&address.project_uuid, &address.aggregate_id, &address.event_type);
    let message = PublishMessage::build().payload(entry.line.clone()).message_id(&entry.event_id);
    broker
        .send_publish(subject, message)
        .await
        .map_err(|error| (error.kind() == PublishErrorKind::MaxPayloadExceeded, explained(&error)))
}

/// Does the stream take no message as large as this one?
fn is_too_large(error: &PublishError) -> bool {
    let source = std::error::Error::source(error);
    let answer = source.and_then(|source| source.downcast_ref::<jetstream::Error>());
    answer.is_some_and(|answer| answer.error_code() == MESSAGE_TOO_LARGE)
}

/// What went wrong, and what to do where the message alone does not say.
fn explained(error: &PublishError) -> String {
    let text = with_causes(error);
    match error.kind() {
        PublishErrorKind::StreamNotFound => format!(
            "{text}; make a stream for the subjects `dossier.>`, as with `nats stream add DOSSIER --subjects 'dossier.>'`"
        ),
        _ => text,
    }
}

/// Gives every snapshot event that the broker's stream holds to `each`, oldest first. The
/// error says why they cannot be read.
pub async fn snapshots(broker: &Context, mut each: impl FnMut(&[u8])) -> Result<(), String> {
    let filter = format!("{SUBJECTS}.*.*.{}", EventType::SnapshotComputed.as_str());
    let name = broker.stream_by_subject(format!("{SUBJECTS}.>")).await.map_err(|error| {
        format!("{}; no stream has the subjects `{SUBJECTS}.>`", with_causes(&error))
    })?;
    let stream = broker.get_stream(name).await.map_err(|error| with_causes(&error))?;
    let config = OrderedConfig { filter_subject: filter, ..OrderedConfig::default() };
    let consumer = stream.create_consumer(config).await.map_err(|error| with_causes(&error))?;
    let mut left = consumer.cached_info().num_pending;
    let mut messages = consumer.messages().await.map_err(|error| with_causes(&error))?;
    while left > 0 {
        let next = tokio::time::timeout(TIMEOUT, messages.next()).await;
        let message = next
            .map_err(|_| format!("no message within {} s", TIMEOUT.as_secs()))?
            .ok_or("the broker ended the stream")?
            .map_err(|error| with_causes(&error))?;
        each(&message.payload);
        left = message.info().map_err(|error| error.to_string())?.pending;
    }
    Ok(())
}
