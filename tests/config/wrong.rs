//! Everything that can be wrong, and what is said of it.

use serde_json::Value;
use tower_breaker::config::{Config, ReadError};

use super::{
    corpus::{BY_ITSELF, IN_JSON, IN_TOML, IN_YAML, TOGETHER},
    wrong,
};

fn told_of_toml(text: &str) -> String {
    let told = super::read(text).map(drop);
    told.err().unwrap_or_default()
}

fn told_of_json(text: &str) -> String {
    let told = serde_json::from_str::<Config>(text).map(drop);
    told.err()
        .map(|error| error.to_string())
        .unwrap_or_default()
}

fn told_of_yaml(text: &str) -> String {
    let told = Config::read(yaml_serde::Deserializer::from_str(text)).map(drop);
    told.err()
        .map(|error| error.to_string())
        .unwrap_or_default()
}

/// A text, what is told of it, and what should be.
type Told<'a> = (&'a str, String, &'a str);

fn assert_all_told<'a>(all: impl Iterator<Item = Told<'a>>) {
    let other = |(text, told, expected): Told<'_>| {
        let is_told = match expected.strip_prefix("… ") {
            Some(place) => told.contains(place),
            None => told == expected,
        };
        (!is_told).then(|| format!("{text}\n  {told}\n  {expected}"))
    };
    let others: Vec<_> = all.filter_map(other).collect();
    assert!(others.is_empty(), "{}", others.join("\n"));
}

// I8
#[test]
fn what_only_one_format_can_get_wrong_is_told_too() {
    let lists = [
        (IN_TOML, told_of_toml as fn(&str) -> String),
        (IN_JSON, told_of_json),
        (IN_YAML, told_of_yaml),
    ];
    let all = lists.into_iter().flat_map(|(list, told_of)| {
        list.iter()
            .map(move |&(text, told)| (text, told_of(text), told))
    });
    assert_all_told(all);
}

// I8
#[test]
fn what_is_wrong_is_told_with_its_place_and_what_could_be_there_in_every_format() {
    for (text, told) in BY_ITSELF.iter().chain(TOGETHER) {
        let same: Value = toml::from_str(text).expect("well formed");
        let json = serde_json::to_string(&same).expect("JSON");
        let yaml = yaml_serde::to_string(&same).expect("YAML");
        let all = [
            (*text, told_of_toml(text), *told),
            (&json, told_of_json(&json), told),
            (&yaml, told_of_yaml(&yaml), told),
        ];
        assert_all_told(all.into_iter());
    }
}

// I8
#[test]
fn all_that_is_wrong_is_told_at_once() {
    let told = wrong(
        r#"
        [defaults]
        failure_rate = 2.0
        open_for = "0s"
        permits = 2

        [circuits.a]
        minimum_calls = 1000
        time_windw = "1s"

        [circuits.b]
        mode = "of"
        failure_rate = "10%"
        "#,
    );
    assert_eq!(
        told,
        [
            "circuits.a.time_windw: `time_windw` is not known; did you mean `time_window`?",
            "circuits.b.mode: `of`, but must be one of these words: `normal`, `shadow`, `disabled`, `forced_open`",
            "defaults.failure_rate: 2.0, but must be a share above 0 and at most 1; did you mean \"2%\"?",
            "defaults.open_for: 0ns, but must be a time above zero",
            "defaults.permits: 2, but must be 1 to 1, the number of `probes`",
            "circuits.a.minimum_calls: 1000, but must be 1 to 100, the size of the `count_window`",
        ],
    );
}

