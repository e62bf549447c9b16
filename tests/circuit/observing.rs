//! What is told of a circuit, when, and how it reads (rules E4, E7; the snapshot of C5 and F4).

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

use http::Response;

use crate::support::{Fixture, NANO, SLOW, fragile, fragile_after_break, millis, secs};
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, task::spawn};
use tower::{Layer, Service};
use tower_breaker::{
    Cause, Circuit, CircuitBreakerLayer, CircuitBuilder, CircuitError, EjectionCap, Jitter,
    LimitOf, Mode, OpenFor, Reason, Reject, Rejected, Snapshot, State, Transition, WindowCounts,
    classify::ErrorsOnly,
    clock::ManualClock,
    observe::{FallbackCause, FallbackKind, RetryDecision},
    reject::{RejectAsError, ServiceUnavailable},
};

// ---- E7: labels -------------------------------------------------------------------------------

const STATES: [State; 3] = [State::Closed, State::Open, State::HalfOpen];
const MODES: [Mode; 4] = [Mode::Normal, Mode::ForcedOpen, Mode::Disabled, Mode::Shadow];
const REASONS: [Reason; 6] = [
    Reason::Open,
    Reason::HalfOpenFull,
    Reason::ForcedOpen,
    Reason::Ramping,
    Reason::Shedding,
    Reason::BulkheadFull,
];
const LIMITS: [LimitOf; 3] = [LimitOf::Call, LimitOf::Probe, LimitOf::Caller];
const KINDS: [FallbackKind; 7] = [
    FallbackKind::Value,
    FallbackKind::Cached,
    FallbackKind::Fail,
    FallbackKind::Hold,
    FallbackKind::Defer,
    FallbackKind::Outbox,
    FallbackKind::Own,
];
const DECISIONS: [RetryDecision; 7] = [
    RetryDecision::Retried,
    RetryDecision::NoBudget,
    RetryDecision::Rejected,
    RetryDecision::NotClosed,
    RetryDecision::TooLong,
    RetryDecision::Exhausted,
    RetryDecision::Off,
];

/// Why another answer may be needed.
fn fallback_causes() -> Vec<FallbackCause> {
    let others = [FallbackCause::TimedOut, FallbackCause::Failed];
    let rejected = REASONS.map(FallbackCause::Rejected);
    rejected.into_iter().chain(others).collect()
}

fn causes() -> [Cause; 16] {
    let (failed, slow, calls) = (7, 7, 10);
    let mut ten = WindowCounts::default();
    (ten.calls, ten.failed) = (calls, failed);
    [
        Cause::ConsecutiveFailures(5),
        Cause::FailureRate { failed, calls },
        Cause::SlowCallRate { slow, calls },
        Cause::CustomPolicy(WindowCounts::default()),
        Cause::TripNow,
        Cause::Manual,
        Cause::ProbeFailed,
        Cause::ProbesTimedOut,
        Cause::ProbesAbandoned,
        Cause::TripVetoed,
        Cause::WaitOver,
        Cause::Recovered,
        Cause::ForceExpired,
        Cause::Shared,
        Cause::ShedBegan(ten),
        Cause::ShedEnded,
    ]
}

// E7
#[test]
fn a_label_is_one_word_and_no_two_of_a_kind_are_the_same() {
    let kinds = [
        STATES.map(State::label).to_vec(),
        MODES.map(Mode::label).to_vec(),
        REASONS.map(Reason::label).to_vec(),
        causes().map(Cause::label).to_vec(),
        LIMITS.map(LimitOf::label).to_vec(),
        KINDS.map(FallbackKind::label).to_vec(),
        fallback_causes()
            .into_iter()
            .map(FallbackCause::label)
            .collect(),
        DECISIONS.map(RetryDecision::label).to_vec(),
    ];
    for labels in kinds {
        for label in &labels {
            let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(!label.is_empty() && label.chars().all(is_word), "{label}");
        }
        let distinct: HashSet<_> = labels.iter().collect();
        assert_eq!(distinct.len(), labels.len(), "{labels:?}");
    }
}

// E7
#[test]
fn the_docs_list_every_label_beside_what_people_read() {
    let docs = include_str!("../../src/circuit/observe.rs");
    let listed = |kind: &str, one: &dyn fmt::Debug, label: &str, shown: &dyn fmt::Display| {
        let (name, rest) = (
            format!("[`{kind}::{one:?}`]"),
            format!(" | `{label}` | {shown} |"),
        );
        let is_row = |line: &str| line.contains(&name) && line.ends_with(&rest);
        assert!(docs.lines().any(is_row), "no row {name}{rest}");
    };
    for state in STATES {
        listed("State", &state, state.label(), &state);
    }
    for mode in MODES {
        listed("Mode", &mode, mode.label(), &mode);
    }
    for reason in REASONS {
        listed("Reason", &reason, reason.label(), &reason);
    }
    for cause in causes() {
        let name = format!("{cause:?}");
        let name = name.split([' ', '(']).next().expect("a name");
        listed("Cause", &format_args!("{name}"), cause.label(), &cause);
    }
}

