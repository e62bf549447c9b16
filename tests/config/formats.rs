//! The same in three formats.

use serde::{
    Deserialize,
    de::{
        Error as _,
        value::{BytesDeserializer, Error},
    },
};
use tower_breaker::config::{Config, ReadError};

const TOML: &str = r#"
[defaults]
failure_rate = 0.5
open_for = "10s"

[[matching]]
names = "search-*"
tags = { tier = "search" }

[circuits.payments]
consecutive_failures = 3
probes = "2 of 3"
"#;

const JSON: &str = r#"{
    "defaults": { "failure_rate": 0.5, "open_for": "10s" },
    "matching": [{ "names": "search-*", "tags": { "tier": "search" } }],
    "circuits": { "payments": { "consecutive_failures": 3, "probes": "2 of 3" } }
}"#;

const YAML: &str = r#"
defaults:
  failure_rate: 0.5
  open_for: 10s
matching:
  - names: "search-*"
    tags:
      tier: search
circuits:
  payments:
    consecutive_failures: 3
    probes: 2 of 3
"#;

fn checked(config: &Config) {
    let registry = config.registry().build().expect("valid");
    assert_eq!(registry.circuits().len(), 1);
    let search = registry.get_or_create("search-eu").expect("made");
    assert_eq!(search.tags().get("tier"), Some("search"));
}

// I7
#[test]
fn it_reads_toml_json_and_yaml() {
    checked(&Config::read(toml::Deserializer::parse(TOML).expect("well formed")).expect("good"));
    checked(&Config::read(&mut serde_json::Deserializer::from_str(JSON)).expect("good"));
    checked(&Config::read(yaml_serde::Deserializer::from_str(YAML)).expect("good"));
}

// I7
#[test]
fn it_can_be_part_of_something_larger() {
    #[derive(Deserialize)]
    struct Application {
        port: u16,
        circuits: Config,
    }
    let text = "port = 80\n[circuits.circuits.payments]\nconsecutive_failures = 3";
    let read: Application = toml::from_str(text).expect("good");
    assert_eq!(read.port, 80);
    read.circuits
        .registry()
        .build()
        .expect("valid")
        .try_get("payments")
        .expect("there");

    let wrong = "port = 80\n[circuits.circuits.payments]\npermits = 3\nmode = \"of\"";
    let error = toml::from_str::<Application>(wrong)
        .map(drop)
        .expect_err("wrong");
    let told = error.to_string();
    assert!(told.contains("circuits.payments.mode: `of`"), "{told}");
    assert!(told.contains("circuits.payments.permits: 3"), "{told}");
}

// I8
#[test]
fn what_is_not_well_formed_is_told_by_its_format_with_line_and_column() {
    let read = Config::read(&mut serde_json::Deserializer::from_str(
        "{\n  \"defaults\": {,\n}",
    ));
    let error = read.expect_err("not well formed");
    assert!(matches!(error, ReadError::Format(_)));
    assert_eq!(
        error.to_string(),
        "key must be a string at line 2 column 16"
    );
}

// I8: a format may have more than files of settings need.
#[test]
fn what_no_format_of_settings_has_is_refused_as_one_that_is_no_value() {
    let bytes = || BytesDeserializer::<serde::de::value::Error>::new(b"not settings");
    let told = "invalid type: byte array, expected a value";
    let error = Config::read(bytes()).map(drop).expect_err("no table");
    assert_eq!(error, ReadError::Format(Error::custom(told)));

    let Err(ReadError::Problems(problems)) = Config::read(serde_json::json!(1)) else {
        panic!("no table");
    };
    let of_another_file = problems.iter().next().and_then(|it| it.locate(bytes()));
    assert_eq!(of_another_file, Some(Error::custom(told)));
}

// I7: as the guide warns.
#[test]
fn what_comes_after_a_json_file_is_for_its_reader_to_look_at() {
    let mut file = serde_json::Deserializer::from_str("{} and more");
    Config::read(&mut file).expect("good");
    file.end().expect_err("more");
    serde_json::from_str::<Config>("{} and more").expect_err("more");
}

// I7: with its feature `arbitrary_precision`, which any crate of a program may turn on, serde_json gives numbers so.
#[test]
fn numbers_of_any_precision_are_numbers() {
    let number = |digits: &str| serde_json::json!({ "$serde_json::private::Number": digits });
    let file = serde_json::json!({
        "circuits": { "a": { "consecutive_failures": number("3"), "failure_rate": number("0.25") } }
    });
    let config = Config::read(file).expect("good");
    let settings = config
        .registry()
        .build()
        .expect("valid")
        .try_get("a")
        .expect("there");
    let settings = settings.settings();
    assert_eq!(settings.consecutive_failures(), Some(3));
    assert_eq!(settings.failure_rate(), Some(0.25));
}
