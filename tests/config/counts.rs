//! A count that is too large is refused by its name and its range, in every format (rule I8).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tower_breaker::config::{Config, SCHEMA};

/// Where each count stands, and what it may be.
const COUNTS: [(&str, &str); 19] = [
    ("max_circuits", "1 to 4294967295"),
    ("fleet.shards", "1 to 256"),
    ("fleet.budget", "1 to 4294967295"),
    ("defaults.consecutive_failures", "1 to 4194303"),
    ("defaults.minimum_calls", "1 to 4294967295"),
    ("defaults.count_window", "1 to 65536"),
    ("defaults.time_window_buckets", "1 to 100"),
    ("defaults.jitter_seed", "0 to 18446744073709551615"),
    ("defaults.permits", "1 to 63"),
    ("defaults.probes", "1 to 63"),
    ("defaults.bulkhead", "1 to 1000000"),
    ("defaults.bulkhead.places", "1 to 1000000"),
    ("defaults.retries", "1 to 100"),
    ("defaults.retries.at_most", "1 to 100"),
    ("defaults.retries.per_second", "0 to 1000000"),
    ("defaults.shared.instances", "1 to 10000"),
    ("defaults.shared.revision", "0 to 4503599627370496"),
    ("defaults.event_log", "0 to 4294967295"),
    ("circuits.a.permits", "1 to 63"),
];

/// Above `u32`, `i64`, `u64`, `u128`; the last one is too long for the integers of any format.
const TOO_LARGE: [&str; 4] = [
    "4294967296",
    "9223372036854775808",
    "18446744073709551616",
    "999999999999999999999999999999999999999999",
];

/// Most seeds are beyond these.
fn is_allowed(path: &str, number: &str) -> bool {
    let first_two = TOO_LARGE[..2].contains(&number);
    let revision = path.ends_with("revision") && number == TOO_LARGE[0];
    revision || (path.ends_with("jitter_seed") && first_two)
}

type Read = fn(&str, &str) -> Result<Config, String>;

/// `{ a: { b: VALUE } }`, for a format that is a superset of JSON's.
fn nested(path: &str, value: &str) -> String {
    let parts: Vec<_> = path.split('.').collect();
    let open: String = parts
        .iter()
        .map(|part| format!("{{ \"{part}\": "))
        .collect();
    format!("{open}{value}{}", " }".repeat(parts.len()))
}

const FORMATS: [(&str, Read); 4] = [
    ("TOML", |path, value| {
        super::read(&format!("{path} = {value}"))
    }),
    ("JSON", |path, value| {
        serde_json::from_str(&nested(path, value)).map_err(|error| error.to_string())
    }),
    ("YAML", |path, value| {
        let read = Config::read(yaml_serde::Deserializer::from_str(&nested(path, value)));
        read.map_err(|error| error.to_string())
    }),
    // What a program has built itself.
    ("a value", |path, value| {
        let number = json!({ "$serde_json::private::Number": value.trim_matches('"') });
        let value = if value.starts_with('"') {
            json!(value.trim_matches('"'))
        } else {
            number
        };
        let nested = path
            .rsplit('.')
            .fold(value, |inner, part| json!({ part: inner }));
        Config::read(nested).map_err(|error| error.to_string())
    }),
];

#[track_caller]
fn is_refused(path: &str, value: &str, allowed: &str) {
    for (format, read) in FORMATS {
        let told = read(path, value).expect_err("too large");
        // That one has no number of more than 128 bits, and shows the line itself.
        let by_format = format == "TOML" && told.contains(&format!("| {path} = {value}"));
        let is_told = by_format && value.len() > 38 && told.contains("number")
            || told.lines().any(|line| {
                let problem = line.strip_prefix(&format!("{path}: "));
                problem.is_some_and(|it| it.ends_with(&format!(", but must be {allowed}")))
            });
        assert!(is_told, "{format}: {path} = {value}: {told}");
    }
}

// I8
#[test]
fn a_count_that_is_too_large_is_told_with_its_range_in_every_format() {
    for (path, allowed) in COUNTS {
        for number in TOO_LARGE {
            if !is_allowed(path, number) {
                is_refused(path, number, allowed);
            }
        }
        // As a text it is no number, but too large all the same.
        is_refused(path, "\"18446744073709551616\"", allowed);
    }
}

// I8
#[test]
fn so_are_both_parts_of_probes() {
    for number in TOO_LARGE {
        for value in [
            format!("\"1 of {number}\""),
            format!("\"{number} of {number}\""),
        ] {
            is_refused("defaults.probes", &value, "1 to 63");
        }
    }
}

/// The names of all that may be a whole number; of a status of HTTP, which is no count, not.
fn whole_numbers(schema: &Value, name: &str, found: &mut BTreeSet<String>) {
    if schema["type"] == "integer" && schema["maximum"] != 999 {
        found.insert(name.to_owned());
    }
    let Some(map) = schema.as_object() else {
        let inner = schema.as_array().into_iter().flatten();
        return inner.for_each(|inner| whole_numbers(inner, name, found));
    };
    for (key, inner) in map {
        match (key.as_str(), inner.as_object()) {
            ("properties", Some(properties)) => {
                for (name, inner) in properties {
                    whole_numbers(inner, name, found);
                }
            }
            _ => whole_numbers(inner, name, found),
        }
    }
}

#[test]
fn each_count_of_the_schema_is_here() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("well formed");
    let mut found = BTreeSet::new();
    whole_numbers(&schema, "", &mut found);
    let here = COUNTS.map(|(path, _)| path.rsplit('.').next().expect("a name").to_owned());
    assert_eq!(found, here.into());
}
