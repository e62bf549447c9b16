//! Variables of the environment.

use tower_breaker::config::Config;

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
        ("TOWER_BREAKER__PAYMENTS_EU__TOTALS", "false"),
        ("TOWER_BREAKER__PAYMENTS_EU__PROBES", "2 of 3"),
    ];
    read(FILE, &variables).expect("makes sense");
}

// I8
#[test]
fn a_variable_that_fits_nothing_is_told() {
    let file = "[circuits.a-b]\n[circuits.a_b]\n[circuits.c]";
    for (variable, value, told) in [
        (
            "TOWER_BREAKER__PAYMENT__PERMITS",
            "1",
            "TOWER_BREAKER__PAYMENT__PERMITS: PAYMENT, but must be the name of a circuit in `circuits`, or DEFAULTS",
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
        (
            "TOWER_BREAKER__C__PERMIT",
            "1",
            "circuits.c.permit: `permit` is not known; did you mean `permits`?",
        ),
        (
            "TOWER_BREAKER__C__OPEN_FOR",
            "30",
            "circuits.c.open_for: 30, but must be a time such as \"30s\", \"250ms\" or \"1m 30s\"",
        ),
        (
            "TOWER_BREAKER__MAX_CIRCUITS",
            "many",
            "max_circuits: \"many\", but must be a whole number",
        ),
    ] {
        let error = read(file, &[(variable, value)]).expect_err("wrong");
        assert_eq!(error, told, "{variable}");
    }
}
