//! Line and column of what is wrong, as each format tells them.

use serde::Deserializer;
use tower_breaker::config::{Config, Problem, ReadError};

use super::corpus::{BY_ITSELF, TOGETHER};

/// What is wrong with a file of any format, by path.
fn problems<'de, D: Deserializer<'de>>(file: D) -> Vec<Problem> {
    let mut problems: Vec<_> = match Config::read(file) {
        Err(ReadError::Problems(problems)) => problems.iter().cloned().collect(),
        Err(_) => panic!("not well formed"),
        Ok(_) => panic!("good"),
    };
    problems.sort_by(|one, other| one.path().cmp(other.path()));
    problems
}

fn toml(text: &str) -> toml::Deserializer<'_> {
    toml::Deserializer::parse(text).expect("well formed")
}

const TOML: &str = r#"
[defaults]
failure_rte = 0.5

[[matching]]
permits = 1

[circuits.payments]
mode = "of"
probes = "3 of 2"
ramp = { over = "10s" }
slow_call_rate = 0.5
"#;

const JSON: &str = r#"{
    "defaults": { "failure_rte": 0.5 },
    "matching": [
        { "permits": 1 }
    ],
    "circuits": {
        "payments": {
            "mode": "of",
            "probes": "3 of 2",
            "ramp": { "over": "10s" },
            "slow_call_rate": 0.5
        }
    }
}"#;

const YAML: &str = r#"
defaults:
  failure_rte: 0.5
matching:
  - permits: 1
circuits:
  payments:
    mode: of
    probes: 3 of 2
    ramp:
      over: 10s
    slow_call_rate: 0.5
"#;

const PATHS: [&str; 6] = [
    "circuits.payments.mode",
    "circuits.payments.probes.successes",
    "circuits.payments.ramp.from",
    "circuits.payments.slow_call_duration",
    "defaults.failure_rte",
    "matching.0.names",
];

fn paths(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(Problem::path).collect()
}

// I8
#[test]
fn toml_shows_the_line_and_what_is_wrong_in_it() {
    let problems = problems(toml(TOML));
    assert_eq!(paths(&problems), PATHS);
    let errors = problems.iter().map(|problem| problem.locate(toml(TOML)));
    let underlined = errors.map(|error| &TOML[error.expect("there").span().expect("known")]);
    assert_eq!(
        underlined.collect::<Vec<_>>(),
        [
            "\"of\"",
            "\"3 of 2\"",
            "{ over = \"10s\" }",
            "[circuits.payments]",
            "0.5",
            "[[matching]]",
        ],
    );
    assert_eq!(
        problems[0].locate(toml(TOML)).expect("there").to_string(),
        "TOML parse error at line 9, column 8\n  |\n9 | mode = \"of\"\n  |        ^^^^\n\
         circuits.payments.mode: `of`, but must be one of these words: `normal`, `shadow`, `disabled`, \
         `forced_open`\n",
    );
}

// I8
#[test]
fn json_gives_line_and_column_behind_what_is_wrong() {
    let file = || serde_json::Deserializer::from_str(JSON);
    let problems = problems(&mut file());
    assert_eq!(paths(&problems), PATHS);
    let place = |problem: &Problem| {
        let error = problem.locate(&mut file()).expect("there");
        (error.line(), error.column())
    };
    let places: Vec<_> = problems.iter().map(place).collect();
    assert_eq!(
        places,
        [(8, 24), (9, 30), (10, 22), (8, 12), (2, 36), (4, 10)]
    );
}

// I8
#[test]
fn yaml_gives_line_and_column_of_what_is_wrong() {
    let file = || yaml_serde::Deserializer::from_str(YAML);
    let problems = problems(file());
    assert_eq!(paths(&problems), PATHS);
    let place = |problem: &Problem| {
        let error = problem.locate(file()).expect("there");
        let location = error.location().expect("known");
        (location.line(), location.column())
    };
    let places: Vec<_> = problems.iter().map(place).collect();
    assert_eq!(places, [(8, 11), (9, 13), (11, 7), (8, 5), (3, 16), (5, 5)]);
    // The first path is YAML's own.
    assert_eq!(
        problems[0].locate(file()).expect("there").to_string(),
        "circuits.payments.mode: circuits.payments.mode: `of`, but must be one of these words: `normal`, \
         `shadow`, `disabled`, `forced_open` at line 8 column 11",
    );
}

// I8
#[test]
fn everything_that_can_be_wrong_has_a_place() {
    for (text, told) in BY_ITSELF.iter().chain(TOGETHER) {
        let error = problems(toml(text))[0]
            .locate(toml(text))
            .expect("in the file");
        assert_eq!(error.message(), *told);
        let span = error.span().expect("known");
        // An empty one is that of the whole file.
        assert!(!span.is_empty(), "{text}");
    }
}

// I8: also of a number that is too large for most.
#[test]
fn whatever_a_value_is_its_problem_is_told_there() {
    for value in [
        "~",
        "true",
        "-1",
        "1.5",
        "text",
        "[1]",
        "{ a: 1 }",
        "18446744073709551616",
        "340282366920938463463374607431768211455",
        "999999999999999999999999999999999999999999",
    ] {
        let text = format!("circuits:\n  a:\n    permits: {value}");
        let file = || yaml_serde::Deserializer::from_str(&text);
        let problem = &problems(file())[0];
        let error = problem.locate(file()).expect("in the file");
        let told = error.to_string();
        assert!(told.contains(&problem.to_string()), "{told}");
        assert_eq!(error.location().map(|it| it.line()), Some(3), "{told}");
    }
}

// I8
#[test]
fn what_a_variable_says_is_nowhere_in_the_file() {
    let file = "[circuits.a]\npermits = 1";
    let variables = [("TOWER_BREAKER__A__PERMITS", "2")];
    let Err(ReadError::Problems(problems)) = Config::read_with_env(toml(file), variables) else {
        panic!("2 of 1");
    };
    let problem = problems.iter().next().expect("one");
    assert!(problem.locate(toml(file)).is_none());
    for variable in [
        "TOWER_BREAKER__B__PERMITS",
        "TOWER_BREAKER__A_PERMITS",
        "TOWER_BREAKER_A__PERMITS",
    ] {
        let read = Config::read_with_env(toml(file), [(variable, "2")]);
        let Err(ReadError::Problems(problems)) = read else {
            panic!("it fits nothing");
        };
        let problem = problems.iter().next().expect("one");
        assert_eq!((problem.variable(), problem.path()), (Some(variable), ""));
        assert!(problem.locate(toml(file)).is_none(), "{problem}");
    }
}

// I8: nothing to rely on, and nothing to fall over.
#[test]
fn in_another_file_the_place_is_the_nearest_that_there_is() {
    let problems = problems(toml("circuits.a.permits = 0"));
    let place = |text| {
        let error = problems[0].locate(toml(text)).expect("somewhere");
        error.span().map(|span| &text[span])
    };
    assert_eq!(place("circuits.a = 1"), Some("1"));
    assert_eq!(place("circuits = [1]"), Some("[1]"));
}
