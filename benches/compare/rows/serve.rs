//! Answers over TCP beside those of nginx.
//!
//! `wrk -t1 -c32` asks dossierd over kept connections with its token, and nginx for a
//! static file with the same bytes and content type, in turn and in the same run. On two
//! cores the client, which is as hungry as a server, shares them with either.

use std::process::Command;

use crate::children::{has, output};
use crate::client::{Client, Reply};
use crate::fault::{Fault, Outcome, failed};
use crate::inputs::{ONE_1_000, Shape};
use crate::peers::nginx::Nginx;
use crate::row::{Limit, Line};
use crate::series::{Series, Unit};
use crate::stage::Stage;

/// Seconds of each measurement.
const DURATION: &str = "-d3s";

pub(super) fn overview(stage: &Stage) -> Outcome<Vec<Line>> {
    let target = format!("/api/dossier/overview?feature={}", Shape::slug(0));
    measure(stage, "overview", &target, false)
}

pub(super) fn list(stage: &Stage) -> Outcome<Vec<Line>> {
    measure(stage, "list of 1,000 artifacts", &artifacts(), false)
}

/// With the tag of each server, so that both answer 304.
pub(super) fn unchanged(stage: &Stage) -> Outcome<Vec<Line>> {
    measure(stage, "list of 1,000 artifacts, If-None-Match", &artifacts(), true)
}

fn artifacts() -> String {
    format!("/api/dossier/artifacts?feature={}", Shape::slug(0))
}

/// What one measurement of wrk says.
struct Pace {
    per_second: f64,
    p99: f64,
}

fn measure(stage: &Stage, name: &str, target: &str, conditional: bool) -> Outcome<Vec<Line>> {
    if !has("wrk") {
        return Err(Fault::Missing("there is no wrk".to_owned()));
    }
    let nginx = Nginx::start(stage.scratch()?)?;
    let (project, home) = (stage.project(ONE_1_000)?, stage.home()?);
    let (daemon, _) = home.start_with(&project.root)?;
    let token = format!("Authorization: Bearer {}", home.token()?);
    let reply = Client::tcp(&daemon.address, &format!("{token}\r\n"))?.get(target, "")?.fine()?;
    let path = nginx.serve(&reply.body)?;
    let same = Client::tcp(&nginx.address, "")?.get(path, "")?.fine()?;
    if same.body != reply.body || same.header("content-type") != reply.header("content-type") {
        return failed("nginx does not serve the same bytes with the same type");
    }
    let mut ours = vec![token];
    let mut theirs = Vec::new();
    if conditional {
        ours.push(condition(&reply)?);
        theirs.push(condition(&same)?);
    }
    expect(&daemon.address, target, &ours, if conditional { 304 } else { 200 })?;
    expect(&nginx.address, path, &theirs, if conditional { 304 } else { 200 })?;
    let unit = [Unit::PerSecond, Unit::Seconds];
    let (mut us, mut them) = (unit.map(Series::new), unit.map(Series::new));
    for run in 0..=stage.runs() {
        for (address, target, headers, series) in
            [(&daemon.address, target, &ours, &mut us), (&nginx.address, path, &theirs, &mut them)]
        {
            let pace = wrk(address, target, headers)?;
            if run > 0 {
                series[0].values.push(pace.per_second);
                series[1].values.push(pace.p99);
            }
        }
    }
    let ([rate, p99], [peer_rate, peer_p99]) = (us, them);
    let least = Limit::Part { at_least: 0.7 };
    let most = if conditional { Limit::None } else { Limit::Times { at_most: 2.0, slack: 0.0 } };
    let size = reply.body.len();
    Ok(vec![
        Line::beside(format!("{name}, requests per second"), rate, ("nginx", peer_rate), least)
            .note(format!("{size} bytes.")),
        Line::beside(format!("{name}, p99"), p99, ("nginx", peer_p99), most),
    ])
}

fn condition(reply: &Reply) -> Outcome<String> {
    match reply.header("etag") {
        Some(tag) => Ok(format!("If-None-Match: {tag}")),
        None => failed("an answer without a tag"),
    }
}

/// What is measured is what is meant.
fn expect(address: &str, target: &str, headers: &[String], status: u16) -> Outcome<()> {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let answered = Client::tcp(address, &lines)?.get(target, "")?.status;
    if answered == status {
        return Ok(());
    }
    failed(format!("{address} answers {answered} instead of {status}"))
}

fn wrk(address: &str, target: &str, headers: &[String]) -> Outcome<Pace> {
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c32", DURATION, "--latency"]);
    for header in headers {
        command.arg("-H").arg(header);
    }
    command.arg(format!("http://{address}{target}"));
    let said = String::from_utf8_lossy(&output(&mut command)?).into_owned();
    if said.contains("Non-2xx") || said.contains("Socket errors") {
        return failed(format!("wrk met errors: {said}"));
    }
    let after = |name: &str| {
        let line = said.lines().map(str::trim).find(|line| line.starts_with(name));
        line.map(|line| line[name.len()..].trim())
    };
    let per_second = after("Requests/sec:").and_then(|rate| rate.parse().ok());
    let p99 = after("99%").and_then(seconds);
    match (per_second, p99) {
        (Some(per_second), Some(p99)) => Ok(Pace { per_second, p99 }),
        _ => failed(format!("wrk said something else: {said}")),
    }
}

/// `1.23ms`, `45.60us` or `1.00s`.
fn seconds(text: &str) -> Option<f64> {
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    let (number, scale) =
        units.iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)))?;
    Some(number.parse::<f64>().ok()? * scale)
}
