//! What a time window holds once a race is over in which its buckets rolled on: nothing that is older,
//! and nothing less than what was recorded (F5).

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use tower_breaker::{
    Circuit, WindowCounts,
    clock::{Clock, ManualClock},
};

const BUCKETS: u32 = 4;
const WIDTH: Duration = Duration::from_millis(1);
const THREADS: u64 = 4;
const CALLS: u64 = 3_000;

/// One record: the bucket before it and the bucket after it.
struct Entry {
    from: u128,
    to: u128,
    failed: bool,
}

fn bucket(clock: &ManualClock) -> u128 {
    clock.now().as_nanos() / WIDTH.as_nanos()
}

fn record(circuit: &Circuit, clock: &ManualClock, turn: u64) -> Entry {
    let failed = turn % 3 == 0;
    let call = circuit.try_acquire().expect("never trips");
    let from = bucket(clock);
    if turn % 64 == 0 {
        thread::yield_now();
    }
    match failed {
        true => call.failure(),
        false => call.success(),
    }
    let to = bucket(clock);
    Entry { from, to, failed }
}

/// Threads record while another moves the clock.
fn race(circuit: &Circuit, clock: &ManualClock) -> Vec<Entry> {
    let start = &Barrier::new(usize::try_from(THREADS).unwrap() + 1);
    let (over, left) = (&AtomicBool::new(false), &AtomicU64::new(THREADS));
    thread::scope(|scope| {
        scope.spawn(move || {
            start.wait();
            while !over.load(SeqCst) {
                clock.advance(WIDTH / 16);
                thread::yield_now();
            }
        });
        let recorder = |number| {
            scope.spawn(move || {
                start.wait();
                let entries = (number..number + CALLS).map(|turn| record(circuit, clock, turn));
                let entries: Vec<_> = entries.collect();
                over.store(left.fetch_sub(1, SeqCst) == 1, SeqCst);
                entries
            })
        };
        let recorders: Vec<_> = (0..THREADS).map(recorder).collect();
        let joined = recorders.into_iter().map(|thread| thread.join());
        joined.flat_map(|entries| entries.unwrap()).collect()
    })
}

/// At rest the window holds every record that was certainly made in it, and none that certainly was
/// not.
fn assert_holds(circuit: &Circuit, clock: &ManualClock, entries: &[Entry]) {
    let now = bucket(clock);
    let within = |bucket: u128| bucket + u128::from(BUCKETS) > now;
    let count =
        |wanted: &dyn Fn(&Entry) -> bool| entries.iter().filter(|e| wanted(e)).count() as u64;
    let WindowCounts { calls, failed, .. } = circuit.snapshot().window.expect("a window");
    let certain = count(&|entry| within(entry.from));
    let possible = count(&|entry| within(entry.to));
    assert!(
        (certain..=possible).contains(&calls),
        "{calls} of {certain} to {possible}"
    );
    let certain = count(&|entry| within(entry.from) && entry.failed);
    let possible = count(&|entry| within(entry.to) && entry.failed);
    assert!(
        (certain..=possible).contains(&failed),
        "{failed} of {certain} to {possible}"
    );
}

fn rolling(clock: &ManualClock) -> Circuit {
    let builder = Circuit::builder("rolling")
        .time_window(WIDTH * BUCKETS)
        .time_window_buckets(BUCKETS)
        .trip_when(|_| false)
        .clock(clock.clone());
    builder.build().unwrap()
}

// B3, F5
#[test]
fn a_time_window_that_rolled_on_in_a_race_holds_what_was_recorded_in_it() {
    let (mut rolled, mut held) = (0, 0);
    for round in 0..2_000 {
        let clock = ManualClock::new();
        let circuit = rolling(&clock);
        let entries = race(&circuit, &clock);
        for _ in 0..=BUCKETS {
            held += circuit.snapshot().window.unwrap().calls;
            assert_holds(&circuit, &clock, &entries);
            clock.advance(WIDTH);
        }
        assert_eq!(circuit.snapshot().window, Some(WindowCounts::default()));
        rolled += entries.iter().filter(|e| e.from < e.to).count();
        if round >= 20 && rolled > 100 && held > 100 {
            return;
        }
    }
    panic!("{rolled} buckets rolled under a record, and windows held {held}: no race");
}
