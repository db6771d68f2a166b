//! Signatures of requests by the convention of Standard Webhooks (standardwebhooks.com,
//! version 1): HMAC-SHA256 over `<id>.<timestamp>.<body>`, the body as it is sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Fewer bytes are no secret (the convention asks for 24 to 64).
const MIN_SECRET: usize = 24;
const MAX_SECRET: usize = 64;

/// A secret that requests are signed with.
pub(super) struct SigningSecret(Vec<u8>);

impl SigningSecret {
    /// What marks a secret as one.
    pub(super) const PREFIX: &str = "whsec_";

    /// Reads `whsec_` and base 64. The error never has the text in it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let encoded =
            text.trim().strip_prefix(Self::PREFIX).ok_or("it does not begin with whsec_")?;
        let secret = STANDARD.decode(encoded).map_err(|_| "what follows whsec_ is no base 64")?;
        if !(MIN_SECRET..=MAX_SECRET).contains(&secret.len()) {
            return Err(format!(
                "it has {} bytes; {MIN_SECRET} to {MAX_SECRET} are wanted",
                secret.len()
            ));
        }
        Ok(Self(secret))
    }

    /// The value of `webhook-signature`; `timestamp` in seconds since 1970.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_convention() {
        // Key, message and result computed with Python's hmac module.
        let secret = SigningSecret::parse("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
            .expect("a secret");
        assert_eq!(
            secret.sign("msg_1", 1_700_000_000, br#"{"events":[]}"#),
            "v1,Xy7Y7sHV66dZGtmoJYrWBAopXhtFAsYfvTr8jp+dIqU="
        );
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_shown() {
        for bad in ["", "AAAA", "whsec_", "whsec_!!!!", "whsec_c2hvcnQ="] {
            let error = SigningSecret::parse(bad).err().expect("refused");
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
    }
}