// I8
#[test]
fn each_part_that_is_wrong_of_a_table_is_told() {
    let told = wrong(
        r#"
        [circuits.a]
        shed = { multiplier = -1, floor = -0.1 }
        ramp = { over = "0s", from = -0.1 }
        open_for = { first = "0s", factor = 0.5, max = "1m", jitter = -0.1 }
        retries = { at_most = 2, share = -0.1, max_wait = "0s" }

        [circuits.b.open_for]
        first = "2s"
        factor = 2.0
        max = "1s"
        jitter = -0.1

        [bases.c]
        shed = { multiplier = -2, floor = -0.1 }
        "#,
    );
    let share = "a share above 0 and at most 1";
    assert_eq!(
        told,
        [
            "bases.c.shed.multiplier: -2.0, but must be 1 to 100".to_owned(),
            "bases.c.shed.floor: -0.1, but must be a share above 0 and below 1".to_owned(),
            "circuits.a.open_for: 0ns, but must be a time above zero".to_owned(),
            "circuits.a.open_for.factor: 0.5, but must be a finite number of at least 1".to_owned(),
            format!("circuits.a.open_for.jitter: -0.1, but must be {share}"),
            format!("circuits.a.retries.share: -0.1, but must be {share}"),
            "circuits.a.retries.max_wait: 0ns, but must be a time above zero".to_owned(),
            "circuits.a.shed.multiplier: -1.0, but must be 1 to 100".to_owned(),
            "circuits.a.shed.floor: -0.1, but must be a share above 0 and below 1".to_owned(),
            "circuits.a.ramp: 0ns, but must be a time above zero".to_owned(),
            format!("circuits.a.ramp.from: -0.1, but must be {share}"),
            "circuits.b.open_for.max: 1s, but must be at least the first open time".to_owned(),
            format!("circuits.b.open_for.jitter: -0.1, but must be {share}"),
        ],
    );
}

// I8: nobody knows what would be wrong beside the right value.
#[test]
fn what_is_wrong_because_of_another_that_is_told_is_not_told() {
    let blamed = [
        (
            "circuits.a = { failure_rate = \"off\", shed = { multiplier = -1, floor = 0.1 } }",
            "circuits.a.shed.multiplier: -1.0, but must be 1 to 100",
        ),
        (
            "circuits.a.open_for = { first = \"0s\", factor = 2, max = \"0s\" }",
            "circuits.a.open_for: 0ns, but must be a time above zero",
        ),
        (
            "circuits.a = { failure_rate = 0.4, shed = { multiplier = -1, floor = 0.1 } }",
            "circuits.a.shed.multiplier: -1.0, but must be 1 to 100",
        ),
        (
            "circuits.a = { failure_rate = \"off\", consecutive_failures = \"many\" }",
            "circuits.a.consecutive_failures: \"many\", but must be a whole number",
        ),
        (
            "defaults.slow_call_rate = 2.0\ncircuits.a.slow_call_duration = \"1s\"",
            "defaults.slow_call_rate: 2.0, but must be a share above 0 and at most 1; did you mean \"2%\"?",
        ),
        (
            "circuits.a = { probes = 0, permits = 2 }",
            "circuits.a.probes.of: 0, but must be 1 to 63",
        ),
        (
            "bases.x.consecutive_failures = \"many\"\ncircuits.a = { extends = \"x\", failure_rate = \"off\" }",
            "bases.x.consecutive_failures: \"many\", but must be a whole number",
        ),
        (
            "matching = [{ names = \"*\", shed = 1 }]\ncircuits.a.failure_rate = \"off\"",
            "matching.0.shed: 1, but must be a table such as { multiplier = 1.5, floor = \"10%\" }",
        ),
    ];
    for (text, one) in blamed {
        assert_eq!(wrong(text), [one], "{text}");
    }
    // Of another circuit, it is.
    let told = wrong("circuits.a.shed = 1\ncircuits.b.failure_rate = \"off\"");
    assert_eq!(told.len(), 2, "{told:?}");
}

// I8: what is missing is told once, where it is missing, and what comes after it all the same.
#[test]
fn what_is_missing_for_another_hides_nothing() {
    let told = wrong(
        r#"
        defaults.slow_call_rate = 0.5
        circuits.a = {}
        circuits.b.permits = 3
        circuits." ".minimum_calls = 0
        circuits.c.tags = { a = 1, b = 2 }
        "#,
    );
    assert_eq!(
        told,
        [
            "circuits.c.tags.a: 1, but must be a text",
            "circuits.c.tags.b: 2, but must be a text",
            "defaults.slow_call_duration: not set, but must be set together with `slow_call_rate`",
            "circuits.\" \": \" \", but must be a name that can be read",
            "circuits.\" \".minimum_calls: 0, but must be at least 1",
            "circuits.b.permits: 3, but must be 1 to 1, the number of `probes`",
        ],
    );
}

