//! What is refused when a circuit is built, by name, and what is not (rule B8).

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use crate::support::{NANO, millis, secs};
use tower::Layer;
use tower_breaker::{
    AbandonedPolicy, Circuit, CircuitBuilder, ConfigError, EjectionCap, Jitter, Mode, OpenFor,
    RetryLimits, SavedState, State,
    clock::{Clock, ManualClock},
};

type Settings = fn(CircuitBuilder) -> CircuitBuilder;

fn build(settings: Settings) -> Result<Circuit, ConfigError> {
    let builder = Circuit::builder("payments").clock(ManualClock::new());
    settings(builder).build()
}

/// Every one of these is refused, and the error names the field and the value.
#[track_caller]
fn refused(cases: &[(&str, &str, Settings)]) {
    for (field, value, settings) in cases {
        let error = build(*settings).expect_err(&format!("`{field}` of {value}"));
        assert_eq!((error.field(), error.value()), (*field, *value));
        assert!(!error.allowed().is_empty());
        assert_eq!(error.circuit(), Some("payments"));
        let allowed = error.allowed();
        let said = format!("circuit `payments`: `{field}` is {value}, but must be {allowed}");
        assert_eq!(error.to_string(), said);
    }
}

/// Every one of these builds, and what was built can trip, recover and be looked at.
#[track_caller]
fn accepted(cases: &[Settings]) {
    for (position, settings) in cases.iter().enumerate() {
        let circuit = build(*settings).unwrap_or_else(|error| panic!("case {position}: {error}"));
        for _ in 0..3 {
            circuit.try_acquire().expect("closed").failure();
            circuit.reset();
        }
        let _ = circuit.snapshot();
    }
}

// ---- policies ----------------------------------------------------------------------------------

// B8
#[test]
fn consecutive_failures() {
    refused(&[
        ("consecutive_failures", "0", |c| c.consecutive_failures(0)),
        ("consecutive_failures", "8388608", |c| {
            c.consecutive_failures(8_388_608)
        }),
        ("consecutive_failures", "4294967295", |c| {
            c.consecutive_failures(u32::MAX)
        }),
    ]);
    accepted(&[
        |c| c.consecutive_failures(1),
        |c| c.consecutive_failures(4_194_303),
    ]);
}

// B8
#[test]
fn failure_rate() {
    refused(&[
        ("failure_rate", "0.0", |c| c.failure_rate(0.0)),
        ("failure_rate", "-0.0", |c| c.failure_rate(-0.0)),
        ("failure_rate", "-0.5", |c| c.failure_rate(-0.5)),
        ("failure_rate", "4e-7", |c| c.failure_rate(4e-7)),
        ("failure_rate", "1.0000000000000002", |c| {
            c.failure_rate(1.0 + f64::EPSILON)
        }),
        ("failure_rate", "50.0", |c| c.failure_rate(50.0)),
        ("failure_rate", "NaN", |c| c.failure_rate(f64::NAN)),
        ("failure_rate", "inf", |c| c.failure_rate(f64::INFINITY)),
        ("failure_rate", "-inf", |c| {
            c.failure_rate(f64::NEG_INFINITY)
        }),
    ]);
    accepted(&[
        |c| c.failure_rate(1e-6),
        |c| c.failure_rate(1.0),
        |c| c.failure_rate(1.0 - f64::EPSILON),
    ]);
}

// B8
#[test]
fn slow_call_rate() {
    fn slow(c: CircuitBuilder) -> CircuitBuilder {
        c.slow_call_duration(secs(1))
    }
    refused(&[
        ("slow_call_rate", "0.0", |c| slow(c).slow_call_rate(0.0)),
        ("slow_call_rate", "1.5", |c| slow(c).slow_call_rate(1.5)),
        ("slow_call_rate", "NaN", |c| {
            slow(c).slow_call_rate(f64::NAN)
        }),
        ("slow_call_duration", "not set", |c| c.slow_call_rate(0.5)),
    ]);
    accepted(&[
        |c| slow(c).slow_call_rate(1.0),
        |c| slow(c).slow_call_rate(1e-6),
        slow,
    ]);
}

