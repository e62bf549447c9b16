//! What holds when threads really collide: permits, accounts, totals and events stay exact, and
//! control is seen by everyone. Each test fails if the collision it is about was never provoked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, ThreadId},
    time::Duration,
};

use tower_breaker::{
    Cause, Circuit, CircuitBuilder, Guard, Mode, Outcome, Reason, Snapshot, State, Totals,
    Transition,
    clock::{Clock, ManualClock},
};

use crate::collisions::{Dice, race, until_seen};

const BREAK: Duration = Duration::from_secs(5);
const UNPOISONED: &str = "nobody panics with it in hand";

// ---- tools ---------------------------------------------------------------------------------

/// Counts who is inside, and how often somebody was not alone.
#[derive(Default)]
struct Crowd {
    inside: AtomicU64,
    most: AtomicU64,
    met: AtomicU64,
}

impl Crowd {
    fn enter(&self) -> u64 {
        let inside = self.inside.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(inside, SeqCst);
        self.met.fetch_add(u64::from(inside > 1), SeqCst);
        inside
    }

    fn leave(&self) {
        self.inside.fetch_sub(1, SeqCst);
    }
}

/// Every transition that was told.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Transition, ThreadId)>>>);

impl Log {
    fn listen(&self, builder: CircuitBuilder) -> CircuitBuilder {
        let log = self.0.clone();
        builder.on_transition(move |_, transition| {
            let told = (*transition, thread::current().id());
            log.lock().expect(UNPOISONED).push(told);
        })
    }

    fn in_order(&self) -> Vec<Transition> {
        let told = self.0.lock().expect(UNPOISONED);
        let mut told: Vec<_> = told.iter().map(|told| told.0).collect();
        told.sort_by_key(|transition| transition.era);
        told
    }

    /// The thread that won the transition that was told last.
    fn winner(&self) -> Option<ThreadId> {
        Some(self.0.lock().expect(UNPOISONED).last()?.1)
    }

    fn causes(&self) -> Vec<Cause> {
        self.in_order().iter().map(|told| told.cause).collect()
    }

    /// E4, F1: one event for each era, and each begins where the one before it ended.
    fn assert_contiguous(&self, circuit: &Circuit) {
        let told = self.in_order();
        let eras: Vec<u64> = told.iter().map(|transition| transition.era).collect();
        let all: Vec<u64> = (1..=circuit.snapshot().era).collect();
        assert_eq!(eras, all);
        for pair in told.windows(2) {
            assert_eq!(pair[0].to, pair[1].from, "{pair:?}");
            assert_eq!(pair[0].mode, pair[1].mode_before, "{pair:?}");
        }
        let last = told.last().map(|transition| transition.to);
        assert_eq!(last.unwrap_or(State::Closed), circuit.state());
    }
}

fn builder(clock: &ManualClock) -> CircuitBuilder {
    Circuit::builder("stressed")
        .open_for(BREAK)
        .clock(clock.clone())
}

fn totals(circuit: &Circuit) -> Totals {
    circuit.snapshot().totals.expect("counted")
}

/// A half-open circuit with nobody in it.
fn half_open(circuit: &Circuit, clock: &ManualClock) {
    circuit.trip(BREAK).expect("allowed");
    clock.advance(BREAK);
    circuit.try_acquire().expect("a probe").ignore();
    assert_eq!(circuit.state(), State::HalfOpen);
}

// ---- tripping ------------------------------------------------------------------------------

const PLACES: [&str; 4] = ["first", "second", "third", "last"];

// B1, C4, E4, F1
#[test]
fn racing_failures_trip_once_and_the_late_ones_are_stale() {
    until_seen(PLACES, || {
        let (clock, log) = (ManualClock::new(), Log::default());
        let builder = log.listen(builder(&clock)).consecutive_failures(5);
        let circuit = builder.build().expect("valid");
        let racers = race(4, |_| {
            let calls = [circuit.try_acquire(), circuit.try_acquire()];
            calls.into_iter().flatten().for_each(Guard::failure);
            thread::current().id()
        });
        assert_eq!(log.causes(), [Cause::ConsecutiveFailures(5)]);
        let totals = totals(&circuit);
        assert_eq!(totals.stale, totals.failed - 5);
        assert_eq!(totals.failed + totals.rejected, 8);
        let winner = racers.iter().position(|id| log.winner() == Some(*id));
        PLACES[winner.expect("one of them")]
    });
}

