//! `dossierd service` under launchd, which is a script here.

use std::fs;

use crate::kit::{BINARY, mode, write};
use crate::service_manager::{User, packaging};

const LABEL: &str = "dev.dossier.dossierd";

fn agent(user: &User) -> std::path::PathBuf {
    user.home().join(format!("Library/LaunchAgents/{LABEL}.plist"))
}

fn service(user: &User, args: &[&str]) -> crate::kit::Ran {
    user.service(&[args, &["--manager", "launchd"]].concat())
}

fn target() -> (String, String) {
    let uid = rustix::process::geteuid().as_raw();
    (format!("gui/{uid}"), format!("gui/{uid}/{LABEL}"))
}

#[test]
fn the_agent_is_written_and_loaded() {
    let user = User::new();
    let (domain, target) = target();
    service(&user, &["install"]).fine();
    let text = fs::read_to_string(agent(&user)).unwrap();
    let home = user.home().display().to_string();
    // The package's text, but for its comment, with both places put in.
    let expected = packaging("launchd/dev.dossier.dossierd.plist");
    let (head, rest) = expected.split_once("<!--\n").unwrap();
    let expected = format!("{head}{}", rest.split_once("-->\n").unwrap().1)
        .replace("@BINARY@", BINARY)
        .replace("@HOME@", &home);
    let (first, rest) = text.split_once('\n').unwrap();
    let (mark, rest) = rest.split_once('\n').unwrap();
    assert!(mark.starts_with("<!-- Written by `dossierd service install`, version "), "{mark}");
    assert_eq!(format!("{first}\n{rest}"), expected);
    assert_eq!(mode(&agent(&user)), 0o644);
    assert!(user.home().join("Library/Logs/dossierd").is_dir());
    let path = agent(&user).display().to_string();
    assert_eq!(user.asked(), [format!("enable {target}"), format!("bootstrap {domain} {path}")]);

    let status = service(&user, &["status", "--json"]);
    assert_eq!(status.code, 0, "{status:?}");
    assert_eq!(status.json()["pid"], 612);
    assert_eq!(status.json()["program"], BINARY);
    assert_eq!(service(&user, &["print"]).fine(), text);

    // Again: it is loaded, and only started.
    user.asked();
    service(&user, &["install"]).fine();
    assert_eq!(user.asked(), [format!("enable {target}"), format!("kickstart {target}")]);
}

#[test]
fn a_changed_agent_is_refused_and_forced() {
    let user = User::new();
    let (domain, target) = target();
    service(&user, &["install"]).fine();
    let text = fs::read_to_string(agent(&user)).unwrap();
    write(&agent(&user), text.replace("<integer>63</integer>", "<integer>18</integer>"));
    service(&user, &["install"]).fails(2, &["<integer>18</integer>", "--force"]);
    service(&user, &["uninstall"]).fails(2, &["<integer>18</integer>", "--force"]);
    user.asked();
    service(&user, &["install", "--force"]).fine();
    let path = agent(&user).display().to_string();
    let asked = [
        format!("bootout {target}"),
        format!("enable {target}"),
        format!("bootstrap {domain} {path}"),
    ];
    assert_eq!(user.asked(), asked);
    assert_eq!(fs::read_to_string(agent(&user)).unwrap(), text);
}

#[test]
fn it_can_be_left_off_and_failures_are_told() {
    let user = User::new();
    let (_, target) = target();
    let said = service(&user, &["install", "--no-start"]).fine();
    assert!(said.contains("It was left off"), "{said}");
    assert_eq!(user.asked(), [format!("disable {target}")]);
    user.tell("fails-bootstrap", "Bootstrap failed: 5: Input/output error\n");
    let ran = service(&user, &["install"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.out.contains("Input/output error") && ran.out.contains("Left to do:"),
        "{}",
        ran.out
    );
    for flag in ["--socket-activated", "--hardened"] {
        service(&user, &["install", flag]).fails(64, &[flag, "systemd"]);
    }
}

#[test]
fn an_agent_without_its_file_is_told_and_taken_out() {
    let user = User::new();
    let (_, target) = target();
    service(&user, &["install"]).fine();
    fs::remove_file(agent(&user)).unwrap();
    let ran = service(&user, &["status"]);
    let told = format!("its file is gone, but launchd still has {LABEL} (process 612)");
    assert!(ran.code == 1 && ran.out.contains(&told), "{ran:?}");
    assert!(ran.out.contains("dossierd service uninstall"), "{ran:?}");
    user.asked();
    let said = service(&user, &["uninstall"]).fine();
    assert!(said.contains("its file is gone"), "{said}");
    assert_eq!(user.asked(), [format!("bootout {target}")]);
    assert!(service(&user, &["uninstall"]).fine().contains("nothing to do"));
    assert!(service(&user, &["status"]).out.contains("not installed"));
}

#[test]
fn what_it_advises_is_launchds() {
    let user = User::new();
    write(&agent(&user), "<plist/>\n");
    let ran = service(&user, &["install"]);
    ran.fails(2, &["not ours", "service install --manager launchd --force", "config.yaml"]);
    assert!(!ran.err.contains("systemctl"), "{ran:?}");

    // The agent of packages that it refuses to install is named, and printed for that.
    let file = "launchd/socket-activated/dev.dossier.dossierd.plist";
    let print = "dossierd service print --manager launchd --socket-activated > ";
    service(&user, &["install", "--socket-activated"]).fails(64, &[file, print, "bootstrap gui/"]);
    let text = service(&user, &["print", "--socket-activated"]).fine();
    let expected = packaging(file);
    let (head, rest) = expected.split_once("<!--\n").unwrap();
    let expected = format!("{head}{}", rest.split_once("-->\n").unwrap().1)
        .replace("@BINARY@", BINARY)
        .replace("@HOME@", &user.home().display().to_string())
        .replace("@UID@", &rustix::process::geteuid().as_raw().to_string());
    assert_eq!(text, expected);
    service(&user, &["print", "--hardened"]).fails(64, &["--hardened"]);
}

#[test]
fn it_goes_again() {
    let user = User::new();
    let (_, target) = target();
    assert!(service(&user, &["uninstall"]).fine().contains("nothing to do"));
    service(&user, &["install"]).fine();
    user.asked();
    let said = service(&user, &["uninstall"]).fine();
    assert!(said.contains("stay"), "{said}");
    assert_eq!(user.asked(), [format!("bootout {target}")]);
    assert!(!agent(&user).exists());

    let mut command = user.command(&["service", "install", "--manager", "launchd"]);
    command.env("DOSSIERD_HOME", "/elsewhere/d&d");
    assert_eq!(user.run(command).code, 0);
    let said = service(&user, &["uninstall"]).fine();
    let expected = "State in /elsewhere/d&d/state, configuration in /elsewhere/d&d/config";
    assert!(said.contains(expected), "the agent's, not the shell's: {said}");

    write(&agent(&user), "<plist/>\n");
    let ran = service(&user, &["uninstall"]);
    assert_eq!((ran.code, agent(&user).exists()), (1, true), "{ran:?}");
    let ran = service(&user, &["status"]);
    assert_eq!((ran.code, ran.out.contains("(service install)")), (1, false), "{ran:?}");
    let json = service(&user, &["status", "--json"]).json();
    let unit = &json["units"][0];
    assert_eq!((&unit["state"], unit["origin"].is_null()), (&"foreign".into(), true), "{json}");
}
