//! The settings of a live circuit as a value: what they tell, how they are changed, and who is told (rules E5, B8).

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::collisions::race;
use crate::support::{Fixture, NANO, SLOW, fragile, millis, secs};
use tower_breaker::{
    AbandonedPolicy, Agreement, By, Circuit, CircuitBuilder, Jitter, OpenFor, ReconfigureError,
    RetryLimits, Settings, State, observe::SettingsChange,
};

// ---- what they tell ----------------------------------------------------------------------------

#[track_caller]
fn prints(circuit: &Circuit, lines: &[&str]) {
    assert_eq!(circuit.settings().to_string(), lines.join("\n"));
}

// E5
#[test]
fn settings_tell_the_defaults_that_hold() {
    let circuit = Fixture::new(|c| c).circuit;
    let settings = circuit.settings();
    assert_eq!(settings, Settings::default());
    assert_eq!(
        (settings.count_window(), settings.time_window()),
        (Some(100), None)
    );
    assert_eq!(settings.failure_rate(), Some(0.5));
    assert_eq!(settings.minimum_calls(), Some(20));
    assert_eq!(settings.consecutive_failures(), None);
    assert_eq!(*settings.open_for(), OpenFor::from(secs(30)));
    assert_eq!((settings.permits(), settings.probes()), (1, (1, 1)));
    assert_eq!(settings.abandoned(), AbandonedPolicy::FailureIfSlow);
    assert!(settings.totals() && !settings.has_trip_when());
    let own = Fixture::new(|c| c.trip_when(|_| false)).circuit;
    assert!(own.settings().has_trip_when());
    prints(
        &circuit,
        &[
            ".count_window(100)",
            ".failure_rate(0.5)",
            ".minimum_calls(20)",
            ".open_for(Duration::from_secs(30))",
            ".permits(1)",
            ".probes(1, 1)",
            ".abandoned(AbandonedPolicy::FailureIfSlow)",
            ".totals(true)",
        ],
    );
}

// E5
#[test]
fn settings_print_as_one_would_write_them() {
    let everything = Fixture::new(|c| {
        c.consecutive_failures(5)
            .consecutive_failures_span(millis(1_500))
            .time_window(secs(60))
            .failure_rate(1.0 / 3.0)
            .slow_call_rate(1.0)
            .slow_call_duration(millis(800))
            .trip_when(|_| false)
            .minimum_calls(50)
            .open_for(OpenFor::exponential(secs(1), 1.5, secs(60)).jitter(Jitter::Fraction(0.2)))
            .jitter_seed(7)
            .success_threshold(3)
            .permits(2)
            .half_open_timeout(secs(9))
            .probe_timeout(NANO)
            .call_timeout(millis(800))
            .bulkhead(20, millis(50))
            .retries(
                RetryLimits::new(2)
                    .share(0.25)
                    .per_second(5)
                    .max_wait(millis(1_500)),
            )
            .ramp(secs(10), 0.1)
            .spread_retry_after(1e-6)
            .abandoned(AbandonedPolicy::FailureAfter(Duration::MAX))
            .totals(false)
    });
    prints(
        &everything.circuit,
        &[
            ".consecutive_failures(5)",
            ".consecutive_failures_span(Duration::from_millis(1500))",
            ".time_window(Duration::from_secs(60))",
            ".time_window_buckets(10)",
            ".failure_rate(0.333333)",
            ".slow_call_rate(1.0)",
            ".slow_call_duration(Duration::from_millis(800))",
            ".trip_when(|counts| …)",
            ".minimum_calls(50)",
            ".open_for(OpenFor::exponential(Duration::from_secs(1), 1.5, Duration::from_secs(60))\
             .jitter(Jitter::Fraction(0.2)))",
            ".jitter_seed(7)",
            ".permits(2)",
            ".probes(3, 3)",
            ".half_open_timeout(Duration::from_secs(9))",
            ".probe_timeout(Duration::from_nanos(1))",
            ".call_timeout(Duration::from_millis(800))",
            ".bulkhead(20, Duration::from_millis(50))",
            ".retries(RetryLimits::new(2).share(0.25).per_second(5).max_wait(Duration::from_millis(1500)))",
            ".ramp(Duration::from_secs(10), 0.1)",
            ".spread_retry_after(1e-6)",
            ".abandoned(AbandonedPolicy::FailureAfter(Duration::MAX))",
            ".totals(false)",
        ],
    );
    let function = fragile(|c| c.open_for(OpenFor::from_fn(|_| secs(1)).jitter(Jitter::Full)));
    prints(
        &function.circuit,
        &[
            ".consecutive_failures(1)",
            ".open_for(OpenFor::from_fn(|attempt| …).jitter(Jitter::Full))",
            ".permits(1)",
            ".probes(1, 1)",
            ".abandoned(AbandonedPolicy::FailureIfSlow)",
            ".totals(true)",
        ],
    );
}