// B1, F1
#[test]
fn a_success_among_racing_failures_resets_the_streak_or_comes_too_late() {
    until_seen(["reset", "too late", "came first"], || {
        let clock = ManualClock::new();
        let circuit = builder(&clock)
            .consecutive_failures(3)
            .build()
            .expect("valid");
        let call = || circuit.try_acquire().expect("closed");
        let calls = [call(), call(), call(), call()].map(|call| Mutex::new(Some(call)));
        race(4, |number| {
            let call = calls[number].lock().expect(UNPOISONED).take();
            let call = call.expect("one for each");
            match number {
                0 => call.success(),
                _ => call.failure(),
            }
        });
        let (seen, totals) = (circuit.snapshot(), totals(&circuit));
        assert_eq!((totals.successful, totals.failed), (1, 3));
        match (seen.state, seen.consecutive_failures, totals.stale) {
            (State::Closed, 1..=2, 0) => "reset",
            (State::Open, 0, 1) => "too late",
            (State::Open, 0, 0) => "came first",
            other => panic!("{other:?}"),
        }
    });
}

// B4, F1
#[test]
fn racing_failures_reach_a_rate_once() {
    let met = Crowd::default();
    for time_window in [false, true] {
        for _ in 0..400 {
            let (clock, log) = (ManualClock::new(), Log::default());
            let builder = log
                .listen(builder(&clock))
                .failure_rate(0.5)
                .minimum_calls(16);
            let circuit = match time_window {
                true => builder.time_window(BREAK),
                false => builder.count_window(16),
            };
            let circuit = circuit.build().expect("valid");
            race(4, |_| {
                let call = || circuit.try_acquire().expect("not yet 16 calls");
                let calls = [call(), call(), call(), call()];
                met.enter();
                thread::yield_now();
                let [first, second, third, fourth] = calls;
                first.success();
                second.failure();
                third.success();
                met.leave();
                fourth.failure();
            });
            // Whoever fails last sees all 16 calls, or the last failure was not the last call: then
            // one more failure finds them.
            if circuit.state() == State::Closed {
                circuit.try_acquire().expect("closed").failure();
            }
            assert_eq!(circuit.state(), State::Open);
            assert!(matches!(
                log.causes()[..],
                [Cause::FailureRate {
                    failed: 8..=9,
                    calls: 16..=17
                }]
            ));
        }
    }
    assert!(met.met.into_inner() > 0, "the threads never met");
}

// ---- half-open -----------------------------------------------------------------------------

// C1, D1, E4
#[test]
fn the_break_is_over_for_exactly_one_of_many() {
    until_seen(PLACES, || {
        let (clock, log) = (ManualClock::new(), Log::default());
        let circuit = log.listen(builder(&clock)).build().expect("valid");
        circuit.trip(BREAK).expect("allowed");
        clock.advance(BREAK);
        let calls = race(4, |_| circuit.try_acquire());
        let admitted: Vec<usize> = (0..4).filter(|number| calls[*number].is_ok()).collect();
        let [winner] = admitted[..] else {
            panic!("admitted: {admitted:?}");
        };
        let reasons = calls.iter().filter_map(|call| call.as_ref().err());
        assert!(
            reasons
                .map(|r| r.reason())
                .all(|r| r == Reason::HalfOpenFull)
        );
        assert_eq!(log.causes(), [Cause::Manual, Cause::WaitOver]);
        PLACES[winner]
    });
}

