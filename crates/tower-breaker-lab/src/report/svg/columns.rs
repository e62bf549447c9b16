//! What a picture shows of a run: as many columns as there is room for.

use std::time::Duration;

use crate::measure::{Run, Step};

/// More are not seen, and would only make the file larger.
pub(super) const MOST_COLUMNS: usize = 600;

/// Calls are a second, the load is the largest, and circuits are shares.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) offered: Vec<f64>,
    /// In the order of `LAYERS`.
    pub(super) calls: Vec<[f64; 5]>,
    pub(super) open: Vec<f64>,
    pub(super) half_open: Vec<f64>,
    /// What closed circuits refuse, as a share of the calls of all.
    pub(super) shed: Vec<f64>,
    pub(super) load: Vec<f64>,
}

impl Columns {
    pub(super) fn of(run: &Run, length: Duration) -> Self {
        let together = run.steps.len().div_ceil(MOST_COLUMNS).max(1);
        let mut columns = Self {
            offered: Vec::new(),
            calls: Vec::new(),
            open: Vec::new(),
            half_open: Vec::new(),
            shed: Vec::new(),
            load: Vec::new(),
        };
        let mut rest = length.as_secs_f64();
        for steps in run.steps.chunks(together) {
            // The last step may be cut short by the end of the scenario.
            let seconds = (run.step.as_secs_f64() * steps.len() as f64).min(rest);
            rest -= seconds;
            columns.push(steps, seconds, run.circuits);
        }
        columns
    }

    fn push(&mut self, steps: &[Step], seconds: f64, circuits: u64) {
        let sum = |count: fn(&Step) -> u64| steps.iter().map(count).sum::<u64>() as f64;
        let per_second = |count| {
            if seconds > 0.0 {
                sum(count) / seconds
            } else {
                0.0
            }
        };
        let of_circuits = |count| sum(count) / (steps.len() as u64 * circuits).max(1) as f64;
        self.offered.push(per_second(|step| step.offered));
        self.calls.push([
            per_second(|step| step.succeeded - step.slow),
            per_second(|step| step.slow),
            per_second(|step| step.failed),
            per_second(|step| step.rejected),
            per_second(|step| step.not_made),
        ]);
        self.open.push(of_circuits(|step| step.open));
        self.half_open.push(of_circuits(|step| step.half_open));
        self.shed.push(of_circuits(|step| step.shed) / 1e6);
        let load = steps.iter().map(|step| step.load).max();
        self.load.push(load.unwrap_or(0) as f64);
    }

    pub(super) fn len(&self) -> usize {
        self.offered.len()
    }

    /// None if nothing is ever shed.
    pub(super) fn most_shed(&self) -> Option<f64> {
        let most = self.shed.iter().copied().fold(0.0, f64::max);
        (most > 0.0).then_some(most)
    }

    /// One layer upon what is below it.
    pub(super) fn on_top(&self, below: &[f64], layer: usize) -> Vec<f64> {
        let pairs = below.iter().zip(&self.calls);
        pairs.map(|(below, calls)| below + calls[layer]).collect()
    }

    pub(super) fn most_calls(&self) -> f64 {
        let all = self.calls.iter().map(|calls| calls.iter().sum());
        all.chain(self.offered.iter().copied()).fold(0.0, f64::max)
    }

    pub(super) fn most_load(&self) -> f64 {
        self.load.iter().copied().fold(0.0, f64::max)
    }
}
