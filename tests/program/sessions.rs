//! Pages that are logged in: who is logged out stays so, and reads nothing any more.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::configuration::reload;
use crate::kit::{DEADLINE, Place, Running, wait_until};
use crate::secrets::log_in;

fn are_let_in(daemon: &Running, sessions: &[String]) -> Vec<bool> {
    sessions.iter().map(|token| daemon.get("/api/features", token).status == 200).collect()
}

fn followers(daemon: &Running) -> u64 {
    let status = daemon.unix("GET", "/api/status", &["Host: dossierd"]).json();
    status["followers"].as_u64().expect("a number")
}

/// Follows events over TCP with this token.
fn follow(daemon: &Running, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(daemon.address()).expect("listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("is set");
    let request = format!(
        "GET /api/dossier/events?follow=true HTTP/1.1\r\nHost: {}\r\n\
         Authorization: Bearer {token}\r\nConnection: close\r\n\r\n",
        daemon.address()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    stream
}

#[test]
fn pages_beyond_a_lower_limit_are_logged_out_for_good_and_their_streams_end() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let sessions: Vec<String> = (0..3).map(|_| log_in(&place, &daemon).1).collect();
    let mut streams: Vec<TcpStream> = Vec::new();
    for (index, session) in sessions.iter().enumerate() {
        streams.push(follow(&daemon, session));
        wait_until("it is followed", || followers(&daemon) == index as u64 + 1);
    }
    reload(&place, &daemon, "limits: {sessions: 1}\n");
    wait_until("those who are logged out follow no more", || followers(&daemon) == 1);
    for mut stream in streams.drain(..2) {
        stream.read_to_end(&mut Vec::new()).expect("it is over");
    }
    assert_eq!(are_let_in(&daemon, &sessions), [false, false, true]);
    reload(&place, &daemon, "log: info\n");
    daemon.stop();
    let daemon = place.start();
    assert_eq!(are_let_in(&daemon, &sessions), [false, false, true]);
    daemon.stop();
}

#[test]
fn a_reload_that_is_refused_logs_nobody_out() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let sessions: Vec<String> = (0..2).map(|_| log_in(&place, &daemon).1).collect();
    // What stands there is found when delivery starts, not when the file is checked.
    let delivery = place.home().join("state/delivery");
    std::fs::create_dir_all(&delivery).expect("made");
    crate::kit::set_mode(&delivery, 0o700);
    std::fs::write(delivery.join("webhook"), "no directory").expect("written");
    let text = "limits: {sessions: 1}\nsync: {webhook: {url: 'http://127.0.0.1:9'}}\n";
    reload(&place, &daemon, text);
    assert!(daemon.stderr().contains("was not reloaded"), "{}", daemon.stderr());
    assert_eq!(are_let_in(&daemon, &sessions), [true, true]);
    daemon.stop();
}
