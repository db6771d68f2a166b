//! What people and editors read of the configuration says what the program takes.

use std::collections::BTreeMap;

use dossierd::daemon::config::{Applies, KEYS, Key, Takes};
use serde_json::Value;

fn file(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A row of the documentation, without what is free to be worded.
fn row(key: &Key) -> [String; 5] {
    let default = match key.default_value() {
        Value::Null => "–".to_owned(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    };
    let before: Vec<String> =
        [key.flag, key.variable].into_iter().flatten().map(|name| format!("`{name}`")).collect();
    let applied = match key.applies {
        Applies::AtReload => "at reload",
        Applies::AtStart => "at start",
    };
    let before = if before.is_empty() { "–".to_owned() } else { before.join(", ") };
    [format!("`{}`", key.name), key.takes.to_string(), default, before, applied.to_owned()]
}

#[test]
fn the_documentation_has_every_key_with_what_it_takes_and_no_other() {
    let text = file("docs/configuration.md");
    let mut described: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<String> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
        // A row of a table of keys has six cells, and begins and ends with a bar.
        if let [_, key, rest @ .., about, _] = cells.as_slice()
            && key.starts_with('`')
            && rest.len() == 4
        {
            assert!(!about.is_empty(), "{line}");
            let mut row = vec![key.clone()];
            row.extend_from_slice(rest);
            assert!(described.insert(key.clone(), row).is_none(), "twice: {line}");
        }
    }
    for key in KEYS {
        let row = row(key);
        let found = described.remove(&row[0]).unwrap_or_else(|| panic!("{} is missing", key.name));
        assert_eq!(found, row);
    }
    assert!(described.is_empty(), "the program knows nothing of {described:?}");
}

#[test]
fn the_schema_has_the_defaults_and_bounds_of_the_program() {
    let schema: Value =
        serde_json::from_str(&file("static/schemas/config.schema.json")).expect("is JSON");
    for key in KEYS {
        let described = key.name.split('.').fold(&schema, |at, part| {
            let at = &at["properties"][part];
            if at["oneOf"].is_array() { &at["oneOf"][0] } else { at }
        });
        assert!(described["type"].is_string() || described["type"].is_array(), "{}", key.name);
        if !described["default"].is_null() {
            assert_eq!(described["default"], key.default_value(), "{}", key.name);
        }
        match key.takes {
            Takes::Number { least, most } => {
                assert_eq!(described["minimum"], least, "{}", key.name);
                let highest = described["maximum"].as_u64().unwrap_or(u64::MAX);
                assert_eq!(highest, most, "{}", key.name);
            }
            Takes::OneOf(words) => assert_eq!(described["enum"], serde_json::json!(words)),
            Takes::Text(_) | Takes::File | Takes::List(_) => {}
        }
    }
}
