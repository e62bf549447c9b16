//! What a person sees of a circuit.

use std::time::Duration;

use super::name::Name;
use crate::machine::{Cause, Mode, ProbeCounts, State, Totals, View, WindowCounts};

/// A circuit at one instant. Looking changes nothing (rule C5).
///
/// State, era and times are of one era (F7). Counts are exact when no call is in flight (F5).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The circuit's name.
    pub name: Name,
    /// What the circuit does with calls; in shadow mode, what it would do.
    pub state: State,
    /// Who decides.
    pub mode: Mode,
    /// How many transitions there have been.
    pub era: u64,
    /// How long the era has lasted.
    pub time_in_state: Duration,
    /// In open: what is left of the break, zero once it is over; `None` if a person has to end it.
    /// Otherwise `None`.
    pub remaining: Option<Duration>,
    /// Opens in a row, until closed has lasted as long as the last break (rule C2); 0 in closed.
    pub attempt: u32,
    /// Why the circuit last opened, if it did since it was built.
    pub last_trip: Option<Cause>,
    /// Failures in a row, where those are counted; 0 unless closed.
    pub consecutive_failures: u64,
    /// What the window holds, if there is one; empty unless closed, because every era has its own.
    pub window: Option<WindowCounts>,
    /// The probes, in half-open.
    pub probes: Option<ProbeCounts>,
    /// The share of calls that is admitted while closed, in `0..=1`. Below 1 only while ramping.
    pub ramp_share: f64,
    /// What became of all calls, unless totals are turned off.
    pub totals: Option<Totals>,
}

impl Snapshot {
    pub(crate) fn new(
        name: Name,
        view: View,
        last_trip: Option<Cause>,
        totals: Option<Totals>,
    ) -> Self {
        Self {
            name,
            state: view.state,
            mode: view.mode,
            era: view.era,
            time_in_state: Duration::from_nanos(view.in_state),
            remaining: view.remaining.map(Duration::from_nanos),
            attempt: view.attempt,
            last_trip,
            consecutive_failures: view.consecutive_failures,
            window: view.counts,
            probes: view.probes,
            ramp_share: share(view.ramp_share),
            totals,
        }
    }
}

/// A share from millionths.
#[expect(clippy::cast_precision_loss, reason = "at most a million")]
fn share(millionths: u64) -> f64 {
    millionths as f64 / 1e6
}
