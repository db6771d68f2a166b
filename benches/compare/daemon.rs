//! A dossierd that runs in a home of its own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::children::{Kept, output};
use crate::client::{Client, Reply};
use crate::fault::{Outcome, While, failed};
use crate::inputs::write;
use crate::usage;

/// How long stopping may take; snapshots and caches of a large project are written then.
const STOP: Duration = Duration::from_secs(120);

/// A registration that takes longer has failed.
const REGISTRATION: Duration = Duration::from_secs(300);
/// A fresh read that takes longer has failed.
const FRESH: Duration = Duration::from_secs(60);

/// The directory that `DOSSIERD_HOME` names, and the program.
pub(crate) struct Home {
    binary: PathBuf,
    dir: tempfile::TempDir,
}

/// A running daemon; killed when dropped.
pub(crate) struct Daemon {
    process: Kept,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    pub(crate) socket: PathBuf,
}

impl Home {
    /// A home in an empty directory.
    pub(crate) fn new(binary: &Path, dir: tempfile::TempDir) -> Self {
        Self { binary: binary.to_path_buf(), dir }
    }

    /// Says something in `config.yaml`.
    pub(crate) fn configure(&self, text: &str) -> Outcome<()> {
        write(&self.dir.path().join("config/config.yaml"), text.as_bytes())
    }

    /// dossierd with these arguments, in this home.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.args(args).env_clear().env("DOSSIERD_HOME", self.dir.path()).env("PATH", path);
        command.stdin(Stdio::null());
        command
    }

    /// Starts the daemon; the time is that from its start to its ready line.
    pub(crate) fn start(&self) -> Outcome<(Daemon, Duration)> {
        let log = self.dir.path().join("stderr");
        let mut command = self.command(&["run", "--json", "--listen", "127.0.0.1:0"]);
        command.stderr(File::create(&log).at("cannot make", &log)?).stdout(Stdio::piped());
        let began = Instant::now();
        let mut process = Kept::spawn(&mut command).during("cannot start dossierd")?;
        let Some(stdout) = process.child.stdout.take() else { return failed("no stdout") };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).during("cannot read the ready line")?;
        let time = began.elapsed();
        let words = || fs::read_to_string(&log).unwrap_or_default();
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            return failed(format!("dossierd does not start: {}", words().trim()));
        };
        let address = ready["http"].as_str().and_then(|http| http.strip_prefix("http://"));
        let (Some(address), Some(socket)) = (address, ready["socket"].as_str()) else {
            return failed(format!("the ready line names no address and socket: {line}"));
        };
        Ok((Daemon { process, address: address.to_owned(), socket: socket.into() }, time))
    }

    /// Starts the daemon, registers a directory, and waits until nothing more happens.
    pub(crate) fn start_with(&self, project: &Path) -> Outcome<(Daemon, Client)> {
        let (daemon, _) = self.start()?;
        let mut client = daemon.client()?;
        register(&mut client, project)?;
        daemon.wait_idle(Duration::from_millis(250))?;
        Ok((daemon, client))
    }

    /// The token for TCP.
    pub(crate) fn token(&self) -> Outcome<String> {
        let token = output(&mut self.command(&["token"]))?;
        Ok(String::from_utf8_lossy(&token).trim().to_owned())
    }

    /// Parity and tree hash of every feature below a project, by slug, as a full scan of a
    /// process of its own sees them.
    pub(crate) fn scan(&self, project: &Path) -> Outcome<Vec<(String, State)>> {
        let project = project.to_string_lossy();
        let bytes = output(&mut self.command(&["scan", &project, "--json"]))?;
        let scanned: Value = serde_json::from_slice(&bytes).during("the scan is no JSON")?;
        let snapshots = scanned["features"].as_array().cloned().unwrap_or(vec![scanned]);
        let states = snapshots.iter().map(|snapshot| {
            let slug = snapshot["feature_slug"].as_str().unwrap_or_default().to_owned();
            Ok((slug, State::of(snapshot)?))
        });
        states.collect()
    }
}

impl Daemon {
    /// A connection over the socket.
    pub(crate) fn client(&self) -> Outcome<Client> {
        Client::unix(&self.socket)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// Waits until it does nothing for so long.
    pub(crate) fn wait_idle(&self, calm: Duration) -> Outcome<()> {
        usage::wait_idle(self.pid(), calm)
    }

    /// Stops it, so that it writes what it keeps.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        let status = self.process.stop(STOP)?;
        if status.success() { Ok(()) } else { failed(format!("dossierd ended with {status}")) }
    }
}

