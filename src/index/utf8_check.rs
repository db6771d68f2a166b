//! UTF-8 validation of a text that arrives in chunks.
//!
//! Gives the same answer, with the same offset, as validating the whole at once.

/// The state between two chunks: the beginning of a character that was cut.
#[derive(Debug, Default)]
pub(super) struct Utf8Check {
    /// Bytes of whole characters seen so far.
    valid: u64,
    /// The cut character, at most 3 bytes.
    carry: Vec<u8>,
    bad_at: Option<u64>,
}

impl Utf8Check {
    /// Takes the next chunk.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        let mut chunk = chunk;
        // Complete the cut character byte by byte: it ends, or proves to be none.
        while !self.carry.is_empty() && self.bad_at.is_none() {
            let Some((first, rest)) = chunk.split_first() else { return };
            self.carry.push(*first);
            chunk = rest;
            match std::str::from_utf8(&self.carry) {
                Ok(_) => {
                    self.valid += self.carry.len() as u64;
                    self.carry.clear();
                }
                Err(error) if error.error_len().is_some() => self.bad_at = Some(self.valid),
                Err(_) => {}
            }
        }
        if self.bad_at.is_some() {
            return;
        }
        match validate(chunk) {
            Ok(()) => self.valid += chunk.len() as u64,
            Err(error) => {
                self.valid += error.valid_up_to() as u64;
                match error.error_len() {
                    Some(_) => self.bad_at = Some(self.valid),
                    None => self.carry.extend_from_slice(&chunk[error.valid_up_to()..]),
                }
            }
        }
    }

    /// The offset of the first byte that belongs to no character, if there is one. A
    /// character that is cut by the end counts from its first byte.
    pub(super) fn finish(self) -> Option<u64> {
        self.bad_at.or((!self.carry.is_empty()).then_some(self.valid))
    }
}

/// Valid, or where not: almost all texts are, so that is found out fast, and only of the
/// others it is asked where.
fn validate(bytes: &[u8]) -> Result<(), std::str::Utf8Error> {
    if simdutf8::basic::from_utf8(bytes).is_ok() {
        return Ok(());
    }
    std::str::from_utf8(bytes).map(|_| ())
}

/// The offset of the first bad byte of a whole text.
pub(super) fn first_bad_byte(bytes: &[u8]) -> Option<u64> {
    validate(bytes).err().map(|error| error.valid_up_to() as u64)
}

/// As many bytes of `bytes` as are whole characters, up to `limit`.
pub(super) fn head(bytes: &[u8], limit: usize) -> &[u8] {
    let head = &bytes[..bytes.len().min(limit)];
    match std::str::from_utf8(head) {
        Ok(_) => head,
        Err(error) => &head[..error.valid_up_to()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to cut `bytes` in three agrees with looking at the whole.
    fn check(bytes: &[u8]) {
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut check = Utf8Check::default();
                for chunk in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    check.push(chunk);
                }
                assert_eq!(check.finish(), first_bad_byte(bytes), "{bytes:?} {first} {second}");
            }
        }
    }

    #[test]
    fn chunks_agree_with_the_whole() {
        for text in ["", "abc", "é", "日本語テスト", "\u{feff}x", "a🦀b", "\r\n\u{10ffff}"]
        {
            check(text.as_bytes());
        }
        for bytes in [
            &b"\xff"[..],
            b"a\x80b",
            b"\xe6\x97",
            b"\xe6\x97x",
            b"a\xf0\x9f\xa6",
            b"\xed\xa0\x80",
            b"\xc0\x80",
            b"\xf0\x9f\xa6\xc3\xa9",
            b"ok\xe6\x97\xa5\xfe\xe6",
            b"\xe6\xe6\xe6",
            b"\xf4\x90\x80\x80",
        ] {
            check(bytes);
        }
    }

    #[test]
    fn the_head_ends_with_a_whole_character() {
        assert_eq!(head("aé".as_bytes(), 2), b"a");
        assert_eq!(head("aé".as_bytes(), 3), "aé".as_bytes());
        assert_eq!(head(b"abc", 9), b"abc");
    }
}
