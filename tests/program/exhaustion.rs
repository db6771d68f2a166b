//! More than there is room for: connections, descriptors, bytes. The user's own commands get
//! through, nothing spins, nothing grows, and it stops when it is asked to.

use std::fs::{self, File};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::access::as_user;
use crate::kit::{DEADLINE, Place, Running, is_root, lines_of, wait_until};

/// A user of no other test, so that nobody else's threads count.
const SOMEBODY: u32 = 54_321;

/// User and system time of the daemon so far; a tick is a hundredth of a second.
fn cpu(daemon: &Running) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).expect("runs");
    let (_, fields) = stat.rsplit_once(") ").expect("has a name");
    let ticks = fields.split(' ').skip(11).take(2);
    Duration::from_millis(10 * ticks.map(|n| n.parse::<u64>().expect("a number")).sum::<u64>())
}

/// A line of `/proc/PID/FILE` that begins so; its first number.
fn number(daemon: &Running, file: &str, line: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/{file}", daemon.pid())).expect("runs");
    let rest = text.lines().find_map(|l| l.strip_prefix(line)).expect(line);
    rest.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
}

/// A loop that spins would use all of the time; what is idle uses next to none.
fn does_not_spin(daemon: &Running) {
    let window = Duration::from_millis(600);
    let before = cpu(daemon);
    // This is a measurement, and waits for nothing.
    std::thread::sleep(window);
    let used = cpu(daemon) - before;
    assert!(used < window / 2, "{used:?} of {window:?}");
}

fn flood(daemon: &Running, count: usize) -> Vec<TcpStream> {
    (0..count).filter_map(|_| TcpStream::connect(daemon.address()).ok()).collect()
}

/// The fastest of a few, since the machine may be busy with other things.
fn fastest_command(place: &Place) -> Duration {
    let timed = |_| {
        let began = Instant::now();
        place.run(&["list"]).fine();
        began.elapsed()
    };
    (0..5).map(timed).min().expect("five of them")
}

#[test]
fn five_hundred_connections_leave_the_command_line_its_own() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let flooding = flood(&daemon, 500);
    assert!(flooding.len() >= 64, "nobody got in: {}", flooding.len());
    let took = fastest_command(&place);
    assert!(took < Duration::from_secs(1), "a command took {took:?}");
    does_not_spin(&daemon);
    let descriptors = fs::read_dir(format!("/proc/{}/fd", daemon.pid())).expect("runs").count();
    assert!(descriptors < 64 + 64, "{descriptors} descriptors are open");
    drop(flooding);
    wait_until("there is room again", || daemon.tcp("GET", "/healthz", &[]).status == 200);
    daemon.stop();
}

#[test]
fn without_descriptors_it_waits_and_goes_on() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let open = fs::read_dir(format!("/proc/{}/fd", daemon.pid())).expect("runs").count();
    let (pid, limit) = (format!("--pid={}", daemon.pid()), format!("--nofile={}", open + 5));
    let lowered = Command::new("prlimit").args([pid, limit]).status().expect("runs");
    assert!(lowered.success());
    let flooding = flood(&daemon, 60);
    wait_until("it says so", || daemon.stderr().contains("connections can't be accepted"));
    does_not_spin(&daemon);
    let warnings = daemon.stderr().matches("connections can't be accepted").count();
    assert!(warnings <= 2, "{warnings} warnings");
    drop(flooding);
    wait_until("it answers again", || daemon.tcp("GET", "/healthz", &[]).status == 200);
    place.write("plan-me/later.md", "# Later\n");
    let told = daemon.ask_fresh("/api/dossier/snapshots/export?feature=plan-me&fresh=true");
    assert!(told["artifact_summaries"].to_string().contains("later.md"), "{told}");
    daemon.stop();
}

/// Connections over TCP leave the Unix socket its own, however few descriptors there are.
#[test]
fn with_64_descriptors_the_command_line_is_answered_at_once() {
    let place = Place::with_feature();
    let daemon = place.start_through(&["env"], "ulimit -n 64; exec \"$@\"");
    place.run(&["add", "project"]).fine();
    let flooding = flood(&daemon, 80);
    let took = fastest_command(&place);
    assert!(took < Duration::from_secs(1), "a command took {took:?}");
    place.write("plan-me/later.md", "# Later\n");
    place.run(&["status", "plan-me"]).fine();
    assert!(!daemon.stderr().contains("os error 24"), "{}", daemon.stderr());
    drop(flooding);
    daemon.stop();
}

/// As on a full disk: nothing ends, and all is written once it may be.
#[test]
fn a_file_size_limit_makes_writes_fail_and_ends_nothing() {
    let place = Place::with_feature();
    let daemon = place.start_through(&["env"], "ulimit -S -f 20; exec \"$@\"");
    for number in 0..60 {
        place.write(&format!("plan-me/data/{number}.csv"), format!("{number}\n"));
    }
    place.run(&["add", "project"]).fine();
    let told = || place.run(&["status", "plan-me"]).out;
    wait_until("it is told", || told().contains("bytes went into") && told().contains("limit"));
    let pid = format!("--pid={}", daemon.pid());
    let lifted = Command::new("prlimit").args([&pid, "--fsize=unlimited"]).status().expect("runs");
    assert!(lifted.success());
    wait_until("all is written", || place.log("plan-me").len() > 60);
    daemon.stop();
}

