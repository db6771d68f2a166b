//! `GET /api/dossier/snapshots/export`: a snapshot for use elsewhere.
//!
//! Formats: our own JSON; the lines of coreutils' `sha256sum`, which `sha256sum -c` checks;
//! an in-toto Statement v1 (<https://in-toto.io/Statement/v1>) with one subject an artifact.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use crate::api::call::Call;
use crate::api::code::quoted;
use crate::api::http::Response;
use crate::api::problem::Problem;
use crate::api::query::bad_parameter;
use crate::api::reply::{document, kept, shared};
use crate::api::service::Api;
use crate::daemon::view::FeatureView;
use crate::dossier::{Digest, Dossier, RelPath};

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "https://dossierd.dev/snapshot/v1";

#[derive(Serialize)]
struct Statement {
    #[serde(rename = "_type")]
    statement_type: &'static str,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: &'static str,
    predicate: Value,
}

#[derive(Serialize)]
struct Subject {
    name: String,
    digest: SubjectDigest,
}

#[derive(Serialize)]
struct SubjectDigest {
    sha256: Digest,
}

pub(in crate::api) async fn get(api: &Api, call: &Call) -> Result<Response, Problem> {
    let format = match call.query.get("format").unwrap_or("json") {
        "json" => Format::Json,
        "sha256sums" => Format::Sha256sums,
        "in-toto" => Format::InToto,
        other => {
            let detail =
                format!("format is {}; allowed are json, sha256sums, in-toto", quoted(other));
            return Err(bad_parameter("format", detail));
        }
    };
    let feature = api.feature(call).await?;
    let rows = feature.dossier.artifacts.len();
    api.renderings.render(rows, move || export(&feature, format)).await
}

/// What a snapshot can be exported as.
#[derive(Debug, Clone, Copy)]
enum Format {
    Json,
    Sha256sums,
    InToto,
}

fn export(feature: &FeatureView, format: Format) -> Response {
    let (media_type, bytes) = match format {
        // The names in the lines are bytes, so no character set is promised.
        Format::Sha256sums => ("text/plain; charset=utf-8", sha256sums(&feature.dossier)),
        Format::InToto => ("application/vnd.in-toto+json", in_toto(feature)),
        Format::Json => {
            let render = || kept(feature.snapshot().to_json().into());
            return shared(feature.rendered.snapshot.get_or_init(render));
        }
    };
    Response::full(StatusCode::OK, media_type, bytes)
}

/// `<hex>  <path>` lines of what is present, by path bytes.
fn sha256sums(dossier: &Dossier) -> Bytes {
    let mut out = Vec::new();
    for (path, digest) in dossier.present() {
        push_sum(&mut out, path, digest);
    }
    out.into()
}

/// One line. As in coreutils, a name with a newline, carriage return or backslash has
/// these escaped, and a backslash before the line says so.
fn push_sum(out: &mut Vec<u8>, path: &RelPath, digest: Digest) {
    let name = path.as_bytes();
    if name.iter().any(|b| matches!(b, b'\n' | b'\r' | b'\\')) {
        out.push(b'\\');
    }
    out.extend_from_slice(&digest.hex());
    out.extend_from_slice(b"  ");
    for byte in name {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            byte => out.push(*byte),
        }
    }
    out.push(b'\n');
}

fn in_toto(feature: &FeatureView) -> Bytes {
    let subject = |(path, sha256): (&RelPath, Digest)| Subject {
        name: path.shown().into_owned(),
        digest: SubjectDigest { sha256 },
    };
    let mut predicate = serde_json::to_value(feature.snapshot())
        .expect("a snapshot has only strings, numbers and lists, which always serialise");
    if let Some(members) = predicate.as_object_mut() {
        // The subjects say the same.
        members.remove("artifact_summaries");
        members.remove("parity_hash_components");
    }
    document(&Statement {
        statement_type: STATEMENT_TYPE,
        subject: feature.dossier.present().map(subject).collect(),
        predicate_type: PREDICATE_TYPE,
        predicate,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_coreutils_does() {
        let digest = Digest::sha256("");
        for (name, expected) in [
            (&b"a b.md"[..], format!("{digest}  a b.md\n").into_bytes()),
            (b"a\nb", format!("\\{digest}  a\\nb\n").into_bytes()),
            (b"a\\\r", format!("\\{digest}  a\\\\\\r\n").into_bytes()),
            (b"\xff", [format!("{digest}  ").as_bytes(), b"\xff\n"].concat()),
        ] {
            let mut out = Vec::new();
            push_sum(&mut out, &RelPath::new(name).expect("a path"), digest);
            assert_eq!(out, expected, "{name:?}");
        }
    }
}