/// The line that sets this, as it is printed.
fn line(circuit: &Fixture, setting: &str) -> String {
    let text = circuit.circuit.settings().to_string();
    let line = text.lines().find(|line| line.starts_with(setting));
    line.expect("printed").to_owned()
}

// E5
#[test]
fn each_kind_of_open_time_prints_as_one_would_write_it() {
    let [short, long] = [2, 60].map(secs);
    for (open_for, code) in [
        (OpenFor::from(short), "Duration::from_secs(2)"),
        (
            OpenFor::constant(short).jitter(Jitter::Full),
            "OpenFor::constant(Duration::from_secs(2)).jitter(Jitter::Full)",
        ),
        (
            OpenFor::exponential(short, 1.5, Duration::MAX),
            "OpenFor::exponential(Duration::from_secs(2), 1.5, Duration::MAX)",
        ),
        (
            OpenFor::exponential(short, 1.0, long),
            "OpenFor::exponential(Duration::from_secs(2), 1.0, Duration::from_secs(60))",
        ),
    ] {
        let circuit = fragile(|c| c.open_for(open_for));
        assert_eq!(line(&circuit, ".open_for("), format!(".open_for({code})"));
    }
}

// E5, N3
#[test]
fn an_agreement_prints_as_one_would_write_it() {
    let unlike = Agreement::of(3).share(0.2).trip_now(true).revision(7);
    for (agreement, code) in [
        (Agreement::default(), "Agreement::of(2)"),
        (
            unlike.stay_open_when_detached(true),
            "Agreement::of(3).share(0.2).trip_now(true).stay_open_when_detached(true).revision(7)",
        ),
    ] {
        let circuit = Fixture::new(|c| c.shared(agreement));
        assert_eq!(line(&circuit, ".shared("), format!(".shared({code})"));
    }
}

// E5
#[test]
fn two_policies_are_the_same_if_one_is_a_clone_of_the_other() {
    let policy = || Fixture::new(|c| c.trip_when(|_| false)).circuit;
    let [one, other] = [policy(), policy()];
    assert_eq!(one.settings(), one.settings());
    assert_ne!(one.settings(), other.settings());
}

// E5: or the builder would fill it in.
#[test]
fn a_rate_that_is_off_beside_a_window_is_printed() {
    let off = |c: CircuitBuilder| {
        c.consecutive_failures(2)
            .count_window(10)
            .failure_rate(None)
    };
    let circuit = Fixture::new(off);
    assert_eq!(circuit.circuit.settings().failure_rate(), None);
    assert!(
        circuit
            .circuit
            .settings()
            .to_string()
            .contains("\n.failure_rate(None)\n")
    );
    circuit.play("s f s f s f s f s f s f");
    circuit.is(State::Closed);
}

// ---- a circuit from settings -------------------------------------------------------------------

