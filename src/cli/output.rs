//! The only way to stdout and stderr.
//!
//! Here it is decided whether colour is on, what a closed pipe means, and what a terminal
//! must not see. Results go to stdout, everything else to stderr. When the reader of
//! stdout has gone, printing does nothing any more and the command goes on to its verdict,
//! so `dossierd drift | head -1` ends quietly and still with the right exit code; streams
//! ask [`Output::is_closed`].

use std::io::{self, IsTerminal, Write};

use super::args::ColorChoice;
use super::error::CliError;
use super::render::{Line, Page, Tone, escape};

/// One stream.
struct Stream {
    sink: Box<dyn Write + Send>,
    terminal: bool,
    colour: bool,
    closed: bool,
}

impl Stream {
    fn write(&mut self, pieces: &[&[u8]]) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let written = pieces.iter().try_for_each(|piece| self.sink.write_all(piece));
        match written.and_then(|()| self.sink.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            other => other,
        }
    }
}

/// stdout and stderr.
pub struct Output {
    out: Stream,
    err: Stream,
}

impl Output {
    /// The streams of this process.
    pub fn standard(color: ColorChoice) -> Self {
        let wants = |terminal: bool| match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && environment_allows_colour(|key| std::env::var_os(key)),
        };
        let out = io::stdout();
        let err = io::stderr();
        let (out_terminal, err_terminal) = (out.is_terminal(), err.is_terminal());
        Self {
            out: stream(Box::new(out), out_terminal, wants(out_terminal)),
            err: stream(Box::new(err), err_terminal, wants(err_terminal)),
        }
    }

    /// Streams of a caller, without colour; `terminal` says what stdout counts as.
    pub fn to_sinks(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        terminal: bool,
    ) -> Self {
        Self { out: stream(out, terminal, false), err: stream(err, false, false) }
    }

    /// Is stdout a terminal?
    pub fn is_terminal(&self) -> bool {
        self.out.terminal
    }

    /// Is colour wanted on stdout?
    pub fn is_coloured(&self) -> bool {
        self.out.colour
    }

    /// Has the reader of stdout gone?
    pub fn is_closed(&self) -> bool {
        self.out.closed
    }

    /// Prints a page on stdout.
    pub fn page(&mut self, page: &Page) -> Result<(), CliError> {
        let text = page.to_text(self.out.colour);
        self.bytes(text.as_bytes())
    }

    /// Prints one line on stdout.
    pub fn line(&mut self, line: impl Into<Line>) -> Result<(), CliError> {
        self.page(&Page::from(line.into()))
    }

    /// Prints a JSON document, or one line of NDJSON, exactly as it is, with one line end.
    pub fn json(&mut self, document: &[u8]) -> Result<(), CliError> {
        self.pieces(&[document.trim_ascii_end(), b"\n"])
    }

    /// The same of a document in pieces, without white space at its end.
    pub fn json_pieces(&mut self, mut document: Vec<&[u8]>) -> Result<(), CliError> {
        document.push(b"\n");
        self.pieces(&document)
    }

    /// Prints the text of an artifact: harmless on a terminal, exact elsewhere.
    pub fn content(&mut self, text: &str) -> Result<(), CliError> {
        if !self.out.terminal {
            return self.bytes(text.as_bytes());
        }
        let mut safe = escape::block(text).into_owned();
        if !safe.is_empty() && !safe.ends_with('\n') {
            safe.push('\n');
        }
        self.bytes(safe.as_bytes())
    }

    /// Prints exactly these bytes on stdout.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.pieces(&[bytes])
    }

    fn pieces(&mut self, pieces: &[&[u8]]) -> Result<(), CliError> {
        self.out.write(pieces).map_err(|error| CliError::io("cannot write to stdout", error))
    }

    /// Says something on stderr that is no result.
    pub fn note(&mut self, text: impl AsRef<str>) {
        self.say(Line::toned(Tone::Faint, "note: ").text(text));
    }

    /// Says on stderr, if a person is there to read it, what is being waited for.
    pub fn progress(&mut self, text: impl AsRef<str>) {
        if self.err.terminal {
            self.say(Line::toned(Tone::Faint, text));
        }
    }

    /// Says on stderr what needs a look although the command goes on.
    pub fn warning(&mut self, text: impl AsRef<str>) {
        self.say(Line::toned(Tone::Warn, "warning: ").text(text));
    }

    /// Says on stderr why the command failed, what led to it, and what to do.
    pub fn error(&mut self, error: &CliError) {
        self.say(Line::toned(Tone::Bad, "error: ").text(error.to_string()));
        for cause in error.causes() {
            self.say(Line::toned(Tone::Faint, "  caused by: ").text(cause));
        }
        for hint in error.hints() {
            self.say(Line::toned(Tone::Good, "  hint: ").text(hint));
        }
    }

    /// Writes out what a buffer still holds.
    pub fn finish(&mut self) -> Result<(), CliError> {
        self.bytes(b"")
    }

    fn say(&mut self, line: Line) {
        let text = Page::from(line).to_text(self.err.colour);
        // Without a working stderr there is nowhere left to complain.
        let _ = self.err.write(&[text.as_bytes()]);
    }
}

