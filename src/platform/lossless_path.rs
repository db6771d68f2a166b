//! Paths in JSON, without loss.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::access;

/// A path in JSON: text when it is UTF-8, else an array of its bytes. Names on Unix need not
/// be text, and a path has to come back as the one it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LosslessPath(pub PathBuf);

impl Serialize for LosslessPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => self.0.as_os_str().as_encoded_bytes().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for LosslessPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Bytes(Vec<u8>),
        }
        match Form::deserialize(deserializer)? {
            Form::Text(text) => Ok(Self(text.into())),
            Form::Bytes(bytes) => access::path_from_bytes(bytes)
                .map(Self)
                .ok_or_else(|| serde::de::Error::custom("these bytes are no path on this system")),
        }
    }
}