// A2, A4, D1, F2
#[test]
fn never_more_probes_than_permits_and_none_is_lost() {
    const PERMITS: u32 = 3;
    let clock = ManualClock::new();
    let circuit = builder(&clock)
        .probes(5, 9)
        .permits(PERMITS)
        .build()
        .expect("valid");
    half_open(&circuit, &clock);
    let (crowd, full) = (Crowd::default(), AtomicU64::new(0));
    race(6, |number| {
        let mut dice = Dice::new(number);
        for _ in 0..4_000 {
            let Ok(probe) = circuit.try_acquire() else {
                full.fetch_add(1, SeqCst);
                continue;
            };
            assert!(crowd.enter() <= PERMITS.into());
            if dice.below(4) == 0 {
                thread::yield_now();
            }
            crowd.leave();
            match dice.below(2) {
                0 => probe.ignore(),
                _ => drop(probe),
            }
        }
    });
    assert_eq!(
        crowd.most.into_inner(),
        u64::from(PERMITS),
        "the seats were never full"
    );
    assert!(full.into_inner() > 0, "nobody was ever turned away");
    assert_all_seats_free(&circuit, PERMITS.into());
}

fn assert_all_seats_free(circuit: &Circuit, permits: u64) {
    assert_eq!(circuit.snapshot().probes.expect("half-open").in_flight, 0);
    let probes: Vec<_> = (0..permits).map(|_| circuit.try_acquire()).collect();
    assert!(probes.iter().all(Result::is_ok), "a seat is lost");
    assert!(circuit.try_acquire().is_err());
}

// A2, A4, D1, D2
#[test]
fn a_half_open_era_admits_no_probe_that_cannot_decide() {
    // Of 9 probes 5 must succeed. With 4 successes and 4 failures nothing is decided, and one more
    // probe may be in flight, whatever was ignored or dropped meanwhile.
    let met = Crowd::default();
    for _ in 0..200 {
        let clock = ManualClock::new();
        let circuit = builder(&clock)
            .probes(5, 9)
            .permits(9)
            .build()
            .expect("valid");
        half_open(&circuit, &clock);
        let finished = AtomicU64::new(0);
        race(4, |number| {
            for turn in 0..8 {
                let Ok(probe) = circuit.try_acquire() else {
                    continue;
                };
                met.enter();
                thread::yield_now();
                match turn % 4 {
                    0 => drop(probe),
                    1 => probe.ignore(),
                    // Each thread decides at most 2: 4 successes and 4 failures in all.
                    _ if turn >= 4 => drop(probe),
                    _ => {
                        finished.fetch_add(1, SeqCst);
                        probe.finish(if number % 2 == 0 {
                            Outcome::Success
                        } else {
                            Outcome::Failure
                        });
                    }
                }
                met.leave();
            }
        });
        assert_eq!(circuit.state(), State::HalfOpen);
        let left = 9 - finished.into_inner();
        assert!(left >= 1);
        assert_all_seats_free(&circuit, left);
    }
    assert!(met.met.into_inner() > 0, "the threads never met");
}

// A7, C4, D2, F1
#[test]
fn probes_that_disagree_end_their_era_once() {
    until_seen(["closed", "opened"], || {
        let (clock, log) = (ManualClock::new(), Log::default());
        let circuit = log.listen(builder(&clock)).probes(1, 4).permits(4);
        let circuit = circuit.build().expect("valid");
        half_open(&circuit, &clock);
        let outcomes = [
            Outcome::Success,
            Outcome::TripNow,
            Outcome::Success,
            Outcome::TripNow,
        ];
        let probes = outcomes.map(|_| Mutex::new(circuit.try_acquire().ok()));
        race(4, |number| {
            let probe = probes[number].lock().expect(UNPOISONED).take();
            probe.expect("four seats").finish(outcomes[number]);
        });
        assert_eq!(totals(&circuit).stale, 3, "one decides");
        log.assert_contiguous(&circuit);
        match log.causes()[..] {
            [Cause::Manual, Cause::WaitOver, Cause::Recovered] => "closed",
            [Cause::Manual, Cause::WaitOver, Cause::TripNow] => "opened",
            ref other => panic!("{other:?}"),
        }
    });
}

// D4, F1
#[test]
fn a_late_probe_and_its_timeout_end_the_era_once() {
    until_seen(["in time", "too late"], || {
        let (clock, log) = (ManualClock::new(), Log::default());
        let builder = log.listen(builder(&clock));
        let circuit = builder.half_open_timeout(BREAK).build().expect("valid");
        circuit.trip(BREAK).expect("allowed");
        clock.advance(BREAK);
        let probe = Mutex::new(circuit.try_acquire().ok());
        clock.advance(BREAK);
        race(4, |number| match number {
            0 => {
                let probe = probe.lock().expect(UNPOISONED).take();
                probe.expect("admitted").success();
            }
            _ => drop(circuit.try_acquire()),
        });
        log.assert_contiguous(&circuit);
        match log.causes()[2..] {
            [Cause::Recovered] => "in time",
            [Cause::ProbesTimedOut] => "too late",
            ref other => panic!("{other:?}"),
        }
    });
}

