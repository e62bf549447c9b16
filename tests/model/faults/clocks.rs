//! Clocks that stand still, jump, go back, and come to the end of time. Nothing panics, control works
//! as ever, and once the clock has passed all it has ever said, so does everything else.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::collisions::Dice;
use tower_breaker::{
    Circuit, CircuitBuilder, Guard, Jitter, Mode, OpenFor, Outcome, Reason, Rejected, State,
    clock::Clock,
};

const BREAK: Duration = Duration::from_secs(5);
const NANO: Duration = Duration::from_nanos(1);
/// The last instant that a circuit can tell apart.
const END: Duration = Duration::from_nanos(u64::MAX);
const DAY: u64 = 24 * 60 * 60;

/// Says what it is told to say.
#[derive(Clone, Default)]
struct Liar(Arc<Mutex<Duration>>);

impl Liar {
    fn at(now: Duration) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    fn say(&self, now: Duration) {
        *self.0.lock().unwrap() = now;
    }
}

impl Clock for Liar {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

fn fragile(clock: &Liar) -> Circuit {
    let builder = Circuit::builder("timeless").consecutive_failures(1);
    let builder = builder.open_for(BREAK).clock(clock.clone());
    builder.build().unwrap()
}

fn fail(circuit: &Circuit) {
    circuit.try_acquire().unwrap().failure();
}

fn rejected(circuit: &Circuit) -> Rejected {
    circuit.try_acquire().expect_err("a rejection")
}

// ---- going back --------------------------------------------------------------------------------

// C1, C3
#[test]
fn a_clock_that_goes_back_makes_a_break_longer_until_it_is_where_it_was() {
    let clock = Liar::at(100 * BREAK);
    let circuit = fragile(&clock);
    clock.say(200 * BREAK);
    fail(&circuit);
    clock.say(150 * BREAK);
    assert_eq!(rejected(&circuit).remaining(), Some(51 * BREAK));
    // Even to before the circuit was built.
    clock.say(Duration::ZERO);
    assert_eq!(rejected(&circuit).remaining(), Some(101 * BREAK));
    assert_eq!(circuit.snapshot().time_in_state, Duration::ZERO);
    clock.say(201 * BREAK - NANO);
    assert_eq!(rejected(&circuit).remaining(), Some(NANO));
    clock.say(201 * BREAK);
    circuit.try_acquire().expect("a probe").success();
    assert_eq!(circuit.state(), State::Closed);
}

// D4
#[test]
fn a_lost_probe_times_out_however_far_back_the_clock_went() {
    let clock = Liar::at(100 * BREAK);
    let circuit = fragile(&clock);
    circuit.trip(BREAK).unwrap();
    clock.say(101 * BREAK);
    std::mem::forget(circuit.try_acquire().expect("a probe"));
    clock.say(Duration::ZERO);
    assert_eq!(rejected(&circuit).reason(), Reason::HalfOpenFull);
    // 30 seconds after the admission that was.
    clock.say(107 * BREAK);
    assert_eq!(rejected(&circuit).reason(), Reason::Open);
    clock.say(108 * BREAK);
    circuit.try_acquire().expect("a probe").success();
    assert_eq!(circuit.state(), State::Closed);
}

// A3, A4
#[test]
fn a_call_that_ends_before_it_began_was_fast() {
    let ends: [fn(Guard<'_>); 3] = [
        |call| call.success(),
        |call| call.failure(),
        |call| drop(call),
    ];
    for end in ends {
        let clock = Liar::default();
        let builder = Circuit::builder("timeless").slow_call_duration(NANO);
        let circuit = builder.clock(clock.clone()).build().unwrap();
        clock.say(BREAK);
        let call = circuit.try_acquire().unwrap();
        clock.say(Duration::ZERO);
        end(call);
        let totals = circuit.snapshot().totals.unwrap();
        assert_eq!((totals.ended(), totals.slow), (1, 0));
    }
}

// B3
#[test]
fn a_time_window_counts_again_once_the_clock_is_where_it_was() {
    let clock = Liar::at(Duration::ZERO);
    let circuit = Circuit::builder("timeless")
        .time_window(BREAK)
        .failure_rate(1.0)
        .minimum_calls(3)
        .clock(clock.clone())
        .build()
        .unwrap();
    clock.say(100 * BREAK);
    fail(&circuit);
    clock.say(BREAK);
    fail(&circuit);
    assert!(circuit.snapshot().window.unwrap().calls <= 2);
    clock.say(102 * BREAK);
    assert_eq!(circuit.snapshot().window.unwrap().calls, 0);
    (0..3).for_each(|_| fail(&circuit));
    assert_eq!(circuit.state(), State::Open);
}

// ---- the ends of time --------------------------------------------------------------------------

// C1, E2
#[test]
fn a_clock_that_is_at_its_end_from_the_beginning_stands_still() {
    for origin in [END, END + NANO, Duration::MAX - NANO, Duration::MAX] {
        let clock = Liar::at(origin);
        let circuit = fragile(&clock);
        fail(&circuit);
        clock.say(Duration::MAX);
        if Duration::MAX - origin < BREAK {
            assert_eq!(rejected(&circuit).reason(), Reason::Open);
            circuit.reset();
        }
        circuit.try_acquire().expect("admitted").success();
        assert_eq!(circuit.state(), State::Closed);
    }
}

// C1, E2, E3
#[test]
fn at_the_end_of_time_a_break_is_over_that_began_before_and_none_ends_that_begins_there() {
    for end in [END - NANO, END, Duration::MAX] {
        let clock = Liar::default();
        let circuit = fragile(&clock);
        fail(&circuit);
        clock.say(end);
        circuit.try_acquire().expect("a probe").success();
        assert_eq!(circuit.state(), State::Closed);

        fail(&circuit);
        assert_eq!(circuit.state(), State::Open);
        let rejected = rejected(&circuit);
        assert!(rejected.remaining() > Some(Duration::ZERO));
        assert_eq!(rejected.retry_after_secs(), Some(1), "what is left of time");
        circuit.reset();
        circuit.try_acquire().expect("closed").success();
    }
}

/// Windows of every order of magnitude: powers of two, where ids are shortest, and what is in between.
fn widths() -> impl Iterator<Item = (Duration, u32)> {
    let powers = (20..=44).flat_map(|power| [1 << power, (1 << power) + 1, 3 << power]);
    let magnitudes = powers.map(|nanos| (Duration::from_nanos(nanos), 1));
    let usual = [
        (Duration::from_millis(1), 100),
        (Duration::from_millis(100), 10),
        (Duration::from_secs(10), 10),
        (Duration::from_secs(DAY), 100),
    ];
    magnitudes.chain(usual)
}

// B3, B4, F6
#[test]
fn a_time_window_trips_at_the_end_of_time_as_anywhere_else() {
    for (span, buckets) in widths() {
        for end in [END / 2, END - span, END, Duration::MAX] {
            let clock = Liar::default();
            let circuit = Circuit::builder("timeless")
                .time_window(span)
                .time_window_buckets(buckets)
                .failure_rate(1.0)
                .minimum_calls(2)
                .clock(clock.clone())
                .build()
                .unwrap();
            // A second era, because eras use up buckets, too.
            circuit.reset();
            clock.say(end);
            (0..2).for_each(|_| fail(&circuit));
            assert_eq!(
                circuit.state(),
                State::Open,
                "{span:?}, {buckets} buckets, at {end:?}"
            );
        }
    }
}

// A7, C3, H1
#[test]
fn retry_after_is_a_second_to_a_day_however_long_the_break_and_wherever_the_clock() {
    let times = [
        Duration::ZERO,
        NANO,
        BREAK,
        END - NANO,
        END,
        END + NANO,
        Duration::MAX,
    ];
    for time in times {
        for now in times {
            for outcome in [Outcome::TripFor(time), Outcome::FailureRetryAfter(time)] {
                let clock = Liar::at(now);
                let circuit = fragile(&clock);
                circuit.try_acquire().unwrap().finish(outcome);
                for now in times {
                    clock.say(now);
                    let Ok(probe) = circuit.try_acquire() else {
                        let seconds = rejected(&circuit).retry_after_secs();
                        assert!((1..=DAY).contains(&seconds.unwrap()));
                        continue;
                    };
                    drop(probe);
                }
            }
        }
    }
}

// C3, D4, H1
#[test]
fn the_call_that_finds_the_probes_timed_out_is_told_a_second_even_of_a_break_of_nothing() {
    let clock = Liar::default();
    let builder = Circuit::builder("timeless").clock(clock.clone());
    let builder = builder.open_for(OpenFor::from_fn(|_| Duration::ZERO));
    let circuit = builder.half_open_timeout(NANO).build().unwrap();
    circuit.trip(Duration::ZERO).unwrap();
    std::mem::forget(circuit.try_acquire().expect("a probe"));
    clock.say(NANO);
    let rejected = rejected(&circuit);
    assert_eq!(rejected.remaining(), Some(Duration::ZERO));
    assert_eq!(rejected.retry_after_secs(), Some(1));
}

// ---- anything at all ---------------------------------------------------------------------------

type Settings = fn(CircuitBuilder) -> CircuitBuilder;

const CIRCUITS: [Settings; 6] = [
    |c| c.consecutive_failures(2).slow_call_duration(NANO),
    |c| {
        c.count_window(3)
            .slow_call_duration(BREAK)
            .slow_call_rate(0.5)
    },
    |c| {
        c.time_window(Duration::from_millis(1))
            .time_window_buckets(100)
    },
    |c| {
        c.time_window(Duration::from_nanos(1 << 30))
            .time_window_buckets(1)
    },
    |c| c.ramp(Duration::MAX, 1e-6).probes(2, 3).permits(2),
    |c| c.half_open_timeout(NANO).ramp(NANO, 0.5),
];

const BREAKS: [fn() -> OpenFor; 4] = [
    || OpenFor::constant(BREAK),
    || OpenFor::constant(Duration::MAX).jitter(Jitter::Fraction(1.0)),
    || OpenFor::exponential(NANO, 1e18, Duration::MAX).jitter(Jitter::Full),
    || {
        OpenFor::from_fn(|attempt| {
            if attempt % 2 == 0 {
                Duration::MAX
            } else {
                NANO
            }
        })
    },
];

/// Where a bad clock may stand: the ends, their neighbours, and what is in between.
fn any_instant(dice: &mut Dice, last: Duration) -> Duration {
    let ends = [
        Duration::ZERO,
        NANO,
        END - NANO,
        END,
        END + NANO,
        Duration::MAX,
    ];
    match dice.below(4) {
        0 => *dice.pick(&ends),
        1 => last.saturating_add(Duration::from_micros(dice.below(10_000_000))),
        2 => last.saturating_sub(Duration::from_micros(dice.below(10_000_000))),
        _ => Duration::from_nanos(dice.below(1 << 32) << dice.below(33)),
    }
}

/// A call, a look or a person's doing.
fn anything<'a>(circuit: &'a Circuit, calls: &mut Vec<Guard<'a>>, dice: &mut Dice) {
    match dice.below(16) {
        0..=5 => calls.extend(circuit.try_acquire()),
        6..=11 => end_one(calls, dice),
        12 => _ = circuit.trip(*dice.pick(&[Duration::ZERO, NANO, BREAK, Duration::MAX])),
        13 => _ = circuit.set_mode(*dice.pick(&[Mode::Normal, Mode::Shadow, Mode::Disabled])),
        14 => circuit.reset(),
        _ => assert_sane(circuit),
    }
}

fn end_one(calls: &mut Vec<Guard<'_>>, dice: &mut Dice) {
    let Some(call) = calls.pop() else { return };
    match dice.below(6) {
        0 => call.success(),
        1 | 2 => call.failure(),
        3 => call.finish(Outcome::FailureRetryAfter(Duration::MAX)),
        4 => std::mem::forget(call),
        _ => drop(call),
    }
}

fn assert_sane(circuit: &Circuit) {
    let seen = circuit.snapshot();
    assert!((0.0..=1.0).contains(&seen.ramp_share), "{seen:?}");
    if let Some(counts) = seen.window {
        assert!(counts.failed <= counts.calls, "{seen:?}");
    }
    if let Some(probes) = seen.probes {
        assert!(probes.in_flight <= probes.permits, "{seen:?}");
    }
}

// B3, C1, C2, C3, D4, D6, E2, E3
#[test]
fn whatever_the_clock_says_nothing_panics_and_control_works() {
    for (number, settings) in (0..240).zip(CIRCUITS.iter().cycle()) {
        let mut dice = Dice::new(number);
        let clock = Liar::at(any_instant(&mut dice, BREAK));
        let builder = Circuit::builder("timeless").clock(clock.clone());
        let builder = settings(builder).open_for((dice.pick(&BREAKS))());
        let circuit = builder.build().unwrap();
        let mut calls = Vec::new();
        for _ in 0..300 {
            let now = any_instant(&mut dice, clock.now());
            clock.say(now);
            anything(&circuit, &mut calls, &mut dice);
        }
        circuit.set_mode(Mode::Normal);
        circuit.reset();
        assert_eq!(circuit.state(), State::Closed);
        circuit
            .try_acquire()
            .expect("closed and not ramping")
            .success();
        circuit.force_open();
        assert_eq!(rejected(&circuit).reason(), Reason::ForcedOpen);
        assert!(circuit.release());
    }
}

// C1, D4, F1: as the docs of `Clock` promise.
#[test]
fn once_a_bad_clock_has_passed_all_it_ever_said_the_circuit_recovers() {
    for (number, settings) in (0..240).zip(CIRCUITS.iter().cycle()) {
        let mut dice = Dice::new(number);
        let clock = Liar::at(any_instant(&mut dice, BREAK) / 2);
        let builder = Circuit::builder("timeless").clock(clock.clone());
        let circuit = settings(builder).open_for(BREAK).build().unwrap();
        let (mut calls, mut latest) = (Vec::new(), clock.now());
        for _ in 0..300 {
            // Not to the very end: there has to be something beyond it.
            let now = any_instant(&mut dice, clock.now()).min(END / 2);
            latest = latest.max(now);
            clock.say(now);
            match dice.below(8) {
                0..=3 => calls.extend(circuit.try_acquire()),
                _ => end_one_in_time(&mut calls, &mut dice),
            }
        }
        std::mem::forget(calls);
        for round in 0.. {
            assert!(round < 20, "wedged: {:?}", circuit.snapshot());
            if circuit.state() == State::Closed {
                break;
            }
            latest += 10 * BREAK;
            clock.say(latest);
            if let Ok(call) = circuit.try_acquire() {
                call.success();
            }
        }
    }
}

/// Ends a call in a way that asks for no break of its own.
fn end_one_in_time(calls: &mut Vec<Guard<'_>>, dice: &mut Dice) {
    let Some(call) = calls.pop() else { return };
    match dice.below(5) {
        0 => call.success(),
        1 | 2 => call.failure(),
        3 => std::mem::forget(call),
        _ => drop(call),
    }
}
