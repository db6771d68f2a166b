//! The sink that posts batches over HTTP.
//!
//! Nothing of the environment counts but where the system's certificates are
//! (`SSL_CERT_FILE`, `SSL_CERT_DIR`): no proxy is asked, no redirect is followed, and what is
//! trusted are those certificates or those of a given file. A time-out is for the
//! whole request; an answer is read up to a bound.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::answer::{shown, verdicts};
use super::batch::Batch;
use super::redaction::Redaction;
use super::secrets::SecretFile;
use super::signature::SigningSecret;
use super::sink::{Outcome, Verdict};
use super::tls;
use crate::daemon::config::{Format, Webhook as Config};
use crate::dossier::Digest;
use crate::store::with_causes;

/// More than the results of a thousand events need.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// Until a connection is there.
const CONNECT: Duration = Duration::from_secs(10);

pub(super) struct Webhook {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    format: Format,
    timeout: Duration,
    token: Option<SecretFile>,
    signing: Option<SecretFile>,
    clock: fn() -> crate::dossier::Timestamp,
    /// The secrets of the last request, which nothing that comes back may show.
    sent: Redaction,
}

impl Webhook {
    /// Prepares the sink; connects to nothing yet. The error says what is wrong with the
    /// certificates.
    pub(super) fn new(
        config: &Config,
        clock: fn() -> crate::dossier::Timestamp,
    ) -> Result<Self, String> {
        let tls = tls::client(config.ca_file.as_deref())?;
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT));
        http.set_nodelay(true);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(Arc::unwrap_or_clone(tls))
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client =
            Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(https);
        let uri = match config.format {
            Format::Native => config.url.join("api/v1/events/batch/"),
            Format::CloudEvents => config.url.uri().clone(),
        };
        Ok(Self {
            client,
            uri,
            format: config.format,
            timeout: config.timeout_seconds.get(),
            token: config.token_file.as_deref().map(SecretFile::new),
            signing: config.signing_secret_file.as_deref().map(SecretFile::new),
            clock,
            sent: Redaction::default(),
        })
    }

    /// Has the token been replaced since it was used last?
    pub(super) fn has_new_secret(&self) -> bool {
        self.token.as_ref().is_some_and(SecretFile::has_changed)
    }

    pub(super) async fn send(&mut self, batch: &Batch) -> Outcome {
        let request = match self.request(batch) {
            Ok(request) => request,
            Err(reason) => return Outcome::failed(reason),
        };
        match tokio::time::timeout(self.timeout, self.exchange(request)).await {
            Ok(Ok((status, headers, body))) => self.judge(batch, status, &headers, &body),
            Ok(Err(reason)) => Outcome::failed(reason),
            Err(_) => Outcome::failed(format!("no answer within {} s", self.timeout.as_secs())),
        }
    }

    fn request(&mut self, batch: &Batch) -> Result<Request<Full<Bytes>>, String> {
        let version = concat!("dossierd/", env!("CARGO_PKG_VERSION"));
        let mut request = Request::post(self.uri.clone()).header(USER_AGENT, version);
        let body = match self.format {
            Format::Native => {
                request = request
                    .header(CONTENT_TYPE, "application/json")
                    .header(CONTENT_ENCODING, "gzip");
                batch.native()
            }
            Format::CloudEvents => {
                request = request
                    .header(CONTENT_TYPE, "application/cloudevents-batch+json; charset=utf-8");
                batch.cloud_events()
            }
        };
        self.sent.clear();
        if let Some(token) = &mut self.token {
            let token = token.read()?;
            let bearer = HeaderValue::try_from(format!("Bearer {token}"));
            self.sent.hide(&token);
            let mut value = bearer.map_err(|_| "the token cannot be a header".to_owned())?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if let Some(signing) = &mut self.signing {
            let text = signing.read()?;
            // It is not sent, but the other side has it too, with or without what marks it.
            self.sent.hide(text.trim_start_matches(SigningSecret::PREFIX));
            let secret = SigningSecret::parse(&text)
                .map_err(|error| format!("the signing secret cannot be used: {error}"))?;
            // The same events, tried again, are the same message; other events are another.
            let ids: Vec<&str> = batch.ids().collect();
            let id = format!("msg_{}", Digest::sha256(ids.join(".")).short(32));
            let timestamp = (self.clock)().as_micros() / 1_000_000;
            request = request
                .header("webhook-id", &id)
                .header("webhook-timestamp", timestamp)
                .header("webhook-signature", secret.sign(&id, timestamp, &body));
        }
        request.body(Full::new(body)).map_err(|error| format!("no request can be made: {error}"))
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, HeaderMap, Bytes), String> {
        let response = self.client.request(request).await.map_err(|error| with_causes(&error))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(|error| format!("the answer breaks off: {error}"))?.to_bytes();
        Ok((parts.status, parts.headers, body))
    }

    fn judge(
        &self,
        batch: &Batch,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Outcome {
        let said = || {
            let text = String::from_utf8_lossy(body);
            let text = text.trim();
            let text = if text.starts_with('<') { "" } else { text };
            let told = format!("the back end answered {status} {text}");
            shown(&told, &self.sent).trim_end().to_owned()
        };
        match status {
            s if s.is_success() => match self.format {
                Format::CloudEvents => {
                    Outcome::Answered(vec![Some(Verdict::Delivered); batch.entries.len()])
                }
                Format::Native => match verdicts(body, batch.ids(), &self.sent) {
                    Ok(verdicts) => Outcome::Answered(verdicts),
                    Err(reason) => Outcome::failed(reason),
                },
            },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Outcome::Unauthorised(said()),
            StatusCode::PAYLOAD_TOO_LARGE => Outcome::TooLarge(said()),
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Outcome::Refused(said()),
            s if s.is_redirection() => Outcome::failed(format!(
                "the back end answered {status}; redirects are not followed, so set url to where it leads"
            )),
            _ => {
                let now = (self.clock)();
                Outcome::Failed { reason: said(), wait: retry_after(headers, now.as_micros()) }
            }
        }
    }
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap, now_micros: i64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::from_micros(u64::try_from(date.as_microsecond() - now_micros).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let read = |text: &str, now: i64| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).expect("a value"));
            retry_after(&headers, now)
        };
        assert_eq!(read("120", 0), Some(Duration::from_secs(120)));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let at = 784_111_777_000_000;
        assert_eq!(read(date, at - 5_000_000), Some(Duration::from_secs(5)));
        assert_eq!(read(date, at + 5_000_000), Some(Duration::ZERO));
        assert_eq!(read("soon", 0), None);
        assert_eq!(read("-1", 0), None);
    }
}
