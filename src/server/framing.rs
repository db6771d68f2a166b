//! Finds requests that give their length twice.
//!
//! A request with both `Transfer-Encoding` and `Content-Length` is how one server is made to
//! see another request than the next. hyper lets `Transfer-Encoding` win, drops the other
//! header and closes the connection afterwards, which is safe, but hides from us what must be
//! answered with 400. So the bytes are looked at on their way to hyper: heads line by line,
//! bodies skipped by their length. After a `Transfer-Encoding` the scan ends, as the
//! connection does. Nothing is decided here but that answer: if this scan and hyper ever read
//! a head differently, hyper's reading is the one that counts.

/// The longest line that is kept: hyper refuses longer heads.
const LONGEST_LINE: usize = 16 * 1024;

/// Follows the bytes of one connection.
#[derive(Debug, Default)]
pub(super) struct LengthScan {
    state: State,
    /// The current line of a head, without its end.
    line: Vec<u8>,
    in_head: bool,
    content_length: Option<u64>,
    transfer_encoding: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    /// Bytes of a body that are still to come.
    Body(u64),
    /// A head with both was seen.
    Ambiguous,
    /// Nothing that follows can be told apart.
    Ended,
}

impl LengthScan {
    /// Takes the next bytes; true once a head with both headers was complete.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Head => bytes = self.take_line(bytes),
                State::Body(left) => {
                    let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    bytes = &bytes[taken..];
                    *left -= taken as u64;
                    if *left == 0 {
                        self.state = State::Head;
                    }
                }
                State::Ambiguous | State::Ended => break,
            }
        }
        self.state == State::Ambiguous
    }

    /// Takes bytes up to the end of a line and returns the rest.
    fn take_line<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        if self.line.len() + part.len() > LONGEST_LINE {
            self.line = Vec::new();
            self.state = State::Ended;
            return &[];
        }
        let Some(end) = end else {
            self.line.extend_from_slice(part);
            return &[];
        };
        if self.line.is_empty() {
            // Lines mostly come whole.
            self.end_line(part.strip_suffix(b"\r").unwrap_or(part));
        } else {
            let mut line = std::mem::take(&mut self.line);
            line.extend_from_slice(part);
            self.end_line(line.strip_suffix(b"\r").unwrap_or(&line));
            line.clear();
            self.line = line;
        }
        &bytes[end + 1..]
    }

    fn end_line(&mut self, line: &[u8]) {
        match (line.is_empty(), self.in_head) {
            // Empty lines before a request are allowed (RFC 9112 section 2.2).
            (true, false) => {}
            (true, true) => self.end_head(),
            (false, false) => self.in_head = true,
            (false, true) => self.take_header(line),
        }
    }

    fn take_header(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.transfer_encoding = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            // hyper refuses a length that is no number; any value will do to remember it.
            self.content_length = Some(length.unwrap_or(u64::MAX));
        }
    }

    fn end_head(&mut self) {
        self.in_head = false;
        self.state = match (self.transfer_encoding, self.content_length.take()) {
            (true, Some(_)) => State::Ambiguous,
            (true, None) => State::Ended,
            (false, Some(length)) if length > 0 => State::Body(length),
            (false, _) => State::Head,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same bytes at once and one by one must give the same answer.
    #[track_caller]
    fn check(bytes: &str, ambiguous: bool) {
        assert_eq!(LengthScan::default().feed(bytes.as_bytes()), ambiguous, "at once: {bytes:?}");
        let mut scan = LengthScan::default();
        let mut last = false;
        for byte in bytes.as_bytes() {
            last = scan.feed(&[*byte]);
        }
        assert_eq!(last, ambiguous, "one by one: {bytes:?}");
    }

    #[test]
    fn both_headers_in_any_order_and_case() {
        check("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", true);
        check("GET / HTTP/1.1\r\ncontent-length:3\r\nhost: x\r\nTRANSFER-ENCODING:x\r\n\r\n", true);
        check("GET / HTTP/1.1\ncontent-length: x\ntransfer-encoding: x\n\n", true);
        check("\r\n\r\nGET / HTTP/1.1\r\ncontent-length: 0\r\ntransfer-encoding: x\r\n\r\n", true);
    }

    #[test]
    fn one_of_them_is_fine() {
        check("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false);
        check("GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", false);
        check(
            "GET / HTTP/1.1\r\nX: content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
            false,
        );
        check("GET / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n", false);
    }

    #[test]
    fn bodies_are_not_heads() {
        let smuggled = "GET / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: x\r\n\r\n";
        let length = smuggled.len();
        check(&format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{smuggled}"), false);
        check(&format!("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab{smuggled}"), true);
        check(&format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled}"), false);
    }

    #[test]
    fn endless_lines_cost_no_memory() {
        let mut scan = LengthScan::default();
        for _ in 0..64 {
            assert!(!scan.feed(&[b'a'; 1024]));
        }
        assert!(scan.line.capacity() <= 2 * LONGEST_LINE);
    }
}
