//! What holds for whom.

use std::time::Duration;

use tower_breaker::{
    Agreement, Circuit, CircuitBuilder, Mode, RetryLimits, State, clock::ManualClock,
    config::Config, registry::Registry,
};

use super::read;

fn registry(text: &str) -> Registry {
    read(text)
        .expect("makes sense")
        .registry()
        .build()
        .expect("valid")
}

/// How many failures in a row open it.
fn failures_to_open(registry: &Registry, name: &str) -> usize {
    let circuit = registry.get_or_create(name).expect("made");
    let mut failures = 0;
    while circuit.state() == State::Closed && failures < 100 {
        circuit.try_acquire().expect("closed").failure();
        failures += 1;
    }
    failures
}

// I7
#[test]
fn defaults_then_patterns_then_names_and_bases_before_their_own() {
    let registry = registry(
        r#"
        [defaults]
        consecutive_failures = 2

        [[matching]]
        names = "search-*"
        consecutive_failures = 3

        [[matching]]
        names = "*-eu"
        consecutive_failures = 4

        [bases.brittle]
        consecutive_failures = 1

        [bases.firm]
        extends = "brittle"
        consecutive_failures = 7

        [circuits.search-eu-1]
        consecutive_failures = 6

        [circuits.payments]
        extends = "brittle"

        [circuits.refunds]
        extends = "firm"

        [circuits.search-eu]
        extends = "firm"
        consecutive_failures = 5
        "#,
    );
    for (name, failures) in [
        ("other", 2),
        ("search-us", 3),
        ("billing-eu", 4),
        ("search-eu-1", 6),
        ("payments", 1),
        ("refunds", 7),
        ("search-eu", 5),
    ] {
        assert_eq!(failures_to_open(&registry, name), failures, "{name}");
    }
}

// I7
#[test]
fn circuits_of_the_file_are_there_from_the_start_and_others_come_with_use() {
    let registry = registry("max_circuits = 2\n[circuits.b]\n[circuits.a]");
    let names: Vec<_> = registry
        .circuits()
        .iter()
        .map(|it| it.name().to_owned())
        .collect();
    assert_eq!(names, ["a", "b"]);
    registry.get_or_create("c").expect_err("full");
}

// I7
#[test]
fn every_key_reaches_its_circuit() {
    let clock = ManualClock::new();
    let time = clock.clone();
    let config = read(
        r#"
        [circuits.a]
        consecutive_failures = 3
        consecutive_failures_span = "1s"
        failure_rate = "100%"
        slow_call_rate = 0.5
        slow_call_duration = "2s"
        minimum_calls = 50
        time_window = "1m"
        time_window_buckets = 6
        open_for = { first = "1s", factor = 2, max = "1m 30s" }
        permits = 2
        probes = "2 of 3"
        half_open_timeout = "5s"
        probe_timeout = "500ms"
        call_timeout = "800ms"
        bulkhead = { places = 20, wait = "50ms" }
        retries = { at_most = 2, share = "25%", per_second = 5, max_wait = "2s" }
        ramp = { over = "10s", from = "25%" }
        shed = { multiplier = 1.5, floor = "5%" }
        spread_retry_after = 0.1
        abandoned = { failure_after = "3s" }
        mode = "shadow"
        totals = false
        event_log = 2
        tags = { tier = "critical", zone = "eu" }
        "#,
    )
    .expect("makes sense");
    let registry = config
        .registry()
        .defaults(move |it| it.clock(time.clone()))
        .build();
    let circuit = registry.expect("valid").try_get("a").expect("there");

    assert_eq!(circuit.tags().to_string(), "tier=critical, zone=eu");
    let (settings, millis) = (circuit.settings(), Duration::from_millis);
    assert_eq!(settings.call_timeout(), Some(millis(800)));
    assert_eq!(settings.bulkhead(), Some((20, millis(50))));
    let retries = RetryLimits::new(2).share(0.25).per_second(5);
    assert_eq!(settings.retries(), Some(retries.max_wait(millis(2_000))));
    assert_eq!(settings.shed(), Some((1.5, 0.05)));
    assert_eq!(circuit.mode(), Mode::Shadow);
    assert_eq!(circuit.snapshot().totals, None);
    (0..3).for_each(|_| circuit.reset());
    assert_eq!(circuit.recent_events().len(), 2);
    let refused = circuit.reconfigure(|settings| settings.set_event_log(3));
    assert_eq!(refused.expect_err("refused").field(), "event_log");
    circuit.set_mode(Mode::Normal);
    let fail = || circuit.try_acquire().expect("admitted").failure();
    (0..3).for_each(|_| fail());
    assert_eq!(circuit.state(), State::Closed, "they span no time");
    clock.advance(Duration::from_secs(1));
    fail();
    assert_eq!(circuit.state(), State::Open);
    clock.advance(Duration::from_secs(1));
    let probe = circuit.clone().try_acquire_owned().expect("a probe");
    let probes = circuit.snapshot().probes.expect("half-open");
    let counts = (
        probes.permits,
        probes.successes_needed,
        probes.failures_allowed,
    );
    assert_eq!(counts, (2, 2, 1));
    probe.success();
    circuit.try_acquire().expect("a probe").success();
    assert_eq!(circuit.state(), State::Closed);
    assert!((circuit.snapshot().ramp_share - 0.25).abs() < 1e-6);
}

