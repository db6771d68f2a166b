//! A full disk: the daemon goes on, says so, and writes everything when there is room.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::kit::{Place, is_root, wait_until, write};

/// A small file system of its own; unmounted when dropped.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    pub(crate) fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).expect("made");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"])
            .arg(at)
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(at.to_path_buf()));
        }
        eprintln!("SKIPPED, cannot mount a tmpfs: disk full");
        None
    }

    /// Takes all the room that is left.
    pub(crate) fn fill(&self) -> PathBuf {
        use std::io::Write;
        let path = self.0.join("filler");
        let mut file = fs::File::create(&path).expect("made");
        for size in [64 * 1024, 4096, 1] {
            let block = vec![b'x'; size];
            while file.write_all(&block).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_seen_and_survived() {
    if !is_root("disk full") {
        return;
    }
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place.project()) else { return };
    place.kittify();
    place.planned("plan-me");
    let daemon = place.start_registered();
    let before = place.log("plan-me").len();
    // Files that stand in for others need no room of their own.
    let spare: Vec<u8> = b"# plan, changed\n".to_vec();
    write(&place.feature("plan-me").join("tasks.md"), "# other tasks\n");
    wait_until("the edit is in the log", || place.log("plan-me").len() > before);
    let before = place.log("plan-me");

    let filler = disk.fill();
    // In place, so that it needs no new block: the file had one.
    fs::write(place.feature("plan-me").join("plan.md"), &spare).unwrap_or_else(|_| {
        fs::remove_file(place.feature("plan-me").join("plan.md")).expect("removed");
    });
    let status = |what: &str| {
        let status = place.run(&["status", "plan-me", "--json"]);
        assert_eq!(status.code, 0, "{what}: {status:?}");
        status.json()
    };
    let mut number = 0;
    wait_until("the daemon says that it cannot write", || {
        // One line more may still fit into the log's last block; several do not.
        number += 1;
        let notes = place.feature("plan-me").join(format!("note{number}.md"));
        let _ = fs::File::create(notes);
        !status("full")["store"]["failing"].is_null()
    });
    let shown = place.run(&["status", "plan-me"]).fine();
    assert!(shown.contains("fail") || shown.contains("cannot"), "{shown}");
    assert_eq!(daemon.tcp("GET", "/healthz", &[]).status, 200);
    place.run(&["artifacts", "plan-me"]).fine();

    fs::remove_file(filler).expect("removed");
    wait_until("everything is written", || status("room")["store"]["failing"].is_null());
    place.run(&["status", "plan-me"]).fine();
    daemon.stop();
    place.run(&["verify", "project"]).fine();
    let after = place.log("plan-me");
    assert_eq!(after[..before.len()], before[..], "what was written stays");
    let scanned = place.run(&["scan", "project/kitty-specs/plan-me", "--json"]).json();
    let last = after.last().expect("has events");
    assert_eq!(last["payload"]["snapshot_hash"], scanned["parity_hash_sha256"]);
    let written = fs::read(place.dossier("plan-me").join("snapshot-latest.json")).expect("there");
    let written: serde_json::Value = serde_json::from_slice(&written).expect("parses");
    assert_eq!(written["tree_hash"], scanned["tree_hash"]);
}