// E7
#[test]
fn the_docs_list_every_label_of_what_is_around_a_breaker() {
    let docs = include_str!("../../src/circuit/observe.rs");
    let listed = |kind: &str, one: &dyn fmt::Debug, label: &str| {
        let (name, rest) = (format!("[`{kind}::{one:?}`]"), format!(" | `{label}` | |"));
        let is_row = |line: &str| line.contains(&name) && line.ends_with(&rest);
        assert!(docs.lines().any(is_row), "no row {name}{rest}");
    };
    for limit in LIMITS {
        listed("LimitOf", &limit, limit.label());
    }
    for kind in KINDS {
        listed("FallbackKind", &kind, kind.label());
    }
    for decision in DECISIONS {
        listed("RetryDecision", &decision, decision.label());
    }
    for cause in [FallbackCause::TimedOut, FallbackCause::Failed] {
        listed("FallbackCause", &cause, cause.label());
    }
    for reason in REASONS {
        assert_eq!(FallbackCause::Rejected(reason).label(), reason.label());
    }
}

// ---- E4: listeners -----------------------------------------------------------------------------

// E4
#[test]
fn each_transition_is_told_once_and_in_full() {
    let circuit = fragile(|c| c);
    circuit.play("f");
    circuit.wait_out();
    circuit.play("f");
    circuit.wait_out();
    circuit.play("s");
    let told = circuit.told();
    let steps: Vec<_> = told.iter().map(|t| (t.era, t.from, t.to)).collect();
    let (closed, open, half_open) = (State::Closed, State::Open, State::HalfOpen);
    assert_eq!(
        steps,
        [
            (1, closed, open),
            (2, open, half_open),
            (3, half_open, open),
            (4, open, half_open),
            (5, half_open, closed),
        ]
    );
    let details: Vec<_> = told
        .iter()
        .map(|t| (t.cause, t.attempt, t.open_for))
        .collect();
    let five = Some(secs(5));
    assert_eq!(
        details,
        [
            (Cause::ConsecutiveFailures(1), 1, five),
            (Cause::WaitOver, 1, None),
            (Cause::ProbeFailed, 2, five),
            (Cause::WaitOver, 2, None),
            (Cause::Recovered, 0, None),
        ]
    );
    let modes = |t: &Transition| (t.mode_before, t.mode) == (Mode::Normal, Mode::Normal);
    assert!(told.iter().all(modes));
}

// E4
#[test]
fn what_is_no_transition_is_not_told() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3).open_for(secs(5)));
    circuit.play("s i d ff s");
    circuit.circuit.release();
    circuit.circuit.set_mode(Mode::Normal);
    circuit.tells_nothing();

    circuit.play("fff");
    circuit.told();
    circuit.play("xxx");
    circuit.wait(secs(100));
    circuit.look();
    circuit.tells_nothing();

    let _probe = circuit.admit();
    circuit.told();
    circuit.play("xxx");
    circuit.tells_nothing();
}

// E4
#[test]
fn eras_are_told_without_a_gap_whoever_makes_the_transitions() {
    let circuit = fragile(|c| c);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..250 {
                    circuit.circuit.trip(secs(5)).expect("normal mode");
                    circuit.circuit.reset();
                }
            });
        }
    });
    let mut eras: Vec<u64> = circuit.told().iter().map(|told| told.era).collect();
    eras.sort_unstable();
    assert_eq!(eras, (1..=2_000).collect::<Vec<u64>>());
    assert_eq!(circuit.look().era, 2_000);
}

// E4
#[test]
fn every_listener_hears_of_every_transition_in_the_order_they_were_given() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = |name: &'static str| {
        let heard = heard.clone();
        move |circuit: &Circuit, told: &Transition| {
            let line = format!("{name}: {} {}", circuit.name(), told.to);
            heard.lock().expect("a log").push(line);
        }
    };
    let circuit = fragile(|c| {
        c.on_transition(listener("first"))
            .on_transition(listener("second"))
    });
    circuit.play("f");
    let heard = heard.lock().expect("a log").join(", ");
    assert_eq!(heard, "first: payments open, second: payments open");
}