// ---- counting ------------------------------------------------------------------------------

/// What the threads began to record, and what they are done with.
#[derive(Default)]
struct Ledger {
    begun: AtomicU64,
    done: AtomicU64,
    begun_failed: AtomicU64,
    done_failed: AtomicU64,
}

impl Ledger {
    fn record(&self, circuit: &Circuit, dice: &mut Dice) {
        let failed = dice.below(3) == 0;
        let failure = u64::from(failed);
        let call = circuit.try_acquire().expect("never trips");
        self.begun.fetch_add(1, SeqCst);
        self.begun_failed.fetch_add(failure, SeqCst);
        if dice.below(64) == 0 {
            thread::yield_now();
        }
        match failed {
            true => call.failure(),
            false => call.success(),
        }
        self.done_failed.fetch_add(failure, SeqCst);
        self.done.fetch_add(1, SeqCst);
    }

    /// F5: off by at most the number in flight. Returns whether there were any.
    fn assert_within(&self, circuit: &Circuit) -> bool {
        let done = (self.done.load(SeqCst), self.done_failed.load(SeqCst));
        let seen = circuit.snapshot().window.expect("a window");
        let begun = (self.begun.load(SeqCst), self.begun_failed.load(SeqCst));
        let what = (seen, done, begun);
        assert!((done.0..=begun.0).contains(&seen.calls), "{what:?}");
        assert!((done.1..=begun.1).contains(&seen.failed), "{what:?}");
        done.0 < begun.0
    }
}

// F5
#[test]
fn windows_are_off_by_what_is_in_flight_and_exact_at_rest() {
    const CALLS: u64 = 5_000;
    for time_window in [false, true] {
        let clock = ManualClock::new();
        let builder = builder(&clock).trip_when(|_| false);
        let circuit = match time_window {
            true => builder.time_window(BREAK),
            false => builder.count_window(65_536),
        };
        let circuit = circuit.build().expect("valid");
        let (ledger, looked_in) = (Ledger::default(), AtomicU64::new(0));
        race(5, |number| {
            if number > 0 {
                let mut dice = Dice::new(number);
                return (0..CALLS).for_each(|_| ledger.record(&circuit, &mut dice));
            }
            while ledger.done.load(SeqCst) < 4 * CALLS {
                let in_flight = ledger.assert_within(&circuit);
                looked_in.fetch_add(in_flight.into(), SeqCst);
            }
        });
        assert!(
            looked_in.into_inner() > 0,
            "nobody looked at the right time"
        );
        ledger.assert_within(&circuit);
        let seen = circuit.snapshot().window.expect("a window");
        assert_eq!(seen.calls, 4 * CALLS);
        assert_eq!(seen.failed, ledger.done_failed.into_inner());
    }
}

// B2, B3, F4, F5
#[test]
fn no_record_is_lost_when_everybody_records_at_once() {
    const CALLS: u64 = 16_000;
    for time_window in [false, true] {
        let clock = ManualClock::new();
        let builder = builder(&clock).trip_when(|_| false);
        let circuit = match time_window {
            true => builder.time_window(BREAK),
            false => builder.count_window(65_536),
        };
        let circuit = circuit.build().expect("valid");
        let crowd = Crowd::default();
        race(4, |number| {
            crowd.enter();
            for _ in 0..CALLS {
                let call = circuit.try_acquire().expect("never trips");
                match number {
                    0 => call.success(),
                    _ => call.failure(),
                }
            }
            crowd.leave();
        });
        assert!(crowd.met.into_inner() > 0, "the threads never met");
        let seen = circuit.snapshot().window.expect("a window");
        assert_eq!((seen.calls, seen.failed), (4 * CALLS, 3 * CALLS));
        let totals = totals(&circuit);
        assert_eq!((totals.successful, totals.failed), (CALLS, 3 * CALLS));
    }
}