// I7
#[test]
fn more_can_be_said_in_code() {
    let config = read("[circuits.a]\nconsecutive_failures = 5").expect("makes sense");
    let registry = config
        .registry()
        .circuit("a", |circuit| circuit.consecutive_failures(1))
        .build()
        .expect("valid");
    assert_eq!(failures_to_open(&registry, "a"), 1);
}

// I7: what was set before is taken back.
#[test]
fn what_is_off_is_off_whatever_the_defaults_say() {
    let registry = registry(
        r#"
        [defaults]
        consecutive_failures = 3
        consecutive_failures_span = "1s"
        failure_rate = 0.5
        slow_call_rate = 0.5
        slow_call_duration = "2s"
        count_window = 50
        half_open_timeout = "5s"
        probe_timeout = "500ms"
        call_timeout = "800ms"
        bulkhead = 20
        retries = 2
        shared = true
        ramp = { over = "10s", from = "25%" }
        shed = { multiplier = 1.5, floor = 0.1 }
        spread_retry_after = 0.1

        [circuits.a]
        consecutive_failures = "off"
        consecutive_failures_span = "off"
        slow_call_rate = "off"
        slow_call_duration = "off"
        count_window = "off"
        time_window = "1m"
        half_open_timeout = "off"
        probe_timeout = "off"
        call_timeout = "off"
        bulkhead = "off"
        retries = "off"
        shared = "off"
        ramp = "off"
        shed = "off"
        spread_retry_after = "off"

        [circuits.b]
        failure_rate = "off"
        slow_call_rate = "off"
        shed = "off"
        count_window = "off"
        "#,
    );
    let settings = |name: &str| registry.try_get(name).expect("there").settings();
    let plain = |change: fn(CircuitBuilder) -> CircuitBuilder| {
        let circuit = change(Circuit::builder("plain")).build().expect("valid");
        circuit.settings()
    };
    let minute = Duration::from_secs(60);
    assert_eq!(
        settings("a"),
        plain(|it| it.failure_rate(0.5).time_window(Duration::from_secs(60)))
    );
    assert_eq!(settings("a").time_window(), Some(minute));
    let b = settings("b");
    assert_eq!((b.failure_rate(), b.count_window()), (None, None));
    assert_eq!(b.consecutive_failures(), Some(3));
    // Of which only a number was said.
    assert_eq!(b.bulkhead(), Some((20, Duration::ZERO)));
    assert_eq!(b.retries(), Some(RetryLimits::new(2)));
    assert_eq!(b.shared(), Some(Agreement::default()));
}