/// Registers a directory, and waits until its features are scanned: that is when it is
/// answered, unless the daemon takes longer than any answer may.
pub(crate) fn register(client: &mut Client, project: &Path) -> Outcome<()> {
    let body = json!({ "path": project.to_string_lossy() }).to_string();
    let deadline = Instant::now() + REGISTRATION;
    loop {
        let reply = client.post("/api/features", &body)?;
        if reply.status != 503 || Instant::now() > deadline {
            reply.fine()?;
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    while !is_scanned(client)? {
        if Instant::now() > deadline {
            return failed(format!("not scanned within {REGISTRATION:?}"));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Waits until so many features are scanned and watched.
pub(crate) fn wait_ready(client: &mut Client, features: usize) -> Outcome<()> {
    let deadline = Instant::now() + REGISTRATION;
    while ready(client)? < features {
        if Instant::now() > deadline {
            return failed(format!("not scanned within {REGISTRATION:?}"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// How many features are scanned and watched.
fn ready(client: &mut Client) -> Outcome<usize> {
    let listing = client.get("/api/features", "")?.fine()?.json()?;
    let features = listing["features"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(features.iter().filter(|feature| feature["watch"]["state"] == "live").count())
}

/// Have all features been scanned?
fn is_scanned(client: &mut Client) -> Outcome<bool> {
    let listing = client.get("/api/features", "")?.fine()?.json()?;
    let features = listing["features"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(!features.is_empty()
        && features.iter().all(|feature| feature["watch"]["state"] != "starting"))
}

/// What is compared of a feature: contents, and contents with names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    parity: String,
    tree: String,
}

impl State {
    /// Out of an overview or a snapshot.
    pub(crate) fn of(document: &Value) -> Outcome<Self> {
        match (document["parity_hash_sha256"].as_str(), document["tree_hash"].as_str()) {
            (Some(parity), Some(tree)) => Ok(Self { parity: parity.into(), tree: tree.into() }),
            _ => failed("an overview without parity or tree hash"),
        }
    }
}

/// The published state of one feature, asked for again and again.
pub(crate) struct Watched {
    target: String,
    condition: String,
    pub(crate) state: State,
}

impl Watched {
    /// The feature of this slug, as it is published now.
    pub(crate) fn new(client: &mut Client, slug: &str) -> Outcome<Self> {
        let target = format!("/api/dossier/overview?feature={slug}");
        let reply = client.get(&target, "")?.fine()?;
        Ok(Self { target, condition: condition(&reply), state: State::of(&reply.json()?)? })
    }

    /// Asks once; true if parity or tree are others than before.
    pub(crate) fn has_changed(&mut self, client: &mut Client) -> Outcome<bool> {
        let reply = client.get(&self.target, &self.condition)?.fine()?;
        if reply.status == 304 {
            return Ok(false);
        }
        self.condition = condition(&reply);
        let state = State::of(&reply.json()?)?;
        let changed = state != self.state;
        self.state = state;
        Ok(changed)
    }

    /// Asks without a pause until there is another state; `limit` bounds it.
    pub(crate) fn wait_change(&mut self, client: &mut Client, limit: Duration) -> Outcome<Instant> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if self.has_changed(client)? {
                return Ok(Instant::now());
            }
        }
        failed(format!("an edit was not in the view within {limit:?}"))
    }

    /// Asks for what is there with everything that happened before; true if it is another
    /// state. Where the daemon says that it did not catch up in time it is asked again.
    pub(crate) fn has_changed_fresh(&mut self, client: &mut Client) -> Outcome<bool> {
        let deadline = Instant::now() + FRESH;
        let reply = loop {
            let reply = client.get(&format!("{}&fresh=true", self.target), "")?;
            if reply.status != 504 || Instant::now() > deadline {
                break reply.fine()?;
            }
        };
        let state = State::of(&reply.json()?)?;
        let changed = state != self.state;
        self.state = state;
        Ok(changed)
    }
}

fn condition(reply: &Reply) -> String {
    reply.header("etag").map_or_else(String::new, |tag| format!("If-None-Match: {tag}\r\n"))
}
