//! `dossierd top` on a terminal: live, by its keys, and gone without a trace.

use std::fs;
use std::process::Command;

use rustix::process::Signal;

use crate::kit::{Place, Running};
use crate::terminal::Terminal;

fn top(place: &Place, args: &[&str]) -> Terminal {
    let all: Vec<&str> = ["top"].iter().chain(args).copied().collect();
    Terminal::start(place.command(&all), 24, 80)
}

/// Does the footer say so?
fn is_live(terminal: &Terminal) -> bool {
    terminal.text().lines().any(|row| row.starts_with("✓ live"))
}

/// A project with a feature in sync, one that is incomplete, and a view on them.
fn opened() -> (Place, Running, Terminal) {
    let place = Place::with_feature();
    place.write("other/meta.json", r#"{"mission_type": "software-dev", "current_step": "plan"}"#);
    let daemon = place.start_registered();
    place.run(&["baseline", "capture", "plan-me"]).fine();
    let mut terminal = top(&place, &[]);
    terminal.wait_for("both are listed", |terminal| {
        terminal.row("plan-me").contains("✓ in sync")
            && terminal.row("other").contains("✗ incomplete")
    });
    terminal.wait_for("it is live", is_live);
    (place, daemon, terminal)
}

#[test]
fn edits_are_on_the_screen_and_the_terminal_is_left_as_it_was() {
    let (place, daemon, mut terminal) = opened();
    assert!(terminal.is_alternate() && !terminal.is_restored());
    assert!(terminal.row("other").starts_with('›'), "what needs attention is first, and chosen");
    terminal.press("j");
    terminal.wait_for("the next is chosen", |terminal| terminal.row("plan-me").starts_with('›'));

    place.write("plan-me/spec.md", "# another\n");
    terminal.wait_for("it drifts", |terminal| terminal.row("plan-me").contains("≠ drifted"));
    let text = terminal.text();
    assert!(text.find("plan-me") < text.find("other"), "it went up:\n{text}");
    assert!(terminal.row("plan-me").starts_with('›'), "and stayed chosen:\n{text}");

    terminal.press("\r");
    terminal.wait_for_text("required present");
    for words in ["plan-me of", "✓ complete", "captured 20", "parity "] {
        assert!(terminal.text().contains(words), "no {words:?} in\n{}", terminal.text());
    }
    fs::remove_file(place.feature("plan-me").join("plan.md")).expect("removed");
    terminal.wait_for_text("1 required artifact is missing");
    terminal.press("G");
    terminal.wait_for_text("removed  plan.md");
    assert!(terminal.text().contains("changed  spec.md"), "{}", terminal.text());
    terminal.press("r");
    terminal.wait_for_text("rescanned plan-me: ✗ incomplete, ≠ drifted");

    terminal.press("\x1b");
    terminal.wait_for_text("COMPLETENESS");
    terminal.press("q");
    assert_eq!(terminal.wait(), Some(0));
    assert!(terminal.is_restored());
    assert_eq!(terminal.text(), "", "nothing is left on the main screen");
    daemon.stop();
}

#[test]
fn signals_end_it_and_give_the_terminal_back() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut terminal = top(&place, &[]);
        terminal.wait_for("it is live", is_live);
        assert!(!terminal.is_restored());
        terminal.signal(signal);
        assert_eq!(terminal.wait(), Some(0), "{signal:?}");
        assert!(terminal.is_restored(), "{signal:?}");
    }
    let mut terminal = top(&place, &[]);
    terminal.wait_for("it is live", is_live);
    terminal.press("\x03");
    assert_eq!(terminal.wait(), Some(0));
    assert!(terminal.is_restored());
    daemon.stop();
}

