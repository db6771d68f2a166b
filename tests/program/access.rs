//! Directories that cannot be read: the rest is right, they are shown, and what is in them
//! is found when they can be read again.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use crate::agreement::agree;
use crate::kit::{BINARY, Place, Running, set_mode};

/// A user who owns nothing else.
const NOBODY: u32 = 65534;

/// Gives everything at and below a path to that user.
fn give_away(path: &Path, to: u32) {
    let to_them = |path: &Path| chown(path, Some(to), Some(to)).expect("given");
    to_them(path);
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        match is_dir {
            true => give_away(&entry.path(), to),
            false => to_them(&entry.path()),
        }
    }
}

/// Has the binary started by somebody for whom permissions count: root may read everything.
/// The binary itself may be where nobody else comes.
fn as_nobody(place: &mut Place) {
    if rustix::process::geteuid().is_root() {
        as_user(place, NOBODY);
    }
}

/// Gives the place to this user, and has the binary started by them.
pub(crate) fn as_user(place: &mut Place, user: u32) {
    let binary = place.path().join("dossierd");
    fs::copy(BINARY, &binary).expect("copied");
    give_away(&place.path(), user);
    let user = user.to_string();
    let through = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"];
    let mut through: Vec<String> = through.map(str::to_owned).into();
    through.push(binary.to_str().expect("is text").to_owned());
    place.set_through(through);
}

/// Writes as the owner of the place would.
fn write(place: &Place, relative: &str, content: &str) {
    place.write(relative, content);
    if rustix::process::geteuid().is_root() {
        give_away(&place.project(), NOBODY);
    }
}

fn anomalies(daemon: &Running) -> String {
    let snapshot = daemon.ask("/api/dossier/snapshots/export?feature=plan-me&fresh=true");
    snapshot["anomalies"].to_string()
}

#[test]
fn a_directory_that_cannot_be_read_is_shown_and_hides_nothing_else() {
    let mut place = Place::with_feature();
    for name in ["open", "shut", "shut/deeper", "wide"] {
        place.write(&format!("plan-me/{name}/note.md"), "# Note\n");
    }
    let shut = place.feature("plan-me").join("shut");
    as_nobody(&mut place);
    let daemon = place.start_registered();
    for round in 0..2 {
        set_mode(&shut, 0o000);
        assert!(anomalies(&daemon).contains("shut"), "it is shown: {}", anomalies(&daemon));
        // Siblings that were there, and new ones, are seen as ever.
        write(&place, "plan-me/open/note.md", &format!("# Open, {round}\n"));
        write(&place, &format!("plan-me/new-{round}/note.md"), "# New\n");
        let told = daemon.ask("/api/dossier/snapshots/export?feature=plan-me&fresh=true");
        let rows = told["artifact_summaries"].to_string();
        assert!(rows.contains(&format!("new-{round}/note.md")), "{rows}");
        set_mode(&shut, 0o755);
        agree(&place, &daemon, "readable again");
        write(&place, "plan-me/shut/deeper/note.md", &format!("# Readable, {round}\n"));
        agree(&place, &daemon, "readable again, then written in");
        // What is written while nobody may look is seen afterwards.
        set_mode(&shut, 0o300);
        write(&place, "plan-me/shut/deeper/hidden.md", &format!("# Hidden, {round}\n"));
        set_mode(&shut, 0o755);
        agree(&place, &daemon, "written in while it could not be listed");
    }
}