// B8
#[test]
fn slow_call_duration() {
    refused(&[("slow_call_duration", "0ns", |c| {
        c.slow_call_duration(Duration::ZERO)
    })]);
    accepted(&[
        |c| c.slow_call_duration(NANO),
        |c| c.slow_call_duration(Duration::MAX),
    ]);
}

// B8
#[test]
fn consecutive_failures_span() {
    refused(&[
        ("consecutive_failures_span", "0ns", |c| {
            c.consecutive_failures(5)
                .consecutive_failures_span(Duration::ZERO)
        }),
        ("consecutive_failures_span", "1s", |c| {
            c.consecutive_failures_span(secs(1))
        }),
    ]);
    accepted(&[|c| {
        c.consecutive_failures(5)
            .consecutive_failures_span(Duration::MAX)
    }]);
}

// B8
#[test]
fn abandoned() {
    refused(&[("abandoned", "FailureAfter(0ns)", |c| {
        c.abandoned(AbandonedPolicy::FailureAfter(Duration::ZERO))
    })]);
    accepted(&[
        |c| c.abandoned(AbandonedPolicy::FailureAfter(NANO)),
        |c| c.abandoned(AbandonedPolicy::FailureAfter(Duration::MAX)),
    ]);
}

// B8
#[test]
fn minimum_calls() {
    refused(&[
        ("minimum_calls", "0", |c| c.minimum_calls(0)),
        ("minimum_calls", "101", |c| c.minimum_calls(101)),
        ("minimum_calls", "11", |c| {
            c.count_window(10).minimum_calls(11)
        }),
        ("minimum_calls", "0", |c| {
            c.time_window(secs(1)).minimum_calls(0)
        }),
        ("minimum_calls", "5", |c| {
            c.consecutive_failures(3).minimum_calls(5)
        }),
    ]);
    accepted(&[
        |c| c.minimum_calls(1),
        |c| c.minimum_calls(100),
        |c| c.count_window(10).minimum_calls(10),
        |c| c.time_window(secs(1)).minimum_calls(u32::MAX),
    ]);
}

// ---- windows -----------------------------------------------------------------------------------

// B8
#[test]
fn count_window() {
    refused(&[
        ("count_window", "0", |c| c.count_window(0)),
        ("count_window", "65537", |c| c.count_window(65_537)),
        ("count_window", "4294967295", |c| c.count_window(u32::MAX)),
    ]);
    accepted(&[|c| c.count_window(1), |c| c.count_window(65_536)]);
}

// B8
#[test]
fn time_window() {
    const DAY: Duration = Duration::from_secs(86_400);
    refused(&[
        ("time_window", "0ns", |c| c.time_window(Duration::ZERO)),
        ("time_window", "999.999µs", |c| {
            c.time_window(millis(1) - NANO)
        }),
        ("time_window", "86400.000000001s", |c| {
            c.time_window(DAY + NANO)
        }),
        ("time_window", "18446744073709551615.999999999s", |c| {
            c.time_window(Duration::MAX)
        }),
        ("time_window", "1s", |c| {
            c.time_window(secs(1)).count_window(10)
        }),
    ]);
    accepted(&[|c| c.time_window(millis(1)), |c| c.time_window(DAY)]);
}

// B8
#[test]
fn time_window_buckets() {
    refused(&[
        ("time_window_buckets", "0", |c| {
            c.time_window(secs(1)).time_window_buckets(0)
        }),
        ("time_window_buckets", "101", |c| {
            c.time_window(secs(1)).time_window_buckets(101)
        }),
        ("time_window_buckets", "4294967295", |c| {
            c.time_window(secs(1)).time_window_buckets(u32::MAX)
        }),
        ("time_window_buckets", "5", |c| c.time_window_buckets(5)),
        ("time_window_buckets", "5", |c| {
            c.count_window(10).time_window_buckets(5)
        }),
        ("time_window_buckets", "5", |c| {
            c.consecutive_failures(3).time_window_buckets(5)
        }),
    ]);
    accepted(&[
        |c| c.time_window(millis(1)).time_window_buckets(100),
        |c| c.time_window(secs(86_400)).time_window_buckets(100),
        |c| c.time_window(secs(1)).time_window_buckets(1),
    ]);
}

