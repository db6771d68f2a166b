//! A transport that is nothing like HTTP, to show that the API does not care.
//!
//! A request is `ask PEER METHOD TARGET`, then `name=value` lines, then `.`, then the body
//! as one line. An answer is `got STATUS`, its headers as `name=value` sorted by name, `.`,
//! then the body in frames of `LENGTH:` and bytes, and `0:` at its end.

use std::sync::Arc;

use dossierd::api::http::{Body, Peer, Request, Service};
use dossierd::dossier::event::EventType;
use http::{HeaderName, HeaderValue, Method};
use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf,
    split,
};

use crate::kit::{Answered, World, event, local, request, with_header};
use crate::routes::happy;

/// Serves a connection until the other side closes it.
async fn serve(service: Arc<dyn Service>, io: DuplexStream) {
    let (reader, mut writer) = split(io);
    let mut lines = BufReader::new(reader).lines();
    while let Some(first) = lines.next_line().await.expect("reads") {
        let words: Vec<&str> = first.split(' ').collect();
        let ["ask", peer, method, target] = words[..] else { panic!("bad request {first:?}") };
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut asked = request(method, target, "");
        asked.headers.clear();
        asked.peer = match peer {
            "local" => Peer::Local,
            "bearer" => Peer::Bearer,
            _ => Peer::Anonymous,
        };
        loop {
            let line = lines.next_line().await.expect("reads").expect("a header or a dot");
            let Some((name, value)) = line.split_once('=') else { break };
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            asked.headers.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        asked.body = lines.next_line().await.expect("reads").expect("a body").into();
        let response = service.answer(asked).await;
        let mut head = vec![format!("got {}", response.status.as_u16())];
        let mut headers: Vec<String> = response
            .headers
            .iter()
            .map(|(name, value)| format!("{name}={}", value.to_str().expect("text")))
            .collect();
        headers.sort();
        head.extend(headers);
        writer.write_all((head.join("\n") + "\n.\n").as_bytes()).await.expect("writes");
        write_body(&mut writer, response.body).await;
    }
}

async fn write_body(writer: &mut WriteHalf<DuplexStream>, body: Body) {
    let mut chunks = match body {
        Body::Full(bytes) => {
            let (one, chunks) = tokio::sync::mpsc::channel(1);
            one.try_send(bytes).expect("there is room");
            chunks
        }
        Body::Stream(chunks) => chunks,
    };
    while let Some(chunk) = chunks.recv().await {
        if chunk.is_empty() {
            continue;
        }
        let frame = [format!("{}:", chunk.len()).as_bytes(), &chunk].concat();
        if writer.write_all(&frame).await.is_err() {
            return;
        }
    }
    writer.write_all(b"0:").await.expect("writes");
}

struct Client {
    reader: BufReader<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
}

impl Client {
    fn connect(world: &World) -> Self {
        let (ours, theirs) = tokio::io::duplex(1024);
        tokio::spawn(serve(Arc::clone(&world.api) as Arc<dyn Service>, theirs));
        let (reader, writer) = split(ours);
        Self { reader: BufReader::new(reader), writer }
    }

    /// Sends a request; returns status and headers of the answer.
    async fn send(&mut self, asked: &Request) -> (u16, Vec<String>) {
        let peer = format!("{:?}", asked.peer).to_lowercase();
        let query =
            if asked.query.is_empty() { String::new() } else { format!("?{}", asked.query) };
        let mut text = format!("ask {peer} {} {}{query}\n", asked.method, asked.path);
        for (name, value) in &asked.headers {
            text += &format!("{name}={}\n", value.to_str().expect("text"));
        }
        text += &format!(".\n{}\n", String::from_utf8_lossy(&asked.body));
        self.writer.write_all(text.as_bytes()).await.expect("writes");
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).await.expect("reads");
            if line == ".\n" {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        let status = head.remove(0).strip_prefix("got ").expect("a status").parse();
        (status.expect("a number"), head)
    }

    /// The next frame; empty at the end of the body.
    async fn frame(&mut self) -> Vec<u8> {
        let mut length = Vec::new();
        self.reader.read_until(b':', &mut length).await.expect("reads");
        let digits = std::str::from_utf8(&length[..length.len() - 1]).expect("digits");
        let mut frame = vec![0; digits.parse().expect("a length")];
        self.reader.read_exact(&mut frame).await.expect("reads");
        frame
    }

    async fn ask(&mut self, asked: &Request) -> (u16, Vec<String>, Vec<u8>) {
        let (status, headers) = self.send(asked).await;
        let mut body = Vec::new();
        loop {
            let frame = self.frame().await;
            if frame.is_empty() {
                return (status, headers, body);
            }
            body.extend(frame);
        }
    }
}

/// Says something new each time it is asked.
fn changes(target: &str) -> bool {
    matches!(target, "/api/session/code" | "/metrics")
}

#[tokio::test]
async fn the_same_answers_come_over_another_transport() {
    let world = World::simple();
    world.api.set_http("127.0.0.1:7717".parse().expect("an address"));
    let mut client = Client::connect(&world);
    for (method, target, body, _) in happy().into_iter().filter(|case| !changes(case.1)) {
        for asked in
            [local(request(method.clone(), target, body)), request(method.clone(), target, body)]
        {
            let direct = Answered::of(world.api.answer(asked.clone()).await);
            let (status, headers, bytes) = client.ask(&asked).await;
            assert_eq!(status, direct.status.as_u16(), "{method} {target}");
            assert_eq!(bytes, direct.bytes, "{method} {target}");
            let mut names: Vec<String> = direct
                .headers
                .iter()
                .map(|(name, value)| format!("{name}={}", value.to_str().expect("text")))
                .collect();
            names.sort();
            assert_eq!(headers, names, "{method} {target}");
        }
    }
    let etag = world.get("/api/dossier/drift").await.header("etag").to_owned();
    let again = with_header(request(Method::GET, "/api/dossier/drift", ""), "if-none-match", &etag);
    assert_eq!(client.ask(&again).await.0, 304);
}

#[tokio::test]
async fn a_stream_goes_over_another_transport_too() {
    let world = World::simple();
    let mut client = Client::connect(&world);
    let asked = request(Method::GET, "/api/dossier/events?follow=true", "");
    assert_eq!(client.send(&asked).await.0, 200);
    let events = [1, 2].map(|n| event(n, "f1", EventType::SnapshotComputed));
    world.publish(&events);
    for event in &events {
        assert_eq!(client.frame().await, [&event.line[..], b"\n"].concat());
    }
}