// B2, F5
#[test]
fn a_count_window_slides_exactly_after_a_storm() {
    for size in [1, 7, 100] {
        let clock = ManualClock::new();
        let builder = builder(&clock).trip_when(|_| false);
        let circuit = builder.count_window(size).build().expect("valid");
        let crowd = Crowd::default();
        until_seen(["alone", "together"], || {
            let met = crowd.met.load(SeqCst);
            storm(&circuit, &crowd);
            assert_slides(&circuit, size.into());
            if crowd.met.load(SeqCst) > met {
                "together"
            } else {
                "alone"
            }
        });
    }
}

fn storm(circuit: &Circuit, crowd: &Crowd) {
    race(4, |number| {
        let mut dice = Dice::new(number);
        for _ in 0..20 {
            let call = circuit.try_acquire().expect("never trips");
            crowd.enter();
            match dice.below(2) {
                0 => call.success(),
                _ => call.failure(),
            }
            crowd.leave();
        }
    });
}

/// Whatever the window holds: `size` failures fill it, and each success pushes out one of them.
fn assert_slides(circuit: &Circuit, size: u64) {
    let window = || circuit.snapshot().window.expect("a window");
    let record = |outcome| circuit.try_acquire().expect("closed").finish(outcome);
    assert!(window().failed <= window().calls);
    (0..size).for_each(|_| record(Outcome::Failure));
    assert_eq!((window().calls, window().failed), (size, size));
    for left in (0..size).rev() {
        record(Outcome::Success);
        assert_eq!((window().calls, window().failed), (size, left));
    }
}

// B2, F5
#[test]
fn a_full_window_of_failures_stays_full_while_failures_race() {
    let clock = ManualClock::new();
    let builder = builder(&clock).trip_when(|_| false);
    let circuit = builder.count_window(50).build().expect("valid");
    (0..50).for_each(|_| circuit.try_acquire().expect("closed").failure());
    let crowd = Crowd::default();
    race(4, |_| {
        for _ in 0..3_000 {
            crowd.enter();
            circuit.try_acquire().expect("closed").failure();
            let seen = circuit.snapshot().window.expect("a window");
            assert_eq!((seen.calls, seen.failed), (50, 50));
            crowd.leave();
        }
    });
    assert!(crowd.met.into_inner() > 0, "the threads never met");
}

// ---- storms --------------------------------------------------------------------------------

/// What the threads of a storm know of it.
#[derive(Default)]
struct Weather {
    admitted: AtomicU64,
    forgotten: AtomicU64,
    /// By [`Reason`].
    rejected: [AtomicU64; 5],
    turned: AtomicU64,
}

impl Weather {
    /// One call of a storm, with time passing for whoever is rejected.
    fn call(&self, circuit: &Circuit, clock: &ManualClock, dice: &mut Dice) {
        match circuit.try_acquire() {
            Ok(call) => {
                self.admitted.fetch_add(1, SeqCst);
                if dice.below(8) == 0 {
                    thread::yield_now();
                }
                match dice.below(64) {
                    0 => {
                        self.forgotten.fetch_add(1, SeqCst);
                        std::mem::forget(call);
                    }
                    1..=4 => drop(call),
                    5..=8 => call.ignore(),
                    9..=28 => call.failure(),
                    _ => call.success(),
                }
            }
            Err(rejected) => {
                self.rejected[rejected.reason() as usize].fetch_add(1, SeqCst);
                clock.advance(Duration::from_micros(300));
            }
        }
    }

    /// F4: totals are exact at rest.
    fn assert_told_right(&self, circuit: &Circuit) {
        let totals = totals(circuit);
        let ended = self.admitted.load(SeqCst) - self.forgotten.load(SeqCst);
        assert_eq!(totals.ended(), ended);
        let by = totals.rejected_by;
        let told = [
            by.open,
            by.half_open_full,
            by.forced_open,
            by.ramping,
            by.shedding,
        ];
        assert_eq!(told, self.rejected.each_ref().map(|told| told.load(SeqCst)));
        assert_eq!(totals.rejected, told.iter().sum::<u64>());
    }
}