// I7, N3
#[test]
fn an_agreement_is_said_in_a_file() {
    let shared = |said: &str| {
        let text = format!("[circuits.a]\nshared = {said}");
        registry(&text)
            .try_get("a")
            .expect("there")
            .settings()
            .shared()
    };
    assert_eq!(shared("true"), Some(Agreement::default()));
    assert_eq!(shared("{}"), Some(Agreement::default()));
    assert_eq!(shared("false"), None);
    assert_eq!(shared("'off'"), None);
    assert_eq!(
        shared("{ share = '25%' }"),
        Some(Agreement::of(2).share(0.25))
    );
    let all = Agreement::of(3).share(0.0).trip_now(true).revision(7);
    assert_eq!(
        shared(
            "{ instances = 3, share = 0, trip_now = true, stay_open_when_detached = true, revision = 7 }"
        ),
        Some(all.stay_open_when_detached(true)),
    );
}

// I7
#[test]
fn a_base_from_code_comes_before_what_the_block_says() {
    let read = |text: &str| {
        Config::reader()
            .base("brittle", |circuit| {
                circuit.consecutive_failures(1).permits(2).probes(2, 2)
            })
            .read(toml::Deserializer::parse(text).expect("well formed"))
    };
    let config = read(
        "[bases.gentle]
         extends = \"brittle\"
         permits = 1
         [circuits.a]
         extends = \"gentle\"
         [circuits.b]
         extends = \"brittle\"
         consecutive_failures = 7
         [circuits.c]",
    );
    let registry = config.expect("good").registry().build().expect("valid");
    let of = |name: &str| {
        let settings = registry.try_get(name).expect("there").settings();
        (settings.consecutive_failures(), settings.permits())
    };
    assert_eq!(of("a"), (Some(1), 1));
    assert_eq!(of("b"), (Some(7), 2));
    assert_eq!(of("c"), (None, 1));
}

// I8
#[test]
fn a_base_that_neither_the_file_nor_code_has_is_told_and_one_that_both_have_is_refused() {
    let read = |text: &str| {
        let reader = Config::reader().base("brittle", |circuit| circuit.consecutive_failures(1));
        let read = reader.read(toml::Deserializer::parse(text).expect("well formed"));
        read.expect_err("wrong").to_string()
    };
    assert_eq!(
        read("circuits.a.extends = \"brittl\""),
        "circuits.a.extends: `brittl` is not known; did you mean `brittle`?"
    );
    assert_eq!(
        read("bases.brittle.permits = 1"),
        "bases.brittle: there, but must be left out: code has a base of that name"
    );
}

// I8, N8: what a file may say of a fleet can be built, up to its borders.
#[cfg(feature = "fleet")]
#[test]
fn a_fleet_of_a_file_that_makes_sense_can_be_built() {
    use tower_breaker::fleet::Fleet;

    let long = "a".repeat(64);
    for said in [
        "namespace = 'shop'".to_owned(),
        "namespace = 'S_.-9'\nscope = ''".to_owned(),
        format!("namespace = '{long}'\nscope = '{long}'"),
        "namespace = 'a'\nshards = 1\nbudget = 1".to_owned(),
        format!("namespace = 'a'\nshards = 256\nbudget = {}", u32::MAX),
        "namespace = 'a'\ninterval = '10ms'\npoll = '10ms'\ndetach_after = '40ms'".to_owned(),
        "namespace = 'a'\ninterval = '15m'\npoll = '30m'\ndetach_after = '1h'".to_owned(),
        format!("namespace = 'a'\nlabel = 'Pod {long} \u{fc}'"),
    ] {
        let config = read(&format!("[fleet]\n{said}")).unwrap_or_else(|error| panic!("{error}"));
        let fleet = config.fleet().expect("said");
        Fleet::of(fleet)
            .build()
            .unwrap_or_else(|error| panic!("{error}: {said}"));
    }
}
