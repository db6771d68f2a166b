//! `dossierd service uninstall` under systemd: what is ours goes, the rest stays.

use std::fs;
use std::os::unix::fs::symlink;

use crate::kit::write;
use crate::service_manager::{User, packaging};

const SERVICE: &str = "dossierd.service";

#[test]
fn all_that_was_installed_goes() {
    let user = User::new();
    user.service(&["install", "--socket-activated", "--hardened"]).fine();
    user.asked();
    let said = user.service(&["uninstall"]).fine();
    let asked = [
        "--user disable --now dossierd.service dossierd.socket dossierd-http.socket",
        "--user daemon-reload",
    ];
    assert_eq!(user.asked(), asked);
    assert_eq!(fs::read_dir(user.units()).unwrap().count(), 0);
    assert!(said.contains("State in ") && said.contains("stay"), "{said}");
    assert!(user.home().join(".local/state/dossierd").is_dir());

    let again = user.service(&["uninstall"]).fine();
    assert!(again.contains("nothing to do"), "{again}");
    assert_eq!(user.asked(), Vec::<String>::new());
}

#[test]
fn the_directories_that_stay_are_those_of_the_unit() {
    let user = User::new();
    let home = user.path().join("d d");
    let mut command = user.command(&["service", "install"]);
    command.env("DOSSIERD_HOME", &home);
    user.run(command).fine();
    let mut command = user.command(&["service", "uninstall"]);
    command.env("XDG_STATE_HOME", user.path());
    let said = user.run(command).fine();
    let shown = home.display();
    let expected = format!("State in {shown}/state and configuration in {shown}/config stay");
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn what_is_not_ours_stays() {
    let user = User::new();
    user.service(&["install"]).fine();
    let own = user.units().join("dossierd.service.d/mine.conf");
    write(&own, "[Service]\nNice=5\n");
    let foreign = user.units().join("dossierd.socket");
    write(&foreign, "[Socket]\n");
    user.asked();
    let ran = user.service(&["uninstall"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("dossierd.socket stays: not written by"), "{}", ran.out);
    assert!(own.is_file() && foreign.is_file() && !user.units().join(SERVICE).exists());
    assert_eq!(user.asked()[0], "--user disable --now dossierd.service");
}

#[test]
fn what_was_changed_by_hand_goes_by_force_alone() {
    let user = User::new();
    user.service(&["install"]).fine();
    let path = user.units().join(SERVICE);
    write(&path, user.unit(SERVICE) + "Nice=5\n");
    user.asked();
    user.service(&["uninstall"]).fails(2, &["+Nice=5", "nothing was done", "--force"]);
    assert_eq!(user.asked(), Vec::<String>::new());
    assert!(path.is_file());
    user.service(&["uninstall", "--force"]).fine();
    assert!(!path.exists());
}

#[test]
fn without_a_systemd_files_and_links_go_and_the_rest_is_told() {
    let user = User::new();
    user.service(&["install"]).fine();
    let wants = user.units().join("default.target.wants");
    fs::create_dir(&wants).unwrap();
    symlink(user.units().join(SERVICE), wants.join(SERVICE)).unwrap();
    user.tell("unreachable", "");
    let ran = user.service(&["uninstall"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("  systemctl --user stop dossierd.service"), "{}", ran.out);
    assert!(!user.units().join(SERVICE).exists());
    assert!(fs::symlink_metadata(wants.join(SERVICE)).is_err());
}

#[test]
fn a_packages_unit_is_disabled_and_stays() {
    let user = User::new();
    user.tell("packaged/dossierd.service", &packaging("systemd/user/dossierd.service"));
    user.service(&["install"]).fine();
    user.asked();
    user.service(&["uninstall"]).fine();
    assert_eq!(user.asked()[0], "--user disable --now dossierd.service");
    assert!(user.fake().join("packaged/dossierd.service").is_file());
}

#[test]
fn a_failure_to_stop_is_told() {
    let user = User::new();
    user.service(&["install"]).fine();
    user.tell("fails-disable", "access denied\n");
    let ran = user.service(&["uninstall"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("access denied"), "{}", ran.out);
    assert!(ran.out.contains("  systemctl --user disable --now dossierd.service"), "{}", ran.out);
}
