//! What holds of whatever is read.

use std::collections::BTreeSet;

use serde::Deserializer;
use serde_json::Value;
use tower_breaker::config::{Config, Problem, ReadError, SCHEMA};

use super::{bytes::Bytes, files, validator::Validator};

thread_local! {
    static OURS: (Value, Validator) =
        (serde_json::from_str(SCHEMA).expect("is JSON"), Validator::new());
}

/// Reads what bytes say, as a file or as any text, and says what came of it.
pub(crate) fn drive(data: &[u8]) -> &'static str {
    match data.split_first() {
        Some((255, text)) => drive_text(&String::from_utf8_lossy(text)),
        _ => OURS.with(|(schema, validator)| drive_file(schema, validator, data)),
    }
}

fn drive_file(schema: &Value, validator: &Validator, data: &[u8]) -> &'static str {
    let bytes = &mut Bytes::new(data);
    let variables = variables(schema, bytes);
    let file = files::file(schema, bytes);
    let text = file.to_string();
    let read = Config::read(file.clone());
    assert_same_in_yaml(&text, &read);
    if !variables.is_empty() {
        return drive_overlay(&file, variables);
    }
    match read {
        Ok(config) => {
            // I8: an editor marks nothing that is good.
            assert_eq!(validator.refuses(&file), None, "{text}");
            assert_builds(&config, &text)
        }
        Err(ReadError::Problems(problems)) => {
            let paths = paths_of(&file);
            for problem in problems.iter() {
                assert_leads_somewhere(problem, &paths, &text);
                let located = problem.locate(&mut serde_json::Deserializer::from_str(&text));
                assert_says(problem, &located.expect("in the file"));
                assert!(located_line(problem, &text) > 0, "{problem} of {text}");
            }
            "refused"
        }
        Err(error) => panic!("{error} of {text}"),
    }
}

fn located_line(problem: &Problem, text: &str) -> usize {
    let located = problem.locate(&mut serde_json::Deserializer::from_str(text));
    located.map_or(0, |error| error.line())
}

fn assert_says(problem: &Problem, located: &impl ToString) {
    let (problem, located) = (problem.to_string(), located.to_string());
    assert!(located.contains(&problem), "{located} for {problem}");
}

/// JSON is YAML.
fn assert_same_in_yaml(text: &str, json: &Result<Config, ReadError<serde_json::Error>>) {
    let yaml = Config::read(yaml_serde::Deserializer::from_str(text));
    let told = |error: &dyn ToString| error.to_string();
    let yaml = yaml.map(drop).map_err(|error| told(&error));
    let json = json.as_ref().map(drop).map_err(|error| told(error));
    assert_eq!(yaml, json, "{text}");
}

fn variables(schema: &Value, bytes: &mut Bytes<'_>) -> Vec<(String, String)> {
    let keys = schema["$defs"]["circuit"]["properties"].as_object();
    let keys: Vec<_> = keys.expect("keys").keys().collect();
    let values = [
        "1", "0.5", "50%", "30s", "off", "2 of 3", "true", "", "nonsense",
    ];
    let number = bytes.below(8).saturating_sub(5);
    // Of two names by chance, hardly any file has both.
    let fit = [
        ("DEFAULTS__FAILURE_RATE", "50%"),
        ("DEFAULTS__OPEN_FOR", "30s"),
        ("DEFAULTS__TOTALS", "true"),
        ("MAX_CIRCUITS", "100"),
    ];
    let one = |_| {
        if bytes.below(2) == 0 {
            let (name, value) = bytes.pick(&fit);
            return (format!("TOWER_BREAKER__{name}"), (*value).to_owned());
        }
        let place = bytes.pick(&["DEFAULTS", "A", "SEARCH_EU", "__", "A_B", ""]);
        let key = keys[bytes.index(keys.len())].to_uppercase();
        let name = format!("TOWER_BREAKER__{place}__{key}");
        (name, bytes.pick(&values).to_owned())
    };
    (0..number).map(one).collect()
}

