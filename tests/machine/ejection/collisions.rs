//! The cap when threads really collide. Each test fails if the collision it is about was never provoked.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    thread,
};

use tower_breaker::{CircuitBuilder, Outcome, Transition, clock::ManualClock};

use super::*;
use crate::collisions::{Dice, race, until_seen};

const THREADS: usize = 4;

struct Member {
    circuit: Circuit,
    log: Arc<Mutex<Vec<Transition>>>,
}

impl Member {
    fn new(builder: CircuitBuilder) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let heard = log.clone();
        let builder = builder.on_transition(move |_, told| {
            heard.lock().expect("a log").push(*told);
        });
        let circuit = builder.build().expect("valid");
        Self { circuit, log }
    }

    fn count(&self, which: impl Fn(&Transition) -> bool) -> usize {
        let log = self.log.lock().expect("a log");
        log.iter().filter(|told| which(told)).count()
    }

    fn vetoes(&self) -> usize {
        self.count(|told| told.cause == Cause::TripVetoed)
    }

    fn is_ejected(&self) -> bool {
        self.circuit.state() != State::Closed && self.circuit.mode() != Mode::Shadow
    }
}

fn set(cap: &EjectionCap, clock: &ManualClock, number: usize) -> Vec<Member> {
    let builder = Circuit::builder("member")
        .consecutive_failures(1)
        .open_for(secs(5))
        .clock(clock.clone())
        .ejection_cap(cap);
    (0..number).map(|_| Member::new(builder.clone())).collect()
}

fn ejected(members: &[Member]) -> u64 {
    members.iter().filter(|one| one.is_ejected()).count() as u64
}

/// Those that have a place whatever the others did: none of these gives its own up.
fn in_need(members: &[Member]) -> u64 {
    let in_need = members.iter().filter(|one| {
        let goes_on = one.circuit.snapshot().remaining != Some(Duration::ZERO);
        one.circuit.state() == State::Open && one.is_ejected() && goes_on
    });
    in_need.count() as u64
}

// G7, F1: several calls fail on one circuit, with one place for it. It opens, and is never vetoed.
#[test]
fn racing_calls_of_one_circuit_need_one_place() {
    until_seen(["one was late", "several were late"], || {
        let (cap, clock) = (cap(1.0), ManualClock::new());
        let members = set(&cap, &clock, 1);
        let circuit = &members[0].circuit;
        let late = race(THREADS, |_| {
            let Ok(call) = circuit.try_acquire() else {
                return 0;
            };
            thread::yield_now();
            call.failure();
            1
        });
        assert_eq!((members[0].vetoes(), circuit.state()), (0, State::Open));
        counts(&cap, 1, 1);
        let failed: u64 = late.iter().sum();
        let stale = circuit.snapshot().totals.expect("counted").stale;
        assert_eq!(stale, failed - 1);
        match stale {
            0 => "nobody was late",
            1 => "one was late",
            _ => "several were late",
        }
    });
}

// G7: four circuits fail at once, each by calls of every thread, and there are places for two. Two open, the
// other two are vetoed: never three, and nobody is vetoed while there is a place.
#[test]
fn of_racing_circuits_as_many_open_as_there_are_places() {
    let outcomes = ["the first two", "the last two", "others"];
    until_seen(outcomes, || {
        let (cap, clock) = (cap(0.5), ManualClock::new());
        let members = set(&cap, &clock, 4);
        let failed = race(THREADS, |number| {
            let mine = (0..4).map(|turn| &members[(number + turn) % 4].circuit);
            let calls: Vec<_> = mine.flat_map(Circuit::try_acquire).collect();
            calls.into_iter().for_each(|call| {
                thread::yield_now();
                call.failure();
            });
        });
        assert_eq!(failed.len(), THREADS);
        let open: Vec<bool> = members.iter().map(Member::is_ejected).collect();
        counts(&cap, 2, 4);
        assert_eq!(ejected(&members), 2);
        for (member, open) in members.iter().zip(&open) {
            let opened = member.count(|told| told.to == State::Open);
            assert_eq!(opened, usize::from(*open));
            assert!(*open || member.vetoes() > 0, "a trip came to nothing");
        }
        match open[..] {
            [true, true, ..] => "the first two",
            [.., true, true] => "the last two",
            _ => "others",
        }
    });
}

