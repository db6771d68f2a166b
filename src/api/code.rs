//! The stable codes of problems, each with its status and title: one table.

use http::StatusCode;

use super::problem::Problem;

/// What can be wrong with a request, or with answering it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// A file that was indexed is gone or cannot be read.
    ArtifactGone,
    /// The manifest asks for the artifact, and no file meets it.
    ArtifactMissing,
    /// The artifact is a directory, FIFO, socket or device.
    ArtifactSpecial,
    /// No artifact has this key.
    ArtifactUnknown,
    /// The body is not the JSON that is expected.
    BadJson,
    /// A parameter, or a member of the body, is unknown or makes no sense.
    BadParameter,
    /// Too many slow reads at once, or one that does not end.
    Busy,
    /// The one-time code is unknown, used or too old.
    CodeInvalid,
    /// It contradicts the current state.
    Conflict,
    /// The event is not in the log.
    EventUnknown,
    /// Several features have this slug.
    FeatureAmbiguous,
    /// There is not exactly one feature, and none was named.
    FeatureNeeded,
    /// No feature has this slug or id.
    FeatureUnknown,
    /// A fault of the daemon or of the system below it.
    Internal,
    /// Only over the Unix socket.
    LocalOnly,
    /// The route has other methods.
    MethodNotAllowed,
    /// No such route.
    NotFound,
    /// No root has this id.
    RootUnknown,
    /// A fresh read ran out of time.
    StaleRead,
    /// First scans have not ended, and the answer depends on them.
    Starting,
    /// The daemon is stopping.
    Stopping,
    /// No sink is configured.
    SyncNotConfigured,
    /// A command ran out of time.
    Timeout,
    /// The text is larger than what is served.
    TooLarge,
    /// Not over TCP without a token.
    Unauthorized,
    /// The body is no JSON by its media type.
    UnsupportedMediaType,
}

impl Code {
    /// All codes, by name.
    pub const ALL: [Code; 26] = [
        Self::ArtifactGone,
        Self::ArtifactMissing,
        Self::ArtifactSpecial,
        Self::ArtifactUnknown,
        Self::BadJson,
        Self::BadParameter,
        Self::Busy,
        Self::CodeInvalid,
        Self::Conflict,
        Self::EventUnknown,
        Self::FeatureAmbiguous,
        Self::FeatureNeeded,
        Self::FeatureUnknown,
        Self::Internal,
        Self::LocalOnly,
        Self::MethodNotAllowed,
        Self::NotFound,
        Self::RootUnknown,
        Self::StaleRead,
        Self::Starting,
        Self::Stopping,
        Self::SyncNotConfigured,
        Self::Timeout,
        Self::TooLarge,
        Self::Unauthorized,
        Self::UnsupportedMediaType,
    ];

    /// The name on the wire, kebab-case.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        self.row().1
    }

    /// A problem of this code; `detail` says what, where, and what to do.
    pub fn problem(self, detail: impl Into<String>) -> Problem {
        let (code, status, title) = self.row();
        Problem::new(status, code, title, detail)
    }

    fn row(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::ArtifactGone => {
                ("artifact-gone", S::GONE, "The artifact is gone or cannot be read")
            }
            Self::ArtifactMissing => ("artifact-missing", S::NOT_FOUND, "The artifact is missing"),
            Self::ArtifactSpecial => (
                "artifact-special",
                S::UNPROCESSABLE_ENTITY,
                "The artifact is no regular file, so it has no text",
            ),
            Self::ArtifactUnknown => ("artifact-unknown", S::NOT_FOUND, "No artifact has this key"),
            Self::BadJson => {
                ("bad-json", S::BAD_REQUEST, "The body is not the JSON that is expected")
            }
            Self::BadParameter => {
                ("bad-parameter", S::BAD_REQUEST, "A parameter is unknown or makes no sense")
            }
            Self::Busy => ("busy", S::SERVICE_UNAVAILABLE, "Too many slow reads at the moment"),
            Self::CodeInvalid => {
                ("code-invalid", S::UNAUTHORIZED, "The code is unknown, used or too old")
            }
            Self::Conflict => ("conflict", S::CONFLICT, "It contradicts the current state"),
            Self::EventUnknown => ("event-unknown", S::NOT_FOUND, "The event is not in the log"),
            Self::FeatureAmbiguous => {
                ("feature-ambiguous", S::CONFLICT, "Several features have this slug")
            }
            Self::FeatureNeeded => {
                ("feature-needed", S::BAD_REQUEST, "The request has to name a feature")
            }
            Self::FeatureUnknown => {
                ("feature-unknown", S::NOT_FOUND, "No feature has this slug or id")
            }
            Self::Internal => ("internal", S::INTERNAL_SERVER_ERROR, "The daemon could not do it"),
            Self::LocalOnly => {
                ("local-only", S::FORBIDDEN, "This is answered over the Unix socket only")
            }
            Self::MethodNotAllowed => {
                ("method-not-allowed", S::METHOD_NOT_ALLOWED, "The route has other methods")
            }
            Self::NotFound => ("not-found", S::NOT_FOUND, "There is no such route"),
            Self::RootUnknown => ("root-unknown", S::NOT_FOUND, "No root has this id"),
            Self::StaleRead => ("stale-read", S::GATEWAY_TIMEOUT, "The fresh read ran out of time"),
            Self::Starting => ("starting", S::SERVICE_UNAVAILABLE, "The daemon does not know yet"),
            Self::Stopping => ("stopping", S::SERVICE_UNAVAILABLE, "The daemon is stopping"),
            Self::SyncNotConfigured => {
                ("sync-not-configured", S::CONFLICT, "No delivery is configured")
            }
            Self::Timeout => ("timeout", S::GATEWAY_TIMEOUT, "The command ran out of time"),
            Self::TooLarge => ("too-large", S::PAYLOAD_TOO_LARGE, "The text is too large"),
            Self::Unauthorized => ("unauthorized", S::UNAUTHORIZED, "A valid token is needed"),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                S::UNSUPPORTED_MEDIA_TYPE,
                "The body has to be application/json",
            ),
        }
    }
}

/// At most 80 characters of what a client sent, quoted and escaped, for a detail.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    let rest = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_kebab_case_distinct_and_sorted() {
        let names: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(names, sorted);
        for code in Code::ALL {
            let kebab = |b: u8| b.is_ascii_lowercase() || b == b'-';
            assert!(code.as_str().bytes().all(kebab), "{code:?}");
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
    }

    #[test]
    fn what_clients_sent_is_quoted_short_and_escaped() {
        assert_eq!(quoted("a\n\u{1b}"), r#""a\n\u{1b}""#);
        assert_eq!(quoted(&"x".repeat(100)), format!("{:?}…", "x".repeat(80)));
    }
}