// E4
#[test]
fn a_listener_sees_the_circuit_as_it_has_become() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let circuit = fragile(|c| {
        c.on_transition(move |circuit, told| {
            let now = circuit.snapshot();
            assert_eq!((now.state, now.era), (told.to, told.era));
            let rejected = circuit.try_acquire().is_err();
            log.lock()
                .expect("a log")
                .push((now.last_trip.map(|trip| trip.cause), rejected));
        })
    });
    circuit.play("f");
    let cause = Some(Cause::ConsecutiveFailures(1));
    assert_eq!(*seen.lock().expect("a log"), [(cause, true)]);
}

// E4
#[test]
fn a_listener_may_change_the_circuit() {
    let circuit = fragile(|c| {
        c.on_transition(|circuit, told| {
            if told.to == State::Open {
                circuit.reset();
            }
        })
    });
    circuit.play("f f f s");
    circuit.is(State::Closed);
    let told: Vec<(u64, State)> = circuit.told().iter().map(|t| (t.era, t.to)).collect();
    let (open, closed) = (State::Open, State::Closed);
    assert_eq!(
        told,
        [
            (1, open),
            (2, closed),
            (3, open),
            (4, closed),
            (5, open),
            (6, closed)
        ]
    );
}

// E4
#[test]
fn a_listener_may_make_calls_and_change_numbers() {
    let circuit = Fixture::new(|c| {
        c.consecutive_failures(1).on_transition(|circuit, told| {
            if told.to == State::Closed {
                circuit.try_acquire().expect("closed").success();
                circuit
                    .reconfigure(|c| c.set_consecutive_failures(3))
                    .expect("numbers that make sense");
            }
        })
    });
    circuit.play("f");
    circuit.wait_out();
    circuit.play("s");
    assert_eq!(circuit.totals().successful, 2);
    circuit.play("ff");
    circuit.is(State::Closed);
}

// E4
#[test]
fn a_panicking_listener_disturbs_nobody() {
    let heard = Arc::new(AtomicU64::new(0));
    let count = heard.clone();
    let circuit = fragile(|c| {
        c.on_transition(|_, _| panic!("a listener"))
            .on_transition(move |_, _| {
                count.fetch_add(1, Ordering::Relaxed);
            })
    });
    circuit.play("f x");
    circuit.wait_out();
    circuit.play("s");
    circuit.circuit.force_open();
    assert_eq!(heard.load(Ordering::Relaxed), 4, "the listener after it");
    assert_eq!(circuit.told().len(), 4, "the listener before it");
    let totals = circuit.totals();
    assert_eq!(
        (totals.successful, totals.failed, totals.rejected),
        (1, 1, 1)
    );
}

// E4
#[test]
fn a_listener_does_not_keep_its_circuit_alive() {
    let witness = Arc::new(());
    let kept = Arc::downgrade(&witness);
    let circuit = Circuit::builder("payments")
        .on_transition(move |_, _| drop(witness.clone()))
        .build()
        .expect("settings that make sense");
    circuit.force_open();
    drop(circuit);
    assert!(kept.upgrade().is_none());
}

// E4, E1
#[test]
fn a_change_of_mode_says_what_changed() {
    let circuit = fragile(|c| c);
    circuit.circuit.set_mode(Mode::Shadow);
    circuit.play("f");
    circuit.circuit.set_mode(Mode::Normal);
    circuit.circuit.force_open();
    circuit.circuit.set_mode(Mode::Disabled);
    let told = circuit.told();
    let eras: Vec<u64> = told.iter().map(|told| told.era).collect();
    assert_eq!(eras, [0, 1, 1, 2, 3]);
    let lines: Vec<String> = told.iter().map(Transition::to_string).collect();
    assert_eq!(
        lines,
        [
            "closed -> closed (normal -> shadow): by hand",
            "closed -> open: 1 failure, open for 5s",
            "open -> open (shadow -> normal): by hand, open for 5s",
            "open -> open (normal -> forced open): by hand",
            "open -> closed (forced open -> disabled): by hand",
        ]
    );
}

// ---- E4: watches -------------------------------------------------------------------------------

// E4
#[test]
fn a_watch_waits_for_the_next_transition() {
    let circuit = fragile(|c| c);
    circuit.circuit.force_open();
    circuit.circuit.release();
    let mut watch = circuit.circuit.watch();
    let mut changed = spawn(watch.changed());
    assert_pending!(changed.poll(), "what was before does not count");
    circuit.play("s");
    assert!(!changed.is_woken());
    circuit.play("f");
    assert!(changed.is_woken());
    let told = assert_ready!(changed.poll()).expect("told");
    assert_eq!((told.era, told.to), (3, State::Open));
    assert_eq!(Some(&told), circuit.told().last());
    drop(changed);
    assert_pending!(spawn(watch.changed()).poll(), "seen");
}

