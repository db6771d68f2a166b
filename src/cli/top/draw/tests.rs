use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::*;
use crate::cli::render::escape::is_hostile;
use crate::cli::top::app::News;
use crate::cli::top::key::Key;
use crate::cli::wire::{Drift, Features, Overview};

fn features() -> Features {
    serde_json::from_str(
        r#"{"features":[
          {"id":"f1","slug":"a-fine","current_step":"done","completeness_status":"complete","parity_status":"in_sync","watch":{"state":"live"},"artifact_total":12},
          {"id":"f2","slug":"b-open","current_step":"plan","completeness_status":"incomplete","parity_status":"no_baseline","missing_required_count":2,"watch":{"state":"live"},"artifact_total":3},
          {"id":"f3","slug":"c\u001b[31m\u202e漢字","completeness_status":"unknown","parity_status":"drifted","severity":"warning","watch":{"state":"polling"},"artifact_total":1}],
        "health":{"ready":true,"version":"0.1.0","overflows":1}}"#,
    )
    .unwrap()
}

fn app() -> App {
    let mut app = App::new(features(), "2026-11-22T14:03:07.000001Z".into(), String::new());
    app.news(News::StreamBack);
    app
}

fn drawn(app: &mut App, columns: u16, rows: u16, coloured: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(app, frame, coloured)).unwrap();
    terminal.backend().buffer().clone()
}

/// The rows of the screen, without blanks at their ends.
fn text(buffer: &Buffer) -> Vec<String> {
    let row = |y: u16| -> String {
        let mut text = String::new();
        let mut skip = 0;
        for x in 0..buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            // The second cell of a wide character holds nothing of its own.
            if skip == 0 {
                text.push_str(symbol);
                skip = Line::plain(symbol).width();
            }
            skip = skip.saturating_sub(1);
        }
        text.trim_end().to_owned()
    };
    (0..buffer.area.height).map(row).collect()
}

fn screen(app: &mut App, columns: u16, rows: u16) -> Vec<String> {
    text(&drawn(app, columns, rows, true))
}

#[test]
fn the_list_has_the_columns_and_the_order_of_status() {
    let expected = "\
dossierd  3 features  ! attention 2  ≠ drifted 1  ✗ incomplete 1
  FEATURE                  STEP  COMPLETENESS  MISSING  PARITY         WATCH
› c\\u{1b}[31m\\u{202e}漢字  –     ? unknown           0  ≠ drifted      ! polling
  b-open                   plan  ✗ incomplete        2  · no baseline  ✓ live
  a-fine                   done  ✓ complete          0  ✓ in sync      ✓ live



✓ live  · info file events were lost 1 time
? help  q quit  Enter open  / filter  r rescan";
    assert_eq!(screen(&mut app(), 80, 10).join("\n"), expected);
}

#[test]
fn a_small_screen_shows_how_things_are_before_all_else() {
    let mut app = app();
    let lines = screen(&mut app, 40, 10);
    assert!(lines[2].starts_with("› c\\u{1b}") && lines[2].contains("≠ drifted"), "{lines:?}");
    assert!(lines[3].contains("b-open") && lines[3].contains("✗ incomplete"), "{lines:?}");
    assert!(lines[9].starts_with("? help  q quit"), "{lines:?}");
    app.key(Key::Char('?'));
    let help = screen(&mut app, 40, 10).join("\n");
    for (keys, what) in HELP {
        assert!(help.contains(keys) && help.contains(what), "no {keys} in\n{help}");
    }
}

/// A feature with everything, in names that want to do harm.
fn full() -> News {
    let overview: Overview = serde_json::from_str(
        r#"{"feature_slug":"c\u001b[31m\u202e漢字","feature_id":"f3","completeness_status":"incomplete","missing_required_count":1,
          "parity_status":"drifted","parity_hash_sha256":"e3b0c44298fc1c149afb","tree_hash":"aabbccddeeff0011",
          "current_step":"plan","step_source":"explicit","artifact_counts":{"required":3,"required_present":2},
          "steps":[{"step_id":"specify","status":"complete"},{"step_id":"plan","current":true,"status":"incomplete"}],
          "missing":[{"artifact_key":"k","path_patterns":["plan\u009b.md"],"manifest_step":"plan","reason_code":"not_found","blocking":true,"remediation_hint":"write plan.md"}],
          "baseline":{"captured_at":"2026-11-20T10:00:00Z","note":"by \u0007Ana","accepted":true},"watch":{"state":"live"}}"#,
    )
    .unwrap();
    let drift: Drift = serde_json::from_str(
        r#"{"feature_slug":"c","parity_status":"drifted","severity":"warning","names_known":true,"changed":["spec\u0000.md"]}"#,
    )
    .unwrap();
    News::Detail(Box::new(overview), Some(Box::new(drift)))
}

