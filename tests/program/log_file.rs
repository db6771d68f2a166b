//! `run --log-file`: the log has a bound, whatever starts the daemon.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::disk_full::SmallDisk;
use crate::kit::{Place, is_root, mode, wait_until, write};
use crate::running::Running;

const LIMIT: u64 = 10_000_000;

fn start(place: &Place, log: &Path) -> Running {
    let log = log.to_str().expect("is text");
    place.start_with(&["run", "--listen", "127.0.0.1:0", "--json", "--log-file", log])
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn the_log_is_in_the_file_and_a_full_one_becomes_the_former_one() {
    let place = Place::with_feature();
    let (log, former) = (place.path().join("d.log"), place.path().join("d.log.1"));
    let full = "x".repeat(usize::try_from(LIMIT).expect("fits") + 1);
    write(&log, &full);
    write(&former, "older\n");
    let daemon = start(&place, &log);
    assert!(text(&former) == full, "the former one is replaced, and whole");
    assert_eq!((mode(&log), mode(&former)), (0o600, 0o600));
    daemon.signal(Signal::HUP);
    wait_until("the reload is in the file", || text(&log).contains("has been reloaded"));
    // A second start is refused, and says so where the agent's user looks.
    let args = ["run", "--listen", "127.0.0.1:0", "--log-file", "d.log"];
    let stderr = place.path().join("second");
    let status = place
        .command(&args)
        .stderr(fs::File::create(&stderr).expect("made"))
        .status()
        .expect("starts");
    assert_eq!(status.code(), Some(2));
    assert!(text(&log).contains("is running already"), "{}", text(&log));
    assert_eq!(text(&stderr), "");
    // To a pipe it is said as ever.
    place.run(&args).fails(2, &["is running already"]);
    daemon.stop();
}

#[test]
fn a_file_that_cannot_be_the_log_is_refused() {
    let place = Place::with_feature();
    write(&place.path().join("target"), "kept\n");
    std::os::unix::fs::symlink("target", place.path().join("link")).expect("made");
    let refused = |file: &str, words: &[&str]| {
        place.run(&["run", "--listen", "127.0.0.1:0", "--log-file", file]).fails(2, words);
    };
    refused("link", &["is a symbolic link", "--log-file FILE"]);
    refused("nowhere/d.log", &["nowhere", "--log-file FILE"]);
    refused("project", &["is no regular file"]);
    assert_eq!(text(&place.path().join("target")), "kept\n");
}

#[test]
fn a_full_disk_leaves_lines_out_and_the_log_goes_on() {
    if !is_root("log on a full disk") {
        return;
    }
    let place = Place::with_feature();
    let dir = place.path().join("logs");
    let Some(disk) = SmallDisk::mount(&dir) else { return };
    let log = dir.join("d.log");
    let daemon = start(&place, &log);
    let hang_up = |config: &str| {
        write(&place.home().join("config/config.yaml"), config);
        daemon.signal(Signal::HUP);
    };
    let filler = disk.fill();
    // More than the rest of the last page of the file has room for.
    let warned = || daemon.ask("/api/status").to_string();
    for number in 0..40 {
        hang_up(&format!("wrong_{number}: 1\n"));
        wait_until("it is refused", || warned().contains(&format!("wrong_{number}`")));
    }
    fs::remove_file(filler).expect("removed");
    hang_up("log: info\n");
    wait_until("the log goes on", || text(&log).contains("has been reloaded"));
    assert!(!text(&log).contains("wrong_39"), "there was no room for it");
    let last = text(&log).lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("20"), "a line by itself: {last}");
    daemon.stop();
}
