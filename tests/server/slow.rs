//! Clients that take their time, and answers that do.

use std::io::{Read, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use dossierd::server::Limits;

use crate::harness::{DEADLINE, Site, Wire, head, wait_until};

const SHORT: Duration = Duration::from_millis(200);

/// The server must close within a while, and not before the limit.
#[track_caller]
fn closes_after_the_limit<S: Read + Write>(wire: Wire<S>, what: &str) {
    let start = Instant::now();
    wire.rest();
    let took = start.elapsed();
    assert!(took >= SHORT / 2, "{what}: closed at once ({took:?})");
    assert!(took < DEADLINE / 2, "{what}: closed late ({took:?})");
}

#[test]
fn empty_partial_and_idle_connections_are_closed() {
    let site = Site::with_limits(|limits| limits.header_time = SHORT);
    closes_after_the_limit(site.tcp(), "nothing sent over TCP");
    closes_after_the_limit(site.unix(), "nothing sent over the socket");
    let mut partial = site.tcp();
    partial.send("GET /api/echo HTTP/1.1\r\nHost: ");
    closes_after_the_limit(partial, "half a head");
    let mut idle = site.tcp();
    assert_eq!(idle.ask(&site.request("GET", "/api/echo", &[])).status, 200);
    closes_after_the_limit(idle, "idle after an answer");
    let mut second = site.unix();
    assert_eq!(second.ask(&head("GET", "/api/echo", &[])).status, 200);
    second.send("GET /api/");
    closes_after_the_limit(second, "half a second head");
}

#[test]
fn a_head_that_drips_is_closed_all_the_same() {
    let site = Site::with_limits(|limits| limits.header_time = SHORT);
    let mut wire = site.tcp();
    let start = Instant::now();
    wait_until("the server closes on a dripping head", || wire.stream.write_all(b"X").is_err());
    assert!(start.elapsed() < DEADLINE / 2);
}

#[test]
fn a_slow_body_is_answered_and_closed() {
    let site = Site::with_limits(|limits| limits.body_time = SHORT);
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let mut wire = site.tcp();
        let json = "Content-Type: application/json";
        wire.send(site.request("POST", "/api/echo", &[json, framing]));
        let reply = wire.reply(false);
        assert_eq!((reply.status, reply.code().as_str()), (408, "body-too-slow"), "{framing}");
        assert_eq!(reply.header("connection"), Some("close"));
        assert_eq!(wire.rest(), b"");
    }
}

#[test]
fn a_slow_answer_is_a_503() {
    let site = Site::with_limits(|limits| limits.handler_time = SHORT);
    let mut wire = site.tcp();
    let reply = wire.ask(&site.request("GET", "/api/never", &[]));
    assert_eq!((reply.status, reply.code().as_str()), (503, "handler-too-slow"));
    assert!(reply.header("retry-after").is_some());
    assert_eq!(wire.ask(&site.request("GET", "/api/echo", &[])).status, 200);
}

#[test]
fn a_client_that_never_reads_is_cut() {
    let site = Site::with_limits(|limits| limits.write_stall = SHORT);
    let mut over_tcp = site.tcp();
    over_tcp.send(site.request("GET", "/api/huge", &[]));
    let mut over_unix = site.unix();
    over_unix.send(head("GET", "/api/huge", &[]));
    let read = |stream: &mut dyn Read| {
        let mut bytes = Vec::new();
        // It ends with what the kernel held: by a reset or an early end.
        let _ = stream.read_to_end(&mut bytes);
        bytes.len()
    };
    let asked = &site.sample.asked;
    wait_until("both requests are in", || asked.load(Ordering::SeqCst) == 2);
    // Nothing is read before the server has given both up: only its two accept loops remain.
    let metrics = site.runtime().metrics();
    wait_until("the connections end", || metrics.num_alive_tasks() == 2);
    for length in [read(&mut over_tcp.stream), read(&mut over_unix.stream)] {
        assert!(length < 16 * 1024 * 1024, "got all {length} bytes");
    }
}

#[test]
fn a_stream_that_nobody_reads_is_cut_and_takes_no_memory() {
    let site = Site::with_limits(|limits: &mut Limits| limits.write_stall = SHORT);
    let before = resident_bytes();
    let mut wires: Vec<_> = (0..8).map(|_| site.tcp()).collect();
    for wire in &mut wires {
        wire.send(site.request("GET", "/api/loud", &[]));
    }
    wait_until("all producers run", || site.sample.producers.lock().unwrap().len() == 8);
    let mut most = 0;
    wait_until("all producers are told to end", || {
        most = most.max(resident_bytes());
        site.sample.producers.lock().unwrap().iter().all(|producer| producer.is_closed())
    });
    let grown = most.saturating_sub(before);
    assert!(grown < 64 * 1024 * 1024, "grew by {grown} bytes");
}

#[test]
fn a_reader_that_is_slow_but_reads_is_not_cut() {
    let site = Site::with_limits(|limits| limits.write_stall = SHORT);
    let mut wire = site.tcp();
    wire.send(site.request("GET", "/api/huge", &[]));
    let start = Instant::now();
    let (mut total, mut bytes) = (0, vec![0; 256 * 1024]);
    // Some 64 pauses of 10 ms: each well below the limit, all of them well above.
    while total < 16 * 1024 * 1024 {
        let length = wire.stream.read(&mut bytes).unwrap();
        assert_ne!(length, 0, "cut after {total} bytes");
        total += length;
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(start.elapsed() > 2 * SHORT, "too fast to prove anything");
}

/// How much memory this process holds, where the system tells; 0 elsewhere.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kibibytes.map_or(0, |number| number.parse::<usize>().unwrap() * 1024)
}
