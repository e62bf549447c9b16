//! What the guide shows and says is so.

use std::fs;

use serde_json::{Value, json};
use tower_breaker::{
    Settings,
    config::{Config, ReadError},
};

use super::validator::Validator;

fn guide() -> String {
    fs::read_to_string("src/guide/configuration.md").expect("there")
}

/// What is fenced as one language.
fn fenced(page: &str, language: &str) -> Vec<String> {
    let begin = format!("\n```{language}\n");
    let parts = page.split(&begin).skip(1);
    let fence = |part: &str| part.split("\n```\n").next().map(str::to_owned);
    parts.filter_map(fence).collect()
}

fn settings(config: &Config, name: &str) -> Settings {
    let registry = config.registry().build().expect("valid");
    let circuit = registry.get_or_create(name).expect("made");
    circuit.settings()
}

// I7
#[test]
fn the_guide_shows_the_same_file_in_three_formats() {
    let guide = guide();
    let first = |language| match &fenced(&guide, language)[..] {
        [first, ..] => first.clone(),
        [] => panic!("no file of {language}"),
    };
    let (toml, json, yaml) = (first("toml"), first("json"), first("yaml"));
    let values: [Value; 3] = [
        toml::from_str(&toml).expect("TOML"),
        serde_json::from_str(&json).expect("JSON"),
        yaml_serde::from_str(&yaml).expect("YAML"),
    ];
    let validator = Validator::new();
    for value in &values {
        assert_eq!(value, &values[0]);
        assert_eq!(validator.refuses(value), None);
    }
    let config = Config::read(values[0].clone()).expect("makes sense");
    assert_eq!(
        settings(&config, "payments").consecutive_failures(),
        Some(3)
    );
    assert_eq!(settings(&config, "search-eu").slow_call_rate(), Some(0.5));
    assert_eq!(settings(&config, "search-us").failure_rate(), Some(0.3));
    assert_eq!(settings(&config, "other").failure_rate(), Some(0.5));
}

// I7: wherever the docs show a file.
#[test]
fn every_file_that_the_docs_show_is_good() {
    let validator = Validator::new();
    let mut files = 0;
    for page in [
        "src/config/mod.rs",
        "src/guide/many.md",
        "src/guide/configuration.md",
        "src/guide/fleet.md",
    ] {
        let page = fs::read_to_string(page)
            .expect("there")
            .replace("\n//! ", "\n")
            .replace("\n//!\n", "\n\n");
        for file in fenced(&page, "toml") {
            let value: Value = toml::from_str(&file).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(validator.refuses(&value), None, "{file}");
            Config::read(value).unwrap_or_else(|error| panic!("{error} in {file}"));
            files += 1;
        }
    }
    assert_eq!(files, 12);
}

// I8
#[test]
fn what_the_guide_says_is_told_is_told() {
    let guide = guide();
    let shows = |text: &dyn ToString| {
        let fence = format!("\n```text\n{}\n```\n", text.to_string().trim_end());
        assert!(guide.contains(&fence), "{fence}");
    };
    let text = "[circuits.payments]\nfailure_rte = 0.5\npermits = 3\n[circuits.search-eu]";
    let file = toml::Deserializer::parse(text).expect("well formed");
    let variables = [("TOWER_BREAKER__SEARCH_EU__OPEN_FOR", "5")];
    shows(&Config::read_with_env(file, variables).expect_err("wrong"));

    let text = "[circuits.payments]\nfailure_rate = 1.5\n";
    let file = || toml::Deserializer::parse(text).expect("well formed");
    let Err(ReadError::Problems(problems)) = Config::read(file()) else {
        panic!("1.5 is no share");
    };
    let problem = problems.iter().next().expect("one");
    shows(&problem.locate(file()).expect("in the file"));
}

/// The rows of the guide's table, from the second on: for which circuits, and what says it.
const LAYERS: [(u64, &str); 9] = [
    (2, "every circuit | a base that `defaults` extends"),
    (3, "every circuit | `defaults`"),
    (4, "every circuit | code: `config.registry().defaults(…)`"),
    (5, "a pattern | a base that the block in `matching` extends"),
    (
        6,
        "a pattern | `matching`; if two blocks match, the later one holds",
    ),
    (7, "a pattern | code: `config.registry().matching(…)`"),
    (8, "a name | a base that the block in `circuits` extends"),
    (9, "a name | `circuits`"),
    (10, "a name | code: `config.registry().circuit(…)`"),
];

/// A file in which the layers up to `last` each say their number.
fn file_of_layers(last: u64) -> Value {
    let says = |layer: u64| json!({ "consecutive_failures": layer });
    let mut file = json!({ "matching": [{ "names": "pay*" }, { "names": "*ments" }] });
    for (layer, _) in LAYERS.iter().filter(|(layer, _)| *layer <= last) {
        let extended = format!("base{layer}");
        match layer {
            2 => file["defaults"]["extends"] = json!(extended),
            3 => file["defaults"]["consecutive_failures"] = json!(3),
            5 => file["matching"][0]["extends"] = json!(extended),
            6 => {
                file["matching"][0]["consecutive_failures"] = json!(66);
                file["matching"][1]["consecutive_failures"] = json!(6);
            }
            8 => file["circuits"]["payments"]["extends"] = json!(extended),
            9 => file["circuits"]["payments"]["consecutive_failures"] = json!(9),
            _ => continue,
        }
        if [2, 5, 8].contains(layer) {
            file["bases"][&extended] = says(*layer);
        }
    }
    file
}

// I7: one row after the other.
#[test]
fn the_later_row_of_the_guides_table_holds() {
    let guide = guide();
    for (last, row) in LAYERS {
        assert!(
            guide.contains(&format!("\n| {last} | {row} |\n")),
            "{last}: {row}"
        );
        let config = Config::read(file_of_layers(last)).expect("makes sense");
        let mut registry = config.registry();
        if last >= 10 {
            registry = registry.circuit("payments", |it| it.consecutive_failures(10));
        }
        if last >= 7 {
            registry = registry.matching("p*", |it| it.consecutive_failures(7));
        }
        if last >= 4 {
            registry = registry.defaults(|it| it.consecutive_failures(4));
        }
        let circuit = registry.build().expect("valid").get_or_create("payments");
        let settings = circuit.expect("made").settings();
        assert_eq!(
            settings.consecutive_failures().map(u64::from),
            Some(last),
            "{row}"
        );
    }
    assert!(!guide.contains("\n| 11 |"));
}

// I8: the guide's list of what cannot be data.
#[test]
fn what_cannot_be_data_is_no_key() {
    for method in [
        "trip_when",
        "clock",
        "on_transition",
        "ejection_cap",
        "restore",
    ] {
        assert!(guide().contains(&format!("CircuitBuilder::{method})")));
        let file = json!({ "circuits": { "a": { method: true } } });
        let error = Config::read(file).expect_err("no key").to_string();
        assert!(error.contains(&format!("`{method}`")), "{error}");
    }
}
