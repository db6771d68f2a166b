use super::*;
use crate::cli::wire::FeatureRow;

fn row(id: &str, parity: &str) -> FeatureRow {
    FeatureRow {
        id: id.into(),
        slug: format!("slug-{id}"),
        completeness_status: "complete".into(),
        parity_status: parity.into(),
        ..FeatureRow::default()
    }
}

fn features(rows: &[(&str, &str)]) -> Features {
    let features = rows.iter().map(|(id, parity)| row(id, parity)).collect();
    Features { features, ..Features::default() }
}

fn app(rows: &[(&str, &str)]) -> App {
    let mut app = App::new(features(rows), "then".into(), String::new());
    app.fit(80, 10);
    app
}

fn update(app: &mut App, rows: &[(&str, &str)]) {
    app.news(News::Features(Box::new(features(rows)), "now".into()));
}

/// Presses keys as they are typed; gives all that came of them.
fn press(app: &mut App, typed: &str) -> Vec<Effect> {
    let key = |c: char| match c {
        '\n' => Key::Enter,
        '\x1b' => Key::Esc,
        '\x7f' => Key::Backspace,
        '\t' => Key::Tab,
        c if c.is_ascii_control() => Key::Ctrl(char::from(c as u8 + b'a' - 1)),
        c => Key::Char(c),
    };
    typed.chars().filter_map(|c| app.key(key(c))).collect()
}

fn chosen(app: &App) -> &str {
    app.listing.chosen().map_or("", |row| &row.id)
}

fn message(app: &App) -> String {
    let line = app.message.clone().unwrap_or_default();
    line.spans().map(|(_, text)| text).collect()
}

const THREE: [(&str, &str); 3] = [("a", "in_sync"), ("b", "in_sync"), ("c", "in_sync")];

#[test]
fn keys_choose_and_the_choice_stays_when_the_order_changes() {
    let mut app = app(&THREE);
    for (typed, expected) in
        [("j", "b"), ("jj", "c"), ("k", "b"), ("g", "a"), ("G", "c"), (" ", "c"), ("\x02", "a")]
    {
        assert_eq!(press(&mut app, typed), []);
        assert_eq!(chosen(&app), expected, "{typed:?}");
    }
    app.key(Key::Down);
    update(&mut app, &[("a", "in_sync"), ("b", "in_sync"), ("c", "drifted")]);
    assert_eq!(chosen(&app), "b");
    press(&mut app, "g");
    assert_eq!(chosen(&app), "c", "what needs attention is first");
}

#[test]
fn a_feature_is_opened_read_and_left() {
    for (enter, leave) in [("\n", "\x1b"), ("l", "h"), ("\n", "\x7f")] {
        let mut app = app(&THREE);
        assert_eq!(press(&mut app, &format!("j{enter}")), [Effect::Look(Some("b".into()))]);
        assert_eq!(app.detail.as_ref().map(|detail| detail.id.as_str()), Some("b"));
        assert_eq!(press(&mut app, leave), [Effect::Look(None)]);
        assert!(app.detail.is_none());
        assert_eq!(chosen(&app), "b");
    }
    assert_eq!(press(&mut app(&[]), "\nr"), [], "there is nothing to open or scan");
}

#[test]
fn only_what_is_looked_at_is_shown_and_the_place_on_its_page_is_kept() {
    let mut app = app(&THREE);
    press(&mut app, "\n");
    let overview = |id: &str, missing: u64| {
        let overview = Overview {
            feature_id: id.into(),
            missing_required_count: missing,
            completeness_status: "incomplete".into(),
            ..Overview::default()
        };
        News::Detail(Box::new(overview), Some(Box::default()))
    };
    let text = |app: &App| -> String {
        let lines = app.detail.as_ref().unwrap().visible();
        lines.iter().flat_map(Line::spans).map(|(_, text)| text).collect()
    };
    app.fit(80, 6);
    app.news(overview("b", 7));
    assert!(text(&app).contains("reading …"), "{}", text(&app));
    app.news(overview("a", 3));
    assert!(text(&app).contains("3 required artifacts are"), "{}", text(&app));
    press(&mut app, "jj");
    let place = app.detail.as_ref().unwrap().hidden();
    assert_eq!(place.0, 2);
    app.news(overview("a", 4));
    assert_eq!(app.detail.as_ref().unwrap().hidden(), place);
    assert!(text(&app).contains("4 required artifacts are"), "{}", text(&app));
    press(&mut app, "G");
    assert_eq!(app.detail.as_ref().unwrap().hidden().1, 0);
    // It goes, and what was read of it stays.
    update(&mut app, &THREE[1..]);
    assert!(app.detail.as_ref().unwrap().is_gone());
    app.news(News::NoDetail("a".into(), "unknown\x1b".into()));
    press(&mut app, "g");
    assert!(text(&app).contains("✗ unknown\\u{1b}"), "{}", text(&app));
}

