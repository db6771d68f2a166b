//! A back end that speaks the batch protocol over plain sockets, or TLS, and answers as it
//! is told to.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// How to answer a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Takes every event.
    Take,
    /// Takes events, but refuses those of this type, with a reason.
    Refuse(&'static str, &'static str),
    /// Takes the first so many events and says nothing about the others.
    TakeFirst(usize),
    /// Takes events, but says nothing about those of this mission.
    SilentAbout(&'static str),
    /// Refuses requests with more events than this, with 413.
    AtMost(usize),
    /// Answers with a status, headers and a body, and takes nothing.
    Status(u16, &'static str, &'static str),
    /// Takes everything, and closes the connection without an answer.
    TakeAndCut,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Came {
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    /// As it was sent.
    pub(crate) body: Vec<u8>,
    /// Its events, for the native form.
    pub(crate) events: Vec<Value>,
}

#[derive(Default)]
struct State {
    replies: VecDeque<Reply>,
    /// Once the replies are used up.
    otherwise: Option<Reply>,
    came: Vec<Came>,
    /// Event ids in the order in which they were taken.
    taken: Vec<String>,
}

/// A back end; it listens until the test ends.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

/// What a request is read from and answered on.
pub(crate) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Backend {
    /// Over plain HTTP.
    pub(crate) fn start() -> Self {
        Self::start_with(|stream| Some(Box::new(stream)))
    }

    /// Over what `wrap` makes of each connection.
    pub(crate) fn start_with(
        wrap: impl Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let port = listener.local_addr().expect("has one").port();
        let backend = Self { port, state: Arc::default() };
        let own = backend.clone();
        let wrap = Arc::new(wrap);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (backend, wrap) = (own.clone(), Arc::clone(&wrap));
                std::thread::spawn(move || {
                    if let Some(stream) = wrap(stream) {
                        backend.serve(stream);
                    }
                });
            }
        });
        backend
    }

    /// How to answer the next requests, one by one.
    pub(crate) fn next(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().expect("not poisoned").replies.extend(replies);
    }

    /// How to answer all other requests.
    pub(crate) fn otherwise(&self, reply: Reply) {
        self.state.lock().expect("not poisoned").otherwise = Some(reply);
    }

    pub(crate) fn came(&self) -> Vec<Came> {
        self.state.lock().expect("not poisoned").came.clone()
    }

    /// Ids of the events that were taken, each once, in their order.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.state.lock().expect("not poisoned").taken.clone()
    }

    fn serve(&self, stream: Box<dyn Stream>) {
        let mut stream = BufReader::new(stream);
        while let Some(came) = read(&mut stream) {
            let Some(answer) = self.answer(came) else { return };
            if stream.get_mut().write_all(&answer).is_err() {
                return;
            }
        }
    }

    /// The answer to a request; `None` cuts the connection.
    fn answer(&self, came: Came) -> Option<Vec<u8>> {
        let mut state = self.state.lock().expect("not poisoned");
        let events = came.events.clone();
        state.came.push(came);
        let otherwise = state.otherwise.clone().unwrap_or(Reply::Take);
        let reply = state.replies.pop_front().unwrap_or(otherwise);
        let (refused, known) = match reply {
            Reply::Status(status, headers, body) => return Some(response(status, headers, body)),
            Reply::AtMost(most) if events.len() > most => {
                return Some(response(413, "", "too large"));
            }
            Reply::TakeFirst(first) => (None, first),
            Reply::Refuse(kind, reason) => (Some((kind, reason)), events.len()),
            Reply::Take | Reply::SilentAbout(_) | Reply::AtMost(_) | Reply::TakeAndCut => {
                (None, events.len())
            }
        };
        let silent = if let Reply::SilentAbout(mission) = reply { Some(mission) } else { None };
        let is_told =
            |event: &&Value| silent.is_none_or(|mission| event["aggregate_id"] != mission);
        let told = events.iter().take(known).filter(is_told);
        let results: Vec<Value> = told.map(|event| state.take(event, refused)).collect();
        let is_cut = matches!(reply, Reply::TakeAndCut);
        (!is_cut).then(|| response(200, "", &json!({ "results": results }).to_string()))
    }
}

impl State {
    fn take(&mut self, event: &Value, refused: Option<(&str, &str)>) -> Value {
        let id = event["event_id"].as_str().expect("has an id").to_owned();
        let kind = event["event_type"].as_str().expect("has a type");
        if let Some((_, reason)) = refused.filter(|(refused, _)| kind.ends_with(refused)) {
            return json!({ "event_id": id, "status": "rejected", "error": reason });
        }
        if self.taken.contains(&id) {
            return json!({ "event_id": id, "status": "duplicate", "error": null });
        }
        self.taken.push(id.clone());
        json!({ "event_id": id, "status": "success", "error": null })
    }
}

fn response(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} As Told\r\nContent-Length: {length}\r\n{headers}\r\n{body}").into()
}

fn read(stream: &mut BufReader<Box<dyn Stream>>) -> Option<Came> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    let mut events = Vec::new();
    if headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
        let document: Value =
            serde_json::from_reader(flate2::read::GzDecoder::new(&body[..])).expect("JSON in gzip");
        events = document["events"].as_array().expect("a list").clone();
    }
    Some(Came { target, headers, body, events })
}
