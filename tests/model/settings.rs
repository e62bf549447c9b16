//! Any settings, changed in any way: what they print and what can be built from them says the same (rule E5).

use std::time::Duration;

use proptest::prelude::*;
use tower_breaker::{AbandonedPolicy, Circuit, CircuitBuilder, Jitter, OpenFor, RetryLimits};

use crate::config::{Config, Growth, any_config, change};

/// What stands between the first bracket and the last, and the word before.
fn call(text: &str) -> (&str, &str) {
    let (name, arguments) = text.split_once('(').expect("a call");
    (name, arguments.strip_suffix(')').expect("its end"))
}

fn time(code: &str) -> Duration {
    if code == "Duration::MAX" {
        return Duration::MAX;
    }
    let (unit, number) = call(code);
    let number = number.parse().expect("a whole number");
    match unit {
        "Duration::from_secs" => Duration::from_secs(number),
        "Duration::from_millis" => Duration::from_millis(number),
        "Duration::from_micros" => Duration::from_micros(number),
        "Duration::from_nanos" => Duration::from_nanos(number),
        _ => panic!("{code}"),
    }
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(code: &str) -> T {
    code.parse().expect(code)
}

fn abandoned(code: &str) -> AbandonedPolicy {
    match code {
        "AbandonedPolicy::Ignore" => AbandonedPolicy::Ignore,
        "AbandonedPolicy::Failure" => AbandonedPolicy::Failure,
        "AbandonedPolicy::FailureIfSlow" => AbandonedPolicy::FailureIfSlow,
        _ => AbandonedPolicy::FailureAfter(time(call(code).1)),
    }
}

fn open_for(code: &str) -> OpenFor {
    let Some(code) = code.strip_prefix("OpenFor::") else {
        return time(code).into();
    };
    let (code, jitter) = match code.split_once(".jitter(Jitter::") {
        None => (code, Jitter::None),
        Some((code, "Full)")) => (code, Jitter::Full),
        Some((code, "Equal)")) => (code, Jitter::Equal),
        Some((code, fraction)) => {
            let share = call(fraction.strip_suffix(')').expect("its end")).1;
            (code, Jitter::Fraction(number(share)))
        }
    };
    let (kind, arguments) = call(code);
    let arguments: Vec<_> = arguments.split(", ").collect();
    let open_for = match (kind, &arguments[..]) {
        ("constant", [first]) => OpenFor::constant(time(first)),
        ("exponential", [first, factor, max]) => {
            OpenFor::exponential(time(first), number(factor), time(max))
        }
        _ => panic!("{code}"),
    };
    open_for.jitter(jitter)
}

/// `RetryLimits::new(2)`, and what is called on it.
fn retries(code: &str) -> RetryLimits {
    let mut calls = code.split(").").map(|it| it.trim_end_matches(')'));
    let first = calls
        .next()
        .and_then(|it| it.strip_prefix("RetryLimits::new("));
    let limits = RetryLimits::new(number(first.expect("limits")));
    calls.fold(limits, |limits, call| match call.split_once('(') {
        Some(("share", share)) => limits.share(number(share)),
        Some(("per_second", number_of)) => limits.per_second(number(number_of)),
        Some(("max_wait", wait)) => limits.max_wait(time(&format!("{wait})"))),
        _ => panic!("{code}"),
    })
}

/// Does what the line says.
fn do_line(builder: CircuitBuilder, line: &str) -> CircuitBuilder {
    let (name, arguments) = call(line);
    let pair = || arguments.split_once(", ").expect("two");
    match name {
        ".consecutive_failures" => builder.consecutive_failures(number(arguments)),
        ".consecutive_failures_span" => builder.consecutive_failures_span(time(arguments)),
        ".count_window" => builder.count_window(number(arguments)),
        ".time_window" => builder.time_window(time(arguments)),
        ".time_window_buckets" => builder.time_window_buckets(number(arguments)),
        ".failure_rate" if arguments == "None" => builder.failure_rate(None),
        ".failure_rate" => builder.failure_rate(number::<f64>(arguments)),
        ".slow_call_rate" => builder.slow_call_rate(number(arguments)),
        ".slow_call_duration" => builder.slow_call_duration(time(arguments)),
        ".minimum_calls" => builder.minimum_calls(number(arguments)),
        ".open_for" => builder.open_for(open_for(arguments)),
        ".permits" => builder.permits(number(arguments)),
        ".probes" => builder.probes(number(pair().0), number(pair().1)),
        ".half_open_timeout" => builder.half_open_timeout(time(arguments)),
        ".probe_timeout" => builder.probe_timeout(time(arguments)),
        ".call_timeout" => builder.call_timeout(time(arguments)),
        ".bulkhead" => builder.bulkhead(number(pair().0), time(pair().1)),
        ".retries" => builder.retries(retries(arguments)),
        ".ramp" => builder.ramp(time(pair().0), number(pair().1)),
        ".shed" => builder.shed(number(pair().0), number(pair().1)),
        ".abandoned" => builder.abandoned(abandoned(arguments)),
        ".totals" => builder.totals(number(arguments)),
        _ => panic!("{line}"),
    }
}

/// A circuit that is built as the settings of another are printed.
fn as_printed(circuit: &Circuit) -> Circuit {
    let printed = circuit.settings().to_string();
    let builder = printed
        .lines()
        .fold(Circuit::builder("as printed"), do_line);
    builder
        .build()
        .unwrap_or_else(|error| panic!("{error} in\n{printed}"))
}

/// Without closures, which are not printed.
fn printable(config: Config) -> Config {
    let mut config = Config {
        custom: None,
        ..config
    };
    if config.open_for.growth == Growth::Function {
        config.open_for.growth = Growth::None;
    }
    config.with_possible_minimum()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // E5
    #[test]
    fn any_changes_come_to_what_a_new_circuit_is_built_with(
        config in any_config(),
        changes in prop::collection::vec(change(), 0..12),
    ) {
        let config = printable(config);
        let circuit = config.tell(Circuit::builder("changed")).build().expect("valid");
        let (mut held, mut version) = (circuit.settings(), 0);
        for change in changes {
            match circuit.reconfigure(|settings| change.tell(settings)) {
                Err(_) => {}
                Ok(changed) => {
                    version += u64::from(!changed.is_empty());
                    prop_assert_eq!((changed.before(), changed.version()), (&held, version));
                    held = changed.after().clone();
                }
            }
            prop_assert_eq!(circuit.settings(), held.clone());
            let built = Circuit::builder("anew").settings(&held).build();
            prop_assert_eq!(built.expect("what holds").settings(), held.clone());
            prop_assert_eq!(as_printed(&circuit).settings(), held.clone());
        }
    }
}
