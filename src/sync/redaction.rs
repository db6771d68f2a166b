//! Secrets in what comes back: some back ends repeat the token that they do not like.
//!
//! A reason is looked through once it is the text that would be shown or kept, after JSON has
//! been decoded and before anything is cut off, since a cut would leave a part that is no
//! longer recognised. A secret is also found as others spell it: escaped as in JSON and in
//! strings of programs, percent-encoded, both at several levels, with HTML's references, in
//! quoted-printable, in hexadecimal, and in base 64, by itself or within something longer; also
//! where lines are broken in it. Who means to hide it from this, as in base 64 of base 64, can:
//! the other side has the secret anyway, and what is shown here is this user's.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What stands where a secret was.
const HIDDEN: &str = "[secret]";

/// Shorter ones are not looked for in other alphabets, or with spaces between: what is left of
/// them occurs by chance.
const MIN_TRANSFORMED: usize = 6;

/// Between two characters, where lines are broken and indented.
const MAX_SPACES: usize = 32;

/// How often a percent sign may itself be percent-encoded.
const MAX_PERCENTS: usize = 3;

/// JSON within JSON within JSON has so many backslashes before a character.
const MAX_BACKSLASHES: usize = 7;

/// Characters of an HTML reference, from `&` to `;`.
const MAX_REFERENCE: usize = 16;

/// What nothing may show.
#[derive(Debug, Default)]
pub(super) struct Redaction {
    /// Secrets and what they are in other alphabets, the longest first.
    needles: Vec<Vec<u8>>,
}

impl Redaction {
    /// Forgets all secrets.
    pub(super) fn clear(&mut self) {
        self.needles.clear();
    }

    /// Hides one more secret, which is plain ASCII.
    pub(super) fn hide(&mut self, secret: &str) {
        let secret = secret.as_bytes();
        self.needles.push(secret.to_vec());
        if secret.len() >= MIN_TRANSFORMED {
            self.needles.extend((0..3).flat_map(|before| in_base64(before, secret)));
            let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            self.needles.extend([hex.to_ascii_uppercase().into_bytes(), hex.into_bytes()]);
        }
        self.needles.retain(|needle| !needle.is_empty());
        self.needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.needles.dedup();
    }

    /// A text without the secrets.
    pub(super) fn of<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for needle in &self.needles {
            if let Some(without) = without(&text, needle) {
                text = Cow::Owned(without);
            }
        }
        text
    }
}

/// The characters of base 64, of both alphabets, that this secret alone decides where so many
/// bytes stand before it.
fn in_base64(before: usize, secret: &[u8]) -> [Vec<u8>; 2] {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(secret);
    let decided = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
    let encoded = [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)];
    encoded.map(|text| text.as_bytes()[decided.clone()].to_vec())
}

/// The text with something else for each occurrence; `None` if there is none.
fn without(text: &str, needle: &[u8]) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out: Option<String> = None;
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        let Some(end) = spelled(bytes, at, needle) else {
            at += 1;
            continue;
        };
        let out = out.get_or_insert_default();
        // Both ends are next to ASCII characters, so no character is taken apart.
        out.push_str(&text[copied..at]);
        out.push_str(HIDDEN);
        (at, copied) = (end, end);
    }
    out.map(|out| out + &text[copied..])
}

/// Where the needle ends that begins here, however its characters are spelled.
fn spelled(text: &[u8], at: usize, needle: &[u8]) -> Option<usize> {
    if !matches!(text[at], b'\\' | b'%' | b'&' | b'=') && text[at] != *needle.first()? {
        return None;
    }
    let may_be_broken = needle.len() >= MIN_TRANSFORMED;
    // One character may end at several places: a backslash is also half of an escaped one.
    let mut ends = vec![at];
    for (number, byte) in needle.iter().enumerate() {
        let begin = |&at: &usize| match may_be_broken && number > 0 {
            true => after_break(text, at),
            false => at,
        };
        let mut next: Vec<usize> =
            ends.iter().map(begin).flat_map(|at| ends_of(text, at, *byte)).collect();
        next.sort_unstable();
        next.dedup();
        ends = next;
        if ends.is_empty() {
            return None;
        }
    }
    ends.last().copied()
}