// I8, B9: a default that does not go with what was set is told where that was set.
#[test]
fn a_rate_that_nobody_has_set_is_told_where_shedding_is() {
    let told = wrong("defaults.shed = { multiplier = 2, floor = 0.1 }\ncircuits.a = {}");
    assert_eq!(
        told,
        [
            "defaults.failure_rate: 0.5, but must be above 0.5, from where a `shed.multiplier` of 2 sheds, or off; \
             left out, it is 0.5",
        ],
    );
}

// I8: a chain of bases costs no more than its length.
#[test]
fn a_chain_of_bases_has_an_end() {
    let chain = |length: usize| {
        let base = |number: usize| format!("bases.b{number}.extends = \"b{}\"\n", number + 1);
        let bases: String = (0..length).map(base).collect();
        format!("{bases}[bases.b{length}]\n[circuits.a]\nextends = \"b0\"")
    };
    super::read(&chain(31)).expect("32 in a row");
    let told = wrong(&chain(32));
    let last = "bases.b31.extends: `b32`, but must be a chain of at most 32 bases";
    assert_eq!(told, [last]);
    let told = wrong(&chain(100));
    assert!(
        told.iter()
            .all(|line| line.ends_with("a chain of at most 32 bases"))
    );
}

// I8: what is told of a hostile file stays readable.
#[test]
fn a_long_list_of_known_words_is_cut_off() {
    let told = |bases: u32| {
        let bases: String = (10..10 + bases)
            .map(|number| format!("[bases.b{number}]\n"))
            .collect();
        let told = wrong(&format!(
            "{bases}[circuits.a]\nextends = \"nothing like it\""
        ));
        assert_eq!(told.len(), 1);
        told[0].clone()
    };
    let all = told(32);
    assert!(all.ends_with("`b40`, `b41`"), "{all}");
    assert_eq!(told(33), format!("{all}, …"));
    let of_many = told(500);
    assert!(of_many.len() < 400 && of_many.ends_with(", …"), "{of_many}");
}

// I8: what is told as a line is there in its parts, too.
#[test]
fn each_part_of_a_problem_can_be_asked() {
    let text = "circuits.a.failure_rate = 50\ncircuits.a.permit = 1";
    let read = Config::read(toml::Deserializer::parse(text).expect("well formed"));
    let Err(ReadError::Problems(problems)) = read else {
        panic!("two mistakes");
    };
    let parts: Vec<_> = problems
        .iter()
        .map(|it| (it.path(), it.found(), it.nearest(), it.hint()))
        .collect();
    let share = "did you mean \"50%\"?";
    assert_eq!(
        parts,
        [
            ("circuits.a.permit", "`permit`", Some("permits"), None),
            ("circuits.a.failure_rate", "50", None, Some(share)),
        ],
    );
}

// I8: what one part of a table says wrong hides nothing of what the others say, and no more is told of it.
#[test]
fn a_table_that_is_half_understood_is_told_once_and_hides_nothing() {
    let told = wrong(
        r#"
        circuits.a = { shared = { instances = "many" }, totals = false }
        circuits.b.retries = { at_most = "a few" }
        circuits.c.retries = { at_most = 2, share = 0, per_second = "some" }
        "#,
    );
    assert_eq!(
        told,
        [
            "circuits.a.shared.instances: \"many\", but must be a whole number",
            "circuits.b.retries.at_most: \"a few\", but must be a whole number",
            "circuits.c.retries.per_second: \"some\", but must be a whole number",
            "circuits.a.totals: off, but must be on where the circuit is `shared`",
        ],
    );
}

