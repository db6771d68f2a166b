//! What the log says of requests, and what it never says.

use std::io;
use std::sync::{Arc, Mutex};

use crate::harness::{DEADLINE, config, head, private_directory, start};
use crate::sample::{TOKEN, sample};

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_that_a_client_chose_is_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let dispatch = tracing::Dispatch::new(subscriber);
    // With one subscriber only, tracing asks the thread that comes to a log line first whether
    // anybody listens, and keeps the answer of a thread of another test.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    // Each thread of this runtime logs here, and no other test does.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .on_thread_start(move || {
            std::mem::forget(tracing::dispatcher::set_default(&dispatch));
        })
        .build()
        .unwrap();
    let directory = private_directory();
    let server = start(&config(&directory), &sample(), &runtime).unwrap();
    let addr = server.http_addr.expect("serves TCP");
    let host = format!("Connection: close\r\nHost: {addr}");
    let right = format!("Authorization: Bearer {TOKEN}");
    let agent = "User-Agent: canary-agent\u{202e}";
    let requests = [
        head("GET", "/api/canary-path?canary-query=1", &[&host, &right, agent]),
        head("GET", "/api/echo", &[&host, "Authorization: Bearer canary-token"]),
        head("GET", "/api/echo", &[&host, "Authorization: Bearer canary-token"]),
        head("GET", "/api/echo?token=canary-token", &[&host]),
        head("GET", "/", &["Connection: close", "Host: canary-host"]),
        head("GET", "/api/panic", &[&host, &right]),
        "canary-garbage\r\n\r\n".to_owned(),
    ];
    for request in &requests {
        let mut stream = std::net::TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = io::Read::read_to_end(&mut stream, &mut answer);
    }
    runtime.block_on(server.shutdown(DEADLINE));
    drop(runtime);

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for secret in [TOKEN, "canary", "\u{202e}"] {
        assert!(!text.contains(secret), "{secret:?} is in the log:\n{text}");
    }
    let count = |part: &str| text.lines().filter(|line| line.contains(part)).count();
    assert_eq!(count("DEBUG"), requests.len() - 1, "one line per request:\n{text}");
    assert_eq!(count("without a valid token"), 1, "one warning a minute:\n{text}");
    assert_eq!(count("a request handler panicked"), 1, "{text}");
}
