//! Two things in turn, and the ratio between them.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use crate::tasks::{Maker, Work};

/// How often both are measured. The median of the ratios is what counts.
const ROUNDS: usize = 301;
/// How often what takes milliseconds is measured.
#[cfg(feature = "metrics")]
const FEW_ROUNDS: usize = 51;
/// How long one measurement should last at the least: long against the clock, short against the
/// slices in which other programs take the core away.
const SLICE: Duration = Duration::from_micros(100);

/// A path, its floor, and how far above it the path may be.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) floor: (Maker, usize),
    pub(crate) path: (Maker, usize),
    pub(crate) target: f64,
    pub(crate) excellent: f64,
}

/// What a row came to.
pub(crate) struct Measured {
    name: &'static str,
    floor: f64,
    path: f64,
    ratio: f64,
    target: f64,
    excellent: f64,
}

impl Row {
    pub(crate) fn measure(&self) -> Measured {
        let mut floor = Crew::new(&self.floor.0, self.floor.1);
        let mut path = Crew::new(&self.path.0, self.path.1);
        let rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| (floor.nanos(), path.nanos())).collect();
        Measured {
            name: self.name,
            floor: median(rounds.iter().map(|round| round.0)),
            path: median(rounds.iter().map(|round| round.1)),
            ratio: median(rounds.iter().map(|round| round.1 / round.0)),
            target: self.target,
            excellent: self.excellent,
        }
    }
}

pub(crate) fn print_head() {
    println!(
        "{:<58} {:>9} {:>9} {:>6} {:>7} {:>9}",
        "path", "floor ns", "path ns", "ratio", "target", "excellent"
    );
}

impl Measured {
    /// Nanoseconds of the path over its floor.
    pub(crate) fn excess(&self) -> f64 {
        self.path - self.floor
    }

    pub(crate) fn print(&self) {
        let verdict = match self.ratio {
            ratio if ratio <= self.excellent => "excellent",
            ratio if ratio <= self.target => "met",
            _ => "MISSED",
        };
        println!(
            "{:<58} {:>9.2} {:>9.2} {:>6.2} {:>7.2} {:>9.2}  {verdict}",
            self.name, self.floor, self.path, self.ratio, self.target, self.excellent
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Milliseconds of one operation that takes long enough to be measured by itself, as the median of a few.
#[cfg(feature = "metrics")]
pub(crate) fn millis(mut work: Work) -> f64 {
    work(3);
    median((0..FEW_ROUNDS).map(|_| {
        let began = Instant::now();
        work(1);
        began.elapsed().as_secs_f64() * 1e3
    }))
}

/// The threads that run one piece of work, each pinned to a core of its own.
struct Crew {
    works: Vec<Work>,
    times: u64,
}

impl Crew {
    fn new(maker: &Maker, threads: usize) -> Self {
        let mut crew = Self {
            works: (0..threads).map(|_| maker()).collect(),
            times: 1_000,
        };
        while crew.nanos() * crew.times as f64 <= SLICE.as_nanos() as f64 {
            crew.times *= 2;
        }
        crew
    }

    /// Nanoseconds for one operation of one thread while all of them run.
    fn nanos(&mut self) -> f64 {
        let times = self.times;
        let start = Barrier::new(self.works.len());
        let start = &start;
        let slowest = thread::scope(|scope| {
            let threads: Vec<_> = self
                .works
                .iter_mut()
                .enumerate()
                .map(|(core, work)| {
                    scope.spawn(move || {
                        core_affinity::set_for_current(core_affinity::CoreId { id: core });
                        work(times / 10);
                        start.wait();
                        let began = Instant::now();
                        work(times);
                        began.elapsed()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("no panic"))
                .max()
        });
        slowest.expect("a thread").as_nanos() as f64 / times as f64
    }
}