/// What each thread does to any of the circuits until it has had enough.
fn trip_and_recover(members: &[Member], clock: &ManualClock, dice: &mut Dice, look: impl Fn()) {
    for _ in 0..2_000 {
        let circuit = &dice.pick(members).circuit;
        if let Ok(call) = circuit.try_acquire() {
            let outcomes = [
                Outcome::Failure,
                Outcome::Success,
                Outcome::Success,
                Outcome::Ignored,
                Outcome::TripNow,
            ];
            call.finish(*dice.pick(&outcomes));
            look();
        }
        if dice.below(20) == 0 {
            clock.advance(secs(5));
        }
    }
}

// G7: with nobody's hand in it, there are never more open than the cap allows, at any instant, and the
// vetoes and the trips that were told are those that happened.
#[test]
fn no_instant_has_more_open_than_the_cap_allows() {
    let (cap, clock) = (cap(0.5), ManualClock::new());
    let members = set(&cap, &clock, 6);
    let most = AtomicU64::new(0);
    race(THREADS, |number| {
        trip_and_recover(&members, &clock, &mut Dice::new(number), || {
            most.fetch_max(cap.ejected(), SeqCst);
        });
    });
    assert!(most.into_inner() <= 3);
    // A circuit that has lost its place is open without.
    assert!((in_need(&members)..=ejected(&members)).contains(&cap.ejected()));
    // And there were as many: nobody is vetoed before.
    assert!(members.iter().any(|member| member.vetoes() > 0));
    assert_told_once(&members);
}

/// E4, F1: an event for each era.
fn assert_told_once(members: &[Member]) {
    for member in members {
        let told = member.log.lock().expect("a log");
        let mut eras: Vec<u64> = told.iter().map(|told| told.era).collect();
        eras.sort_unstable();
        eras.dedup();
        let last = member.circuit.snapshot().era;
        assert_eq!(eras, (1..=last).collect::<Vec<_>>());
    }
}

/// The same, with a person at it.
fn interfere(member: &Member, dice: &mut Dice) {
    let circuit = &member.circuit;
    match dice.below(9) {
        0 => drop(circuit.trip(secs(5))),
        1 => drop(circuit.force_open()),
        2 | 3 => drop(circuit.release()),
        4 => circuit.reset(),
        5 => drop(circuit.set_mode(Mode::Shadow)),
        6 => drop(circuit.set_mode(Mode::Disabled)),
        _ => drop(circuit.set_mode(Mode::Normal)),
    }
}

// G7, E2: whatever people do meanwhile, at rest there is a place taken for each that is open, and for no
// other; and none is left when they are all gone.
#[test]
fn places_add_up_whatever_people_do() {
    let (cap, clock) = (cap(0.5), ManualClock::new());
    let met = AtomicU64::new(0);
    for round in 0..20 {
        let members = set(&cap, &clock, 4);
        let passing = race(THREADS, |number| {
            let mut dice = Dice::new(round * THREADS + number);
            for _ in 0..40 {
                let era = members[0].circuit.snapshot().era;
                trip_a_little(&members, &clock, &mut dice);
                interfere(dice.pick(&members), &mut dice);
                let moved = members[0].circuit.snapshot().era - era;
                met.fetch_add(u64::from(moved > 2), SeqCst);
            }
            // And circuits that come and go.
            let passing = set(&cap, &clock, 1);
            passing[0].circuit.force_open();
            passing
        });
        let passing: Vec<Member> = passing.into_iter().flatten().collect();
        let taken = cap.ejected() - 4;
        assert!((in_need(&members)..=ejected(&members)).contains(&taken));
        drop(passing);
        counts(&cap, taken, 4);
        members.iter().for_each(|member| member.circuit.reset());
        counts(&cap, 0, 4);
        drop(members);
        counts(&cap, 0, 0);
    }
    assert!(met.into_inner() > 0, "nobody ever met anybody");
}

fn trip_a_little(members: &[Member], clock: &ManualClock, dice: &mut Dice) {
    for _ in 0..10 {
        if let Ok(call) = dice.pick(&members[..2]).circuit.try_acquire() {
            match dice.below(3) {
                0 => call.success(),
                _ => call.failure(),
            }
        }
    }
    if dice.below(4) == 0 {
        clock.advance(secs(5));
    }
}