fn stream(sink: Box<dyn Write + Send>, terminal: bool, colour: bool) -> Stream {
    Stream { sink, terminal, colour, closed: false }
}

/// NO_COLOR (no-color.org: set and not empty) and CLICOLOR=0 switch colour off, and so
/// does a terminal that says it is dumb.
fn environment_allows_colour(get: impl Fn(&str) -> Option<std::ffi::OsString>) -> bool {
    get("NO_COLOR").is_none_or(|value| value.is_empty())
        && get("CLICOLOR").is_none_or(|value| value != "0")
        && get("TERM").is_none_or(|value| value != "dumb")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::cli::error::ErrorKind;

    /// What was written, to look at afterwards.
    #[derive(Clone, Default)]
    pub(crate) struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Sink {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An output whose streams can be looked at.
    pub(crate) fn captured(terminal: bool) -> (Output, Sink, Sink) {
        let (out, err) = (Sink::default(), Sink::default());
        let output = Output::to_sinks(Box::new(out.clone()), Box::new(err.clone()), terminal);
        (output, out, err)
    }

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_quiet_and_a_full_disk_is_not() {
        let closed = Box::new(Broken(io::ErrorKind::BrokenPipe));
        let mut output = Output::to_sinks(closed, Box::new(io::sink()), false);
        output.line("a").unwrap();
        assert!(output.is_closed());
        output.line("b").unwrap();

        let full = Box::new(Broken(io::ErrorKind::StorageFull));
        let mut output = Output::to_sinks(full, Box::new(io::sink()), false);
        assert_eq!(output.line("a").unwrap_err().kind(), ErrorKind::Io);
    }

    #[test]
    fn json_is_verbatim_with_one_line_end() {
        let (mut output, out, _) = captured(true);
        output.json(b"{\"a\":\"\\u001b\xc2\x9b\"}\n\n").unwrap();
        output.json(b"{}").unwrap();
        assert_eq!(out.text(), "{\"a\":\"\\u001b\u{9b}\"}\n{}\n");
    }

    #[test]
    fn content_is_exact_unless_a_terminal_reads_it() {
        for (terminal, expected) in [(false, "a\n\x1b[2Jb"), (true, "a\n\\u{1b}[2Jb\n")] {
            let (mut output, out, _) = captured(terminal);
            output.content("a\n\x1b[2Jb").unwrap();
            assert_eq!(out.text(), expected);
        }
    }

    #[test]
    fn an_error_says_what_why_and_what_to_do_on_stderr() {
        let (mut output, out, err) = captured(false);
        let error =
            CliError::io("cannot read a\x1bb", io::Error::other("no luck")).hint("try again");
        output.error(&error);
        assert_eq!(
            err.text(),
            "error: cannot read a\\u{1b}b\n  caused by: no luck\n  hint: try again\n"
        );
        assert_eq!(out.text(), "");
    }

    #[test]
    fn the_environment_can_switch_colour_off() {
        let check = |key: &str, value: &str, expected: bool| {
            let get = |asked: &str| (asked == key).then(|| value.into());
            assert_eq!(environment_allows_colour(get), expected, "{key}={value}");
        };
        check("HOME", "/", true);
        check("NO_COLOR", "1", false);
        check("NO_COLOR", "", true);
        check("CLICOLOR", "0", false);
        check("CLICOLOR", "1", true);
        check("TERM", "dumb", false);
    }
}