// ---- breaks ------------------------------------------------------------------------------------

fn growing(first: Duration, factor: f64, max: Duration) -> OpenFor {
    OpenFor::exponential(first, factor, max)
}

// B8
#[test]
fn open_for() {
    refused(&[
        ("open_for", "0ns", |c| c.open_for(Duration::ZERO)),
        ("open_for", "0ns", |c| {
            c.open_for(growing(Duration::ZERO, 2.0, secs(1)))
        }),
        ("open_for.max", "1s", |c| {
            c.open_for(growing(secs(1) + NANO, 2.0, secs(1)))
        }),
    ]);
    accepted(&[
        |c| c.open_for(NANO),
        |c| c.open_for(Duration::MAX),
        |c| c.open_for(growing(secs(1), 2.0, secs(1))),
        |c| c.open_for(growing(NANO, f64::MAX, Duration::MAX)),
        |c| c.open_for(growing(Duration::MAX, f64::MAX, Duration::MAX)),
        |c| c.open_for(OpenFor::from_fn(|_| Duration::ZERO)),
    ]);
}

// B8
#[test]
fn open_for_factor() {
    refused(&[
        ("open_for.factor", "0.99", |c| {
            c.open_for(growing(secs(1), 0.99, secs(9)))
        }),
        ("open_for.factor", "0.0", |c| {
            c.open_for(growing(secs(1), 0.0, secs(9)))
        }),
        ("open_for.factor", "-2.0", |c| {
            c.open_for(growing(secs(1), -2.0, secs(9)))
        }),
        ("open_for.factor", "NaN", |c| {
            c.open_for(growing(secs(1), f64::NAN, secs(9)))
        }),
        ("open_for.factor", "inf", |c| {
            c.open_for(growing(secs(1), f64::INFINITY, secs(9)))
        }),
    ]);
    accepted(&[|c| c.open_for(growing(secs(1), 1.0, secs(9)))]);
}

fn fraction(share: f64) -> OpenFor {
    OpenFor::constant(secs(1)).jitter(Jitter::Fraction(share))
}

// B8
#[test]
fn open_for_jitter() {
    refused(&[
        ("open_for.jitter", "-0.1", |c| c.open_for(fraction(-0.1))),
        ("open_for.jitter", "1.1", |c| c.open_for(fraction(1.1))),
        ("open_for.jitter", "NaN", |c| c.open_for(fraction(f64::NAN))),
        ("open_for.jitter", "inf", |c| {
            c.open_for(fraction(f64::INFINITY))
        }),
    ]);
    accepted(&[
        |c| c.open_for(fraction(1e-6)),
        |c| c.open_for(fraction(1.0)),
        |c| c.open_for(OpenFor::from(Duration::MAX).jitter(Jitter::Fraction(1.0))),
        |c| c.open_for(OpenFor::from(NANO).jitter(Jitter::Full)),
        |c| c.open_for(OpenFor::from(NANO).jitter(Jitter::Equal)),
    ]);
}

// ---- half-open ---------------------------------------------------------------------------------

// B8
#[test]
fn probes() {
    refused(&[
        ("probes.of", "0", |c| c.probes(0, 0)),
        ("probes.of", "0", |c| c.probes(1, 0)),
        ("probes.of", "64", |c| c.probes(1, 64)),
        ("probes.of", "4294967295", |c| c.probes(1, u32::MAX)),
        ("probes.successes", "0", |c| c.probes(0, 3)),
        ("probes.successes", "4", |c| c.probes(4, 3)),
        ("success_threshold", "0", |c| c.success_threshold(0)),
        ("success_threshold", "64", |c| c.success_threshold(64)),
    ]);
    accepted(&[
        |c| c.probes(1, 1),
        |c| c.probes(1, 63),
        |c| c.probes(63, 63),
        |c| c.success_threshold(63),
    ]);
}

