//! Hostile text made harmless for a terminal: what could move the cursor, change colours,
//! ring, or reorder what is read becomes `\u{..}`.
//!
//! Escaped are C0 and C1 controls, DEL, the bidirectional controls (U+202A–202E,
//! U+2066–2069, U+200E, U+200F, U+061C) and the separators U+2028 and U+2029, which some
//! programs take for line ends. Everything else stays, so `\` is not doubled: this is for
//! reading, and `--json` is there for programs.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Must this character not reach a terminal?
pub fn is_hostile(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One line: every hostile character is escaped, line ends too.
pub fn line(text: &str) -> Cow<'_, str> {
    escape(text, |_| false)
}

/// Text of several lines: line feeds and tabs stay.
pub fn block(text: &str) -> Cow<'_, str> {
    escape(text, |c| matches!(c, '\n' | '\t'))
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let bad = |c: char| is_hostile(c) && !keep(c);
    if !text.chars().any(bad) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if bad(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(line(text), expected, "{text:?}");
        assert!(!line(text).chars().any(is_hostile), "{text:?}");
    }

    #[test]
    fn what_could_act_on_a_terminal_is_escaped() {
        check("plain é 漢 😀 \\u{1b}", "plain é 漢 😀 \\u{1b}");
        check("a\n<3>x\x1b[31m", "a\\u{a}<3>x\\u{1b}[31m");
        check("\0\t\r\x07\x7f", "\\u{0}\\u{9}\\u{d}\\u{7}\\u{7f}");
        check("\u{80}\u{9b}\u{9f}\u{a0}", "\\u{80}\\u{9b}\\u{9f}\u{a0}");
        check("\u{202a}\u{202e}\u{2066}\u{2069}", "\\u{202a}\\u{202e}\\u{2066}\\u{2069}");
        check(
            "\u{200e}\u{200f}\u{61c}\u{2028}\u{2029}",
            "\\u{200e}\\u{200f}\\u{61c}\\u{2028}\\u{2029}",
        );
    }

    #[test]
    fn joiners_that_scripts_need_stay() {
        check("\u{200c}\u{200d}", "\u{200c}\u{200d}");
    }

    #[test]
    fn a_block_keeps_its_lines() {
        assert_eq!(block("a\n\tb\r\n\x1b]0;x\x07"), "a\n\tb\\u{d}\n\\u{1b}]0;x\\u{7}");
    }
}
