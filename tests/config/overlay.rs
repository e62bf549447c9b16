//! Variables of the environment.

use std::time::Duration;

use tower_breaker::{Agreement, RetryLimits, config::Config};

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let owned = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let deserializer = toml::Deserializer::parse(text).map_err(|error| error.to_string())?;
    Config::read_with_env(deserializer, owned).map_err(|error| error.to_string())
}

fn failures(config: &Config, name: &str) -> usize {
    let registry = config.registry().build().expect("valid");
    let circuit = registry.get_or_create(name).expect("made");
    let fails = || circuit.try_acquire().map(|guard| guard.failure()).is_ok();
    (0..100).take_while(|_| fails()).count()
}

const FILE: &str = "[circuits.payments-eu]\nconsecutive_failures = 5";

// I7
#[test]
fn a_variable_holds_over_the_file() {
    let variables = [
        ("TOWER_BREAKER__PAYMENTS_EU__CONSECUTIVE_FAILURES", "2"),
        ("TOWER_BREAKER__DEFAULTS__CONSECUTIVE_FAILURES", "3"),
        ("TOWER_BREAKER__MAX_CIRCUITS", "7"),
        ("TOWER_BREAKERS", "somebody else's"),
        ("TOWER_BREAKER_LOOM", "somebody else's"),
        ("PATH", "/bin"),
    ];
    let config = read(FILE, &variables).expect("makes sense");
    assert_eq!(failures(&config, "payments-eu"), 2);
    assert_eq!(failures(&config, "other"), 3);
}

// I7
#[test]
fn values_are_read_as_in_a_file() {
    let variables = [
        ("TOWER_BREAKER__PAYMENTS_EU__OPEN_FOR", "1m 30s"),
        ("TOWER_BREAKER__PAYMENTS_EU__FAILURE_RATE", "50%"),
        ("TOWER_BREAKER__PAYMENTS_EU__SLOW_CALL_RATE", "0.5"),
        ("TOWER_BREAKER__PAYMENTS_EU__SLOW_CALL_DURATION", "2s"),
        ("TOWER_BREAKER__PAYMENTS_EU__DURATIONS", "true"),
        ("TOWER_BREAKER__PAYMENTS_EU__PROBES", "2 of 3"),
        ("TOWER_BREAKER__PAYMENTS_EU__CALL_TIMEOUT", "800ms"),
        ("TOWER_BREAKER__PAYMENTS_EU__BULKHEAD", "20"),
        ("TOWER_BREAKER__PAYMENTS_EU__RETRIES", "2"),
        ("TOWER_BREAKER__PAYMENTS_EU__SHARED", "true"),
    ];
    let config = read(FILE, &variables).expect("makes sense");
    let circuit = config.registry().build().expect("valid");
    let settings = circuit.try_get("payments-eu").expect("named").settings();
    assert_eq!(settings.bulkhead(), Some((20, Duration::ZERO)));
    assert_eq!(settings.retries(), Some(RetryLimits::new(2)));
    assert_eq!(settings.shared(), Some(Agreement::default()));
    assert!(settings.durations());
}

// I7
#[test]
fn a_variable_switches_off_what_the_file_has_as_a_table() {
    let file = "[circuits.a]\nshed = { multiplier = 2, floor = \"10%\" }\nfailure_rate = \"80%\"";
    let shed = |variables: &[_]| {
        let config = read(file, variables).expect("makes sense");
        let circuits = config.registry().build().expect("valid");
        circuits.try_get("a").expect("named").settings().shed()
    };
    assert_eq!(shed(&[]), Some((2.0, 0.1)));
    assert_eq!(shed(&[("TOWER_BREAKER__A__SHED", "off")]), None);
}

// I7
#[test]
fn a_variable_turns_a_switch_of_the_file() {
    for (said, durations) in [("true", true), ("false", false)] {
        let file = format!("[circuits.a]\ndurations = {}", !durations);
        let config = read(&file, &[("TOWER_BREAKER__A__DURATIONS", said)]).expect("makes sense");
        let circuits = config.registry().build().expect("valid");
        let settings = circuits.try_get("a").expect("named").settings();
        assert_eq!(settings.durations(), durations);
    }
}