/// Where the next character is, behind the end of a line and what indents the next.
fn after_break(text: &[u8], at: usize) -> usize {
    let rest = &text[at..];
    // The one of quoted-printable, which no line has at its end else.
    let soft = usize::from(matches!(rest, [b'=', b'\r' | b'\n', ..]));
    let spaces = rest[soft..].iter().take(MAX_SPACES).take_while(|b| b.is_ascii_whitespace());
    match spaces.count() {
        0 => at,
        spaces => at + soft + spaces,
    }
}

/// Where one character may end that begins here.
fn ends_of(text: &[u8], at: usize, byte: u8) -> Vec<usize> {
    let rest = &text[at..];
    let mut ends = Vec::new();
    let Some(first) = rest.first() else { return ends };
    if *first == byte {
        ends.push(at + 1);
    }
    match first {
        b'%' => {
            let encoded = (0..=MAX_PERCENTS).map(|n| 1 + 2 * n);
            let mut encoded = encoded.take_while(|n| rest[1..].starts_with(&b"252525"[..n - 1]));
            ends.extend(encoded.find(|n| is_hex(rest, *n, 2, byte)).map(|n| at + n + 2));
        }
        b'=' if is_hex(rest, 1, 2, byte) => ends.push(at + 3),
        b'\\' => {
            let slashes = rest.iter().take(MAX_BACKSLASHES).take_while(|b| **b == b'\\').count();
            for n in 1..=slashes {
                match rest.get(n) {
                    Some(b'u') if is_hex(rest, n + 1, 4, byte) => ends.push(at + n + 5),
                    Some(b'x') if is_hex(rest, n + 1, 2, byte) => ends.push(at + n + 3),
                    Some(b'u') if rest.get(n + 1) == Some(&b'{') => {
                        ends.extend(end_of_braces(rest, n + 2, byte).map(|length| at + length));
                    }
                    Some(b'0'..=b'3') if is_octal(rest, n, byte) => ends.push(at + n + 3),
                    Some(escaped) if *escaped == byte => ends.push(at + n + 1),
                    _ => {}
                }
            }
        }
        b'&' => ends.extend(end_of_reference(rest, byte).map(|length| at + length)),
        _ => {}
    }
    ends
}

/// Is this character at these hexadecimal digits?
fn is_hex(text: &[u8], from: usize, digits: usize, byte: u8) -> bool {
    text.get(from..from + digits).is_some_and(|digits| number(digits, 16) == Some(byte.into()))
}

/// Is this character at these three octal digits?
fn is_octal(text: &[u8], from: usize, byte: u8) -> bool {
    text.get(from..from + 3).is_some_and(|digits| number(digits, 8) == Some(byte.into()))
}

/// Where the braces end that have this character's hexadecimal number in them.
fn end_of_braces(text: &[u8], from: usize, byte: u8) -> Option<usize> {
    let length = text.get(from..)?.iter().take(MAX_REFERENCE).position(|b| *b == b'}')?;
    let is_it = number(&text[from..from + length], 16) == Some(byte.into());
    is_it.then_some(from + length + 1)
}