// E5
#[test]
fn a_circuit_can_be_built_from_the_settings_of_another() {
    let circuit = Fixture::new(|c| {
        c.count_window(10)
            .minimum_calls(2)
            .trip_when(|counts| counts.failed >= 2)
            .open_for(OpenFor::from_fn(|attempt| secs(attempt.into())))
    });
    let settings = circuit.circuit.settings();
    let other = Fixture::new(|c| c.settings(&settings));
    assert_eq!(other.circuit.settings(), settings);
    other.play("ff");
    other.tells(&["closed -> open: a custom policy, open for 1s"]);
    let longer = Fixture::new(|c| {
        c.consecutive_failures(9)
            .settings(&settings)
            .minimum_calls(3)
    });
    let longer = longer.circuit.settings();
    assert_eq!(
        (longer.consecutive_failures(), longer.minimum_calls()),
        (None, Some(3))
    );
}

// E5, C2
#[test]
fn a_random_seed_is_not_handed_on_and_one_that_was_set_is() {
    let breaks = |settings: &Settings| {
        let circuit = Fixture::new(|c| c.settings(settings));
        circuit.play("f");
        circuit.remaining()
    };
    let jittered = |c: CircuitBuilder| {
        c.consecutive_failures(1)
            .open_for(OpenFor::constant(secs(1_000)).jitter(Jitter::Full))
    };
    let random = Fixture::new(jittered).circuit.settings();
    assert_eq!(random.jitter_seed(), None);
    assert_ne!(breaks(&random), breaks(&random));
    let set = Fixture::new(|c| jittered(c).jitter_seed(7))
        .circuit
        .settings();
    assert_eq!(set.jitter_seed(), Some(7));
    assert_eq!(breaks(&set), breaks(&set));
}

// ---- changing them -----------------------------------------------------------------------------

fn reconfigure(
    circuit: &Fixture,
    change: impl FnMut(&mut Settings) -> &mut Settings,
) -> SettingsChange {
    circuit
        .circuit
        .reconfigure(change)
        .expect("settings that make sense")
}

// E5
#[test]
fn a_change_begins_from_what_holds() {
    let circuit = Fixture::new(|c| c.minimum_calls(10));
    let double = |settings: &mut Settings| -> Option<u32> { Some(settings.minimum_calls()? * 2) };
    for minimum in [20, 40, 80] {
        let change = reconfigure(&circuit, |c| {
            let doubled = double(c);
            c.set_minimum_calls(doubled)
        });
        assert_eq!(change.after().minimum_calls(), Some(minimum));
        assert_eq!(circuit.circuit.settings(), *change.after());
    }
    let refused = circuit.circuit.reconfigure(|c| {
        let doubled = double(c);
        c.set_minimum_calls(doubled)
    });
    assert_eq!(refused.expect_err("above the window").value(), "160");
    assert_eq!(circuit.circuit.settings().minimum_calls(), Some(80));
}

// E5
#[test]
fn a_number_once_set_can_be_taken_back() {
    let circuit = Fixture::new(|c| c.count_window(10).slow_call_duration(SLOW));
    let before = circuit.circuit.settings();
    reconfigure(&circuit, |c| {
        c.set_consecutive_failures(2)
            .set_consecutive_failures_span(secs(1))
            .set_slow_call_rate(0.1)
            .set_minimum_calls(1)
            .set_open_for(secs(1))
            .set_permits(2)
            .set_probes((2, 3))
            .set_half_open_timeout(secs(1))
            .set_probe_timeout(secs(1))
            .set_call_timeout(secs(1))
            .set_bulkhead((2, secs(1)))
            .set_retries(RetryLimits::new(2))
            .set_ramp((secs(1), 0.5))
            .set_spread_retry_after(0.5)
            .set_abandoned(AbandonedPolicy::Failure)
    });
    let change = reconfigure(&circuit, |c| {
        c.set_consecutive_failures(None)
            .set_consecutive_failures_span(None)
            .set_slow_call_rate(None)
            .set_minimum_calls(None)
            .set_open_for(OpenFor::default())
            .set_permits(None)
            .set_probes(None)
            .set_half_open_timeout(None)
            .set_probe_timeout(None)
            .set_call_timeout(None)
            .set_bulkhead(None)
            .set_retries(None)
            .set_ramp(None)
            .set_spread_retry_after(None)
            .set_abandoned(None)
    });
    assert_eq!(change.changes().len(), 15, "{change}");
    assert_eq!(circuit.circuit.settings(), before);
    circuit.play("ff");
    circuit.is(State::Closed);
}