#[test]
fn it_waits_for_the_daemon_and_goes_on_by_itself() {
    let (place, daemon, mut terminal) = opened();
    daemon.stop();
    terminal.wait_for_text("✗ the daemon is away, trying again");
    // What was read stays, and the keys work.
    assert!(terminal.row("plan-me").contains("✓ in sync"), "{}", terminal.text());
    terminal.press("/plan-me");
    terminal.wait_for("it is filtered", |terminal| terminal.row("other").is_empty());
    terminal.press("\r?");
    terminal.wait_for_text("any key closes");
    terminal.press("x");
    place.write("plan-me/spec.md", "# written meanwhile\n");
    let daemon = place.start();
    terminal.wait_for("it drifts", |terminal| terminal.row("plan-me").contains("≠ drifted"));
    terminal.wait_for("it is live", is_live);
    place.write(
        "plan-me/meta.json",
        r#"{"mission_type": "software-dev", "current_step": "specify"}"#,
    );
    terminal.wait_for("the step", |terminal| terminal.row("plan-me").contains("specify"));
    terminal.press("q");
    assert_eq!(terminal.wait(), Some(0));
    daemon.stop();
}

#[test]
fn it_is_suspended_and_comes_back_at_another_size() {
    let (_place, daemon, mut terminal) = opened();
    terminal.press("\x1a");
    terminal.wait_for_stop();
    assert!(terminal.is_restored(), "the shell has the terminal");
    terminal.resize(10, 40);
    terminal.signal(Signal::CONT);
    terminal.wait_for("all is painted again", |terminal| {
        terminal.is_alternate()
            && terminal.row("plan-me").contains("✓ in sync")
            && terminal.row("FEATURE").contains("PARITY")
    });
    terminal.resize(24, 80);
    terminal.signal(Signal::WINCH);
    terminal.wait_for("it fits again", |terminal| terminal.row("FEATURE").contains("WATCH"));
    terminal.press("q");
    assert_eq!(terminal.wait(), Some(0));
    assert!(terminal.is_restored());
    daemon.stop();
}

#[test]
fn names_do_nothing_to_the_terminal_and_colour_can_be_off() {
    let place = Place::with_feature();
    place.planned("evil\x1b]0;owned\x07\u{202e}");
    let daemon = place.start_registered();
    let mut command: Command = place.command(&["top", "--filter", "evil"]);
    command.env("NO_COLOR", "1");
    let mut terminal = Terminal::start(command, 24, 80);
    terminal.wait_for_text("evil\\u{1b}]0;owned");
    assert!(terminal.row("plan-me").is_empty(), "it is filtered: {}", terminal.text());
    terminal.press("\r");
    terminal.wait_for_text("evil\\u{1b}]0;owned\\u{7}\\u{202e} of");
    terminal.press("q");
    assert_eq!(terminal.wait(), Some(0));
    let sent = String::from_utf8_lossy(terminal.sent()).into_owned();
    assert!(!sent.contains("\x1b]") && !sent.contains('\u{202e}'), "{sent:?}");
    for colour in ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[38;"] {
        assert!(!sent.contains(colour), "{colour:?} in {sent:?}");
    }
    let mut terminal = top(&place, &[]);
    terminal.wait_for("it is live", is_live);
    let sent = String::from_utf8_lossy(terminal.sent()).into_owned();
    assert!(sent.contains("\x1b[38;5;2"), "it is coloured: {sent:?}");
    terminal.press("q");
    terminal.wait();
    daemon.stop();
}

#[test]
fn where_it_cannot_be_shown_it_says_what_to_use() {
    let place = Place::new();
    let ran = place.run(&["top"]);
    ran.fails(64, &["have to be a terminal", "dossierd status", "dossierd tail"]);
    let mut dumb = Terminal::start(
        {
            let mut command = Command::new("env");
            command.args(["TERM=dumb", crate::kit::BINARY, "top"]);
            command.env("DOSSIERD_HOME", place.home());
            command
        },
        24,
        80,
    );
    assert_eq!(dumb.wait(), Some(64));
    // Without a daemon it is an error as everywhere, and the screen is never taken.
    let mut terminal = top(&place, &[]);
    assert_eq!(terminal.wait(), Some(2));
    assert!(terminal.text().contains("no daemon is running"), "{}", terminal.text());
    assert!(!String::from_utf8_lossy(terminal.sent()).contains("\x1b[?1049h"));
}