/// After any storm: once time has passed, calls that succeed close the circuit.
fn assert_recovers(circuit: &Circuit, clock: &ManualClock) {
    for _ in 0..200 {
        if circuit.state() == State::Closed {
            return;
        }
        if let Ok(call) = circuit.try_acquire() {
            call.success();
        }
        clock.advance(BREAK);
    }
    panic!("wedged: {:?}", circuit.snapshot());
}

// C4, D4, E4, F1, F4: with probes that are forgotten for good.
#[test]
fn sixty_four_clones_trip_and_recover_thousands_of_times() {
    const ERAS: u64 = 6_000;
    let (clock, log) = (ManualClock::new(), Log::default());
    let circuit = log
        .listen(Circuit::builder("stormy"))
        .clock(clock.clone())
        .consecutive_failures(3)
        .open_for(Duration::from_millis(1))
        .half_open_timeout(Duration::from_millis(2))
        .probes(2, 3)
        .permits(2)
        .build()
        .expect("valid");
    let (weather, crowd) = (Weather::default(), Crowd::default());
    race(64, |number| {
        let (circuit, mut dice) = (circuit.clone(), Dice::new(number));
        for _ in 0..200_000 {
            if circuit.snapshot().era >= ERAS {
                return;
            }
            crowd.enter();
            weather.call(&circuit, &clock, &mut dice);
            crowd.leave();
        }
    });
    assert!(circuit.snapshot().era >= ERAS, "wedged: {circuit:?}");
    assert!(crowd.met.into_inner() > 0, "the threads never met");
    assert!(totals(&circuit).stale > 0, "no call was ever overtaken");
    weather.assert_told_right(&circuit);
    assert_recovers(&circuit, &clock);
    log.assert_contiguous(&circuit);
    for cause in ["ProbeFailed", "ProbesTimedOut", "Recovered", "WaitOver"] {
        let told = |told: &Cause| format!("{told:?}").starts_with(cause);
        assert!(log.causes().iter().any(told), "never happened: {cause}");
    }
}

/// One control operation; counts those that the circuit says were transitions.
fn interfere(circuit: &Circuit, dice: &mut Dice, weather: &Weather) {
    let changed = match dice.below(8) {
        0 => circuit.trip(Duration::from_millis(1)).is_ok(),
        1 => circuit.force_open(),
        2 | 3 => circuit.release(),
        4 => circuit.set_mode(Mode::Disabled),
        5 => circuit.set_mode(Mode::Normal),
        6 => {
            let n = *dice.pick(&[1_u32, 2, 3, 4, 5]);
            let change = circuit.reconfigure(|numbers| numbers.set_consecutive_failures(n));
            change.expect("valid");
            false
        }
        _ => {
            circuit.reset();
            true
        }
    };
    weather.turned.fetch_add(changed.into(), SeqCst);
}

// E1, E2, E4, E5, F1, F4
#[test]
fn people_may_interfere_at_any_time() {
    let (clock, log) = (ManualClock::new(), Log::default());
    let circuit = log
        .listen(Circuit::builder("pushed"))
        .clock(clock.clone())
        .consecutive_failures(3)
        .open_for(Duration::from_millis(1))
        .half_open_timeout(Duration::from_millis(2))
        .build()
        .expect("valid");
    let (weather, crowd) = (Weather::default(), Crowd::default());
    race(6, |number| {
        let mut dice = Dice::new(number);
        for _ in 0..3_000 {
            crowd.enter();
            match number {
                0 | 1 => interfere(&circuit, &mut dice, &weather),
                _ => weather.call(&circuit, &clock, &mut dice),
            }
            crowd.leave();
        }
    });
    assert!(crowd.met.into_inner() > 0, "the threads never met");
    log.assert_contiguous(&circuit);
    weather.assert_told_right(&circuit);
    let manual = log.causes().iter().filter(|c| **c == Cause::Manual).count();
    assert_eq!(manual as u64, weather.turned.load(SeqCst));
    circuit.set_mode(Mode::Normal);
    assert_recovers(&circuit, &clock);
}