// B8
#[test]
fn permits() {
    refused(&[
        ("permits", "0", |c| c.permits(0)),
        ("permits", "2", |c| c.permits(2)),
        ("permits", "4", |c| c.probes(1, 3).permits(4)),
        ("permits", "4294967295", |c| {
            c.probes(1, 63).permits(u32::MAX)
        }),
    ]);
    accepted(&[
        |c| c.permits(1),
        |c| c.permits(3).probes(1, 3),
        |c| c.probes(1, 63).permits(63),
    ]);
}

// B8
#[test]
fn half_open_timeout() {
    refused(&[("half_open_timeout", "0ns", |c| {
        c.half_open_timeout(Duration::ZERO)
    })]);
    accepted(&[
        |c| c.half_open_timeout(NANO),
        |c| c.half_open_timeout(Duration::MAX),
    ]);
}

// B8
#[test]
fn probe_timeout() {
    refused(&[("probe_timeout", "0ns", |c| c.probe_timeout(Duration::ZERO))]);
    accepted(&[
        |c| c.probe_timeout(NANO),
        |c| c.probe_timeout(Duration::MAX),
    ]);
}

// B8
#[test]
fn call_timeout() {
    refused(&[("call_timeout", "0ns", |c| c.call_timeout(Duration::ZERO))]);
    accepted(&[|c| c.call_timeout(NANO), |c| c.call_timeout(Duration::MAX)]);
}

// B8
#[test]
fn bulkhead() {
    refused(&[
        ("bulkhead.places", "0", |c| c.bulkhead(0, NANO)),
        ("bulkhead.places", "1000001", |c| {
            c.bulkhead(1_000_001, NANO)
        }),
    ]);
    accepted(&[
        |c| c.bulkhead(1, Duration::ZERO),
        |c| c.bulkhead(1_000_000, Duration::MAX),
    ]);
}

// B8
#[test]
fn retries() {
    const ONE: RetryLimits = RetryLimits::new(1);
    refused(&[
        ("retries.at_most", "0", |c| c.retries(RetryLimits::new(0))),
        ("retries.at_most", "101", |c| {
            c.retries(RetryLimits::new(101))
        }),
        ("retries.share", "-0.1", |c| c.retries(ONE.share(-0.1))),
        ("retries.share", "1.1", |c| c.retries(ONE.share(1.1))),
        ("retries.share", "NaN", |c| c.retries(ONE.share(f64::NAN))),
        ("retries.per_second", "1000001", |c| {
            c.retries(ONE.per_second(1_000_001))
        }),
        ("retries.max_wait", "0ns", |c| {
            c.retries(ONE.max_wait(Duration::ZERO))
        }),
        // None would ever be repeated.
        ("retries.per_second", "0", |c| {
            c.retries(ONE.share(0.0).per_second(0))
        }),
    ]);
    accepted(&[
        |c| c.retries(ONE.share(0.0)),
        |c| c.retries(ONE.per_second(0).max_wait(NANO)),
        |c| {
            let most = RetryLimits::new(100).share(1.0).per_second(1_000_000);
            c.retries(most.max_wait(Duration::MAX))
        },
    ]);
}

// B8
#[test]
fn ramp() {
    refused(&[
        ("ramp", "0ns", |c| c.ramp(Duration::ZERO, 0.1)),
        ("ramp.from", "0.0", |c| c.ramp(secs(1), 0.0)),
        ("ramp.from", "-0.1", |c| c.ramp(secs(1), -0.1)),
        ("ramp.from", "1.1", |c| c.ramp(secs(1), 1.1)),
        ("ramp.from", "NaN", |c| c.ramp(secs(1), f64::NAN)),
    ]);
    accepted(&[
        |c| c.ramp(NANO, 1e-6),
        |c| c.ramp(Duration::MAX, 1.0),
        |c| c.ramp(Duration::MAX, 1e-6),
    ]);
}

// ---- all of them -------------------------------------------------------------------------------

// B8
#[test]
fn the_defaults_make_sense() {
    accepted(&[|c| c]);
}

// B8
#[test]
fn a_layer_is_refused_like_a_circuit() {
    let error = Circuit::builder("payments")
        .count_window(0)
        .build_layer()
        .expect_err("a refusal");
    assert_eq!(error.field(), "count_window");
    let as_error: Box<dyn std::error::Error + Send + Sync> = error.into();
    assert!(as_error.source().is_none());
}