fn drive_overlay(file: &Value, variables: Vec<(String, String)>) -> &'static str {
    match Config::read_with_env(file.clone(), variables.clone()) {
        Ok(config) => {
            assert_builds(&config, &format!("{file}, {variables:?}"));
            "overlaid"
        }
        Err(ReadError::Problems(problems)) => {
            for problem in problems.iter() {
                assert_eq!(
                    problem.locate(file.clone()).is_none(),
                    problem.variable().is_some()
                );
            }
            "refused with variables"
        }
        Err(error) => panic!("{error} of {variables:?}"),
    }
}

/// What is accepted builds a registry, makes circuits, and is what holds then; or what hinders it is told.
fn assert_builds(config: &Config, text: &str) -> &'static str {
    let registry = match config.registry().build() {
        Ok(registry) => registry,
        Err(error) => panic!("it was read and builds nothing: {error}: {text}"),
    };
    let mut told = "built";
    for name in ["a", "search-eu", "other"] {
        if let Err(error) = registry.get_or_create(name) {
            assert!(!error.to_string().is_empty());
            told = "not for every name";
        }
    }
    let plan = registry.plan(config).expect("nobody else plans");
    assert!(plan.is_empty(), "{plan} of {text}");
    told
}

/// Any text is read, or refused with what is wrong with it.
fn drive_text(text: &str) -> &'static str {
    let told = [
        toml::Deserializer::parse(text).map_or("no file", |file| {
            drive_format(file, text, || {
                toml::Deserializer::parse(text).expect("just read")
            })
        }),
        // Which is YAML, too.
        drive_format(&mut serde_json::Deserializer::from_str(text), text, || {
            yaml_serde::Deserializer::from_str(text)
        }),
        drive_format(yaml_serde::Deserializer::from_str(text), text, || {
            yaml_serde::Deserializer::from_str(text)
        }),
    ];
    if told.contains(&"a file") {
        "a file"
    } else {
        "no file"
    }
}

fn drive_format<'de, D: Deserializer<'de>, E: Deserializer<'de>>(
    file: D,
    text: &str,
    again: impl Fn() -> E,
) -> &'static str {
    match Config::read(file) {
        Ok(config) => {
            assert_builds(&config, text);
            "a file"
        }
        Err(ReadError::Problems(problems)) => {
            for problem in problems.iter().take(10) {
                assert!(problem.locate(again()).is_some());
            }
            "a file"
        }
        Err(_) => "no file",
    }
}

// ---- paths --------------------------------------------------------------------------------------

/// Every path that there is.
fn paths_of(file: &Value) -> BTreeSet<String> {
    let mut paths = BTreeSet::from([String::new()]);
    walk("", file, &mut paths);
    paths
}

fn walk(path: &str, value: &Value, paths: &mut BTreeSet<String>) {
    let entries: Vec<(String, &Value)> = match value {
        Value::Object(table) => table
            .iter()
            .map(|(key, value)| (written(key), value))
            .collect(),
        Value::Array(list) => {
            let numbers = list.iter().enumerate();
            numbers
                .map(|(number, value)| (number.to_string(), value))
                .collect()
        }
        _ => return,
    };
    for (key, value) in entries {
        let path = if path.is_empty() {
            key
        } else {
            format!("{path}.{key}")
        };
        walk(&path, value, paths);
        paths.insert(path);
    }
}

fn written(key: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    match !key.is_empty() && key.chars().all(is_plain) {
        true => key.to_owned(),
        false => format!("{key:?}"),
    }
}

/// To something that is there, or to a key that could be in something that is.
fn assert_leads_somewhere(problem: &Problem, paths: &BTreeSet<String>, text: &str) {
    let path = problem.path();
    let (table, key) = path.rsplit_once('.').unwrap_or(("", path));
    let is_key = key.chars().all(|c| c == '_' || c.is_alphanumeric());
    let leads = paths.contains(path) || (is_key && paths.contains(table));
    assert!(leads, "{problem} of {text}");
}