// B9, E4, F1, F4: at its edge it comes and goes, with an event each time.
#[test]
fn a_share_is_shed_in_a_storm_and_each_turn_of_that_is_told_once() {
    let (clock, log) = (ManualClock::new(), Log::default());
    let circuit = log
        .listen(builder(&clock))
        .count_window(20)
        .minimum_calls(5)
        .shed(1.5, 0.2)
        .failure_rate(None)
        .build()
        .expect("valid");
    let (weather, crowd) = (Weather::default(), Crowd::default());
    race(6, |number| {
        let mut dice = Dice::new(number);
        for step in 0..3_000 {
            crowd.enter();
            match step % 20 {
                0 => clock.advance(Duration::from_secs(1)),
                1 if number == 0 && step > 2_000 => circuit.reset(),
                _ => weather.call(&circuit, &clock, &mut dice),
            }
            crowd.leave();
        }
    });
    assert!(crowd.met.into_inner() > 0, "the threads never met");
    weather.assert_told_right(&circuit);
    assert!(totals(&circuit).rejected_by.shedding > 0);
    let told = log.in_order();
    for era in 0..=circuit.snapshot().era {
        let told = told.iter().filter(|told| told.era == era);
        let (ended, began): (Vec<_>, Vec<_>) = told
            .map(|told| told.cause)
            .filter(|cause| *cause != Cause::Manual)
            .partition(|cause| *cause == Cause::ShedEnded);
        assert!([0, 1].map(|more| ended.len() + more).contains(&began.len()));
    }
    let ended = told.iter().filter(|told| told.cause == Cause::ShedEnded);
    assert!(ended.count() > 1, "it comes and goes");
}

// ---- control -------------------------------------------------------------------------------

/// What a caller may rely on while it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Promise {
    Nothing,
    Admits,
    Rejects(Reason),
}

type Operation = (fn(&Circuit), Promise);

/// Who gives which promise, and what came of it. The version is odd while a promise holds.
#[derive(Default)]
struct Promises {
    version: AtomicUsize,
    over: AtomicBool,
    kept: AtomicU64,
    moved: AtomicU64,
}

impl Promises {
    fn of(version: usize, operations: &[Operation]) -> Promise {
        match version % 2 {
            0 => Promise::Nothing,
            _ => operations[version / 2 % operations.len()].1,
        }
    }

    /// Before an operation begins its predecessor's promise is taken back; after it has returned
    /// its own is given.
    fn give(&self, circuit: &Circuit, operations: &[Operation]) {
        for round in 0..200_000 {
            operations[round % operations.len()].0(circuit);
            self.version.fetch_add(1, SeqCst);
            if round % 16 == 0 {
                thread::yield_now();
            }
            if self.is_enough() {
                break;
            }
            self.version.fetch_add(1, SeqCst);
        }
        self.over.store(true, SeqCst);
    }

    /// A call that finds the same promise before and after itself must find it kept.
    fn check(&self, circuit: &Circuit, operations: &[Operation]) {
        let version = self.version.load(SeqCst);
        let real = match circuit.try_acquire() {
            Ok(call) => {
                call.ignore();
                Promise::Admits
            }
            Err(rejected) => Promise::Rejects(rejected.reason()),
        };
        if self.version.load(SeqCst) != version {
            self.moved.fetch_add(1, SeqCst);
        } else if version % 2 == 1 {
            assert_eq!(real, Self::of(version, operations));
            self.kept.fetch_add(1, SeqCst);
        }
    }

    fn is_enough(&self) -> bool {
        self.kept.load(SeqCst) > 500 && self.moved.load(SeqCst) > 500
    }
}

/// Controls on one thread and calls on three more.
fn keep_promises(circuit: &Circuit, operations: &[Operation]) {
    let promises = Promises::default();
    race(4, |number| {
        if number == 0 {
            return promises.give(circuit, operations);
        }
        while !promises.over.load(SeqCst) {
            promises.check(circuit, operations);
        }
    });
    assert!(promises.is_enough(), "the threads never met");
}