// E5
#[test]
fn a_policy_that_is_taken_back_trips_no_more() {
    let circuit = Fixture::new(|c| c.count_window(10).failure_rate(0.5).consecutive_failures(9));
    reconfigure(&circuit, |c| c.set_failure_rate(None));
    circuit.play("ffffffff");
    circuit.is(State::Closed);
    circuit.play("f");
    circuit.tells(&["closed -> open: 9 consecutive failures, open for 30s"]);
}

// E5, C2
#[test]
fn the_jitter_of_a_function_can_be_changed_and_the_function_stays() {
    let circuit = fragile(|c| c.open_for(OpenFor::from_fn(|_| secs(7))));
    let change = reconfigure(&circuit, |c| {
        let jittered = c.open_for().clone().jitter(Jitter::Equal);
        c.set_open_for(jittered)
    });
    let told = "circuit `payments`: `open_for` a function of the attempt -> \
                a function of the attempt with equal jitter";
    assert_eq!(change.to_string(), told);
    circuit.play("f");
    assert!((secs(3)..secs(7)).contains(&circuit.remaining()));
}

// E5: no lock is held meanwhile, and the outer change begins again from what the inner one has made.
#[test]
fn a_change_within_a_change_is_no_deadlock() {
    let circuit = Fixture::new(|c| c.consecutive_failures(1).count_window(10));
    let change = reconfigure(&circuit, |c| {
        reconfigure(&circuit, |c| c.set_consecutive_failures(5));
        c.set_minimum_calls(5)
    });
    assert_eq!(
        change.to_string(),
        "circuit `payments`: `minimum_calls` 10 -> 5"
    );
    let settings = circuit.circuit.settings();
    assert_eq!(
        (settings.consecutive_failures(), settings.minimum_calls()),
        (Some(5), Some(5))
    );
}

// E5
#[test]
fn a_change_that_panics_changes_nothing_and_wedges_nothing() {
    let circuit = fragile(|c| c).circuit;
    let before = circuit.settings();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _ = circuit.reconfigure(|c| {
            c.set_consecutive_failures(7);
            panic!("on second thoughts")
        });
    }));
    assert!(panicked.is_err());
    assert_eq!(circuit.settings(), before);
    circuit
        .reconfigure(|c| c.set_consecutive_failures(8))
        .expect("a number");
}

// ---- who is to blame ---------------------------------------------------------------------------

// B8, E5: the error is of the one that was changed, and names the other.
#[test]
fn an_error_is_of_what_was_changed() {
    type Change = fn(&mut Settings) -> &mut Settings;
    let cases: [(&str, &str, &str, Change); 9] = [
        ("permits", "4", "probes", |c| c.set_permits(4)),
        ("probes.of", "2", "permits", |c| c.set_probes((1, 2))),
        ("permits", "3", "probes", |c| {
            c.set_permits(3).set_probes(None)
        }),
        (
            "consecutive_failures_span",
            "2s",
            "consecutive_failures",
            |c| {
                c.set_consecutive_failures(None)
                    .set_consecutive_failures_span(secs(2))
            },
        ),
        (
            "consecutive_failures",
            "off",
            "consecutive_failures_span",
            |c| c.set_consecutive_failures(None),
        ),
        ("slow_call_duration", "not set", "slow_call_rate", |c| {
            c.set_slow_call_duration(None)
        }),
        ("consecutive_failures", "off", "failure_rate", |c| {
            c.set_consecutive_failures(None)
                .set_consecutive_failures_span(None)
                .set_failure_rate(None)
        }),
        ("minimum_calls", "11", "count_window", |c| {
            c.set_minimum_calls(11)
        }),
        ("failure_rate", "off", "consecutive_failures", |c| {
            c.set_to(&Settings::default())
                .set_count_window(10)
                .set_failure_rate(None)
        }),
    ];
    for (field, value, because_of, change) in cases {
        let circuit = Fixture::new(|c| {
            let c = if field == "failure_rate" {
                c
            } else {
                c.consecutive_failures(5).consecutive_failures_span(secs(1))
            };
            c.count_window(10)
                .failure_rate(0.5)
                .slow_call_duration(SLOW)
                .slow_call_rate(0.5)
                .probes(2, 3)
                .permits(if field == "permits" { 2 } else { 3 })
        });
        let before = circuit.circuit.settings();
        let error = circuit.circuit.reconfigure(change).expect_err(field);
        assert_eq!((error.field(), error.value()), (field, value));
        assert_eq!(error.because_of(), Some(because_of), "{error}");
        assert!(error.to_string().starts_with("circuit `payments`: "));
        assert!(
            error.to_string().contains(&format!("`{because_of}`")),
            "{error}"
        );
        assert_eq!(circuit.circuit.settings(), before);
    }
    let timed = Fixture::new(|c| c.slow_call_duration(SLOW));
    reconfigure(&timed, |c| c.set_slow_call_duration(None));
    let error = timed
        .circuit
        .reconfigure(|c| c.set_slow_call_rate(0.5))
        .expect_err("untimed");
    assert_eq!(
        (error.field(), error.because_of()),
        ("slow_call_rate", Some("slow_call_duration"))
    );
}

