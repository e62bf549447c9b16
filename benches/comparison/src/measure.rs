//! A contender and the bare call, in turn, on every thread.
//!
//! The machine is shared and its speed changes by the second, so a figure is the median of many
//! differences, each between two measurements that follow one another.

use std::{
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::forms::{Maker, Work};

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How often both are measured.
    pub rounds: usize,
    /// How long one measurement lasts at the least: long against the clock, short against the slices
    /// in which other programs take the core away.
    pub slice: Duration,
}

impl Effort {
    /// For figures.
    pub const FULL: Self = Self {
        rounds: 201,
        slice: Duration::from_micros(150),
    };
    /// To see that everything runs.
    pub const QUICK: Self = Self {
        rounds: 5,
        slice: Duration::from_micros(20),
    };
}

/// What a contender costs, in nanoseconds for one call of one thread.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Over the bare call: the median of the differences.
    pub over: f64,
    /// The fastest measurement over the fastest bare one.
    pub least: f64,
    /// The bare call, the median.
    pub bare: f64,
}

/// Measures `path` over `bare` on so many threads, each pinned to a core of its own.
#[must_use]
pub fn measure(bare: &Maker, path: &Maker, threads: usize, effort: Effort) -> Cost {
    let times = (calibrate(bare, effort), calibrate(path, effort));
    let gate = Gate::new(threads);
    let per_thread: Vec<Vec<(f64, f64)>> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|core| {
                let gate = &gate;
                scope.spawn(move || {
                    core_affinity::set_for_current(core_affinity::CoreId { id: core });
                    rounds(&mut bare(), &mut path(), times, effort, gate)
                })
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    cost(&slowest(&per_thread))
}

/// How many calls fill a slice.
fn calibrate(maker: &Maker, effort: Effort) -> u64 {
    let mut work = maker();
    let mut times = 100;
    loop {
        let begun = Instant::now();
        work(times);
        if begun.elapsed() >= effort.slice {
            return times;
        }
        times *= 2;
    }
}

fn rounds(
    bare: &mut Work,
    path: &mut Work,
    times: (u64, u64),
    effort: Effort,
    gate: &Gate,
) -> Vec<(f64, f64)> {
    let mut passed = 0;
    let mut timed = |work: &mut Work, times: u64| {
        work(times / 10);
        passed += 1;
        gate.pass(passed);
        let begun = Instant::now();
        work(times);
        begun.elapsed().as_nanos() as f64 / times as f64
    };
    (0..effort.rounds)
        .map(|_| (timed(bare, times.0), timed(path, times.1)))
        .collect()
}

/// Of each round, the thread that took longest.
fn slowest(per_thread: &[Vec<(f64, f64)>]) -> Vec<(f64, f64)> {
    let mut slowest = per_thread[0].clone();
    for thread in &per_thread[1..] {
        for (most, round) in slowest.iter_mut().zip(thread) {
            *most = (most.0.max(round.0), most.1.max(round.1));
        }
    }
    slowest
}

fn cost(rounds: &[(f64, f64)]) -> Cost {
    let least = |side: fn(&(f64, f64)) -> f64| rounds.iter().map(side).fold(f64::MAX, f64::min);
    Cost {
        over: median(rounds.iter().map(|round| round.1 - round.0)),
        least: least(|round| round.1) - least(|round| round.0),
        bare: median(rounds.iter().map(|round| round.0)),
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Where the threads wait for each other, spinning: a barrier that parks would let one start long
/// before the other.
struct Gate {
    arrived: AtomicUsize,
    threads: usize,
}

impl Gate {
    fn new(threads: usize) -> Self {
        Self {
            arrived: AtomicUsize::new(0),
            threads,
        }
    }

    /// Passes for the n-th time, together with everyone else.
    fn pass(&self, nth: usize) {
        self.arrived.fetch_add(1, Ordering::AcqRel);
        let mut spins = 0u32;
        while self.arrived.load(Ordering::Acquire) < nth * self.threads {
            spins += 1;
            if spins.is_multiple_of(1_000) {
                thread::yield_now();
            }
            spin_loop();
        }
    }
}
