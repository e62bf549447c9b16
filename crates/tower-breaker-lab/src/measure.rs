//! What is counted of a run.

use std::time::Duration;

use tower_breaker::State;

/// What happened in one step of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// Calls that came. Each of them ends in `succeeded`, `failed`, `rejected` or `not_made`, maybe in a later step.
    pub offered: u64,
    /// Calls that ended well.
    pub succeeded: u64,
    /// Of those: how many took longer than the scenario's `slow_after`, retries and waits included.
    pub slow: u64,
    /// Of those: how many were answered by the [cache](crate::Cache).
    pub cached: u64,
    /// Calls that ended with a failure or a timeout.
    pub failed: u64,
    /// Calls that ended with a rejection of the breaker.
    pub rejected: u64,
    /// Calls that were not made: they waited too long for a worker, or came when [`MOST_UNDER_WAY`] was reached.
    pub not_made: u64,
    /// Of those rejected: how many would have ended well, if a closed circuit had let them through. Queues, slots and
    /// what other calls add (`per_call`, `per_waiting`) are not regarded, for nobody knows how long they would have
    /// been.
    pub lost: u64,
    /// Tries that were let through to the dependency.
    pub admitted: u64,
    /// Of those: while the circuit was open or half-open.
    pub probes: u64,
    /// Tries that ended later than their caller waited.
    pub timed_out: u64,
    /// Tries that were repeated.
    pub retries: u64,
    /// What the dependency works on, and what waits there, at the end of the step.
    pub load: u64,
    /// Circuits that are open at the end of the step.
    pub open: u64,
    /// Circuits that are half-open at the end of the step.
    pub half_open: u64,
    /// What circuits [shed](tower_breaker::CircuitBuilder::shed) at the end of the step: their shares together, in
    /// millionths. It is 600,000 if one refuses 60 % of its calls, and the others none.
    pub shed: u64,
}

/// One circuit has changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Since the beginning of the run.
    pub at: Duration,
    /// Which circuit: instance × targets + target.
    pub circuit: u64,
    /// What it was.
    pub from: State,
    /// What it is now.
    pub to: State,
    /// Whether nothing was wrong then.
    pub healthy: bool,
}

impl Change {
    /// Whether a closed circuit has opened.
    #[must_use]
    pub fn is_trip(&self) -> bool {
        self.from == State::Closed && self.to != State::Closed
    }
}

/// What one breaker made of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Run {
    /// Which breaker it was.
    pub breaker: String,
    /// How long a step is.
    pub step: Duration,
    /// How many circuits there were.
    pub circuits: u64,
    /// One for each step, the first one first.
    pub steps: Vec<Step>,
    /// Calls that had not ended when the run did. All calls that were offered have ended, were not made, or are these.
    pub under_way: u64,
    /// All changes of state, in order.
    pub changes: Vec<Change>,
    /// Changes that were not kept, because there were more than [`MOST_CHANGES`].
    pub changes_not_kept: u64,
}

/// So many calls are under way in a run at most, those that wait for something included. In an open loop against a
/// dependency that is stuck, they grow without end otherwise. What comes then is [`not_made`](Step::not_made), and what
/// fails is not tried again. A run takes some 300 MB then.
pub const MOST_UNDER_WAY: usize = 1_200_000;

/// So many changes of state are kept of a run.
pub const MOST_CHANGES: usize = 1_000_000;

impl Run {
    /// All steps together. Of what is no count, such as `load`, it has the largest.
    #[must_use]
    pub fn total(&self) -> Step {
        self.between(Duration::ZERO, Duration::MAX)
    }

    /// The steps that begin in this time, together. Of what is no count, such as `load`, it has the largest.
    #[must_use]
    pub fn between(&self, from: Duration, to: Duration) -> Step {
        let mut begins = Duration::ZERO;
        let mut sum = Step::default();
        for step in &self.steps {
            if (from..to).contains(&begins) {
                sum.add(step);
            }
            begins += self.step;
        }
        sum
    }
}

impl Step {
    fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.succeeded += other.succeeded;
        self.slow += other.slow;
        self.cached += other.cached;
        self.failed += other.failed;
        self.rejected += other.rejected;
        self.not_made += other.not_made;
        self.lost += other.lost;
        self.admitted += other.admitted;
        self.probes += other.probes;
        self.timed_out += other.timed_out;
        self.retries += other.retries;
        self.load = self.load.max(other.load);
        self.open = self.open.max(other.open);
        self.half_open = self.half_open.max(other.half_open);
        self.shed = self.shed.max(other.shed);
    }

    /// Calls that have ended, and were made.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.succeeded + self.failed + self.rejected
    }
}