// E4
#[test]
fn a_watch_shows_the_last_of_several() {
    let circuit = fragile_after_break(|c| c);
    let mut watch = circuit.circuit.watch();
    circuit.play("s");
    let told = assert_ready!(spawn(watch.changed()).poll()).expect("told");
    assert_eq!(told.cause, Cause::Recovered);
    assert_pending!(spawn(watch.changed()).poll());
}

// E4, E1
#[test]
fn a_watch_shows_a_change_of_mode_within_an_era() {
    let circuit = fragile(|c| c);
    let mut watch = circuit.circuit.watch();
    circuit.play("f");
    assert_ready!(spawn(watch.changed()).poll());
    circuit.circuit.set_mode(Mode::Shadow);
    let told = assert_ready!(spawn(watch.changed()).poll()).expect("told");
    assert_eq!((told.era, told.mode), (1, Mode::Shadow));
}

// E4
#[test]
fn a_dropped_wait_loses_nothing() {
    let circuit = fragile(|c| c);
    let mut watch = circuit.circuit.watch();
    let mut given_up = spawn(watch.changed());
    assert_pending!(given_up.poll());
    circuit.play("f");
    drop(given_up);
    assert_ready!(spawn(watch.changed()).poll());
}

// E4
#[test]
fn each_watch_sees_for_itself() {
    let circuit = fragile(|c| c);
    let mut first = circuit.circuit.watch();
    circuit.play("f");
    let mut second = first.clone();
    let mut later = circuit.circuit.watch();
    assert_ready!(spawn(first.changed()).poll());
    assert_ready!(spawn(second.changed()).poll());
    assert_pending!(spawn(later.changed()).poll());
}

// E4
#[test]
fn a_watch_waits_for_a_state() {
    let circuit = fragile(|c| c);
    let mut watch = circuit.circuit.watch();
    assert_ready_eq!(spawn(watch.wait_for(State::Closed)).poll(), true);
    let mut opens = spawn(watch.wait_for(State::Open));
    assert_pending!(opens.poll());
    circuit.circuit.set_mode(Mode::Shadow);
    assert_pending!(opens.poll(), "a transition to another state");
    circuit.play("f");
    assert!(opens.is_woken());
    assert_ready_eq!(opens.poll(), true);
}

// E4, C5
#[test]
fn waiting_for_half_open_needs_traffic() {
    let circuit = fragile(|c| c);
    circuit.play("f");
    let mut watch = circuit.circuit.watch();
    let mut probed = spawn(watch.wait_for(State::HalfOpen));
    circuit.wait(secs(1_000));
    assert_pending!(probed.poll());
    let _probe = circuit.admit();
    assert_ready_eq!(probed.poll(), true);
}

/// Everything of a circuit but what watches it: what tells whether it is gone is dropped with it.
fn gone_with(circuit: Circuit) -> bool {
    let kept = circuit.downgrade();
    drop(circuit);
    kept.upgrade().is_none()
}

// E4
#[test]
fn a_watch_ends_with_its_circuit() {
    let circuit = on_tokio(|c| c);
    let (mut watch, mut other) = (circuit.watch(), circuit.watch());
    let mut changed = spawn(watch.changed());
    let mut opens = spawn(other.wait_for(State::Open));
    assert_pending!(changed.poll());
    assert_pending!(opens.poll());
    assert!(gone_with(circuit), "two watches do not hold it");
    assert!(changed.is_woken() && opens.is_woken());
    assert_ready_eq!(changed.poll(), None);
    assert_ready_eq!(opens.poll(), false);
    drop(changed);
    assert_ready_eq!(spawn(watch.changed()).poll(), None);
    assert_ready_eq!(spawn(watch.wait_for(State::Closed)).poll(), false);
}

// E4
#[test]
fn what_a_circuit_told_last_is_shown_before_its_watch_ends() {
    let circuit = on_tokio(|c| c);
    let mut watch = circuit.watch();
    circuit.force_open();
    assert!(gone_with(circuit));
    let mut clone = watch.clone();
    let told = assert_ready!(spawn(watch.changed()).poll()).expect("told");
    assert_eq!(told.to, State::Open);
    assert_ready_eq!(spawn(watch.changed()).poll(), None);
    // And whoever waited for that has seen it, once.
    assert_ready_eq!(spawn(clone.wait_for(State::Open)).poll(), true);
    assert_ready_eq!(spawn(clone.wait_for(State::Open)).poll(), false);
}

// E4
#[test]
fn whoever_waits_for_another_state_than_the_last_waits_in_vain() {
    let circuit = on_tokio(|c| c);
    let mut watch = circuit.watch();
    circuit.force_open();
    circuit.release();
    assert!(gone_with(circuit));
    assert_ready_eq!(spawn(watch.wait_for(State::Open)).poll(), false);
}

