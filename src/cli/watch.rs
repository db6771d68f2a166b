//! `dossierd watch`: run the daemon, register a path, print what happens. If a daemon runs
//! already, it is used.

use std::pin::pin;

use super::args::{TailArgs, WatchArgs};
use super::error::ErrorKind;
use super::log::{self, Log};
use super::output::Output;
use super::render::event::event;
use super::render::{Page, features};
use super::route::Route;
use super::run::{announce, end, explain, prepare_process, ready_line, reload, start, start_up};
use super::signals::{Signal, Signals};
use super::{CliError, Context, Verdict, add, settings, tail};
use crate::api::http::{Body, Peer, Request, Service};
use crate::daemon::StartError;
use crate::daemon::command::CommandError;
use crate::daemon::feed::FeedItem;
use crate::host::{Host, HostError, Started};
use crate::store::LockError;

pub(super) fn run(args: WatchArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let path = args.path.canonicalize().map_err(|error| {
        CliError::io(format!("cannot watch {}", args.path.display()), error)
            .hint("name a project root or a feature directory that exists")
    })?;
    let supervisor = prepare_process()?;
    let source = settings::source(&args.listen)?;
    let log = log::start(&source, args.listen.log_json, None)?;
    let mut host = match start(source, context.socket.clone(), supervisor) {
        Ok(host) => host,
        Err(HostError::Start(StartError::Locked(LockError::Held { .. }))) => {
            return join(args, context);
        }
        Err(error) => return Err(explain(error)),
    };
    // Not before: whoever joins another daemon ends at the first signal by itself.
    let mut signals = Signals::of_daemon()?;
    if start_up(&mut host, &mut signals, &log) != Started::Ready {
        return end(host);
    }
    // Programs get every event; people get a summary of the first scan instead.
    let everything = args.json.then(|| host.handle().feed().follow(None));
    let mission = args.mission;
    let handle = host.handle().clone();
    let mut registered = None;
    host.run_until(async {
        tokio::select! {
            () = signals.stop() => {}
            done = handle.register(path, mission.mission_type, mission.step) => {
                registered = Some(done);
            }
        }
    });
    match registered {
        // Asked to stop, or failed, before the first scans were done.
        None => return end(host),
        Some(Err(error)) => {
            end(host)?;
            return Err(refused(&error));
        }
        Some(Ok(_)) => {}
    }
    announce(&host, args.json, context)?;
    let mut feed = match everything {
        Some(feed) => feed,
        None => {
            context.output.page(&summary(&host)?)?;
            context.output.note("what happens from now on is printed here; Ctrl-C ends it");
            host.handle().feed().follow(None)
        }
    };
    let result = print(&mut host, &mut feed, &mut signals, &log, args.json, &mut context.output);
    end(host).and(result)
}

/// What is registered, as `status` shows it.
fn summary(host: &Host) -> Result<Page, CliError> {
    let request = Request {
        method: http::Method::GET,
        path: "/api/features".to_owned(),
        query: String::new(),
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
        peer: Peer::Local,
    };
    let response = host.runtime().block_on(host.api().answer(request));
    let Body::Full(body) = response.body else { return Ok(Page::new()) };
    let features = serde_json::from_slice(&body).map_err(|error| {
        CliError::new(ErrorKind::Protocol, "the list of features cannot be read").because(error)
    })?;
    Ok(features::status(&features))
}

/// Prints events until the user has seen enough.
fn print(
    host: &mut Host,
    feed: &mut tokio::sync::mpsc::Receiver<FeedItem>,
    signals: &mut Signals,
    log: &Log,
    json: bool,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    let mut result = Ok(Verdict::Fine);
    let follow = async {
        while let Some(item) = feed.recv().await {
            let printed = match item {
                FeedItem::Event(logged) if json => output.json(&logged.line),
                FeedItem::Event(logged) => match serde_json::from_slice(&logged.line) {
                    Ok(value) => output.line(event(&value)),
                    Err(_) => Ok(()),
                },
                FeedItem::Lagged { .. } => {
                    output.warning("events came faster than they could be printed; `dossierd events` has all of them");
                    return;
                }
            };
            if let Err(error) = printed {
                result = Err(error);
                return;
            }
            if output.is_closed() {
                return;
            }
        }
    };
    {
        let (mut follow, mut gone) = (pin!(follow), pin!(tail::reader_gone()));
        loop {
            let mut heard = Signal::Stop;
            let goes_on = host.run_until(async {
                tokio::select! {
                    signal = signals.next() => heard = signal,
                    () = follow.as_mut() => {}
                    () = gone.as_mut() => {}
                }
            });
            match heard {
                Signal::Reload if goes_on => reload(host, log),
                _ => break,
            }
        }
    }
    result
}

/// Another daemon runs: registers with it, and follows it.
fn join(args: WatchArgs, context: &mut Context) -> Result<Verdict, CliError> {
    context.output.note("a daemon is running already, and is used");
    add::register(&args.path, args.mission, context)?;
    let status: serde_json::Value = context.client()?.ask(&Route::get("/api/status"))?.parse()?;
    let socket = context.socket_path()?.display().to_string();
    if args.json {
        let http = status["http"].as_str();
        context.output.json(&ready_line(http, Some(&socket)))?;
    }
    let everything =
        TailArgs { feature: None, all: true, types: Vec::new(), since: None, json: args.json };
    tail::run(everything, context)
}

fn refused(error: &CommandError) -> CliError {
    CliError::new(ErrorKind::Refused, error.to_string())
        .hint("name a project root or a feature directory")
}
