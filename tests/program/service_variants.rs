//! `dossierd service install` of one variant where the other one was: the service alone, or its sockets.

use std::fs;
use std::os::unix::fs::symlink;

use crate::service_manager::{User, body, packaging};

const SERVICE: &str = "dossierd.service";
const SOCKETS: [&str; 2] = ["dossierd.socket", "dossierd-http.socket"];

#[test]
fn sockets_and_the_service_alone_take_turns() {
    let user = User::new();
    user.service(&["install"]).fine();
    user.asked();
    user.service(&["install", "--socket-activated"]).fine();
    for name in SOCKETS {
        assert_eq!(body(&user.unit(name)), packaging(&format!("systemd/user/{name}")));
    }
    let asked = [
        "--user disable --now dossierd.service",
        "--user daemon-reload",
        "--user enable dossierd.socket dossierd-http.socket",
        "--user start dossierd.socket dossierd-http.socket",
    ];
    assert_eq!(user.asked(), asked);
    let status = user.service(&["status", "--json"]);
    assert_eq!(status.code, 0, "{status:?}");
    assert_eq!(status.json()["socket_activated"], true);

    // A service that its sockets started stays as it is.
    user.tell("active/dossierd.service", "active\n");
    user.service(&["install", "--socket-activated"]).fine();
    assert_eq!(user.asked(), asked[1..]);

    user.service(&["install"]).fine();
    assert!(SOCKETS.iter().all(|name| !user.units().join(name).exists()));
    assert_eq!(user.asked()[0], "--user disable --now dossierd.socket dossierd-http.socket");
}

#[test]
fn without_a_systemd_the_other_variant_is_the_first_that_is_left() {
    let user = User::new();
    let link = |target: &str, name: &str| {
        let wants = user.units().join(format!("{target}.target.wants"));
        fs::create_dir_all(&wants).unwrap();
        symlink(user.units().join(name), wants.join(name)).unwrap();
        wants.join(name)
    };
    let left = |args: &[&str]| {
        let ran = user.service(args);
        assert_eq!(ran.code, 1, "{ran:?}");
        ran.out.split_once("Left to do:\n").unwrap().1.lines().next().unwrap().to_owned()
    };
    user.service(&["install", "--socket-activated"]).fine();
    let links = SOCKETS.map(|name| link("sockets", name));
    user.tell("unreachable", "");
    let first = left(&["install"]);
    assert_eq!(first, "  systemctl --user stop dossierd.socket dossierd-http.socket");
    assert!(SOCKETS.iter().all(|name| !user.units().join(name).exists()));
    assert!(links.iter().all(|link| fs::symlink_metadata(link).is_err()));

    let enabled = link("default", SERVICE);
    let first = left(&["install", "--socket-activated"]);
    assert_eq!(first, "  systemctl --user disable --now dossierd.service");
    assert!(enabled.exists(), "its unit is there, so that command removes it");
}
