//! `dossierd service install`, `status` and `print` under systemd, and what `doctor` says of it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::kit::{BINARY, mode, write};
use crate::service_manager::{User, body, packaging};

const SERVICE: &str = "dossierd.service";
const SOCKETS: [&str; 2] = ["dossierd.socket", "dossierd-http.socket"];

/// The unit as packages have it, with the binary under test in it.
fn expected(more: &str) -> String {
    packaging("systemd/user/dossierd.service")
        .replace("ExecStart=/usr/bin/dossierd run\n", &format!("ExecStart={BINARY} run\n{more}"))
}

#[test]
fn it_is_written_enabled_and_started_once() {
    let user = User::new();
    let said = user.service(&["install"]).fine();
    assert_eq!(body(&user.unit(SERVICE)), expected(""));
    assert_eq!(mode(&user.units().join(SERVICE)), 0o644);
    let asked =
        ["--user daemon-reload", "--user enable dossierd.service", "--user start dossierd.service"];
    assert_eq!(user.asked(), asked);
    for word in ["wrote ", "ran systemctl --user daemon-reload", "loginctl enable-linger"] {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
    let names = fs::read_dir(user.units()).unwrap().count();
    assert_eq!(names, 1, "no drop-in, no socket, nothing temporary");
    let logind = fs::read_to_string(user.fake().join("asked-of-logind")).unwrap();
    assert!(!logind.contains("enable-linger"), "{logind}");

    let again = user.service(&["install"]).fine();
    assert!(again.contains("is as it should be"), "{again}");
    assert_eq!(user.asked(), asked);
    user.tell("lingers", "Linger=yes\n");
    assert!(user.service(&["install"]).fine().contains("linger is on"));
}

#[test]
fn a_dry_run_does_nothing() {
    let user = User::new();
    let args = ["install", "--dry-run", "--socket-activated", "--hardened"];
    let said = user.service(&args).fine();
    assert!(!user.home().join(".config").exists() && !user.home().join(".local").exists());
    assert_eq!(user.asked(), Vec::<String>::new());
    for word in ["would write", "hardening.conf", "would make", "would run systemctl --user enable"]
    {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
    user.service(&["install", "--no-start"]).fine();
    assert_eq!(user.asked(), ["--user daemon-reload"]);
    user.service(&["uninstall", "--dry-run"]).fine();
    assert!(user.units().join(SERVICE).exists());
    assert_eq!(user.asked(), Vec::<String>::new());
}

#[test]
fn a_binary_of_any_name_is_quoted_or_refused() {
    let user = User::new();
    let dir = user.path().join("a b%c$d;#e");
    user.named(&dir);
    let mut command = user.command(&["service", "install"]);
    command.env("PATH", user.path_with(&dir));
    user.run(command).fine();
    let root = user.path();
    let line = format!("ExecStart=\"{}/a b%%c$d;#e/dossierd\" run\n", root.display());
    assert!(user.unit(SERVICE).contains(&line), "no {line} in {}", user.unit(SERVICE));

    for (name, words) in [
        ("a\nb", ["a\\u{a}b", "control character", "hint: "]),
        ("a\"b", ["a\"b", "quote or backslash", "hint: "]),
    ] {
        let dir = user.path().join(name);
        user.named(&dir);
        let mut command = user.command(&["service", "install", "--force"]);
        command.env("PATH", user.path_with(&dir));
        user.asked();
        user.run(command).fails(2, &words);
        assert_eq!(user.asked(), Vec::<String>::new());
    }
}

#[test]
fn the_daemons_home_goes_with_it() {
    let user = User::new();
    let home = user.path().join("my home");
    let mut command = user.command(&["service", "install", "--socket-activated", "--hardened"]);
    let said = user.run({
        command.env("DOSSIERD_HOME", &home);
        command
    });
    assert!(said.fine().contains("DOSSIERD_HOME="));
    let shown = home.display();
    let line = format!("Environment=\"DOSSIERD_HOME={shown}\"\n");
    assert_eq!(body(&user.unit(SERVICE)), expected(&line));
    let socket = user.unit(SOCKETS[0]);
    assert!(socket.contains(&format!("\nListenStream={shown}/run/dossierd.sock\n")), "{socket}");
    let hardening = user.unit("dossierd.service.d/hardening.conf");
    let usual = "ReadWritePaths=-%h/.local/state/dossierd";
    let lines = format!("\n{usual}\nReadWritePaths=\"{shown}\"\n");
    assert!(hardening.contains(&lines), "{hardening}");
    assert_eq!(mode(&home), 0o700, "the sandbox needs it to be there");
}

#[test]
fn places_of_xdg_go_with_it_and_other_variables_are_named() {
    let user = User::new();
    let state = user.path().join("s");
    let with = |args: &[&str]| {
        let mut command = user.command(args);
        command.env("XDG_STATE_HOME", &state).env("XDG_CONFIG_HOME", user.home().join(".config"));
        command.env("DOSSIERD_LOG", "debug").env("DOSSIERD_LISTEN", "127.0.0.1:0");
        user.run(command)
    };
    let said = with(&["service", "install", "--hardened"]).fine();
    for name in ["DOSSIERD_LOG", "DOSSIERD_LISTEN"] {
        assert!(said.contains(&format!("{name} is set here, and does not go")), "{said}");
    }
    let line = format!("Environment=XDG_STATE_HOME={}\n", state.display());
    assert_eq!(body(&user.unit(SERVICE)), expected(&line));
    let hardening = user.unit("dossierd.service.d/hardening.conf");
    let usual = "ReadWritePaths=-%h/.local/state/dossierd";
    let lines = format!("\n{usual}\nReadWritePaths={}/dossierd\n", state.display());
    assert!(hardening.contains(&lines), "{hardening}");
    assert_eq!(with(&["service", "status"]).code, 0);

    // What stays is told from the unit, whatever the shell has by now.
    let said = user.service(&["uninstall"]).fine();
    let shown = format!("State in {}/dossierd and configuration in ", state.display());
    assert!(said.contains(&shown), "{said}");
}

#[test]
fn what_was_changed_by_hand_is_replaced_by_force_alone() {
    let user = User::new();
    user.service(&["install"]).fine();
    let path = user.units().join(SERVICE);
    let changed = user.unit(SERVICE).replace("UMask=0077", "UMask=0022");
    for (text, word) in [(changed.as_str(), "+UMask=0022, -UMask=0077"), ("[Unit]\n", "not ours")] {
        fs::write(&path, text).unwrap();
        user.asked();
        user.service(&["install"]).fails(2, &[word, "nothing was done", "--force"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(user.asked(), Vec::<String>::new());
        user.service(&["install", "--force"]).fine();
        assert_eq!(body(&user.unit(SERVICE)), expected(""));
        let asked = user.asked();
        assert_eq!(asked.last().unwrap(), "--user restart dossierd.service", "{asked:?}");
    }
    fs::remove_file(&path).unwrap();
    symlink("/dev/null", &path).unwrap();
    user.service(&["install"]).fails(2, &["masked"]);
}

#[test]
fn a_unit_of_another_version_is_replaced() {
    let user = User::new();
    user.service(&["install"]).fine();
    let old = user.unit(SERVICE);
    let (mark, rest) = old.split_once('\n').unwrap();
    let mark = mark.replace(concat!("version ", env!("CARGO_PKG_VERSION")), "version 0.0.1");
    fs::write(user.units().join(SERVICE), format!("{mark}\n{rest}")).unwrap();
    let said = user.service(&["install"]).fine();
    assert!(said.contains("of version 0.0.1"), "{said}");
    assert_eq!(user.unit(SERVICE), old);
}

#[test]
fn a_systemd_that_cannot_be_reached_is_told() {
    let user = User::new();
    user.tell("unreachable", "");
    let ran = user.service(&["install"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for word in ["No medium found", "Left to do:", "  systemctl --user enable dossierd.service"] {
        assert!(ran.out.contains(word), "no {word:?} in {}", ran.out);
    }
    assert_eq!(body(&user.unit(SERVICE)), expected(""));
    assert_eq!(user.service(&["status"]).code, 2);

    let elsewhere = user.path().join("xdg");
    let mut command = user.command(&["service", "install"]);
    command.env("XDG_CONFIG_HOME", &elsewhere);
    assert_eq!(user.run(command).code, 1);
    assert!(elsewhere.join("systemd/user").join(SERVICE).is_file());

    for name in ["systemctl", "launchctl"] {
        fs::remove_file(user.bin().join(name)).unwrap();
    }
    user.service(&["install"])
        .fails(2, &["no systemd", "systemctl is not in PATH", "dossierd run"]);
    user.service(&["install", "--manager", "launchd"]).fails(2, &["no launchd", "launchctl"]);
}

#[test]
fn a_systemd_that_hangs_holds_nobody_up() {
    let user = User::new();
    user.tell("hangs", "");
    let ran = user.service(&["install"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("did not answer within 5 seconds"), "{}", ran.out);
    assert!(ran.out.contains("  systemctl --user start dossierd.service"), "{}", ran.out);
    // One question without an answer is enough: none follows, and nothing is asked for.
    let asked = fs::read_to_string(user.fake().join("asked")).unwrap();
    assert_eq!(asked, "--user show --property=UnitPath\n");
}

#[test]
fn a_failure_is_told_harmlessly_and_the_rest_is_left() {
    let user = User::new();
    user.tell("fails-enable", "no\x1b[31m such\nunit\n");
    let ran = user.service(&["install"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for word in [
        "systemctl --user enable dossierd.service: systemctl failed: no\\u{1b}[31m such; unit",
        "  systemctl --user start dossierd.service",
        "  journalctl --user",
    ] {
        assert!(ran.out.contains(word), "no {word:?} in {}", ran.out);
    }
    assert!(!ran.out.contains('\x1b'));
}

#[test]
fn a_directory_that_others_can_change_gets_no_unit() {
    let user = User::new();
    fs::create_dir_all(user.units()).unwrap();
    fs::set_permissions(user.units(), fs::Permissions::from_mode(0o777)).unwrap();
    let hint = format!("chmod go-w {}", user.units().display());
    user.service(&["install"]).fails(2, &["others may write in", &hint]);
    assert!(!user.units().join(SERVICE).exists());
    assert_eq!(user.asked(), Vec::<String>::new());
    fs::set_permissions(user.units(), fs::Permissions::from_mode(0o755)).unwrap();
    user.service(&["install"]).fine();
}

#[test]
fn a_packages_unit_is_enabled_and_not_shadowed() {
    let user = User::new();
    let unit = packaging("systemd/user/dossierd.service");
    user.tell("packaged/dossierd.service", &unit);
    let said = user.service(&["install"]).fine();
    assert!(said.contains("came with a package") && said.contains("it runs /usr/bin/dossierd"));
    assert!(!user.units().join(SERVICE).exists());
    assert_eq!(user.asked()[1], "--user enable dossierd.service");
    let status = user.service(&["status", "--json"]).json();
    assert_eq!(status["units"][0]["origin"], "package");

    // One of ours from before the package goes.
    user.untell("packaged/dossierd.service");
    user.service(&["install"]).fine();
    user.tell("packaged/dossierd.service", &unit);
    let mut command = user.command(&["service", "install"]);
    command.env("DOSSIERD_HOME", "/data/d");
    user.run(command).fine();
    assert!(!user.units().join(SERVICE).exists());
    let drop_in = user.unit("dossierd.service.d/environment.conf");
    assert!(
        body(&drop_in).ends_with("[Service]\nEnvironment=DOSSIERD_HOME=/data/d\n"),
        "{drop_in}"
    );
}

#[test]
fn status_says_how_it_stands() {
    let user = User::new();
    let ran = user.service(&["status"]);
    assert_eq!((ran.code, ran.out.contains("not installed")), (1, true), "{ran:?}");
    user.service(&["install"]).fine();
    user.tell("pid/dossierd.service", "4711\n");
    user.tell("since/dossierd.service", "Mon 2026-11-23 06:32:02 UTC\n");
    user.tell("sub/dossierd.service", "running\n");
    let ran = user.service(&["status"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for word in [
        "dossierd.service: active (running), enabled",
        "4711, since Mon 2026-11-23 06:32:02 UTC",
        "nothing answers",
        "loginctl enable-linger",
        BINARY,
    ] {
        assert!(ran.out.contains(word), "no {word:?} in {}", ran.out);
    }
    let json = user.service(&["status", "--json"]).json();
    assert_eq!((&json["pid"], &json["linger"]), (&4711.into(), &false.into()), "{json}");
    assert_eq!(json["units"][0]["state"], "current");

    user.tell("active/dossierd.service", "failed\n");
    assert_eq!(user.service(&["status"]).code, 1);
    user.tell("active/dossierd.service", "active\n");
    let path = user.units().join(SERVICE);
    write(&path, user.unit(SERVICE).replace("UMask=0077", "UMask=0022"));
    let ran = user.service(&["status"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let line =
        "changed by hand (+UMask=0022, -UMask=0077); dossierd service install --force, after";
    assert!(ran.out.contains(line), "{}", ran.out);
    user.service(&["install"]).fails(2, &["--force"]);
}

#[test]
fn nobody_is_said_to_have_brought_a_unit_that_is_not_ours() {
    let user = User::new();
    fs::create_dir_all(user.units()).unwrap();
    let path = user.units().join(SERVICE);
    write(&path, "[Service]\nExecStart=/opt/own/dossierd run\n");
    let status = |words: &[&str]| {
        let ran = user.service(&["status"]);
        assert_eq!((ran.code, ran.out.contains("(service install)")), (1, false), "{ran:?}");
        for word in words {
            assert!(ran.out.contains(word), "no {word:?} in {}", ran.out);
        }
        let json = user.service(&["status", "--json"]).json();
        assert!(json["units"][0]["origin"].is_null(), "{json}");
        json["units"][0]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(status(&["is not ours", "dossierd service install --force"]), "foreign");

    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/null", &path).unwrap();
    let unmask = "systemctl --user unmask dossierd.service; then: dossierd service install";
    assert_eq!(status(&["dossierd.service is masked", unmask]), "masked");
    assert!(!user.service(&["status"]).out.contains("--force"));
    user.service(&["install"]).fails(2, &["is masked", "systemctl --user unmask dossierd.service"]);
    let ran = user.service(&["uninstall"]);
    assert!(ran.code == 1 && path.is_symlink(), "{ran:?}");
}

#[test]
fn print_shows_what_install_writes() {
    let user = User::new();
    let printed = user.service(&["print", "--socket-activated", "--hardened"]).fine();
    user.service(&["install", "--socket-activated", "--hardened"]).fine();
    for name in [SERVICE, SOCKETS[0], SOCKETS[1], "dossierd.service.d/hardening.conf"] {
        let text = user.unit(name);
        let shown = format!("# {}\n{text}", user.units().join(name).display());
        assert!(printed.contains(&shown), "{printed}");
    }
    assert_eq!(fs::read_dir(user.units()).unwrap().count(), 4);
}

#[test]
fn doctor_tells_drift_failure_and_the_end_of_the_session() {
    let user = User::new();
    let check = |name: &str| {
        let ran = user.run(user.command(&["doctor", "--json"]));
        let checks = ran.json()["checks"].as_array().expect("is a list").clone();
        let found = checks.into_iter().find(|check| check["name"] == name);
        let found = found.unwrap_or_else(|| panic!("no {name}: {}", ran.out));
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        (text("status"), text("message"), text("hint"))
    };
    assert_eq!(check("service").1, "not installed as a service");
    user.service(&["install"]).fine();
    assert_eq!(check("service").0, "ok");
    assert_eq!(check("service files").0, "ok");
    assert_eq!(check("service program").0, "ok");
    let (status, _, hint) = check("linger");
    assert_eq!((status.as_str(), hint.contains("loginctl enable-linger")), ("warn", true));
    user.tell("lingers", "Linger=yes\n");
    assert_eq!(check("linger").0, "ok");

    user.tell("active/dossierd.service", "failed\n");
    user.tell("result/dossierd.service", "exit-code\n");
    let (status, message, hint) = check("service");
    assert_eq!(status, "fail");
    assert!(message.contains("exit-code") && hint.contains("journalctl"), "{message} {hint}");

    let path = user.units().join(SERVICE);
    let text = user.unit(SERVICE);
    write(&path, text.replace(BINARY, "/nowhere/dossierd"));
    assert_eq!(check("service program").0, "fail");
    write(&path, text.replace(BINARY, "/bin/sh"));
    let (status, _, of_program) = check("service program");
    assert_eq!(status, "warn");
    let (status, message, hint) = check("service files");
    assert_eq!(status, "warn");
    assert_eq!(of_program, hint, "a plain install would be refused");
    write(&path, "[Service]\nExecStart=/bin/sh\n");
    assert_eq!(check("service program").2, check("service files").2);
    assert!(
        message.contains("+ExecStart=/bin/sh run") && hint.contains("--force"),
        "{message} {hint}"
    );
}
