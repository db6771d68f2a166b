//! The secret that opens the API over TCP.
//!
//! A token is made from the operating system's randomness, never from anything that can be
//! guessed, and it never appears by accident: it has no `Display`, and `Debug` shows a
//! placeholder. Writing it to its file is left to the daemon, asking for it to the server.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

/// What every token begins with, so that secret scanners and people recognise one.
const PREFIX: &str = "dsr1_";

/// Bytes of randomness in a token: more than can ever be guessed, so that failed attempts
/// need no lock-out.
const TOKEN_BYTES: usize = 32;

/// The operating system gave no random bytes. Nothing secret can be made without them.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes, so no secret can be made; try again")]
pub struct RandomError(#[source] getrandom::Error);

/// A bearer token: `dsr1_` and 32 random bytes in base64url without padding.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A new token from the operating system's randomness.
    pub fn generate() -> Result<Self, RandomError> {
        Ok(Self(format!("{PREFIX}{}", random_text::<TOKEN_BYTES>()?)))
    }

    /// The secret itself, for the token's file and the answer to a login; never for a log,
    /// a page, an argument or the environment.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Is `candidate` this token? The time taken depends on the length of `candidate` only.
    pub fn matches(&self, candidate: &str) -> bool {
        self.0.as_bytes().ct_eq(candidate.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(redacted)")
    }
}

/// `N` random bytes in base64url (RFC 4648 section 5) without padding.
pub(super) fn random_text<const N: usize>() -> Result<String, RandomError> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).map_err(RandomError)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_its_prefix_and_256_bits() {
        let token = Token::generate().unwrap();
        let random = token.expose().strip_prefix("dsr1_").unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(random).unwrap().len(), 32);
        assert!(!token.matches(Token::generate().unwrap().expose()));
    }

    #[test]
    fn debug_reveals_nothing() {
        let token = Token::generate().unwrap();
        assert_eq!(format!("{token:?} {token:#?}"), "Token(redacted) Token(redacted)");
    }

    #[test]
    fn only_the_whole_token_matches() {
        let token = Token::generate().unwrap();
        let text = token.expose().to_owned();
        assert!(token.matches(&text));
        let flipped = format!("{}{}", &text[..20], text[20..].to_ascii_uppercase());
        let near = [
            String::new(),
            PREFIX.to_owned(),
            text[..text.len() - 1].to_owned(),
            text[PREFIX.len()..].to_owned(),
            format!("{text}="),
            format!(" {text}"),
            format!("{text}\0"),
            flipped,
        ];
        for candidate in near.iter().filter(|candidate| **candidate != text) {
            assert!(!token.matches(candidate), "{candidate:?} must not match");
        }
    }
}
