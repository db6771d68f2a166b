//! A daemon of canned answers on a real Unix socket, for tests of what asks it. It speaks
//! raw bytes, so that the client's HTTP is not tested against itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::client::Client;

/// One request as it came.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Method and target.
    pub(super) line: String,
    /// Header lines, lower case.
    pub(super) headers: Vec<String>,
    /// The body.
    pub(super) body: String,
}

/// Listens until it has given all its answers, one connection each.
pub(super) struct FakeDaemon {
    dir: tempfile::TempDir,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl FakeDaemon {
    pub(super) fn answering<const N: usize>(answers: [Vec<u8>; N]) -> Self {
        Self::giving(answers.into())
    }

    pub(super) fn giving(answers: Vec<Vec<u8>>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for answer in answers {
                let Ok((mut stream, _)) = listener.accept() else { return };
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                if let Some(request) = read_request(&stream) {
                    seen.lock().unwrap().push(request);
                }
                // A client that has gone is what some tests want.
                let _ = stream.write_all(&answer);
            }
        });
        Self { dir, asked }
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    pub(super) fn client(&self) -> Client {
        Client::new(self.socket()).unwrap()
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn targets(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

fn read_request(stream: &UnixStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let line = lines.remove(0).trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<String> = lines.iter().map(|line| line.to_ascii_lowercase()).collect();
    let length = headers.iter().find_map(|h| h.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { line, headers, body: String::from_utf8(body).unwrap() })
}

/// A response with a JSON body.
pub(super) fn json(body: &str) -> Vec<u8> {
    response("200 OK", "application/json", body)
}

/// A problem document.
pub(super) fn problem(status: &str, body: &str) -> Vec<u8> {
    response(status, "application/problem+json", body)
}

/// Any response.
pub(super) fn response(status: &str, media_type: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A chunked stream of NDJSON that ends in order.
pub(super) fn stream(lines: &[&str]) -> Vec<u8> {
    let mut out = String::from(
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    for line in lines {
        out.push_str(&format!("{:x}\r\n{line}\n\r\n", line.len() + 1));
    }
    out.push_str("0\r\n\r\n");
    out.into_bytes()
}
