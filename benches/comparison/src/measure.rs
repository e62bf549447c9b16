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
    /// Whether the threads ran side by side. If not, the figures say little.
    pub together: bool,
}

/// Measures `path` over `bare` on so many threads, each pinned to a core of its own.
#[must_use]
pub fn measure(bare: &Maker, path: &Maker, threads: usize, effort: Effort) -> Cost {
    let times = (calibrate(bare, effort), calibrate(path, effort));
    let mut rounds = Vec::new();
    for _ in 0..BATCHES {
        rounds.extend(batch(bare, path, threads, times, effort));
        let together: Vec<&Round> = rounds
            .iter()
            .filter(|round| round.were_together())
            .collect();
        if together.len() >= effort.rounds / 2 {
            return cost(&together, times, true);
        }
    }
    cost(&rounds.iter().collect::<Vec<_>>(), times, false)
}

/// How often to measure again when other programs keep the threads apart. In the end their figures are
/// taken as they are.
const BATCHES: usize = 4;

fn batch(
    bare: &Maker,
    path: &Maker,
    threads: usize,
    times: (u64, u64),
    effort: Effort,
) -> Vec<Round> {
    let gate = Gate::new(threads);
    let per_thread: Vec<Vec<(Stretch, Stretch)>> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|core| {
                let gate = &gate;
                scope.spawn(move || {
                    core_affinity::set_for_current(core_affinity::CoreId { id: core });
                    stretches(&mut bare(), &mut path(), times, effort, gate)
                })
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    (0..effort.rounds)
        .map(|nth| Round {
            bare: per_thread.iter().map(|thread| thread[nth].0).collect(),
            path: per_thread.iter().map(|thread| thread[nth].1).collect(),
        })
        .collect()
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

fn stretches(
    bare: &mut Work,
    path: &mut Work,
    times: (u64, u64),
    effort: Effort,
    gate: &Gate,
) -> Vec<(Stretch, Stretch)> {
    let mut passed = 0;
    let mut timed = |work: &mut Work, times: u64| {
        work(times / 10);
        passed += 1;
        gate.pass(passed);
        let begun = Instant::now();
        work(times);
        Stretch {
            begun,
            ended: Instant::now(),
        }
    };
    (0..effort.rounds)
        .map(|_| (timed(bare, times.0), timed(path, times.1)))
        .collect()
}

/// When one thread was at it.
#[derive(Clone, Copy)]
struct Stretch {
    begun: Instant,
    ended: Instant,
}

/// One measurement of each, by every thread.
struct Round {
    bare: Vec<Stretch>,
    path: Vec<Stretch>,
}

impl Round {
    fn were_together(&self) -> bool {
        were_together(&self.bare) && were_together(&self.path)
    }
}

/// Whether all threads were at it for a third of the time. If not, another program had one of the
/// cores, and what was measured is that program, or a breaker that nobody shared. A third, because a
/// lock that lets one thread do all its work before the other takes half.
fn were_together(threads: &[Stretch]) -> bool {
    let begun = || threads.iter().map(|stretch| stretch.begun);
    let ended = || threads.iter().map(|stretch| stretch.ended);
    let (Some(first), Some(last)) = (begun().min(), ended().max()) else {
        return false;
    };
    let (Some(all_begun), Some(one_ended)) = (begun().max(), ended().min()) else {
        return false;
    };
    one_ended.saturating_duration_since(all_begun) * 3 >= last.duration_since(first)
}

/// Nanoseconds for one call of the thread that took longest.
fn nanos(threads: &[Stretch], times: u64) -> f64 {
    let took = threads
        .iter()
        .map(|stretch| stretch.ended.duration_since(stretch.begun));
    took.max().unwrap_or_default().as_nanos() as f64 / times as f64
}

fn cost(rounds: &[&Round], times: (u64, u64), together: bool) -> Cost {
    let figures: Vec<(f64, f64)> = rounds
        .iter()
        .map(|round| (nanos(&round.bare, times.0), nanos(&round.path, times.1)))
        .collect();
    let least = |side: fn(&(f64, f64)) -> f64| figures.iter().map(side).fold(f64::MAX, f64::min);
    Cost {
        over: median(figures.iter().map(|figure| figure.1 - figure.0)),
        least: least(|figure| figure.1) - least(|figure| figure.0),
        bare: median(figures.iter().map(|figure| figure.0)),
        together,
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
