//! Every map in turn, many times: the machine may be shared, and then its speed changes by the second. So the figure of
//! a map is the median of many ratios, each between two measurements that follow one another.

use std::{
    hint::{black_box, spin_loop},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::maps::{CHOSEN, Contender};

/// How long to measure.
#[derive(Clone, Copy)]
pub struct Effort {
    /// How often each is measured.
    pub rounds: usize,
    /// How many lookups are one measurement.
    pub lookups: u32,
}

impl Effort {
    /// For figures.
    pub const FULL: Self = Self {
        rounds: 401,
        lookups: 10_000,
    };
    /// To see that everything runs.
    pub const QUICK: Self = Self {
        rounds: 5,
        lookups: 1_000,
    };
}

/// What a lookup costs.
pub struct Cost {
    /// In nanoseconds, of the thread that took longest; the median.
    pub nanos: f64,
    /// Beside the map that was chosen, in the same round; the median.
    pub ratio: f64,
}

/// Measures all of them, on so many threads, each pinned to a core of its own. `names` are asked for in an order that
/// looks random, and are `found` or not.
pub fn measure(
    maps: &[Contender],
    names: &[String],
    found: bool,
    threads: usize,
    effort: Effort,
) -> Vec<Cost> {
    let gate = Gate::new(threads);
    let per_thread: Vec<Vec<Vec<f64>>> = thread::scope(|scope| {
        let work = |core| {
            let gate = &gate;
            scope.spawn(move || {
                core_affinity::set_for_current(core_affinity::CoreId { id: core });
                rounds(maps, names, found, core, effort, gate)
            })
        };
        let running: Vec<_> = (0..threads).map(work).collect();
        running
            .into_iter()
            .map(|it| it.join().expect("no panic"))
            .collect()
    });
    let slowest = |round: usize, map: usize| {
        let times = per_thread.iter().map(|thread| thread[round][map]);
        times.fold(0.0, f64::max)
    };
    let chosen = maps
        .iter()
        .position(|map| map.name == CHOSEN)
        .expect("one of them");
    let all = 0..effort.rounds;
    let cost = |map| Cost {
        nanos: median(all.clone().map(|round| slowest(round, map))),
        ratio: median(
            all.clone()
                .map(|round| slowest(round, map) / slowest(round, chosen)),
        ),
    };
    (0..maps.len()).map(cost).collect()
}

/// For each round, the nanoseconds for a lookup in each map.
fn rounds(
    maps: &[Contender],
    names: &[String],
    found: bool,
    seed: usize,
    effort: Effort,
    gate: &Gate,
) -> Vec<Vec<f64>> {
    let mut passed = 0;
    let mut dice = 0x9e37_79b9_7f4a_7c15 ^ (seed as u64 + 1);
    let mut timed = |map: &Contender| {
        look_up(map, names, found, effort.lookups / 10, &mut dice);
        passed += 1;
        gate.pass(passed);
        let took = look_up(map, names, found, effort.lookups, &mut dice);
        took.as_nanos() as f64 / f64::from(effort.lookups)
    };
    (0..effort.rounds)
        .map(|_| maps.iter().map(&mut timed).collect())
        .collect()
}

fn look_up(
    map: &Contender,
    names: &[String],
    found: bool,
    lookups: u32,
    dice: &mut u64,
) -> Duration {
    let begun = Instant::now();
    for _ in 0..lookups {
        *dice ^= *dice << 13;
        *dice ^= *dice >> 7;
        *dice ^= *dice << 17;
        let name = &names[(*dice >> 32) as usize % names.len()];
        let value = black_box(map.map.find(black_box(name)));
        assert_eq!(value.is_some(), found);
    }
    begun.elapsed()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Where the threads wait for each other, spinning: a barrier that parks would let one start long before the other.
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
        let mut spins = 0_u32;
        while self.arrived.load(Ordering::Acquire) < nth * self.threads {
            spins += 1;
            if spins % 1_000 == 0 {
                thread::yield_now();
            }
            spin_loop();
        }
    }
}