#[test]
fn a_filter_is_typed_kept_and_cleared() {
    let mut app = app(&THREE);
    assert_eq!(press(&mut app, "/qr?-c"), []);
    assert!(app.is_typing && chosen(&app).is_empty());
    press(&mut app, "\x15g-c");
    assert_eq!((app.listing.search(), chosen(&app)), ("g-c", "c"));
    press(&mut app, "\x7fb\n");
    assert_eq!((app.is_typing, app.listing.search(), chosen(&app)), (false, "g-b", "b"));
    press(&mut app, "\x1b");
    assert_eq!((app.listing.search(), chosen(&app)), ("", "b"));
    press(&mut app, "/x\x1b");
    assert_eq!((app.is_typing, app.listing.search()), (false, ""));
    press(&mut app, "\t");
    assert_eq!((app.listing.filter(), chosen(&app)), (Filter::Attention, ""));
    press(&mut app, "\t");
    assert_eq!((app.listing.filter(), chosen(&app)), (Filter::All, "b"));
    let app = App::new(features(&THREE), String::new(), "SLUG-c".into());
    assert_eq!(chosen(&app), "c");
}

#[test]
fn a_rescan_runs_once_at_a_time_and_its_answer_is_shown() {
    let mut app = app(&THREE);
    assert_eq!(press(&mut app, "jr"), [Effect::Rescan("b".into())]);
    assert_eq!(message(&app), "… rescanning slug-b");
    assert_eq!(press(&mut app, "r"), [], "it runs already");
    assert_eq!(press(&mut app, "gr"), [Effect::Rescan("a".into())]);
    let now = Overview {
        completeness_status: "complete".into(),
        parity_status: "in_sync".into(),
        ..Overview::default()
    };
    app.news(News::Rescanned("b".into(), Ok(Box::new(now))));
    assert_eq!(message(&app), "rescanned slug-b: ✓ complete, ✓ in sync");
    app.news(News::Rescanned("a".into(), Err("busy".into())));
    assert_eq!(message(&app), "✗ slug-a: busy");
    assert_eq!(
        press(&mut app, "\nr"),
        [Effect::Look(Some("a".into())), Effect::Rescan("a".into())]
    );
    press(&mut app, "j");
    assert_eq!(message(&app), "", "until the next key");
}

#[test]
fn it_is_quit_from_everywhere() {
    for before in ["", "\n", "?", "/\n"] {
        let mut app = app(&THREE);
        press(&mut app, before);
        assert_eq!(press(&mut app, "q"), [Effect::Quit], "{before:?}");
    }
    for before in ["", "\n", "?", "/abc"] {
        let mut app = app(&THREE);
        press(&mut app, before);
        assert_eq!(press(&mut app, "\x03"), [Effect::Quit], "{before:?}");
        assert_eq!(press(&mut app, "\x1a\x0c"), [Effect::Suspend, Effect::Repaint], "{before:?}");
    }
    let mut app = app(&THREE);
    assert_eq!(press(&mut app, "?j"), []);
    assert_eq!(
        (app.is_helping, chosen(&app)),
        (false, "a"),
        "any key closes the help, and no more"
    );
}

#[test]
fn the_connection_is_told_and_comes_back_quietly() {
    let mut app = app(&THREE);
    assert_eq!(app.connection(), Connection::Starting);
    app.news(News::StreamBack);
    assert_eq!(app.connection(), Connection::Live);
    app.news(News::StreamLost("cut".into()));
    assert_eq!(app.connection(), Connection::Polled("cut".into()));
    app.news(News::Unreachable("gone".into()));
    assert_eq!(app.connection(), Connection::Lost("gone".into()));
    assert_eq!((chosen(&app), app.as_of.as_str()), ("a", "then"), "what was read stays");
    update(&mut app, &THREE);
    assert_eq!(app.connection(), Connection::Polled("cut".into()));
    app.news(News::StreamBack);
    assert_eq!((app.connection(), app.as_of.as_str()), (Connection::Live, "now"));
    assert!(app.message.is_none());
}