#[test]
fn the_detail_has_all_there_is_to_know() {
    let mut app = app();
    app.key(Key::Enter);
    assert!(screen(&mut app, 80, 24).join("\n").contains("reading …"));
    app.news(full());
    let text = screen(&mut app, 80, 44).join("\n");
    for words in [
        "c\\u{1b}[31m\\u{202e}漢字",
        "✗ incomplete, 1 required artifact is missing",
        "2 of 3 required present",
        "parity e3b0c44298fc, tree aabbccddeeff",
        "captured 2026-11-20 10:00:00Z, “by \\u{7}Ana”",
        "write plan.md",
        "! warning",
        "changed  spec\\u{0}.md",
        "Esc back",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
}

#[test]
fn the_footer_tells_how_the_daemon_can_be_reached() {
    let mut app = app();
    app.news(News::Unreachable("no daemon".into()));
    let lines = screen(&mut app, 80, 10);
    let away = "✗ the daemon is away, trying again; shown as of 2026-11-22 14:03:07Z";
    assert_eq!(lines[8], away);
    assert!(lines[3].contains("b-open"), "what was read stays: {lines:?}");
    app.news(News::Features(Box::new(features()), String::new()));
    app.news(News::StreamLost("too many".into()));
    assert!(screen(&mut app, 80, 10)[8].starts_with("! asking now and then: too many"));
    app.news(News::StreamBack);
    app.key(Key::Char('r'));
    assert!(screen(&mut app, 80, 10)[8].starts_with("✓ live  … rescanning c\\u{1b}"));
}

#[test]
fn what_is_typed_is_shown_with_the_cursor_behind_it() {
    let mut app = app();
    app.key(Key::Char('/'));
    for c in "b-o\u{9b}".chars() {
        app.key(Key::Char(c));
    }
    let mut terminal = Terminal::new(TestBackend::new(40, 10)).unwrap();
    terminal.draw(|frame| draw(&mut app, frame, true)).unwrap();
    terminal.backend_mut().assert_cursor_position(Position::new(10, 8));
    let lines = text(terminal.backend().buffer());
    assert_eq!(lines[8], "/b-o\\u{9b}");
    assert!(lines[1].starts_with("no feature is like this"), "{lines:?}");
    app.key(Key::Backspace);
    app.key(Key::Enter);
    let lines = screen(&mut app, 80, 10);
    assert!(lines[2].starts_with("› b-open") && lines[0].ends_with("1 shown"), "{lines:?}");
    assert!(lines[9].ends_with("filter: b-o"), "{lines:?}");
}

#[test]
fn nothing_registered_says_what_to_do() {
    let mut app = App::new(Features::default(), String::new(), String::new());
    let text = screen(&mut app, 40, 10).join(" ");
    assert!(text.contains("dossierd add PATH"), "{text}");
}

#[test]
fn without_colour_everything_is_said_all_the_same() {
    let mut app = app();
    let (coloured, plain) = (drawn(&mut app, 80, 10, true), drawn(&mut app, 80, 10, false));
    assert_eq!(text(&coloured), text(&plain));
    let colours = |buffer: &Buffer| {
        buffer
            .content
            .iter()
            .filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
            .count()
    };
    assert!(colours(&coloured) > 0);
    assert_eq!(colours(&plain), 0);
}

#[test]
fn no_size_is_too_small_and_nothing_hostile_reaches_a_cell() {
    for state in 0..5 {
        let mut app = app();
        match state {
            1 => drop(app.key(Key::Char('?'))),
            2 => {
                app.key(Key::Enter);
                app.news(full());
            }
            3 => {
                app.key(Key::Char('/'));
                "\u{202e}漢字 very long indeed \u{85}"
                    .chars()
                    .for_each(|c| drop(app.key(Key::Char(c))));
            }
            4 => app.news(News::StreamLost("\u{1b}]0;x\u{7}".into())),
            _ => {}
        }
        for columns in 0..90 {
            for rows in [0, 1, 2, 3, 4, 5, 10, 24] {
                let buffer = drawn(&mut app, columns, rows, true);
                let hostile =
                    buffer.content.iter().any(|cell| cell.symbol().chars().any(is_hostile));
                assert!(!hostile, "state {state} at {columns}x{rows}");
            }
        }
    }
}