// I8: a key may be anything; a problem is one line.
#[test]
fn a_key_with_a_new_line_is_told_on_one_line() {
    let told = wrong("\"a\\nb\" = 1");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with(r#""a\nb": `a\nb`"#), "{}", told[0]);
}

// I8
#[test]
fn a_circle_of_bases_is_told_and_ends() {
    let told = wrong(
        r#"
        bases.a.extends = "b"
        bases.b.extends = "c"
        bases.c.extends = "a"
        circuits.x.extends = "a"
        "#,
    );
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told.iter()
            .all(|line| line.contains("which extends itself"))
    );
}

// I8: what two parts say may make no sense together only.
#[test]
fn what_makes_no_sense_together_is_told_where_it_was_said() {
    let told = wrong(
        r#"
        defaults.count_window = 10
        [[matching]]
        names = "slow-*"
        minimum_calls = 30
        "#,
    );
    assert_eq!(
        told,
        ["matching.0.minimum_calls: 30, but must be 1 to 10, the size of the `count_window`"],
    );
}

// I8
#[test]
fn a_circuit_is_checked_with_the_patterns_that_match_it() {
    let told = wrong(
        r#"
        [[matching]]
        names = "slow-*"
        count_window = 10
        [circuits.slow-search]
        minimum_calls = 30
        "#,
    );
    assert_eq!(
        told,
        [
            "circuits.slow-search.minimum_calls: 30, but must be 1 to 10, the size of the `count_window`"
        ],
    );
}

// I8
#[test]
fn a_pattern_is_checked_with_those_that_match_all_that_it_does() {
    let told = wrong(
        r#"
        [[matching]]
        names = "slow-*"
        count_window = 10
        [[matching]]
        names = "slow-search-*"
        minimum_calls = 30
        "#,
    );
    assert_eq!(
        told,
        ["matching.1.minimum_calls: 30, but must be 1 to 10, the size of the `count_window`"],
    );
}

// I8
#[test]
fn what_is_out_of_range_is_told_even_where_a_later_pattern_says_another() {
    let told = wrong(
        r#"
        [[matching]]
        names = "slow-search-*"
        failure_rate = 2.0
        [[matching]]
        names = "slow-*"
        failure_rate = 0.2
        "#,
    );
    assert_eq!(
        told,
        [
            "matching.0.failure_rate: 2.0, but must be a share above 0 and at most 1; did you mean \"2%\"?"
        ],
    );
}

// I8
#[test]
fn a_key_that_is_there_twice_is_told() {
    let file = r#"{ "circuits": { "a": { "permits": 1, "permits": 1 } } }"#;
    let read = tower_breaker::config::Config::read(&mut serde_json::Deserializer::from_str(file));
    assert_eq!(
        read.expect_err("twice").to_string(),
        "circuits.a.permits: there twice, but must be there once",
    );
}

// I8, B8
#[test]
fn a_name_that_is_too_long_is_told() {
    let name = "k".repeat(257);
    let told = format!("circuits.{name}: one of 257 bytes, but must be at most 256 bytes long");
    assert_eq!(told_of_toml(&format!("[circuits.{name}]")), told);
}

// I8
#[test]
fn a_name_with_dots_that_is_several_keys_is_told_with_its_quotes() {
    for (text, key, name) in [
        (
            "[circuits.db1.internal]\npermits = 1",
            "internal",
            "db1.internal",
        ),
        (
            "[circuits.db1.eu.example]\npermits = 1\nprobes = 1",
            "eu",
            "db1.eu.example",
        ),
        ("[circuits.db1.eu.example]", "eu", "db1.eu.example"),
    ] {
        let told = wrong(text);
        let hint = format!("; a name with dots is one key, in quotes: `circuits.\"{name}\"`");
        let begin = format!("circuits.db1.{key}: `{key}`, but must be one of these keys: ");
        let [told] = &told[..] else {
            panic!("{told:?}");
        };
        assert!(told.starts_with(&begin) && told.ends_with(&hint), "{told}");
    }
    // What is no table, or nearly a key, is none.
    for text in [
        "circuits.a.internal = 1",
        "circuits.a.open_fo = {}",
        "defaults.internal = {}",
    ] {
        let told = wrong(text);
        assert!(!told[0].contains("dots"), "{told:?}");
    }
}