// I8
#[test]
fn a_variable_that_fits_nothing_is_told() {
    let file = "[circuits.a-b]\n[circuits.a_b]\n[circuits.c]\n[circuits.payments]";
    for (variable, value, told) in [
        (
            "TOWER_BREAKER__PAYMENT__PERMITS",
            "1",
            "TOWER_BREAKER__PAYMENT__PERMITS: PAYMENT is not known; did you mean `PAYMENTS`?",
        ),
        (
            "TOWER_BREAKER__SEARCH__PERMITS",
            "1",
            "TOWER_BREAKER__SEARCH__PERMITS: SEARCH, but must be the name of a circuit in `circuits`, or \
             DEFAULTS, or FLEET",
        ),
        (
            "TOWER_BREAKER__PAYMENTS_SLOW_CALL_RATE",
            "1",
            "TOWER_BREAKER__PAYMENTS_SLOW_CALL_RATE: one underscore before the key, but must be two: \
             TOWER_BREAKER__PAYMENTS__SLOW_CALL_RATE",
        ),
        (
            "TOWER_BREAKER__A_B__PERMITS",
            "1",
            "TOWER_BREAKER__A_B__PERMITS: A_B, which is a-b and a_b, but must be the name of one circuit",
        ),
        (
            "TOWER_BREAKER__C",
            "1",
            "TOWER_BREAKER__C: the name of this variable, but must be such as TOWER_BREAKER__PAYMENTS__FAILURE_RATE",
        ),
        // No key, and no place.
        (
            "TOWER_BREAKER__C__",
            "1",
            "TOWER_BREAKER__C__: the name of this variable, but must be such as TOWER_BREAKER__PAYMENTS__FAILURE_RATE",
        ),
        (
            "TOWER_BREAKER___PERMITS",
            "1",
            "TOWER_BREAKER___PERMITS: the name of this variable, but must be such as \
             TOWER_BREAKER__PAYMENTS__FAILURE_RATE",
        ),
        (
            "TOWER_BREAKER__C__PERMIT",
            "1",
            "TOWER_BREAKER__C__PERMIT: circuits.c.permit: `permit` is not known; did you mean `permits`?",
        ),
        (
            "TOWER_BREAKER__C__OPEN_FOR",
            "30",
            "TOWER_BREAKER__C__OPEN_FOR: circuits.c.open_for: 30, but must be a time such as \
             \"30s\", \"250ms\" or \"1m 30s\"",
        ),
        (
            "TOWER_BREAKER_C__PERMITS",
            "1",
            "TOWER_BREAKER_C__PERMITS: `TOWER_BREAKER_`, but must be `TOWER_BREAKER__`, with two underscores",
        ),
        (
            "TOWER_BREAKER__C__PERMITS",
            "2",
            "TOWER_BREAKER__C__PERMITS: circuits.c.permits: 2, but must be 1 to 1, the number of `probes`",
        ),
        (
            "TOWER_BREAKER__MAX_CIRCUITS",
            "many",
            "TOWER_BREAKER__MAX_CIRCUITS: max_circuits: \"many\", but must be a whole number",
        ),
    ] {
        let error = read(file, &[(variable, value)]).expect_err("wrong");
        assert_eq!(error, told, "{variable}");
    }
}

// I8
#[test]
fn a_variable_for_a_circuit_where_there_is_none_is_told() {
    let error = read("max_circuits = 5", &[("TOWER_BREAKER__A__PERMITS", "1")]);
    assert_eq!(
        error.expect_err("wrong"),
        "TOWER_BREAKER__A__PERMITS: A, but must be the name of a circuit in `circuits`, or DEFAULTS, or FLEET",
    );
}

// I8
#[test]
fn a_circuit_that_is_called_defaults_is_not_mistaken_for_the_defaults() {
    let variables = [("TOWER_BREAKER__DEFAULTS__PERMITS", "1")];
    let error = read("[circuits.defaults]", &variables).expect_err("wrong");
    assert_eq!(
        error,
        "TOWER_BREAKER__DEFAULTS__PERMITS: DEFAULTS, which is defaults and defaults, but must be the \
         name of one circuit",
    );
}

// I8
#[test]
fn a_circuit_that_is_called_fleet_is_not_mistaken_for_the_fleet() {
    let variables = [("TOWER_BREAKER__FLEET__SCOPE", "a")];
    let error = read("[circuits.fleet]", &variables).expect_err("wrong");
    assert_eq!(
        error,
        "TOWER_BREAKER__FLEET__SCOPE: FLEET, which is fleet and fleet, but must be the name of one circuit",
    );
}

