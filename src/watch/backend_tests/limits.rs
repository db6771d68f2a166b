//! What happens at the kernel's limits.

use std::fs;
use std::sync::Arc;

use super::bench::{Bench, READY};
use crate::watch::{BackendChoice, DirtySet, SlowLane, WatchError};

with_each_backend! {
    at_the_limit_of_watches_those_there_are_go_on,
    without_an_instance_the_error_says_what_to_do,
}

/// Runs one test of this binary again, in a user namespace with a limit of its own, which
/// touches no limit of the machine. False if the system does not allow that.
fn again_with_limit(choice: BackendChoice, test: &str, key: &str, value: u32) -> bool {
    let binary = std::env::current_exe().expect("this binary");
    let module = module_path!().replacen("dossierd::", "", 1);
    let backend = format!("{choice:?}").to_lowercase();
    let script = format!("echo {value} > /proc/sys/user/{key} || exit 99; exec \"$@\"");
    let output = std::process::Command::new("unshare")
        .args(["-Ur", "sh", "-c", &script, "sh"])
        .arg(binary)
        .args(["--exact", &format!("{module}::{backend}::{test}")])
        .arg("--nocapture")
        .env("DOSSIERD_TEST_LIMITED", "1")
        .output();
    match output {
        Ok(output) if output.status.code() == Some(99) => false,
        Ok(output) if output.stdout.starts_with(b"\nrunning") => {
            let shown = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{shown}{errors}");
            assert!(shown.contains("1 passed"), "{shown}");
            true
        }
        _ => false,
    }
}

fn is_limited() -> bool {
    std::env::var_os("DOSSIERD_TEST_LIMITED").is_some()
}

fn at_the_limit_of_watches_those_there_are_go_on(choice: BackendChoice) {
    if !is_limited() {
        let name = "at_the_limit_of_watches_those_there_are_go_on";
        if !again_with_limit(choice, name, "max_inotify_watches", 5) {
            eprintln!("SKIP: no user namespace, or no limits of its own in it");
        }
        return;
    }
    let bench = Bench::new(choice);
    let dirs: Vec<String> = (0..10).map(|i| format!("d{i}")).collect();
    dirs.iter().for_each(|dir| bench.mkdir(dir));
    bench.fenced();
    let outcomes: Vec<_> =
        dirs.iter().map(|dir| bench.backend.watch_dir(&bench.path(dir))).collect();
    // Two are taken: the root and the directory of cookies.
    for (i, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(()) => assert!(i < 3, "{i}"),
            Err(WatchError::Limit(path)) => assert!(i >= 3 && *path == bench.path(&dirs[i])),
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(bench.backend.watched_below(&bench.root), 4);
    bench.write("d0/f");
    bench.write("d9/f");
    bench.expect("what is watched", &[("d0/f", READY)]);
    fs::remove_dir_all(bench.path("d0")).expect("removed");
    bench.fenced();
    bench.watch("d9");
}

fn without_an_instance_the_error_says_what_to_do(choice: BackendChoice) {
    if !is_limited() {
        let name = "without_an_instance_the_error_says_what_to_do";
        if !again_with_limit(choice, name, "max_inotify_instances", 0) {
            eprintln!("SKIP: no user namespace, or no limits of its own in it");
        }
        return;
    }
    let dirty = Arc::new(DirtySet::new());
    let outcome = choice.start(&dirty, None).map(|backend| backend.name());
    assert!(matches!(outcome, Err(WatchError::InstanceLimit { .. })), "{outcome:?}");
    assert!(dirty.take().is_empty());
    let (sender, _events) = crossbeam_channel::unbounded();
    let slow = SlowLane::new(sender);
    assert!(matches!(slow, Err(WatchError::InstanceLimit { .. })), "{slow:?}");
}