// E4, G4: it is not the first handle that counts but the last.
#[test]
fn a_watch_lasts_as_long_as_anything_holds_the_circuit() {
    let circuit = on_tokio(|c| c);
    let mut watch = circuit.watch();
    let mut changed = spawn(watch.changed());
    let layer = CircuitBreakerLayer::new(circuit);
    let service = layer.layer(());
    drop(layer);
    assert_pending!(changed.poll());
    let held = service.circuit().clone();
    drop(service);
    let call = Box::new(held.try_acquire().expect("closed"));
    assert_pending!(changed.poll());
    drop(call);
    assert!(gone_with(held));
    assert_ready_eq!(changed.poll(), None);
}

// E4
#[tokio::test(start_paused = true)]
async fn a_task_that_loops_on_a_watch_ends_with_the_circuit() {
    let circuit = on_tokio(|c| c.open_for(secs(5)));
    let mut watch = circuit.watch();
    let looping = tokio::spawn(async move {
        let mut seen = 0;
        while watch.changed().await.is_some() {
            seen += 1;
        }
        seen
    });
    tokio::task::yield_now().await;
    circuit.force_open();
    tokio::task::yield_now().await;
    circuit.release();
    drop(circuit);
    let ended = tokio::time::timeout(secs(1_000), looping).await;
    assert_eq!(ended.expect("in time").expect("a task that ends"), 2);
}

#[test]
fn a_weak_handle_says_what_it_leads_to() {
    let circuit = on_tokio(|c| c);
    let weak = circuit.downgrade();
    prints(&weak, &["WeakCircuit", "payments"]);
    assert_eq!(weak.upgrade().expect("still there").name(), "payments");
    drop(circuit);
    prints(&weak, &["WeakCircuit", "None"]);
}

fn on_tokio(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Circuit {
    let builder = Circuit::builder("payments").consecutive_failures(1);
    configure(builder)
        .build()
        .expect("settings that make sense")
}

// E4
#[tokio::test(start_paused = true)]
async fn a_task_is_woken_by_another() {
    let circuit = on_tokio(|c| c.open_for(secs(5)));
    let mut watch = circuit.watch();
    let watcher = tokio::spawn(async move {
        assert!(watch.wait_for(State::Open).await);
        assert!(watch.wait_for(State::Closed).await);
    });
    circuit.try_acquire().expect("closed").failure();
    tokio::time::sleep(secs(5)).await;
    assert!(!watcher.is_finished());
    circuit.try_acquire().expect("a probe").success();
    watcher.await.expect("a task that ends");
}

// C1: the default clock is tokio's.
#[tokio::test(start_paused = true)]
async fn a_paused_clock_is_the_circuits_clock() {
    let circuit = on_tokio(|c| c.open_for(secs(5)));
    circuit.try_acquire().expect("closed").failure();
    tokio::time::advance(secs(5) - millis(1)).await;
    let rejected = circuit.try_acquire().expect_err("open");
    assert_eq!(rejected.remaining(), Some(millis(1)));
    tokio::time::advance(millis(1)).await;
    circuit.try_acquire().expect("a probe").success();
}

// ---- the snapshot ------------------------------------------------------------------------------

// C5
#[test]
fn a_snapshot_shows_everything_of_its_era() {
    let circuit = Fixture::new(|c| {
        c.consecutive_failures(3)
            .count_window(10)
            .slow_call_duration(SLOW)
            .open_for(OpenFor::exponential(secs(5), 2.0, secs(60)))
    });
    circuit.play("s S ff");
    let closed = circuit.look();
    assert_eq!(&*closed.name, "payments");
    assert_eq!(
        (closed.state, closed.mode, closed.era),
        (State::Closed, Mode::Normal, 0)
    );
    assert_eq!(
        closed.time_in_state,
        secs(7) + SLOW + Duration::from_nanos(1)
    );
    assert_eq!(
        (
            closed.remaining,
            closed.attempt,
            closed.last_trip.map(|trip| trip.cause)
        ),
        (None, 0, None)
    );
    assert_eq!(closed.consecutive_failures, 2);
    assert_eq!(circuit.window(), (4, 2, 1));
    assert_eq!((closed.probes, closed.ramp_share), (None, 1.0));
    assert_eq!(closed.shed_share, 0.0);

    circuit.play("f");
    circuit.wait(secs(2));
    let open = circuit.look();
    assert_eq!((open.state, open.era, open.attempt), (State::Open, 1, 1));
    assert_eq!(open.time_in_state, secs(2));
    assert_eq!(open.remaining, Some(secs(3)));
    assert_eq!(
        open.last_trip.map(|trip| trip.cause),
        Some(Cause::ConsecutiveFailures(3))
    );
    assert_eq!(
        (open.consecutive_failures, circuit.window()),
        (0, (0, 0, 0))
    );

    circuit.wait(secs(3));
    let _probe = circuit.admit();
    circuit.wait(secs(1));
    let half_open = circuit.look();
    assert_eq!(
        (half_open.state, half_open.era, half_open.attempt),
        (State::HalfOpen, 2, 1)
    );
    assert_eq!(half_open.time_in_state, secs(1));
    assert_eq!(half_open.remaining, None);
    assert_eq!(half_open.probes.map(|probes| probes.in_flight), Some(1));
}

// B6
#[test]
fn the_last_trip_outlives_its_recovery() {
    let circuit = fragile_after_break(|c| c);
    circuit.play("s");
    let cause = Some(Cause::ConsecutiveFailures(1));
    assert_eq!(circuit.look().last_trip.map(|trip| trip.cause), cause);
    circuit.circuit.reset();
    assert_eq!(circuit.look().last_trip.map(|trip| trip.cause), cause);
    circuit.play("t");
    assert_eq!(
        circuit.look().last_trip.map(|trip| trip.cause),
        Some(Cause::TripNow)
    );
    circuit.circuit.set_mode(Mode::Shadow);
    assert_eq!(
        circuit.look().last_trip.map(|trip| trip.cause),
        Some(Cause::TripNow),
        "no new trip"
    );
}

// B6, E2
#[test]
fn forcing_open_is_a_trip_by_hand() {
    let circuit = fragile_after_break(|c| c);
    circuit.circuit.force_open();
    assert_eq!(
        circuit.look().last_trip.map(|trip| trip.cause),
        Some(Cause::Manual)
    );
}

// F4
#[test]
fn totals_say_what_became_of_every_call() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3).slow_call_duration(SLOW));
    let stale = circuit.admit();
    circuit.play("sss i dd fS ff t xx");
    stale.success();
    let totals = circuit.totals();
    assert_eq!((totals.successful, totals.failed), (5, 4));
    assert_eq!((totals.ignored, totals.abandoned), (1, 2));
    assert_eq!((totals.slow, totals.stale), (2, 1));
    assert_eq!((totals.rejected, totals.shadowed), (2, 0));
    assert_eq!(totals.ended(), 12);
}