/// The length of an HTML reference to this character, whose `&` may be a reference itself.
fn end_of_reference(text: &[u8], byte: u8) -> Option<usize> {
    let begin = if text.starts_with(b"&amp;#") { 5 } else { 1 };
    let end = begin + text[begin..].iter().take(MAX_REFERENCE).position(|b| *b == b';')?;
    let is_it = match &text[begin..end] {
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16) == Some(byte.into()),
        [b'#', digits @ ..] => number(digits, 10) == Some(byte.into()),
        b"amp" => byte == b'&',
        b"lt" => byte == b'<',
        b"gt" => byte == b'>',
        b"quot" => byte == b'"',
        b"apos" => byte == b'\'',
        _ => false,
    };
    is_it.then_some(end + 1)
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "abc/def+gh/ijklm\\n\"p&q";

    fn redacted(text: &str) -> String {
        let mut redaction = Redaction::default();
        redaction.hide(TOKEN);
        redaction.of(text).into_owned()
    }

    #[test]
    fn a_secret_is_hidden_however_it_is_spelled() {
        let json = serde_json::to_string(TOKEN).expect("JSON");
        let json = &json[1..json.len() - 1];
        let php = json.replace('/', "\\/");
        let twice = serde_json::to_string(&php).expect("JSON");
        let thrice = serde_json::to_string(&twice).expect("JSON");
        let each = |form: &dyn Fn(u8) -> String| TOKEN.bytes().map(form).collect::<String>();
        let spellings = [
            TOKEN.to_owned(),
            json.to_owned(),
            php.clone(),
            twice[1..twice.len() - 1].to_owned(),
            thrice[3..thrice.len() - 3].to_owned(),
            each(&|b| format!("\\u{b:04x}")),
            each(&|b| format!("\\u{b:04X}")),
            each(&|b| format!("\\\\u{b:04X}")),
            each(&|b| format!("\\x{b:02x}")),
            each(&|b| format!("%{b:02X}")),
            each(&|b| format!("%{b:02x}")),
            each(&|b| format!("%25{b:02X}")),
            each(&|b| format!("%2525{b:02x}")),
            each(&|b| format!("\\{b:03o}")),
            each(&|b| format!("\\u{{{b:x}}}")),
            each(&|b| format!("\\u{{0000{b:X}}}")),
            each(&|b| format!("{b:02x}")),
            each(&|b| format!("{b:02X}")),
            each(&|b| format!("={b:02X}")),
            each(&|b| format!("&#x{b:02X};")),
            each(&|b| format!("&#{b};")),
            each(&|b| format!("&#{b:09};")),
            each(&|b| format!("&amp;#{b};")),
            TOKEN.replace("+gh", "+\r\n    gh"),
            TOKEN.replace("+gh", "+=\r\ngh"),
            TOKEN.replace('&', "&amp;").replace('"', "&quot;").replace('/', "&#x2F;"),
            TOKEN.replace('/', "%2f").replace('+', "\\u002B"),
        ];
        for spelling in spellings {
            let said = redacted(&format!("é {spelling}, {spelling}é"));
            assert_eq!(said, "é [secret], [secret]é", "{spelling}");
        }
    }

    #[test]
    fn a_secret_is_hidden_in_base_64_of_anything() {
        for before in ["", "B", "Be", "Bearer "] {
            for after in ["", "!", "!!"] {
                let whole = format!("{before}{TOKEN}{after}");
                let standard = base64::engine::general_purpose::STANDARD.encode(&whole);
                for encoded in [
                    URL_SAFE_NO_PAD.encode(&whole),
                    standard.replace('/', "\\/"),
                    standard.replace('+', "%2B"),
                    format!("{}\n{}", &standard[..15], &standard[15..]),
                    standard,
                ] {
                    let said = redacted(&encoded);
                    assert!(said.contains(HIDDEN), "{whole}: {said}");
                    let left = said.replace(HIDDEN, "");
                    assert!(left.len() <= before.len() * 4 / 3 + 8, "{whole}: {said}");
                }
            }
        }
    }

    #[test]
    fn all_else_stays() {
        for text in
            ["", "no", "abc/def+gh/ijklm", "100 % & \\ \\u00e9 \\u12", "&#x; &;", "é\\é%é&é"]
        {
            assert_eq!(redacted(text), text);
            assert_eq!(Redaction::default().of(text), text);
        }
    }

    #[test]
    fn short_secrets_and_several_of_them_are_hidden() {
        let mut redaction = Redaction::default();
        redaction.hide("ab");
        redaction.hide("abcdefgh");
        redaction.hide("");
        assert_eq!(redaction.of("abcdefgh ab bc"), "[secret] [secret] bc");
        redaction.clear();
        assert_eq!(redaction.of("ab"), "ab");
    }
}
