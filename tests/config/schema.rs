//! The JSON schema, held against the reader by a validator.

use serde_json::{Value, json};
use tower_breaker::config::{Config, SCHEMA};

use super::{
    corpus::{BY_ITSELF, IN_JSON, TOGETHER},
    validator::Validator,
};

fn of_toml(text: &str) -> Value {
    toml::from_str(text).expect("well formed")
}

// I8
#[test]
fn the_schema_refuses_what_is_wrong_by_itself() {
    let validator = Validator::new();
    let passes = |(text, _): &&(&str, &str)| validator.refuses(&of_toml(text)).is_none();
    let passed: Vec<_> = BY_ITSELF.iter().filter(passes).collect();
    assert!(passed.is_empty(), "{passed:#?}");
}

// I8
#[test]
fn the_schema_refuses_what_is_wrong_in_json_only() {
    let validator = Validator::new();
    let read = |text| serde_json::from_str(text).ok();
    let passes = |file: &Value| validator.refuses(file).is_none();
    let texts = IN_JSON.iter().map(|(text, _)| *text);
    let passed: Vec<_> = texts
        .filter(|text| read(text).as_ref().is_some_and(passes))
        .collect();
    // Of a key that is there twice, it sees one. And 1.0 is a whole number in JSON.
    assert_eq!(
        passed,
        [
            r#"{ "circuits": { "a": { "permits": 1, "permits": 1 } } }"#,
            r#"{ "circuits": {}, "circuits": {} }"#,
            r#"{ "circuits": { "a": { "permits": 1.0 } } }"#,
        ],
    );
}

// I8
#[test]
fn the_schema_knows_how_long_a_time_may_be() {
    let validator = Validator::new();
    for (digits, spaces, is_good) in [
        (15, 47, true),
        (16, 1, false),
        (1, 61, true),
        (1, 62, false),
    ] {
        let (digits, spaces) = ("9".repeat(digits), " ".repeat(spaces));
        let time = format!("{digits}ns{spaces}");
        let file = json!({ "circuits": { "a": { "open_for": &time } } });
        assert_eq!(validator.refuses(&file).is_none(), is_good, "{file}");
        assert_eq!(Config::read(file).is_ok(), is_good, "{time:?}");
    }
}

// I8
#[test]
fn the_schema_knows_how_long_a_name_may_be() {
    let validator = Validator::new();
    for (length, is_good) in [(256, true), (257, false)] {
        let name = "n".repeat(length);
        for file in [
            json!({ "circuits": { &name: {} } }),
            json!({ "matching": [{ "names": &name }] }),
        ] {
            assert_eq!(validator.refuses(&file).is_none(), is_good, "{file}");
            assert_eq!(Config::read(file).is_ok(), is_good, "{length}");
        }
    }
}

// I8: a byte order mark is a space to a schema, and none to Unicode.
#[test]
fn the_schema_and_we_know_the_same_blank_names() {
    let validator = Validator::new();
    for (name, is_good) in [(" ", false), ("\u{feff}", false), ("\u{feff}a", true)] {
        for file in [
            json!({ "circuits": { name: {} } }),
            json!({ "matching": [{ "names": name }] }),
            json!({ "caps": [{ "names": name, "at_most": 0.5 }] }),
        ] {
            assert_eq!(validator.refuses(&file).is_none(), is_good, "{file}");
            assert_eq!(Config::read(file).is_ok(), is_good, "{name:?}");
        }
    }
}

// I8: the list of what it cannot say has nothing in it that it can.
#[test]
fn the_schema_says_nothing_of_what_is_wrong_together() {
    let validator = Validator::new();
    for (text, _) in TOGETHER {
        assert_eq!(validator.refuses(&of_toml(text)), None, "{text}");
    }
}

// I8: each default is one that may be written.
#[test]
fn a_file_of_all_defaults_is_good() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("is JSON");
    let keys = schema["$defs"]["circuit"]["properties"].as_object();
    let mut circuits = serde_json::Map::new();
    for (key, of_key) in keys.expect("keys") {
        if let Some(default) = of_key.get("default") {
            let mut circuit = json!({ key: default });
            if key == "time_window_buckets" {
                circuit["time_window"] = json!("1m");
            }
            if key == "consecutive_failures" {
                circuit["failure_rate"] = json!(0.5);
            }
            circuits.insert(key.clone(), circuit);
        }
    }
    assert!(circuits.len() > 15);
    let file = json!({ "$schema": "tower-breaker.schema.json", "circuits": circuits });
    assert_eq!(Validator::new().refuses(&file), None);
    Config::read(file).expect("makes sense");
}
