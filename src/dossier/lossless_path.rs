//! Paths in JSON, without loss.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
            Form::Bytes(bytes) => from_bytes(bytes)
                .map(Self)
                .ok_or_else(|| serde::de::Error::custom("these bytes are no path on this system")),
        }
    }
}

/// A path from the bytes that `Path::as_os_str().as_encoded_bytes()` gave; `None` if no path
/// of this system can have them.
#[cfg(unix)]
fn from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Some(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_and_other_bytes_come_back() {
        for bytes in [&b"/p/x"[..], b"/p/\xff"] {
            let path = LosslessPath(from_bytes(bytes.to_vec()).expect("a path"));
            let json = serde_json::to_value(&path).expect("serialises");
            assert_eq!(json.is_string(), std::str::from_utf8(bytes).is_ok());
            assert_eq!(serde_json::from_value::<LosslessPath>(json).expect("parses"), path);
        }
    }
}
