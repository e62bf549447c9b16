//! Files from bytes: what the schema knows, with something else here and there. Who adds a key has it fuzzed.

use serde_json::{Map, Value, json};

use super::bytes::Bytes;

/// Names of circuits and bases, patterns, and keys that are hard to write.
const NAMES: [&str; 12] = [
    "a",
    "b",
    "search-eu",
    "search-*",
    "*",
    "",
    " ",
    "a.b",
    "a\"b",
    "a\nb",
    "é",
    "0",
];

const TIMES: [&str; 12] = [
    "30s",
    "250ms",
    "1m 30s",
    "1.5s",
    "1h30m",
    "2days",
    "0s",
    "30",
    "1M",
    "1 0s",
    "18446744073709551615s 1000ms",
    "1µs",
];

const SHARES: [&str; 10] = [
    "50%", "100%", "0.5%", "33.3 %", "0%", "101%", "5e1%", "50", ".%", "%",
];

const NUMBERS: [u64; 8] = [1, 20, 63, 100, 65_536, 4_194_303, 1 << 32, u64::MAX];

pub(crate) fn file(schema: &Value, bytes: &mut Bytes<'_>) -> Value {
    value(schema, schema, bytes)
}

fn value(schema: &Value, node: &Value, bytes: &mut Bytes<'_>) -> Value {
    if bytes.below(24) == 23 {
        return anything(bytes);
    }
    if let Some(reference) = node["$ref"].as_str() {
        return match reference.rsplit('/').next() {
            Some("share") => share(bytes),
            Some("time") => json!(bytes.pick(&TIMES)),
            name => value(schema, &schema["$defs"][name.expect("named")], bytes),
        };
    }
    if let Some(choices) = node["anyOf"].as_array() {
        return value(schema, &choices[bytes.index(choices.len())], bytes);
    }
    if let Some(words) = node["enum"].as_array() {
        return words[bytes.index(words.len())].clone();
    }
    if !node["const"].is_null() {
        return node["const"].clone();
    }
    match node["type"].as_str() {
        Some("object") => table(schema, node, bytes),
        Some("array") => (0..bytes.below(4))
            .map(|_| value(schema, &node["items"], bytes))
            .collect(),
        Some("integer") => json!(bytes.any_number(&NUMBERS)),
        Some("number") => json!(bytes.any_share() + f64::from(bytes.byte() % 3)),
        Some("boolean") => json!(bytes.flag()),
        _ if node.to_string().contains(" of ") => {
            json!(format!("{} of {}", bytes.below(5), bytes.below(5)))
        }
        _ => json!(bytes.pick(&NAMES)),
    }
}

fn share(bytes: &mut Bytes<'_>) -> Value {
    match bytes.byte() % 3 {
        0 => json!(bytes.any_share()),
        1 => json!(bytes.pick(&SHARES)),
        _ => json!(bytes.below(2)),
    }
}

/// What must be there as a rule, and a few that may.
fn table(schema: &Value, node: &Value, bytes: &mut Bytes<'_>) -> Value {
    let mut table = Map::new();
    let required = node["required"].as_array().into_iter().flatten();
    for key in required.filter_map(Value::as_str) {
        if bytes.below(16) != 15 {
            let value = value(schema, &node["properties"][key], bytes);
            table.insert(key.to_owned(), value);
        }
    }
    let known: Vec<_> = node["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .collect();
    for _ in 0..bytes.below(5) {
        if let Some(any) = node
            .get("additionalProperties")
            .filter(|any| any.is_object())
        {
            table.insert(bytes.pick(&NAMES).to_owned(), value(schema, any, bytes));
        } else if bytes.below(32) == 31 {
            table.insert(bytes.pick(&NAMES).to_owned(), anything(bytes));
        } else {
            let (key, of_key) = known[bytes.index(known.len())];
            table.insert(key.clone(), value(schema, of_key, bytes));
        }
    }
    Value::Object(table)
}

fn anything(bytes: &mut Bytes<'_>) -> Value {
    match bytes.byte() % 10 {
        0 => Value::Null,
        1 => json!(bytes.flag()),
        2 => json!(bytes.any_number(&NUMBERS)),
        3 => json!(-1),
        4 => json!(bytes.any_share()),
        5 => json!(bytes.pick(&NAMES)),
        6 => json!(bytes.pick(&TIMES)),
        7 => json!([bytes.pick(&NAMES)]),
        8 => json!({ bytes.pick(&NAMES): bytes.pick(&TIMES) }),
        _ => json!("off"),
    }
}