// I7: a zone that looks like a number is a zone.
#[test]
fn a_variable_says_which_scope_an_instance_is_of() {
    let file = "[fleet]\nnamespace = \"shop\"\nscope = \"somewhere\"";
    for scope in ["eu-west-1a", "01", "true", "1e3", ""] {
        let variables = [
            ("TOWER_BREAKER__FLEET__SCOPE", scope),
            ("TOWER_BREAKER__FLEET__SHARDS", "4"),
            ("TOWER_BREAKER__FLEET__DETACH_AFTER", "5s"),
        ];
        let config = read(file, &variables).expect("makes sense");
        let fleet = config.fleet().expect("there");
        assert_eq!((&*fleet.namespace, &*fleet.scope), ("shop", scope));
        assert_eq!(fleet.shards, Some(4));
        assert_eq!(fleet.detach_after, Some(Duration::from_secs(5)));
        assert_eq!(fleet.interval, None);
    }
}

// I8
#[test]
fn a_variable_for_the_fleet_that_fits_nothing_is_told() {
    let file = "[fleet]\nnamespace = \"shop\"\n[circuits.payments]";
    for (variable, value, told) in [
        (
            "TOWER_BREAKER__FLEET__SCOPES",
            "a",
            "TOWER_BREAKER__FLEET__SCOPES: fleet.scopes: `scopes` is not known; did you mean `scope`?",
        ),
        (
            "TOWER_BREAKER__FLEET__SCOPE",
            "a:b",
            "TOWER_BREAKER__FLEET__SCOPE: fleet.scope: \"a:b\", but must be 0 to 64 of the letters a to z and \
             A to Z, digits, `_`, `.` and `-`",
        ),
        (
            "TOWER_BREAKER__FLEET_SCOPE",
            "a",
            "TOWER_BREAKER__FLEET_SCOPE: one underscore before the key, but must be two: \
             TOWER_BREAKER__FLEET__SCOPE",
        ),
        (
            "TOWER_BREAKER__FLET__SCOPE",
            "a",
            "TOWER_BREAKER__FLET__SCOPE: FLET is not known; did you mean `FLEET`?",
        ),
    ] {
        let error = read(file, &[(variable, value)]).expect_err("wrong");
        assert_eq!(error, told, "{variable}");
    }
    let error = read("", &[("TOWER_BREAKER__FLEET__SCOPE", "a")]).expect_err("no namespace");
    assert_eq!(
        error,
        "fleet.namespace: not there, but must be the name of your application",
    );
}

// I7
#[test]
fn a_name_may_have_two_underscores_in_a_row() {
    let variables = [("TOWER_BREAKER__HTTP___DB__CONSECUTIVE_FAILURES", "1")];
    let config = read("[circuits.\"http://db\"]", &variables).expect("makes sense");
    assert_eq!(failures(&config, "http://db"), 1);
}

// I8: what is wrong in the file is told as it is there.
#[test]
fn a_variable_hides_nothing_that_is_wrong_in_the_file() {
    let variables = [("TOWER_BREAKER__DEFAULTS__PERMITS", "1")];
    let error = read("defaults = \"abc\"", &variables).expect_err("wrong");
    assert_eq!(error, "defaults: \"abc\", but must be a table");
}

// I7
#[test]
fn a_variable_for_the_defaults_gives_way_to_what_is_said_for_a_name() {
    let variables = [("TOWER_BREAKER__DEFAULTS__CONSECUTIVE_FAILURES", "3")];
    let config = read(FILE, &variables).expect("makes sense");
    assert_eq!(failures(&config, "payments-eu"), 5);
}

// I8
#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_told_if_it_is_ours() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};

    let bytes = || OsString::from_vec(vec![0xff]);
    let lay = |name: &str| {
        let deserializer = toml::Deserializer::parse(FILE).expect("well formed");
        Config::read_with_env(deserializer, [(OsString::from(name), bytes())])
    };
    lay("PATH").expect("somebody else's");
    let error = lay("TOWER_BREAKER__PAYMENTS_EU__PERMITS").expect_err("ours");
    assert_eq!(
        error.to_string(),
        "TOWER_BREAKER__PAYMENTS_EU__PERMITS: not Unicode, but must be a text",
    );
}