/// A log that cannot be written is no reason to end.
#[test]
fn a_full_stderr_ends_nothing() {
    let place = Place::with_feature();
    let mut command = place.command(&["run", "--listen", "127.0.0.1:0", "--json"]);
    command.args(["--log", "trace"]).stdout(Stdio::piped());
    let full = File::options().write(true).open("/dev/full").expect("opens");
    let mut child = command.stderr(full).spawn().expect("starts");
    let lines = lines_of(child.stdout.take().expect("is piped"));
    lines.recv_timeout(DEADLINE).expect("is ready");
    place.run(&["add", "project"]).fine();
    assert!(place.run(&["status", "plan-me"]).fine().contains("complete"));
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, Signal::TERM).expect("is there");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}

#[test]
fn a_file_of_a_tebibyte_costs_no_memory_and_holds_nobody_up() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let resident = || number(&daemon, "status", "VmRSS:");
    let read = || number(&daemon, "io", "rchar:");
    let (before, read_before) = (resident(), read());
    let huge = File::create(place.feature("plan-me").join("huge.md")).expect("made");
    if let Err(error) = huge.set_len(1 << 40) {
        eprintln!("SKIPPED: no file of a tebibyte here: {error}");
        return;
    }
    wait_until("much of it was read", || read() - read_before > 64 << 20);
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 * 1024, "grew by {grown} KiB");
    let shown = daemon.ask("/api/dossier/artifacts/input.spec.main?feature=plan-me");
    assert_eq!(shown["content"], "# spec.md\n");
    let began = Instant::now();
    daemon.stop();
    assert!(began.elapsed() < Duration::from_secs(8), "it took {:?}", began.elapsed());
}

#[test]
fn limits_that_were_lowered_hold() {
    let place = Place::with_feature();
    let limits = "limits: {connections: 8, body_bytes: 300, roots: 1, artifacts: 3, \
                  text_bytes: 5, header_seconds: 1}\n";
    crate::kit::write(&place.home().join("config/config.yaml"), limits);
    let daemon = place.start_registered();
    let token = place.run(&["token"]).fine().trim().to_owned();
    let text = daemon.get("/api/dossier/artifacts/input.spec.main?feature=plan-me", &token);
    assert_eq!(text.json()["content_truncated"], true, "{text:?}");
    let lines = [
        &format!("Host: {}", daemon.address()),
        &format!("Authorization: Bearer {token}"),
        "Content-Type: application/json",
    ];
    let reply = daemon.tcp_raw("POST", "/api/features", &lines, &" ".repeat(301));
    assert_eq!(reply.status, 413, "{reply:?}");
    let told = daemon.ask("/api/dossier/snapshots/export?feature=plan-me");
    assert!(told["anomalies"].to_string().contains("limit-exceeded"), "{told}");
    fs::create_dir(place.path().join("other")).expect("made");
    let second = place.run(&["add", "other"]);
    second.fails(2, &["1 roots are registered, which is the limit"]);
    let inside = flood(&daemon, 8);
    wait_until("others are turned away", || daemon.tcp("GET", "/healthz", &[]).status != 200);
    // All of them are idle: their second is soon over.
    wait_until("there is room again", || daemon.tcp("GET", "/healthz", &[]).status == 200);
    drop(inside);
    daemon.stop();
    crate::kit::write(
        &place.home().join("config/config.yaml"),
        "log: info\nlimits: {streams: 17}\n",
    );
    place.run(&["run"]).fails(2, &["line 2", "limits only go down"]);
}

/// A process that may have so many threads either says clearly that it cannot start, or serves
/// all there is.
#[test]
fn with_few_threads_it_says_so_or_serves() {
    if !is_root("another user, whose threads can be counted") {
        return;
    }
    let (mut refused, mut served) = (0, 0);
    for threads in [2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 20, 30] {
        let mut place = Place::with_feature();
        as_user(&mut place, SOMEBODY);
        let user = SOMEBODY.to_string();
        let limit = format!("--nproc={threads}");
        let mut child = Command::new("setpriv")
            .args(["--reuid", &user, "--regid", &user, "--clear-groups"])
            .args(["prlimit", &limit, "./dossierd", "run", "--listen", "127.0.0.1:0", "--json"])
            .current_dir(place.path())
            .env("DOSSIERD_HOME", place.home())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(place.path().join("stderr")).expect("made"))
            .spawn()
            .expect("starts");
        let lines = lines_of(child.stdout.take().expect("is piped"));
        let ready = lines.recv_timeout(DEADLINE);
        let said = || fs::read_to_string(place.path().join("stderr")).expect("is text");
        if ready.is_ok() {
            place.run(&["add", "project"]).fine();
            let status = place.run(&["status", "plan-me"]).fine();
            assert!(status.contains("live") && status.contains("complete"), "{threads}: {status}");
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a pid");
            kill_process(pid, Signal::TERM).expect("is there");
            assert_eq!(child.wait().expect("ends").code(), Some(0), "{threads}: {}", said());
            served += 1;
        } else {
            assert_eq!(child.wait().expect("ends").code(), Some(2), "{threads}: {}", said());
            assert!(said().contains("error: ") && said().contains("os error 11"), "{}", said());
            refused += 1;
        }
        assert!(!said().contains("panicked"), "{threads}: {}", said());
    }
    assert!(refused > 1 && served > 1, "{refused} were refused, {served} served");
}