// E3
#[test]
fn control_is_seen_by_everyone_once_it_returns() {
    let clock = ManualClock::new();
    let circuit = builder(&clock).build().expect("valid");
    let forced = Promise::Rejects(Reason::ForcedOpen);
    let open = Promise::Rejects(Reason::Open);
    keep_promises(
        &circuit,
        &[
            (|circuit| assert!(circuit.force_open()), forced),
            (|circuit| assert!(circuit.release()), Promise::Admits),
            (|circuit| circuit.trip(BREAK).expect("allowed"), open),
            (|circuit| circuit.reset(), Promise::Admits),
            (|circuit| circuit.trip(BREAK).expect("allowed"), open),
            (
                |circuit| assert!(circuit.set_mode(Mode::Shadow)),
                Promise::Admits,
            ),
            (|circuit| assert!(circuit.set_mode(Mode::Normal)), open),
            (
                |circuit| assert!(circuit.set_mode(Mode::Disabled)),
                Promise::Admits,
            ),
            (
                |circuit| assert!(circuit.set_mode(Mode::ForcedOpen)),
                forced,
            ),
            // Back to what it was before: disabled.
            (|circuit| circuit.reset(), Promise::Admits),
            (
                |circuit| assert!(circuit.set_mode(Mode::Normal)),
                Promise::Admits,
            ),
        ],
    );
}

// E5, F7
#[test]
fn numbers_are_never_seen_mixed_while_they_change() {
    let clock = ManualClock::new();
    let circuit = builder(&clock).build().expect("valid");
    let (small, large) = (AtomicU64::new(0), AtomicU64::new(0));
    let enough = || small.load(SeqCst) > 300 && large.load(SeqCst) > 300;
    race(4, |number| {
        for turn in 0..100_000 {
            if enough() {
                return;
            }
            if number > 0 {
                let probes = 1 + 4 * (turn % 2);
                let change = circuit.reconfigure(|numbers| {
                    numbers.set_probes((probes, probes)).set_permits(probes)
                });
                change.expect("valid");
                continue;
            }
            half_open(&circuit, &clock);
            let seen = circuit.snapshot().probes.expect("half-open");
            let seen = (seen.permits, seen.successes_needed, seen.failures_allowed);
            match seen {
                (1, 1, 0) => small.fetch_add(1, SeqCst),
                (5, 5, 0) => large.fetch_add(1, SeqCst),
                other => panic!("{other:?}"),
            };
        }
    });
    assert!(enough(), "the numbers never changed in between");
}

/// A look at the circuit, and the time before and after it.
type Look = (Duration, Snapshot, Duration);

fn look_until(over: &AtomicBool, circuit: &Circuit, clock: &ManualClock) -> Vec<Look> {
    let mut looks = Vec::new();
    while !over.load(SeqCst) {
        let before = clock.now();
        let seen = circuit.snapshot();
        looks.push((before, seen, clock.now()));
    }
    looks
}

/// Short and long breaks in turn; gives the deadline of each era.
fn trip_often(circuit: &Circuit, clock: &ManualClock) -> BTreeMap<u64, Duration> {
    let trip = |turn| {
        let time = if turn % 2 == 0 { BREAK } else { 200 * BREAK };
        circuit.trip(time).expect("allowed");
        let entry = (circuit.snapshot().era, clock.now() + time);
        if turn % 64 == 0 {
            thread::yield_now();
        }
        clock.advance(200 * BREAK * (turn % 3));
        entry
    };
    (0..4_000u32).map(trip).collect()
}

// F7
#[test]
fn nobody_sees_open_with_the_deadline_of_another_era() {
    let clock = ManualClock::new();
    let circuit = builder(&clock).build().expect("valid");
    let mut eras = BTreeSet::new();
    for _ in 0..5 {
        let (over, deadlines) = (AtomicBool::new(false), Mutex::default());
        let looks = race(4, |number| {
            if number > 0 {
                return look_until(&over, &circuit, &clock);
            }
            *deadlines.lock().expect(UNPOISONED) = trip_often(&circuit, &clock);
            over.store(true, SeqCst);
            Vec::new()
        });
        let deadlines = deadlines.into_inner().expect(UNPOISONED);
        for (before, seen, after) in looks.into_iter().flatten() {
            let Some((left, deadline)) = seen.remaining.zip(deadlines.get(&seen.era)) else {
                continue;
            };
            let right = deadline.saturating_sub(after)..=deadline.saturating_sub(before);
            assert!(right.contains(&left), "{left:?} in era {}", seen.era);
            eras.insert(seen.era);
        }
    }
    assert!(eras.len() > 100, "hardly anybody looked: {}", eras.len());
}