// B8
#[test]
fn an_error_names_the_setting_that_it_is_because_of() {
    let cases: [(&str, Option<&str>, Settings); 13] = [
        ("permits", Some("probes"), |c| c.probes(2, 3).permits(4)),
        ("permits", None, |c| c.permits(0)),
        ("probes.successes", None, |c| c.probes(4, 3)),
        ("minimum_calls", Some("count_window"), |c| {
            c.count_window(10).minimum_calls(11)
        }),
        ("minimum_calls", None, |c| c.minimum_calls(0)),
        ("slow_call_duration", Some("slow_call_rate"), |c| {
            c.slow_call_rate(0.5)
        }),
        (
            "consecutive_failures_span",
            Some("consecutive_failures"),
            |c| c.consecutive_failures_span(secs(1)),
        ),
        ("time_window", Some("count_window"), |c| {
            c.count_window(10).time_window(secs(1))
        }),
        ("time_window_buckets", Some("time_window"), |c| {
            c.time_window_buckets(5)
        }),
        ("failure_rate", Some("consecutive_failures"), |c| {
            c.failure_rate(None)
        }),
        ("failure_rate", None, |c| c.failure_rate(1.5)),
        ("mode", Some("restore"), |c| {
            c.mode(Mode::Shadow).restore(SavedState::closed())
        }),
        ("open_for", None, |c| c.open_for(Duration::ZERO)),
    ];
    for (field, because_of, settings) in cases {
        let error = build(settings).expect_err(field);
        assert_eq!((error.field(), error.because_of()), (field, because_of));
        // Whoever only reads the line learns of it, too.
        let said = because_of.map(|setting| format!("`{setting}`"));
        assert!(
            said.is_none_or(|said| error.to_string().contains(&said)),
            "{error}"
        );
    }
}

// B8
#[test]
fn an_error_of_no_circuit_names_none() {
    let share = EjectionCap::new(1.5).expect_err("no share");
    let name = Circuit::builder("").build().expect_err("no name");
    assert_eq!((share.circuit(), name.circuit()), (None, None));
    assert!(share.to_string().starts_with("`ejection_cap` is 1.5"));
}

// B8
#[test]
fn a_setting_that_is_named_twice_is_what_was_said_last() {
    accepted(&[|c| c.count_window(0).count_window(10)]);
    refused(&[("count_window", "0", |c| c.count_window(10).count_window(0))]);
}

// B8
#[test]
fn the_most_of_everything_works() {
    let circuit = build(|c| {
        c.consecutive_failures(4_194_303)
            .count_window(65_536)
            .failure_rate(1.0)
            .minimum_calls(65_536)
            .slow_call_duration(Duration::MAX)
            .slow_call_rate(1.0)
            .open_for(growing(Duration::MAX, f64::MAX, Duration::MAX).jitter(Jitter::Fraction(1.0)))
            .probes(63, 63)
            .permits(63)
            .half_open_timeout(Duration::MAX)
            .probe_timeout(Duration::MAX)
            .call_timeout(Duration::MAX)
            .bulkhead(1_000_000, Duration::MAX)
            .retries(RetryLimits::new(100).share(1.0).per_second(1_000_000))
            .ramp(Duration::MAX, 1.0)
            .jitter_seed(u64::MAX)
    });
    let circuit = circuit.expect("settings that make sense");
    for _ in 0..65_536 {
        circuit.try_acquire().expect("closed").failure();
    }
    let rejected = circuit.try_acquire().expect_err("65,536 of 65,536 failed");
    assert!(rejected.remaining() > Some(secs(1_000_000_000)));
}

// B8
#[test]
fn a_builder_can_be_looked_at() {
    let builder = Circuit::builder("payments")
        .failure_rate(0.25)
        .trip_when(|_| false)
        .open_for(OpenFor::from_fn(|_| secs(1)));
    let seen = format!("{builder:?}");
    for part in ["payments", "failure_rate: Some(0.25)", "trip_when: Some(_)"] {
        assert!(seen.contains(part), "{part} in {seen}");
    }
}

