//! The service keeps its places: a shell without its DOSSIERD_HOME, or with another one, neither judges
//! nor moves it by mistake.

use std::fs;
use std::path::{Path, PathBuf};

use crate::kit::{Ran, write};
use crate::service_manager::User;

/// A manager, and where its file of the service is below the home directory.
const MANAGERS: [(&str, &str); 2] = [
    ("systemd", ".config/systemd/user/dossierd.service"),
    ("launchd", "Library/LaunchAgents/dev.dossier.dossierd.plist"),
];

/// `dossierd service …` from a shell that has these variables.
fn service(user: &User, manager: &str, args: &[&str], set: &[(&str, &Path)]) -> Ran {
    let mut command = user.command(&[&["service"], args, &["--manager", manager]].concat());
    command.envs(set.iter().copied());
    user.run(command)
}

/// Its directory, with a blank that a shell has to be told of.
fn place(user: &User) -> PathBuf {
    user.path().join("my dossiers")
}

#[test]
fn a_service_is_judged_in_its_own_places_and_the_advice_leaves_it_there() {
    for (manager, file) in MANAGERS {
        let (user, place) = (User::new(), place(&User::new()));
        let home: [(&str, &Path); 1] = [("DOSSIERD_HOME", &place)];
        service(&user, manager, &["install"], &home).fine();
        let path = user.home().join(file);
        let prefix = format!("DOSSIERD_HOME='{}' dossierd", place.display());
        for set in [&home[..], &[], &[("DOSSIERD_HOME", Path::new("/other"))]] {
            let ran = service(&user, manager, &["status"], set);
            assert_eq!(ran.code, 0, "{manager} {set:?}: {ran:?}");
            let is_elsewhere = set != home;
            assert_eq!(ran.out.contains(&format!("{prefix} status")), is_elsewhere, "{ran:?}");
            assert!(!ran.out.contains("service install;"), "{ran:?}");
        }
        let text = fs::read_to_string(&path).expect("is there");
        write(&path, text.replace("/my dossiers", "/my dossiers/moved"));
        let ran = service(&user, manager, &["status"], &[]);
        let moved = format!("DOSSIERD_HOME='{}/moved' dossierd service install", place.display());
        assert!(ran.code == 1 && ran.out.contains(&moved), "{manager}: {ran:?}");
    }
}

#[test]
fn an_install_that_would_move_the_service_is_refused_with_both_lines() {
    for (manager, file) in MANAGERS {
        let (user, place) = (User::new(), place(&User::new()));
        let path = user.home().join(file);
        service(&user, manager, &["install"], &[("DOSSIERD_HOME", &place)]).fine();
        let text = fs::read_to_string(&path).expect("is there");
        user.asked();
        let keep = format!(
            "DOSSIERD_HOME='{}' dossierd service install --manager {manager}",
            place.display()
        );
        let change = format!("dossierd service install --manager {manager} --force");
        for set in [&[][..], &[("DOSSIERD_HOME", Path::new("/other"))]] {
            for args in [&["install"][..], &["install", "--dry-run"]] {
                service(&user, manager, args, set)
                    .fails(2, &["nothing was done", &keep, &change, "registered"]);
            }
        }
        assert_eq!(user.asked(), Vec::<String>::new());
        assert_eq!(fs::read_to_string(&path).expect("is there"), text);
        service(&user, manager, &["install"], &[("DOSSIERD_HOME", &place)]).fine();
        service(&user, manager, &["install", "--force"], &[]).fine();
        let moved = fs::read_to_string(&path).expect("is there");
        assert!(!moved.contains("DOSSIERD_HOME"), "{moved}");

        // One that has none may get one.
        service(&user, manager, &["install"], &[("DOSSIERD_HOME", &place)]).fine();
        assert_eq!(fs::read_to_string(&path).expect("is there"), text);
    }
}

#[test]
fn the_places_of_xdg_are_kept_as_well() {
    let user = User::new();
    let state = user.path().join("s");
    service(&user, "systemd", &["install"], &[("XDG_STATE_HOME", &state)]).fine();
    let keep = format!("env -u DOSSIERD_HOME XDG_STATE_HOME={} dossierd", state.display());
    let home: [(&str, &Path); 1] = [("DOSSIERD_HOME", Path::new("/other"))];
    service(&user, "systemd", &["install"], &home).fails(2, &[&keep, "/other/state: dossierd"]);
    let ran = service(&user, "systemd", &["status"], &home);
    assert!(ran.code == 0 && ran.out.contains(&keep), "{ran:?}");
    service(&user, "systemd", &["install"], &[]).fails(2, &["XDG_STATE_HOME="]);
}

#[test]
fn variables_that_a_service_without_any_lacks_are_told() {
    for (manager, _) in MANAGERS {
        let (user, place) = (User::new(), place(&User::new()));
        service(&user, manager, &["install"], &[]).fine();
        let ran = service(&user, manager, &["status"], &[("DOSSIERD_HOME", &place)]);
        let told =
            "DOSSIERD_HOME is set, but the service does not know it; dossierd service install";
        assert!(ran.code == 1 && ran.out.contains(told), "{manager}: {ran:?}");
    }
}

#[test]
fn doctor_says_that_it_looked_elsewhere() {
    if !cfg!(target_os = "linux") {
        eprintln!("SKIP the service of this system is not that of systemd");
        return;
    }
    let (user, place) = (User::new(), place(&User::new()));
    service(&user, "systemd", &["install"], &[("DOSSIERD_HOME", &place)]).fine();
    let json = user.run(user.command(&["doctor", "--json"])).json();
    let checks = json["checks"].as_array().expect("a list");
    let of = |name: &str| checks.iter().find(|check| check["name"] == name);
    assert_eq!(of("service files").expect("is there")["status"], "ok", "{json}");
    let hint = of("service places").expect("is there")["hint"].to_string();
    let line = format!("DOSSIERD_HOME='{}' dossierd doctor", place.display());
    assert!(hint.contains(&line), "{hint}");
}

#[test]
fn a_unit_that_goes_on_without_its_file_is_told() {
    if !cfg!(target_os = "linux") {
        eprintln!("SKIP the service of this system is not that of systemd");
        return;
    }
    let user = User::new();
    service(&user, "systemd", &["install"], &[]).fine();
    fs::remove_file(user.home().join(MANAGERS[0].1)).expect("removed");
    let told = "its file is gone, but systemd still has dossierd.service";
    let ran = service(&user, "systemd", &["status"], &[]);
    assert!(ran.code == 1 && ran.out.contains(told), "{ran:?}");
    let json = user.run(user.command(&["doctor", "--json"])).json();
    let checks = json["checks"].as_array().expect("a list");
    let check = checks.iter().find(|check| check["name"] == "service").expect("is there");
    assert_eq!(check["status"], "warn", "{check}");
    let line = "systemctl --user stop dossierd.service";
    assert!(check["hint"].as_str().is_some_and(|hint| hint.contains(line)), "{check}");
}
