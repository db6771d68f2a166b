//! Keys, read from the bytes that a terminal sends (ECMA-48 control sequences, and the
//! single shifts of the VT100's application mode).
//!
//! Pure: bytes in, keys out. What is no key that anyone here knows is passed over as a whole,
//! so that no part of it is taken for typed text.

/// More bytes than any sequence that is meant has.
const LONGEST: usize = 64;
const ESC: u8 = 0x1b;

/// A key that was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    /// With its letter in lower case.
    Ctrl(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
}

/// Puts together what comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    pending: Vec<u8>,
}

/// What the first bytes are.
enum Next {
    /// So many bytes, which mean this, if anything.
    Whole(usize, Option<Key>),
    /// The beginning of something.
    Part,
}

impl Decoder {
    /// The keys that are whole with these bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.pending.extend_from_slice(bytes);
        let mut keys = Vec::new();
        while !self.pending.is_empty() {
            match next(&self.pending) {
                Next::Whole(length, key) => {
                    self.pending.drain(..length);
                    keys.extend(key);
                }
                Next::Part if self.pending.len() > LONGEST => self.pending.clear(),
                Next::Part => break,
            }
        }
        keys
    }

    /// Has something begun that has not ended?
    pub(super) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Nothing more comes: a lone escape is the key of that name.
    pub(super) fn flush(&mut self) -> Option<Key> {
        let pending = std::mem::take(&mut self.pending);
        (pending == [ESC]).then_some(Key::Esc)
    }
}

fn next(bytes: &[u8]) -> Next {
    match bytes[0] {
        ESC => escape(bytes),
        b'\r' | b'\n' => Next::Whole(1, Some(Key::Enter)),
        b'\t' => Next::Whole(1, Some(Key::Tab)),
        0x08 | 0x7f => Next::Whole(1, Some(Key::Backspace)),
        control @ 1..=26 => Next::Whole(1, Some(Key::Ctrl(char::from(control + b'a' - 1)))),
        0..0x20 => Next::Whole(1, None),
        _ => character(bytes),
    }
}

fn escape(bytes: &[u8]) -> Next {
    match bytes.get(1) {
        None => Next::Part,
        Some(b'[') => control_sequence(bytes),
        Some(b'O') => match bytes.get(2) {
            None => Next::Part,
            Some(b'M') => Next::Whole(3, Some(Key::Enter)),
            Some(last) => Next::Whole(3, named(*last, &[])),
        },
        // The escape key, and another one before it could be read.
        Some(_) => Next::Whole(1, Some(Key::Esc)),
    }
}

/// `ESC [`, parameters, intermediates, and a last byte (ECMA-48 5.4).
fn control_sequence(bytes: &[u8]) -> Next {
    // The Linux console's function keys: one more bracket and a letter.
    if bytes.get(2) == Some(&b'[') {
        return if bytes.len() > 3 { Next::Whole(4, None) } else { Next::Part };
    }
    let Some(at) = bytes[2..].iter().position(|b| !(0x20..0x40).contains(b)) else {
        return Next::Part;
    };
    let (parameters, last) = (&bytes[2..2 + at], bytes[2 + at]);
    match last {
        0x40..0x7f => Next::Whole(at + 3, named(last, parameters)),
        // Broken off: what follows is something else.
        _ => Next::Whole(at + 2, None),
    }
}

fn named(last: u8, parameters: &[u8]) -> Option<Key> {
    match last {
        b'A' => Some(Key::Up),
        b'B' => Some(Key::Down),
        b'C' => Some(Key::Right),
        b'D' => Some(Key::Left),
        b'F' => Some(Key::End),
        b'H' => Some(Key::Home),
        b'Z' => Some(Key::BackTab),
        // With a modifier after a semicolon it is the same key.
        b'~' => match parameters.split(|b| *b == b';').next()? {
            b"1" | b"7" => Some(Key::Home),
            b"4" | b"8" => Some(Key::End),
            b"5" => Some(Key::PageUp),
            b"6" => Some(Key::PageDown),
            _ => None,
        },
        _ => None,
    }
}

/// One character in UTF-8; bytes that are none are passed over.
fn character(bytes: &[u8]) -> Next {
    let length = match bytes[0] {
        0..0x80 => 1,
        0xc2..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf5 => 4,
        _ => return Next::Whole(1, None),
    };
    let there = &bytes[..length.min(bytes.len())];
    match std::str::from_utf8(there) {
        Ok(text) => Next::Whole(there.len(), text.chars().next().map(Key::Char)),
        Err(error) if error.error_len().is_none() => Next::Part,
        Err(_) => Next::Whole(1, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &[Key]) {
        let mut whole = Decoder::default();
        let mut keys = whole.feed(bytes);
        keys.extend(whole.flush());
        assert_eq!(keys, expected, "{bytes:?}");
        // However it is cut, it is the same; only an escape key needs the pause after it.
        let mut pieces = Decoder::default();
        let mut keys: Vec<Key> = bytes.iter().flat_map(|b| pieces.feed(&[*b])).collect();
        keys.extend(pieces.flush());
        assert_eq!(keys, expected, "{bytes:?} byte by byte");
    }

    #[test]
    fn keys_are_what_terminals_send_for_them() {
        check(b"jG/", &[Key::Char('j'), Key::Char('G'), Key::Char('/')]);
        check("é漢😀".as_bytes(), &[Key::Char('é'), Key::Char('漢'), Key::Char('😀')]);
        let edits = [Key::Enter, Key::Enter, Key::Tab, Key::Backspace, Key::Backspace];
        check(b"\r\n\t\x7f\x08", &edits);
        check(b"\x03\x1a\x0c", &[Key::Ctrl('c'), Key::Ctrl('z'), Key::Ctrl('l')]);
        check(b"\x1b[A\x1bOB\x1b[1;5C\x1b[D", &[Key::Up, Key::Down, Key::Right, Key::Left]);
        check(b"\x1b[5~\x1b[6;2~\x1b[H\x1b[4~", &[Key::PageUp, Key::PageDown, Key::Home, Key::End]);
        check(b"\x1b[Z\x1bOM", &[Key::BackTab, Key::Enter]);
    }

    #[test]
    fn an_escape_is_a_key_by_itself_and_before_another() {
        check(b"\x1b", &[Key::Esc]);
        check(b"\x1bq", &[Key::Esc, Key::Char('q')]);
        check(b"\x1b\x1b[A", &[Key::Esc, Key::Up]);
    }

    #[test]
    fn what_is_no_key_is_passed_over_whole() {
        check(b"\x1b[15~\x1b[[Aq", &[Key::Char('q')]);
        check(b"\x1b[?62;4cq\x1b[<0;1;1Mq", &[Key::Char('q'), Key::Char('q')]);
        check(b"\xff\x80\xc3q\0\x1c", &[Key::Char('q')]);
        check(b"\x1b[12\x03", &[Key::Ctrl('c')]);
        let mut endless = Decoder::default();
        endless.feed(b"\x1b[");
        for _ in 0..100 {
            endless.feed(b"1");
        }
        assert!(endless.pending.len() <= LONGEST);
    }
}