// F4
#[test]
fn calls_in_flight_have_not_ended() {
    let circuit = fragile(|c| c);
    let calls = [circuit.admit(), circuit.admit()];
    assert_eq!(circuit.totals().ended(), 0);
    drop(calls);
    assert_eq!(circuit.totals().ended(), 2);
}

// F4
#[test]
fn totals_of_many_threads_are_exact_at_rest() {
    let circuit = &Fixture::new(|c| c.consecutive_failures(1_000_000)).circuit;
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    circuit.try_acquire().expect("closed").success();
                    circuit.try_acquire().expect("closed").failure();
                }
            });
        }
    });
    let totals = circuit.snapshot().totals.expect("totals");
    assert_eq!((totals.successful, totals.failed), (8_000, 8_000));
}

// ---- how it reads ------------------------------------------------------------------------------

#[test]
fn rejections_are_said_in_words() {
    let circuit = fragile_after_break(|c| c.ramp(secs(10), 1e-6));
    let probe = circuit.admit();
    assert_eq!(
        circuit.reject().to_string(),
        "circuit `payments` is half-open and full: 1 failure"
    );
    probe.success();
    circuit.play("s");
    assert_eq!(
        circuit.reject().to_string(),
        "circuit `payments` is ramping up: 1 failure"
    );
    circuit.circuit.trip(secs(20)).expect("normal mode");
    let open = circuit.reject();
    assert_eq!(open.to_string(), "circuit `payments` is open: by hand");
    assert_eq!(
        format!("{open:?}"),
        r#"Rejected { circuit: "payments", reason: Open, cause: Some(Manual), remaining: Some(20s) }"#
    );
    circuit.circuit.force_open();
    assert_eq!(
        circuit.reject().to_string(),
        "circuit `payments` is forced open"
    );
}

#[tokio::test]
async fn errors_tell_the_rejection_apart_and_keep_it() {
    let circuit = fragile(|c| c);
    circuit.circuit.force_open();
    let call = circuit.circuit.call(async { Err::<(), _>("refused") });
    let error = call.await.expect_err("a rejection");
    assert_eq!(error.to_string(), "circuit `payments` is forced open");
    let reason = error.rejected().map(tower_breaker::Rejected::reason);
    assert_eq!(reason, Some(Reason::ForcedOpen));

    circuit.circuit.release();
    let call = circuit.circuit.call(async { Err::<(), _>("refused") });
    let error = call.await.expect_err("an inner error");
    assert_eq!(error, CircuitError::Inner("refused"));
    assert_eq!(error.to_string(), "the call failed");
}

