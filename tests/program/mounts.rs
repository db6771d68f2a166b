//! File systems that are mounted over what is watched, and unmounted: no event tells of what
//! is in them, or under them.

use std::process::{Command, Stdio};

use crate::agreement::agree;
use crate::kit::{Place, Running, wait_until};

const NAMESPACE: [&str; 4] = ["unshare", "--user", "--map-root-user", "--mount"];

/// May something be mounted in a namespace of one's own? Says loudly if not.
fn can_mount() -> bool {
    let tried = Command::new(NAMESPACE[0])
        .args(&NAMESPACE[1..])
        .args(["sh", "-ec", "mount -t tmpfs none /tmp"])
        .stdin(Stdio::null())
        .output();
    let why = match tried {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    eprintln!("SKIP mounts over what is watched: nothing can be mounted: {why}");
    false
}

/// Does something where the daemon is, and sees what it sees.
fn inside(daemon: &Running, script: &str) -> String {
    let pid = daemon.pid().to_string();
    let done = Command::new("nsenter")
        .args(["--target", &pid, "--user", "--mount", "--preserve-credentials"])
        .args(["sh", "-ec", script])
        .output()
        .expect("nsenter runs");
    assert!(done.status.success(), "{script}: {done:?}");
    String::from_utf8(done.stdout).expect("is text")
}

/// The artifacts that the daemon tells, by path, at a fresh read.
fn paths(daemon: &Running) -> Vec<String> {
    let snapshot = daemon.ask("/api/dossier/snapshots/export?feature=plan-me&fresh=true");
    let rows = snapshot["artifact_summaries"].as_array().expect("a list").iter();
    let present = rows.filter(|row| row["is_present"] == true);
    present.map(|row| row["relative_path"].as_str().expect("a path").to_owned()).collect()
}

#[test]
fn what_is_mounted_over_a_watched_directory_is_seen_and_so_is_what_it_uncovers() {
    if !can_mount() {
        return;
    }
    let place = Place::with_feature();
    place.write("plan-me/notes/below.md", "# Below\n");
    let daemon = place.start_through(&NAMESPACE, "exec \"$@\"");
    place.run(&["add", "project"]).fine();
    agree(&place, &daemon, "nothing is mounted");
    let notes = place.feature("plan-me").join("notes").display().to_string();
    for round in 0..2 {
        inside(&daemon, &format!("mount -t tmpfs none '{notes}'; echo over >'{notes}/over.md'"));
        wait_until("what is mounted is seen", || {
            let paths = paths(&daemon);
            paths.iter().any(|path| path == "notes/over.md")
                && !paths.iter().any(|path| path == "notes/below.md")
        });
        inside(&daemon, &format!("echo more >'{notes}/more-{round}.md'"));
        assert!(paths(&daemon).contains(&format!("notes/more-{round}.md")), "it is watched");
        // Written under the mount, where the daemon cannot see it.
        place.write("plan-me/notes/below.md", format!("# Below, {round}\n"));
        inside(&daemon, &format!("umount '{notes}'"));
        wait_until("what was under it is seen", || {
            paths(&daemon).iter().any(|path| path == "notes/below.md")
        });
        agree(&place, &daemon, "unmounted");
        place.write("plan-me/notes/later.md", format!("# Later, {round}\n"));
        agree(&place, &daemon, "unmounted, then written in");
    }
}