// B8, E5: there is no memory for it.
#[test]
fn a_rate_of_a_circuit_that_was_built_without_a_window_is_refused() {
    type Change = fn(&mut Settings) -> &mut Settings;
    let changes: [(&str, Change); 2] = [
        ("failure_rate", |c| c.set_failure_rate(0.5)),
        ("slow_call_rate", |c| c.set_slow_call_rate(0.5)),
    ];
    for (field, change) in changes {
        let circuit = fragile(|c| c.slow_call_duration(SLOW)).circuit;
        let error = circuit.reconfigure(change).expect_err(field);
        let told = format!(
            "circuit `payments`: `{field}` is 0.5, but must be left out: the circuit was built without a \
             `count_window` or `time_window`"
        );
        assert_eq!(error.to_string(), told);
        assert_eq!(error.because_of(), Some("count_window"));
    }
}

// ---- who is told -------------------------------------------------------------------------------

type Told = Arc<Mutex<Vec<SettingsChange>>>;

fn listened_to(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> (Fixture, Told) {
    let told = Told::default();
    let log = told.clone();
    let circuit = Fixture::new(|c| {
        configure(c).on_settings_change(move |circuit, change| {
            assert_eq!(circuit.name(), change.circuit());
            log.lock().expect("a log").push(change.clone());
        })
    });
    (circuit, told)
}

// E5
#[test]
fn each_change_is_told_once_with_the_old_and_the_new_value() {
    let (circuit, told) = listened_to(|c| c.probe_timeout(millis(250)));
    let old = circuit.circuit.settings();
    let change = reconfigure(&circuit, |c| {
        c.set_minimum_calls(40)
            .set_probe_timeout(None)
            .set_open_for(secs(30))
    });
    assert_eq!(
        told.lock().expect("a log").as_slice(),
        std::slice::from_ref(&change)
    );
    assert_eq!((change.before(), change.version()), (&old, 1));
    assert_eq!(*change.after(), circuit.circuit.settings());
    let changes = change.changes();
    let changes: Vec<_> = changes
        .iter()
        .map(|it| (it.name(), it.before(), it.after()))
        .collect();
    let expected = [
        ("minimum_calls", "20", "40"),
        ("probe_timeout", "250ms", "off"),
    ];
    assert_eq!(changes, expected);
    let line = "circuit `payments`: `minimum_calls` 20 -> 40, `probe_timeout` 250ms -> off";
    assert_eq!(change.to_string(), line);
    circuit.tells_nothing();
}

// E5
#[test]
fn every_kind_of_value_reads_well_in_a_log() {
    let circuit = Fixture::new(|c| c.slow_call_duration(SLOW));
    let change = reconfigure(&circuit, |c| {
        c.set_slow_call_rate(0.75)
            .set_open_for(
                OpenFor::exponential(secs(1), 2.0, secs(60)).jitter(Jitter::Fraction(0.2)),
            )
            .set_probes((2, 3))
            .set_call_timeout(millis(800))
            .set_bulkhead((20, millis(50)))
            .set_retries(RetryLimits::new(2))
            .set_ramp((secs(10), 0.1))
            .set_abandoned(AbandonedPolicy::FailureAfter(millis(1_900)))
    });
    let line = "circuit `payments`: `slow_call_rate` off -> 0.75, \
                `open_for` 30s -> 1s times 2.0 up to 60s with a jitter of 0.2, \
                `probes` 1 of 1 -> 2 of 3, `call_timeout` off -> 800ms, \
                `bulkhead` off -> 20 places, wait 50ms, \
                `retries` off -> at most 2, 0.1 of the calls and 1 a second, wait 1s, `ramp` off -> 10s from 0.1, \
                `abandoned` FailureIfSlow -> FailureAfter(1.9s)";
    assert_eq!(change.to_string(), line);
}

// E5
#[test]
fn what_changes_nothing_or_is_refused_is_not_told() {
    let (circuit, told) = listened_to(|c| c.failure_rate(0.3).open_for(Duration::MAX));
    let same = reconfigure(&circuit, |c| {
        c.set_failure_rate(0.3).set_open_for(Duration::MAX)
    });
    assert!(same.is_empty() && same.changes().is_empty());
    assert_eq!(same.version(), 0);
    assert_eq!(
        same.to_string(),
        "circuit `payments`: no setting has changed"
    );
    circuit
        .circuit
        .reconfigure(|c| c.set_failure_rate(2.0))
        .expect_err("no share");
    assert!(told.lock().expect("a log").is_empty());
    assert_eq!(
        reconfigure(&circuit, |c| c.set_permits(1).set_failure_rate(0.4)).version(),
        1
    );
}

// E5
#[test]
fn a_listener_may_change_settings_itself() {
    let (circuit, told) = listened_to(|c| {
        c.on_settings_change(|circuit, change| {
            let minimum = change.after().minimum_calls().expect("a window");
            if minimum < 23 {
                let change = circuit.reconfigure(|c| c.set_minimum_calls(minimum + 1));
                change.expect("a number");
            }
        })
    });
    reconfigure(&circuit, |c| c.set_minimum_calls(21));
    assert_eq!(circuit.circuit.settings().minimum_calls(), Some(23));
    let versions: Vec<_> = told
        .lock()
        .expect("a log")
        .iter()
        .map(SettingsChange::version)
        .collect();
    // The listener before had changed them again before this one heard of it.
    assert_eq!(versions, [3, 2, 1]);
}

// E5
#[test]
fn a_listener_of_settings_that_panics_disturbs_nobody() {
    let (circuit, told) = listened_to(|c| c.on_settings_change(|_, _| panic!("a listener")));
    reconfigure(&circuit, |c| c.set_minimum_calls(7));
    assert_eq!(told.lock().expect("a log").len(), 1);
    assert_eq!(circuit.circuit.settings().minimum_calls(), Some(7));
}

// E5: of changes that race, none is lost, and their versions put them in order.
#[test]
fn relative_changes_that_race_all_hold_and_are_told_in_some_order() {
    const EACH: u32 = 500;
    let (circuit, told) = listened_to(|c| c.consecutive_failures(1));
    race(4, |_| {
        for _ in 0..EACH {
            reconfigure(&circuit, |c| {
                let failures = c.consecutive_failures().map(|failures| failures + 1);
                c.set_consecutive_failures(failures)
            });
        }
    });
    let failures = |settings: &Settings| settings.consecutive_failures().expect("set");
    assert_eq!(failures(&circuit.circuit.settings()), 1 + 4 * EACH);
    let mut told = told.lock().expect("a log").clone();
    told.sort_by_key(SettingsChange::version);
    for (change, version) in told.iter().zip(1..) {
        assert_eq!(change.version(), u64::from(version));
        assert_eq!(
            (failures(change.before()), failures(change.after())),
            (version, version + 1)
        );
    }
    assert_eq!(told.len(), 4 * EACH as usize);
}

// ---- a version that is expected -----------------------------------------------------------------

fn raise(settings: &mut Settings) -> &mut Settings {
    let failures = settings.consecutive_failures().map(|it| it + 1);
    settings.set_consecutive_failures(failures)
}

// E5
#[test]
fn who_expects_another_version_changes_nothing() {
    let (circuit, told) = listened_to(|c| c.consecutive_failures(1));
    let circuit = &circuit.circuit;
    assert_eq!(circuit.settings_version(), 0);
    let change = circuit.reconfigure_expecting(By::who("ops"), 0, raise);
    let change = change.expect("of this version");
    assert_eq!((change.version(), circuit.settings_version()), (1, 1));
    assert_eq!(change.by().get_who(), Some("ops"));

    let late = circuit.reconfigure_expecting(By::unknown(), 0, raise);
    let (expected, found) = (0, 1);
    let other = ReconfigureError::OtherVersion { expected, found };
    assert_eq!(late, Err(other.clone()));
    let said = "version 0 of the settings was expected, but there is version 1";
    assert_eq!(other.to_string(), said);
    // Also where there is nothing to change.
    let late = circuit.reconfigure_expecting(By::unknown(), 0, |it| it);
    assert_eq!(late, Err(other));

    let refused = circuit.reconfigure_expecting(By::unknown(), 1, |it| it.set_count_window(7));
    let refused = refused.expect_err("another window");
    assert!(matches!(&refused, ReconfigureError::Refused(it) if it.field() == "count_window"));
    assert!(refused.to_string().starts_with("circuit `"), "{refused}");
    assert_eq!(circuit.settings().consecutive_failures(), Some(2));
    assert_eq!(told.lock().expect("a log").len(), 1);
}

// E5: what comes between the look and the change is seen.
#[test]
fn a_change_that_comes_while_another_is_made_ends_its_version() {
    let circuit = Fixture::new(|c| c.consecutive_failures(1)).circuit;
    let mut asked = 0;
    let changed = circuit.reconfigure_expecting(By::unknown(), 0, |settings| {
        asked += 1;
        circuit.reconfigure(raise).expect("valid");
        raise(settings)
    });
    let (expected, found) = (0, 1);
    assert_eq!(
        changed,
        Err(ReconfigureError::OtherVersion { expected, found })
    );
    assert_eq!(
        (asked, circuit.settings().consecutive_failures()),
        (1, Some(2))
    );
}

// E5
#[test]
fn of_twenty_who_expect_one_version_one_gets_through() {
    let circuit = Fixture::new(|c| c.consecutive_failures(1)).circuit;
    for version in 0..200 {
        let changed = race(20, |_| {
            let by = By::unknown();
            circuit.reconfigure_expecting(by, version, raise).is_ok()
        });
        assert_eq!(changed.into_iter().filter(|it| *it).count(), 1, "{version}");
        assert_eq!(circuit.settings_version(), version + 1);
    }
    assert_eq!(circuit.settings().consecutive_failures(), Some(201));
}

// E5: the longest time there is reads back as it was said.
#[test]
fn a_change_of_nothing_is_no_version_whatever_was_said() {
    for limit in [
        Duration::MAX,
        Duration::from_secs(u64::MAX),
        Duration::from_nanos(u64::MAX),
    ] {
        let circuit = Circuit::builder("a").abandoned(AbandonedPolicy::FailureAfter(limit));
        let circuit = circuit.build().expect("valid");
        let change = circuit.reconfigure(|settings| settings).expect("valid");
        assert!(change.is_empty());
        assert_eq!(change.version(), 0, "{limit:?}");
    }
}

// B8
#[test]
fn a_minimum_where_there_is_no_window_is_blamed_on_the_window() {
    let error = Circuit::builder("a")
        .consecutive_failures(3)
        .minimum_calls(5)
        .build();
    let error = error.expect_err("refused");
    assert_eq!(
        (error.field(), error.because_of()),
        ("minimum_calls", Some("count_window"))
    );
}