#[test]
fn causes_are_said_in_words() {
    let lines = [
        (
            Cause::FailureRate {
                failed: 3,
                calls: 4,
            },
            "3 of 4 calls failed",
        ),
        (
            Cause::SlowCallRate { slow: 3, calls: 4 },
            "3 of 4 calls were slow",
        ),
        (Cause::ConsecutiveFailures(5), "5 consecutive failures"),
        (Cause::TripNow, "a result that trips at once"),
        (Cause::Manual, "by hand"),
        (Cause::ProbeFailed, "a probe failed"),
        (Cause::ProbesTimedOut, "the probes timed out"),
        (
            Cause::WaitOver,
            "the wait is over, the next call is a probe",
        ),
        (Cause::Recovered, "the probes succeeded"),
        (
            Cause::ForceExpired,
            "the time is over for which it was forced open",
        ),
    ];
    for (cause, line) in lines {
        assert_eq!(cause.to_string(), line);
    }
}

// E4
#[test]
fn a_transition_is_described_with_the_numbers_that_an_operator_needs() {
    let lines = |circuit: &Fixture| -> Vec<String> {
        let told = circuit.told();
        let line = |t: &Transition| t.describe("payments").to_string();
        told.iter().map(line).collect()
    };
    let rate = |c: CircuitBuilder| c.count_window(10).minimum_calls(10).failure_rate(0.5);
    let circuit = Fixture::new(|c| rate(c).failure_rate(0.7).open_for(secs(5)));
    circuit.play("ffffff sss f");
    circuit.wait(secs(5));
    circuit.play("f");
    circuit.wait(secs(5));
    circuit.play("s");
    assert_eq!(
        lines(&circuit),
        [
            "circuit `payments` opened: 7 of 10 calls failed (70 %, threshold 70 %), next probe in 5 s",
            "circuit `payments` is half-open: the wait is over, the next call is a probe",
            "circuit `payments` opened again: a probe failed, next probe in 5 s",
            "circuit `payments` is half-open: the wait is over, the next call is a probe",
            "circuit `payments` closed: the probes succeeded",
        ]
    );

    let third = |c: CircuitBuilder| c.count_window(3).minimum_calls(3).failure_rate(0.5);
    let circuit = Fixture::new(|c| third(c).open_for(millis(1_234)).mode(Mode::Shadow));
    circuit.play("sff");
    circuit.circuit.set_mode(Mode::Normal);
    circuit.circuit.force_open();
    circuit.circuit.release();
    circuit.circuit.trip(NANO).expect("in normal mode");
    assert_eq!(
        lines(&circuit),
        [
            "circuit `payments` opened: 2 of 3 calls failed (66.6 %, threshold 50 %), next probe in 1.3 s \
             (shadow: nothing is rejected)",
            "circuit `payments` is back to normal: by hand",
            "circuit `payments` is forced open: by hand",
            "circuit `payments` is back to normal: by hand",
            "circuit `payments` opened: by hand, next probe in 1 ms",
        ]
    );

    let policy = |c: CircuitBuilder| c.count_window(4).minimum_calls(4).trip_when(|_| true);
    let circuit = Fixture::new(|c| policy(c).open_for(millis(250)));
    circuit.play("sssf");
    let told = "circuit `payments` opened: a custom policy, with 1 of 4 calls failed (25 %) and 0 slow \
                (0 %), next probe in 250 ms";
    assert_eq!(lines(&circuit), [told]);

    let none = EjectionCap::new(0.5).expect("a share");
    let circuit = Fixture::new(|c| c.consecutive_failures(2).ejection_cap(&none));
    circuit.play("ff");
    let told = "circuit `payments` stays closed: a trip was vetoed: too many circuits are open; \
                2 consecutive failures";
    assert_eq!(lines(&circuit), [told]);
}

#[test]
fn states_and_modes_keep_their_place_in_a_table() {
    assert_eq!(format!("{:>9}|", State::HalfOpen), "half-open|");
    assert_eq!(format!("{:>9}|", State::Open), "     open|");
    assert_eq!(format!("{:<12}|", Mode::ForcedOpen), "forced open |");
    assert_eq!(format!("{:<12}|", Reason::Ramping), "ramping up  |");
}

