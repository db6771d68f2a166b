//! More connections and streams than there is room for.

use std::io::Read;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::harness::{Site, head, wait_until};

#[test]
fn a_flood_over_tcp_leaves_the_socket_free() {
    let site = Site::with_limits(|limits| limits.connections = 4);
    // These four are in: each has an answer.
    let mut inside: Vec<_> = (0..4).map(|_| site.tcp()).collect();
    for wire in &mut inside {
        assert_eq!(wire.ask(&site.request("GET", "/api/echo", &[])).status, 200);
    }
    let flood: Vec<_> = (0..100).map(|_| site.tcp()).collect();
    let start = Instant::now();
    assert_eq!(site.unix().ask(&head("GET", "/api/echo", &[])).status, 200);
    assert!(start.elapsed() < Duration::from_secs(1), "the socket took {:?}", start.elapsed());
    let mut told = 0;
    for mut wire in flood {
        let mut bytes = Vec::new();
        // A reset is a close as well.
        let _ = wire.stream.read_to_end(&mut bytes);
        let answer = String::from_utf8(bytes).unwrap();
        if answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n") {
            assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
            assert!(answer.contains("\r\nx-content-type-options: nosniff\r\n"), "{answer}");
            assert!(answer.contains("\r\ndate: "), "{answer}");
            assert!(answer.contains("too-many-connections"), "{answer}");
            told += 1;
        } else {
            assert_eq!(answer, "");
        }
    }
    assert!(told > 0, "nobody was told why");
    assert_eq!(site.counters.refused_connections.load(Ordering::Relaxed), 100);
    // Those inside are served as before, and leaving makes room.
    assert_eq!(inside[0].ask(&site.request("GET", "/api/echo", &[])).status, 200);
    drop(inside.pop());
    wait_until("there is room again", || site.ask("GET", "/api/echo", &[]).status == 200);
}

#[test]
fn a_request_that_is_turned_away_gets_its_503() {
    let site = Site::with_limits(|limits| limits.local_connections = 1);
    let mut inside = site.unix();
    assert_eq!(inside.ask(&head("GET", "/api/echo", &[])).status, 200);
    for _ in 0..20 {
        let reply = site.unix().ask(&head("GET", "/api/echo", &[]));
        assert_eq!((reply.status, reply.code().as_str()), (503, "too-many-connections"));
    }
}

#[test]
fn streams_have_their_own_limit_on_each_transport() {
    let site = Site::with_limits(|limits| limits.streams = 2);
    let request = site.request("GET", "/api/stream", &[]);
    let mut open: Vec<_> = (0..2).map(|_| site.tcp()).collect();
    for wire in &mut open {
        wire.send(&request);
        assert_eq!(wire.reply_head().status, 200);
        assert_eq!(wire.chunk(), b"hello\n");
    }
    let reply = site.tcp().ask(&request);
    assert_eq!((reply.status, reply.code().as_str()), (503, "too-many-streams"));
    assert!(reply.header("retry-after").is_some());
    let unannounced = site.ask("GET", "/api/unannounced", &[]);
    assert_eq!(unannounced.code(), "too-many-streams", "no stream escapes the limit");
    assert_eq!(site.ask("GET", "/api/echo", &[]).status, 200, "other requests are free");
    let mut local = site.unix();
    local.send(head("GET", "/api/stream", &[]));
    assert_eq!(local.reply_head().status, 200, "the socket has its own");

    drop(open.pop());
    wait_until("a closed stream makes room", || {
        let mut wire = site.tcp();
        wire.send(&request);
        wire.reply_head().status == 200
    });
}

#[test]
fn the_producer_sees_that_its_reader_has_gone() {
    let site = Site::new();
    let mut wire = site.tcp();
    wire.send(site.request("GET", "/api/stream", &[]));
    assert_eq!(wire.reply_head().header("transfer-encoding"), Some("chunked"));
    assert_eq!(wire.chunk(), b"hello\n");
    let producer = site.sample.producers.lock().unwrap().pop().unwrap();
    producer.try_send("event\n".into()).unwrap();
    assert_eq!(wire.chunk(), b"event\n");
    assert!(!producer.is_closed());
    drop(wire);
    wait_until("the producer is told", || producer.is_closed());
}

#[test]
fn a_stream_ends_when_its_producer_does() {
    let site = Site::new();
    let mut wire = site.tcp();
    wire.send(site.request("GET", "/api/stream", &[]));
    wire.reply_head();
    assert_eq!(wire.chunk(), b"hello\n");
    site.sample.producers.lock().unwrap().clear();
    assert_eq!(wire.chunk(), b"");
    let reply = wire.ask(&site.request("GET", "/api/echo", &[]));
    assert_eq!(reply.status, 200, "the connection goes on");
}

#[test]
fn asking_for_a_streams_head_keeps_no_stream() {
    let site = Site::with_limits(|limits| limits.streams = 1);
    let mut wire = site.tcp();
    for _ in 0..3 {
        let reply = wire.ask(&site.request("HEAD", "/api/stream", &[]));
        assert_eq!(reply.status, 200);
    }
    let producers = &site.sample.producers;
    wait_until("the producers are told", || {
        producers.lock().unwrap().iter().all(|producer| producer.is_closed())
    });
}