// ---- the name ----------------------------------------------------------------------------------

// B8
#[test]
fn a_name_that_nobody_can_read_is_refused() {
    for blank in ["", " ", "\t\n", "\u{a0}\u{3000}"] {
        let error = Circuit::builder(blank).build().expect_err("no name");
        assert_eq!(
            (error.field(), error.value()),
            ("name", &*format!("{blank:?}"))
        );
        let builder = Circuit::builder(blank.to_owned());
        let error = builder.build_layer().expect_err("no name");
        assert_eq!(error.field(), "name");
    }
    let error = Circuit::builder("").build().expect_err("no name");
    let said = "`name` is \"\", but must be a name that can be read";
    assert_eq!(error.to_string(), said);
    for name in ["p", " payments ", "\u{652f}\u{4ed8}"] {
        let circuit = Circuit::builder(name).build().expect("a name");
        assert_eq!(circuit.name(), name);
    }
}

// B8
#[test]
fn a_name_of_more_than_256_bytes_is_refused() {
    let longest = "ä".repeat(128);
    let circuit = Circuit::builder(longest.clone())
        .build()
        .expect("as long as may be");
    assert_eq!(circuit.name(), longest);
    let error = Circuit::builder(longest + "n")
        .build()
        .expect_err("too long");
    let said = "`name` is one of 257 bytes, but must be at most 256 bytes long";
    assert_eq!(error.to_string(), said);
}

// ---- the clock ---------------------------------------------------------------------------------

/// A clock that has run down, after so many readings.
struct RunsDown(AtomicU64);

impl Clock for RunsDown {
    fn now(&self) -> Duration {
        let left = self.0.load(SeqCst).checked_sub(1);
        self.0.store(left.expect("run down"), SeqCst);
        secs(1_000_000)
    }
}

// B8
#[test]
fn a_clock_that_panics_is_refused_by_name() {
    refused(&[("clock", "one that panics", |c| {
        c.clock(RunsDown(AtomicU64::new(0)))
    })]);
    let builder = Circuit::builder("payments").clock(RunsDown(AtomicU64::new(0)));
    let error = builder.build_layer().expect_err("no time");
    assert_eq!(error.field(), "clock");
}

// B8, G4: whenever it is that it begins to panic, nothing else does.
#[test]
fn a_clock_that_panics_later_harms_nobody() {
    for readings in 1..10 {
        let clock = || RunsDown(AtomicU64::new(readings));
        let builder = || Circuit::builder("payments").consecutive_failures(1);
        let circuit = builder().clock(clock()).build().expect("a time");
        circuit.try_acquire().expect("closed").failure();
        assert_eq!(circuit.state(), State::Open);
        let layer = builder().clock(clock()).build_layer().expect("a time");
        let service = layer.layer(());
        service.circuit().try_acquire().expect("closed").failure();
        assert_eq!(service.circuit().state(), State::Open);
    }
}

// B8: whatever is a count has one type.
#[test]
fn no_count_needs_a_cast() {
    let n: u32 = 7;
    let circuit = Circuit::builder("counts")
        .consecutive_failures(n)
        .count_window(n)
        .minimum_calls(n)
        .probes(n, n)
        .success_threshold(n)
        .permits(n)
        .bulkhead(n, secs(1))
        .retries(RetryLimits::new(n).per_second(n))
        .event_log(n)
        .build()
        .expect("valid");
    let mut settings = circuit.settings();
    let said: [Option<u32>; 4] = [
        settings.consecutive_failures(),
        settings.count_window(),
        settings.minimum_calls(),
        settings.event_log(),
    ];
    assert_eq!(said, [Some(n); 4]);
    assert_eq!((settings.permits(), settings.probes()), (n, (n, n)));
    settings
        .set_consecutive_failures(n)
        .set_count_window(None)
        .set_time_window(secs(1))
        .set_time_window_buckets(n)
        .set_minimum_calls(n)
        .set_permits(n)
        .set_probes((n, n))
        .set_bulkhead((n, secs(1)))
        .set_event_log(n);
    assert!(
        Circuit::builder("counts")
            .settings(&settings)
            .build()
            .is_ok()
    );
}