#[test]
fn handles_say_who_and_how_they_are() {
    let circuit = fragile(|c| c);
    assert_eq!(
        format!("{:?}", circuit.circuit),
        r#"Circuit { name: "payments", state: Closed, mode: Normal, .. }"#
    );
    let guard = circuit.admit();
    assert_eq!(format!("{guard:?}"), r#"Guard { circuit: "payments", .. }"#);
    let watch = format!("{:?}", circuit.circuit.watch());
    assert!(watch.contains("payments"), "{watch}");
    let subscription = circuit.circuit.subscribe(|_, _| {});
    assert_eq!(format!("{subscription:?}"), "Subscription { .. }");
}

/// `thing`, printed, has all of these parts.
#[track_caller]
fn prints(thing: &dyn fmt::Debug, parts: &[&str]) {
    let printed = format!("{thing:?}");
    for part in parts {
        assert!(printed.contains(part), "{part} in {printed}");
    }
}

#[test]
fn what_stands_around_a_service_says_so() {
    let circuit = fragile(|c| c).circuit;
    let layer = CircuitBreakerLayer::new(circuit.clone());
    prints(&layer, &["CircuitBreakerLayer", "circuit:", "payments"]);
    let echo = tower::service_fn(async |_: ()| Ok::<_, ()>(Response::new(())));
    let mut service = layer.classifier(ErrorsOnly).layer(echo);
    prints(&service, &["CircuitBreaker", "inner", "payments"]);
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    prints(&service.call(()), &["ResponseFuture"]);
    let call = circuit.call(async { Ok::<_, ()>(()) });
    prints(&call, &["Call", "payments", "admitted: false"]);
}

#[test]
fn answers_to_a_rejection_say_what_they_are() {
    fn answer<R>(reject: &R, rejected: Rejected) -> R::Future
    where
        R: Reject<(), Response<()>, ()>,
    {
        reject.reject(rejected, ())
    }
    let circuit = fragile(|c| c);
    circuit.circuit.force_open();
    let rejected = circuit.reject();
    let unavailable = answer(&ServiceUnavailable, rejected.clone());
    prints(
        &unavailable,
        &["UnavailableFuture", "payments", "ForcedOpen"],
    );
    let refused = answer(&RejectAsError, rejected);
    prints(&refused, &["RejectErrorFuture", "payments", "ForcedOpen"]);
}

#[test]
fn an_open_time_says_how_long_it_is() {
    let growing = OpenFor::exponential(secs(1), 2.0, secs(9)).jitter(Jitter::Full);
    prints(&growing, &["first: 1s", "factor: 2.0", "max: 9s", "Full"]);
    prints(&OpenFor::from_fn(|_| secs(1)), &["OpenFor", "function: _"]);
}

#[test]
fn a_snapshot_can_be_compared_and_printed() {
    let circuit = fragile(|c| c.clock(ManualClock::new()));
    let first: Snapshot = circuit.look();
    assert_eq!(first, circuit.look());
    assert_eq!(first, first.clone());
    circuit.play("s");
    assert_ne!(first, circuit.look());
    let printed = format!("{first:?}");
    for part in [r#"name: "payments""#, "state: Closed", "successful: 0"] {
        assert!(printed.contains(part), "{part} in {printed}");
    }
}

/// Wakes nobody; it panics.
struct PanickingWaker;

impl std::task::Wake for PanickingWaker {
    fn wake(self: std::sync::Arc<Self>) {
        panic!("a waker that panics");
    }
}

// E4, A5: a waker is somebody else's code as much as a listener is.
#[test]
fn a_panicking_waker_disturbs_neither_the_call_nor_the_listeners() {
    let circuit = Fixture::new(|c| c.consecutive_failures(1).open_for(secs(5)));
    let mut watch = circuit.circuit.watch();
    let waker = std::sync::Arc::new(PanickingWaker).into();
    let mut changed = std::pin::pin!(watch.changed());
    let mut context = std::task::Context::from_waker(&waker);
    assert!(changed.as_mut().poll(&mut context).is_pending());

    circuit.circuit.try_acquire().expect("closed").failure();
    circuit.is(State::Open);
    circuit.tells(&["closed -> open: 1 failure, open for 5s"]);
}

// E4, A5: the circuit may go in the middle of a call that is dropped, even by a panic.
#[test]
fn a_panicking_waker_does_not_disturb_whoever_drops_the_circuit() {
    let circuit = on_tokio(|c| c);
    let mut watch = circuit.watch();
    let waker = std::sync::Arc::new(PanickingWaker).into();
    let mut changed = std::pin::pin!(watch.changed());
    let mut context = Context::from_waker(&waker);
    assert!(changed.as_mut().poll(&mut context).is_pending());
    let mut driver = Box::pin(circuit.probe_with(async || Ok::<_, ()>(())));
    assert!(driver.as_mut().poll(&mut context).is_pending());
    drop(circuit);
    assert_ready_eq!(spawn(changed).poll(), None);
    assert_ready!(spawn(driver).poll());
}
