//! The JSON schema, written from the table of keys.

use serde_json::{Value, json};

use super::{
    fleet::LONGEST_PART,
    keys::{ALLOW, CIRCUIT, EXTENDS, Key, NAMES, PARTS, Shape, Unsaid},
    lint::LINTS,
    tree::Node,
};
use crate::circuit::{builder::LONGEST_NAME, settings::Settings};

/// Its name is the one in `include_str`.
const FILE: &str = "src/config/tower-breaker.schema.json";

/// Those of humantime, but for `M`.
const UNITS: &str = "nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds|second|secs|sec|s|minutes|minute|mins|min|m\
                     |hours|hour|hrs|hr|h|days|day|d|weeks|week|wks|wk|w|months|month|years|year|yrs|yr|y";

fn schema() -> Value {
    let keys = || CIRCUIT.iter().map(|(key, _)| key).chain([&EXTENDS, &ALLOW]);
    let mut schema = table(&PARTS.iter().collect::<Vec<_>>());
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Circuits, as tower-breaker reads them");
    schema["$defs"] = json!({
        "circuit": table(&keys().collect::<Vec<_>>()),
        "pattern": table(&[&NAMES].into_iter().chain(keys()).collect::<Vec<_>>()),
        "share": {
            "anyOf": [
                { "type": "number", "exclusiveMinimum": 0, "maximum": 1 },
                { "type": "string", "pattern": share_pattern() },
            ],
        },
        "time": {
            "type": "string",
            "pattern": format!(r"^\s*([0-9]{{1,15}}(\.[0-9]{{1,15}})?\s*({UNITS})\s*)+$"),
            "maxLength": 64,
            // Above zero.
            "allOf": [{ "pattern": "[1-9]" }],
            "examples": ["30s", "250ms", "1m 30s"],
        },
    });
    schema
}

/// Above 0 % and at most 100 %.
fn share_pattern() -> String {
    let whole = r"0*100(\.0*)?";
    let part = r"0*[1-9][0-9]?(\.[0-9]*)?";
    let small = r"0*\.[0-9]*[1-9][0-9]*";
    format!(r"^({whole}|{part}|{small})\s*%$")
}

fn table(keys: &[&Key]) -> Value {
    let properties: serde_json::Map<_, _> = keys
        .iter()
        .map(|key| (key.name.to_owned(), of_key(key)))
        .collect();
    let is_required = |key: &&&Key| matches!(key.unsaid, Unsaid::Required);
    let required: Vec<_> = keys
        .iter()
        .filter(is_required)
        .map(|key| key.name)
        .collect();
    let mut table =
        json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        table["required"] = json!(required);
    }
    // Of an open time that grows.
    if keys.iter().any(|key| key.name == "factor") {
        table["dependentRequired"] = json!({ "max": ["factor"] });
    }
    table
}

fn of_key(key: &Key) -> Value {
    let mut schema = match key.shapes {
        [shape] => of_shape(shape),
        shapes => json!({ "anyOf": shapes.iter().map(of_shape).collect::<Vec<_>>() }),
    };
    schema["description"] = json!(key.about);
    if let Unsaid::Is(default) = key.unsaid {
        schema["default"] = of_node(&default(&Settings::default()));
    }
    schema
}

fn of_shape(shape: &Shape) -> Value {
    match *shape {
        Shape::Off => json!({ "const": "off" }),
        Shape::Whole(u64::MAX) => json!({ "type": "integer", "minimum": 0 }),
        Shape::Whole(most) => json!({ "type": "integer", "minimum": 0, "maximum": most }),
        Shape::Count(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Shape::Number(least) => json!({ "type": "number", "minimum": least }),
        Shape::NumberTo(least, most) => {
            json!({ "type": "number", "minimum": least, "maximum": most })
        }
        Shape::Share => json!({ "$ref": "#/$defs/share" }),
        // No pattern tells which of two times is longer.
        Shape::Time | Shape::TimeOf(..) => json!({ "$ref": "#/$defs/time" }),
        Shape::NoShare => {
            let text = json!({ "type": "string", "pattern": r"^0*(0|0\.|\.0)0*\s*%$" });
            json!({ "anyOf": [{ "const": 0 }, text] })
        }
        Shape::NoTime => {
            let pattern = format!(r"^(0|\s*(0{{1,15}}(\.0{{1,15}})?\s*({UNITS})\s*)+)$");
            json!({ "type": "string", "pattern": pattern, "maxLength": 64 })
        }
        Shape::Switch => json!({ "type": "boolean" }),
        Shape::Word(words) => json!({ "enum": words }),
        Shape::Probes => {
            let number = "0*([1-9]|[1-5][0-9]|6[0-3])";
            let pattern = format!(r"^\s*{number}\s* of \s*{number}\s*$");
            json!({ "type": "string", "pattern": pattern, "examples": ["2 of 3"] })
        }
        Shape::Text => json!({ "type": "string" }),
        Shape::Part(least) => {
            let pattern = format!("^[A-Za-z0-9_.-]{{{least},{LONGEST_PART}}}$");
            json!({ "type": "string", "pattern": pattern })
        }
        Shape::Name => {
            let mut text = name();
            text["type"] = json!("string");
            text
        }
        Shape::Texts => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Shape::Table(keys) => table(&keys.iter().collect::<Vec<_>>()),
        Shape::List(keys) => {
            json!({ "type": "array", "items": table(&keys.iter().collect::<Vec<_>>()) })
        }
        Shape::Tables(keys) => {
            let keys = keys.iter().collect::<Vec<_>>();
            json!({ "type": "object", "additionalProperties": table(&keys) })
        }
        Shape::HeaderName => {
            json!({ "type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$" })
        }
        Shape::Statuses => {
            let status = json!({ "type": "integer", "minimum": 100, "maximum": 999 });
            json!({ "type": "array", "items": status, "uniqueItems": true })
        }
        Shape::Circuit => json!({ "$ref": "#/$defs/circuit" }),
        Shape::Circuits => {
            let mut named = of_shape(&Shape::Bases);
            named["propertyNames"] = name();
            named
        }
        Shape::Bases => {
            json!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/circuit" } })
        }
        Shape::Lints => json!({ "type": "array", "items": { "enum": LINTS } }),
        Shape::Patterns => json!({ "type": "array", "items": { "$ref": "#/$defs/pattern" } }),
    }
}

/// Something to read, but not too much of it.
fn name() -> Value {
    json!({ "pattern": r"\S", "maxLength": LONGEST_NAME })
}

fn of_node(node: &Node) -> Value {
    serde_json::from_str(&node.to_string()).expect("a default is plain")
}

/// Fails unless a file is what is said. With `BLESS=1` in the environment, it is written first.
pub(super) fn hold(file: &str, said: &str, is_same: impl Fn(&str) -> bool) {
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(file, said).expect("written");
    }
    let is_current = std::fs::read_to_string(file).is_ok_and(|now| is_same(&now));
    assert!(
        is_current,
        "{file} is not what the table of keys says; write it anew with\n\
         BLESS=1 cargo test --features config --lib config",
    );
}

// I8
#[test]
fn the_schema_is_what_the_table_of_keys_says() {
    let said = serde_json::to_string_pretty(&schema()).expect("is JSON") + "\n";
    // The order of its keys is a feature of `serde_json`.
    hold(FILE, &said, |now| {
        serde_json::from_str(now).ok() == Some(schema())
    });
}
