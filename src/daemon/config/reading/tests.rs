//! What is read, and what is refused with which words.

use super::super::{TcpAuth, keys::Takes};
use super::*;
use crate::watch::BackendChoice;

fn reads(text: &str) -> Reading {
    let (reading, problems) = read(text);
    assert_eq!(problems, [], "{text:?}");
    reading
}

fn config(text: &str) -> Config {
    reads(text).config
}

fn refused(text: &str) -> Vec<String> {
    let (_, problems) = read(text);
    assert_ne!(problems, [], "{text:?}");
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn empty_and_comments_are_the_defaults() {
    for text in ["", "\n", "# nothing\n", "{}\n", "log:\nlimits:\nsync: {webhook: }\n", "~\n"] {
        assert_eq!(config(text), Config::default(), "{text:?}");
    }
}

#[test]
fn known_keys_are_read_with_their_lines() {
    let text = "listen: 127.0.0.1:0\ntcp_auth: none\nallowed_hosts: [box.test]\nlog: debug\n\
                watch: {backend: notify}\nlimits:\n  streams: 3\n";
    let reading = reads(text);
    assert_eq!(reading.config.listen, Some("127.0.0.1:0".parse().expect("an address")));
    assert_eq!(reading.config.tcp_auth, TcpAuth::None);
    assert_eq!(reading.config.allowed_hosts, ["box.test"]);
    assert_eq!(reading.config.watch.backend, BackendChoice::Notify);
    assert_eq!(reading.config.limits.streams.get(), 3);
    assert_eq!((reading.lines["watch.backend"], reading.lines["limits.streams"]), (5, 7));
}

/// Something that each key takes and that is not its default.
fn sample(key: &Key) -> String {
    match (key.name, key.takes) {
        ("listen", _) => "127.0.0.1:1".to_owned(),
        ("log", _) => "debug".to_owned(),
        ("sync.webhook.url", _) => "https://a.test".to_owned(),
        ("sync.nats.url", _) => "tls://a.test".to_owned(),
        ("watch.backend", _) => "notify".to_owned(),
        (_, Takes::Number { least, .. }) => least.to_string(),
        (_, Takes::OneOf(words)) => words[1].to_owned(),
        (_, Takes::List(_)) => "[a.test]".to_owned(),
        (_, Takes::File | Takes::Text(_)) => "x".to_owned(),
    }
}

/// A file with one key, and the address that its section needs.
fn file_with(key: &Key, value: &str) -> String {
    let mut text = String::new();
    let parts: Vec<&str> = key.name.split('.').collect();
    for (depth, part) in parts.iter().enumerate() {
        let is_last = depth + 1 == parts.len();
        let url = match (is_last, key.section(), *part) {
            (true, Some("sync.webhook"), name) if name != "url" => "    url: https://a.test\n",
            (true, Some("sync.nats"), name) if name != "url" => "    url: tls://a.test\n",
            _ => "",
        };
        let value = if is_last { format!(" {value}") } else { String::new() };
        text.push_str(&format!("{url}{}{part}:{value}\n", "  ".repeat(depth)));
    }
    text
}

#[test]
fn every_key_of_the_table_is_read_and_shown_and_takes_nothing_else() {
    let keys = KEYS.iter().filter(|key| cfg!(feature = "nats") || !key.name.contains("nats"));
    for key in keys {
        let text = file_with(key, &sample(key));
        let reading = reads(&text);
        assert_ne!(key.value(&reading.config), key.default_value(), "{text}");
        assert!(reading.lines.contains_key(key.name), "{text}");
        let problems = refused(&file_with(key, "{zz: 1}"));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(key.name), "{problems:?}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_line_and_what_was_meant() {
    let problems = refused(
        "lissten: 1\ntcp_auth: maybe\nlimits:\n  conections: 4\n  streams: 17\n  zz: 1\n\
         streams: 2\nsync:\n  webhook:\n    urrl: x\nwatch: auto\nlisten: 0.0.0.0:1\n",
    );
    let expected = [
        "line 1: unknown key `lissten`; did you mean `listen`? allowed are listen, tcp_auth",
        "line 2: tcp_auth: \"maybe\" is no way to ask; use token or none",
        "line 4: unknown key `conections` in `limits`; did you mean `connections`? allowed are",
        "line 5: limits.streams: 17 is no limit to have here; give 1 to 16",
        "line 6: unknown key `zz` in `limits`; allowed are connections, streams",
        "line 7: unknown key `streams`; did you mean `limits: {streams: …}`? allowed are",
        "line 10: unknown key `urrl` in `sync.webhook`; did you mean `url`? allowed are url,",
        "line 10: `sync.webhook` needs `url`",
        "line 11: `watch` must be keys with values, not text; allowed are backend",
        "line 12: listen: 0.0.0.0:1 is not a loopback address",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}\n{expected}");
        assert!(!problem.contains('\n'));
    }
}

#[test]
fn a_key_with_dots_is_none_and_its_nested_form_is_named() {
    for (text, expected) in [
        (
            "limits.streams: 4\nlimits: {streams: 9}\n",
            "line 1: unknown key `limits.streams`; did you mean `limits: {streams: …}`?",
        ),
        (
            "sync.webhook.url: https://a.test\n",
            "line 1: unknown key `sync.webhook.url`; did you mean `sync: {webhook: {url: …}}`?",
        ),
        (
            "sync:\n  webhook.url: https://a.test\n",
            "line 2: unknown key `webhook.url` in `sync`; did you mean `sync: {webhook: {url: …}}`?",
        ),
        (
            "sync.webhook: {url: https://a.test}\n",
            "line 1: unknown key `sync.webhook`; did you mean `sync: {webhook: …}`?",
        ),
        (
            "limits.strems: 4\n",
            "line 1: unknown key `limits.strems`; did you mean `limits: {streams: …}`?",
        ),
        (
            "limits: {limits.streams: 4}\n",
            "line 1: unknown key `limits.streams` in `limits`; did you mean `limits: {streams: …}`?",
        ),
        ("zz.yy.xx: 4\n", "line 1: unknown key `zz.yy.xx`; allowed are listen,"),
    ] {
        let problems = refused(text);
        assert!(problems.len() == 1 && problems[0].starts_with(expected), "{problems:?}");
    }
}

#[test]
fn a_log_filter_that_would_log_nothing_is_refused() {
    for text in ["\"\"", "debgu", "verbose", "true", "3"] {
        let problems = refused(&format!("log: {text}\n"));
        assert!(problems[0].starts_with("line 1: log: "), "{problems:?}");
    }
}

#[test]
fn a_back_end_that_is_not_to_be_had_is_refused_with_those_that_are() {
    let error = &refused("log: info\nwatch:\n  backend: polling\n")[0];
    assert!(error.starts_with("line 3: ") && error.contains("auto, inotify or notify"), "{error}");
    match cfg!(target_os = "linux") {
        true => {
            let read = config("watch: {backend: inotify}");
            assert_eq!(read.watch.backend, BackendChoice::Inotify);
        }
        false => assert!(refused("watch: {backend: inotify}")[0].contains("Linux only")),
    }
}

#[test]
fn what_is_no_yaml_or_no_mapping_names_its_line() {
    for text in ["a: [\n", "- a\n", "text\n", "log: a\nlog: b\n", "log: [a]\n", "log: '[['\n"] {
        let problems = refused(text);
        assert!(problems[0].starts_with("line "), "{problems:?}");
    }
}

#[test]
fn nats_is_refused_where_it_is_not_built_in() {
    let text = "sync:\n  nats: {url: 'nats://127.0.0.1'}\n";
    match cfg!(feature = "nats") {
        true => assert!(config(text).sync.nats.is_some()),
        false => assert!(refused(text)[0].contains("--features nats"), "{:?}", refused(text)),
    }
}
