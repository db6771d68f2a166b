//! Stopping: streams end, requests finish, and the deadline holds.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use dossierd::server::Shutdown;

use crate::harness::{DEADLINE, Site, head, wait_until};

#[test]
fn open_streams_end_at_once() {
    let mut site = Site::new();
    let mut over_tcp = site.tcp();
    over_tcp.send(site.request("GET", "/api/stream", &[]));
    let mut over_unix = site.unix();
    over_unix.send(head("GET", "/api/stream", &[]));
    over_tcp.reply_head();
    over_unix.reply_head();
    assert_eq!((over_tcp.chunk(), over_unix.chunk()), (b"hello\n".to_vec(), b"hello\n".to_vec()));
    let start = Instant::now();
    assert_eq!(site.shutdown(DEADLINE), Shutdown::Clean);
    assert!(start.elapsed() < Duration::from_secs(2), "took {:?}", start.elapsed());
    assert_eq!(over_tcp.chunk(), b"", "the stream ends as a whole message");
    assert_eq!(over_unix.chunk(), b"");
    assert!(site.sample.producers.lock().unwrap().iter().all(|producer| producer.is_closed()));
}

#[test]
fn idle_and_unused_connections_hold_nothing_up() {
    let mut site = Site::new();
    let mut idle = site.tcp();
    assert_eq!(idle.ask(&site.request("GET", "/api/echo", &[])).status, 200);
    let (unused, mut partial) = (site.tcp(), site.unix());
    partial.send("GET /api/echo HTT");
    let metrics = site.runtime().metrics();
    wait_until("all three are accepted", || metrics.num_alive_tasks() == 5);
    let start = Instant::now();
    assert_eq!(site.shutdown(DEADLINE), Shutdown::Clean);
    assert!(start.elapsed() < Duration::from_secs(2), "took {:?}", start.elapsed());
    assert_eq!((idle.rest(), unused.rest(), partial.rest()), (vec![], vec![], vec![]));
}

#[test]
fn a_request_in_flight_is_answered() {
    let mut site = Site::new();
    let mut wire = site.tcp();
    wire.send(site.request("GET", "/api/wait", &[]));
    let sample = site.sample.clone();
    wait_until("the request is in", || sample.asked.load(std::sync::atomic::Ordering::SeqCst) == 1);
    let socket = site.socket.clone();
    let server = site.server.take().unwrap();
    let stopping = site.runtime().spawn(server.shutdown(DEADLINE));
    wait_until("the socket is gone", || !socket.exists());
    assert!(UnixStream::connect(&socket).is_err(), "nobody new gets in");
    wait_until("the port is closed", || std::net::TcpStream::connect(site.addr).is_err());
    assert!(!stopping.is_finished());
    sample.go_on.notify_one();
    let reply = wire.reply(false);
    assert_eq!(reply.text(), "GET /api/wait - 0 bearer");
    assert_eq!(site.runtime().block_on(stopping).unwrap(), Shutdown::Clean);
}

#[test]
fn what_does_not_end_is_cut_at_the_deadline() {
    let mut site = Site::new();
    let mut stuck = site.tcp();
    stuck.send(site.request("GET", "/api/never", &[]));
    let mut unread = site.tcp();
    unread.send(site.request("GET", "/api/loud", &[]));
    let sample = site.sample.clone();
    wait_until("both are in", || sample.asked.load(std::sync::atomic::Ordering::SeqCst) == 2);
    let start = Instant::now();
    assert_eq!(site.shutdown(Duration::from_millis(300)), Shutdown::Cut);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(3), "took {took:?}");
    assert_eq!(stuck.rest(), b"");
    let closed = || sample.producers.lock().unwrap().iter().all(|producer| producer.is_closed());
    wait_until("the producer is told", closed);
}

#[test]
fn dropping_the_server_closes_everything() {
    let mut site = Site::new();
    let mut wire = site.tcp();
    assert_eq!(wire.ask(&site.request("GET", "/api/echo", &[])).status, 200);
    drop(site.server.take());
    assert_eq!(wire.rest(), b"");
    wait_until("the socket is gone", || !site.socket.exists());
}

#[test]
fn the_pulse_is_felt_as_long_as_both_listeners_accept() {
    let mut site = Site::new();
    let pulse = site.server.as_ref().unwrap().pulse.clone();
    let is_felt = |site: &Site| {
        let asked = async { tokio::time::timeout(DEADLINE, pulse.is_felt()).await.unwrap() };
        site.runtime().block_on(asked)
    };
    assert!(is_felt(&site) && is_felt(&site));
    site.shutdown(DEADLINE);
    assert!(!is_felt(&site), "nobody accepts any more");
}
