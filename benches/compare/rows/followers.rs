//! Many who follow the events, and one of them who never reads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::fault::{Outcome, While, failed};
use crate::follower::{Follower, take_what_arrives};
use crate::inputs::{Edits, ONE_1_000, Shape};
use crate::row::{Limit, Line};
use crate::series::{Series, Unit};
use crate::stage::Stage;
use crate::usage::memory;

/// Followers: as many over TCP as may be, the others over the socket.
const FOLLOWERS: usize = 200;
/// Streams that TCP has.
const OVER_TCP: usize = 16;
/// Events that they follow, or a few more.
const EVENTS: usize = 1_000;
/// Between edits.
const PACE: Duration = Duration::from_millis(4);
/// What is not there after this does not come any more.
const LIMIT: Duration = Duration::from_secs(60);
/// Nothing new for so long: all has been sent.
const CALM: Duration = Duration::from_secs(2);
/// What memory may grow by, and still be called flat.
const GROWTH: f64 = 4e6;

/// 200 followers of which one never reads, while edits in one feature make 1,000 events.
///
/// What the log has afterwards is what each of the 199 has to have. An event is published
/// no later than when the first of them has it; from then on the last one has 1 s. Resident
/// memory is looked at all the time, and what counts is the most above that with all
/// connected and nothing happening.
pub(super) fn followers(stage: &Stage) -> Outcome<Vec<Line>> {
    let (project, home) = (stage.project(ONE_1_000)?, stage.home()?);
    let slug = Shape::slug(0);
    let mut edits = Edits::spread(&project.feature(&slug), EVENTS)?;
    let (daemon, mut client) = home.start_with(&project.root)?;
    let token = home.token()?;
    let mut followers = Vec::new();
    for number in 0..FOLLOWERS {
        // The first one is to be over the socket: it is the one that never reads.
        let token = (1..=OVER_TCP).contains(&number).then_some(token.as_str());
        let follower = Follower::connect(&daemon, token);
        let what = format!("follower {} of {FOLLOWERS}", number + 1);
        followers.push(follower.during(&what)?);
    }
    // This one is kept open, and never read.
    let stalled = followers.swap_remove(0);
    daemon.wait_idle(Duration::from_millis(500))?;
    let since = newest(&mut client, &slug)?;
    let before = memory(daemon.pid())?.total;
    let most = follow(&mut followers, &mut edits, || Ok(memory(daemon.pid())?.total))?;
    let expected = log_since(&mut client, &slug, &since)?;
    drop(stalled);
    let (missed, lags) = judge(&followers, &expected);
    let events = expected.len();
    Ok(vec![
        Line::alone(
            format!(
                "{FOLLOWERS} followers, one stalled, {events} events: events that a healthy one missed"
            ),
            Series::one(Unit::Count, missed),
            Limit::AtMost(0.0),
        ),
        Line::alone(
            "the same: from the first that has an event to the last",
            Series::one(Unit::Seconds, lags.spread().max),
            Limit::AtMost(1.0),
        )
        .note(format!("The median of all events is {}.", Unit::Seconds.show(lags.spread().median))),
        Line::alone(
            "the same: growth of resident memory",
            Series::one(Unit::Bytes, most - before),
            Limit::AtMost(GROWTH),
        )
        .note(format!("{} before.", Unit::Bytes.show(before))),
    ])
}

/// Edits until there are enough events, and reads until no more come; gives the most
/// memory seen.
fn follow(
    followers: &mut [Follower],
    edits: &mut Edits,
    memory: impl Fn() -> Outcome<f64>,
) -> Outcome<f64> {
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| -> Outcome<()> {
            while !enough.load(Ordering::Relaxed) {
                edits.next()?;
                std::thread::sleep(PACE);
            }
            Ok(())
        });
        let read = read_all(followers, &enough, memory);
        // Also if reading failed: nobody would tell the writer otherwise.
        enough.store(true, Ordering::Relaxed);
        writer.join().expect("the writer does not panic")?;
        read
    })
}

fn read_all(
    followers: &mut [Follower],
    enough: &AtomicBool,
    memory: impl Fn() -> Outcome<f64>,
) -> Outcome<f64> {
    let began = Instant::now();
    let (mut most, mut seen, mut last) = (0_f64, 0, Instant::now());
    while last.elapsed() < CALM || !enough.load(Ordering::Relaxed) {
        take_what_arrives(followers, Duration::from_millis(20))?;
        most = most.max(memory()?);
        let now: usize = followers.iter().map(|follower| follower.seen.len()).sum();
        if now != seen {
            (seen, last) = (now, Instant::now());
        }
        if followers.iter().any(|follower| follower.seen.len() >= EVENTS) {
            enough.store(true, Ordering::Relaxed);
        }
        if began.elapsed() > LIMIT {
            return failed(format!("no {EVENTS} events within {LIMIT:?}"));
        }
    }
    Ok(most)
}

/// The id of the newest event of a feature.
fn newest(client: &mut Client, slug: &str) -> Outcome<String> {
    let all = log(client, &format!("/api/dossier/events?feature={slug}&limit=10000"))?;
    match all.last() {
        Some(id) => Ok(id.clone()),
        None => failed("the log of a registered feature is empty"),
    }
}

fn log_since(client: &mut Client, slug: &str, since: &str) -> Outcome<Vec<String>> {
    log(client, &format!("/api/dossier/events?feature={slug}&limit=10000&since={since}"))
}

fn log(client: &mut Client, target: &str) -> Outcome<Vec<String>> {
    let page = client.get(target, "")?.fine()?.json()?;
    let events = page["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(events.iter().filter_map(|event| event["event_id"].as_str().map(str::to_owned)).collect())
}

/// How many events were missed in all, and for each event the time from its first arrival
/// to its last.
fn judge(followers: &[Follower], expected: &[String]) -> (f64, Series) {
    let mut missed: u32 = 0;
    let mut lags = Series::new(Unit::Seconds);
    let mut spans: HashMap<&str, (Instant, Instant)> = HashMap::new();
    for follower in followers {
        for id in expected {
            let Some(at) = follower.seen.get(id) else {
                missed += 1;
                continue;
            };
            let span = spans.entry(id).or_insert((*at, *at));
            *span = (span.0.min(*at), span.1.max(*at));
        }
    }
    for (first, last) in spans.values() {
        lags.push_time(*last - *first);
    }
    (f64::from(missed), lags)
}
