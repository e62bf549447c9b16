//! All circuits as the last pass has seen them: what has changed since is what a stream tells (rule L3).

use std::{collections::BTreeMap, time::Duration};

use super::{
    history::{Counts, History, state},
    json,
    pass::Pass,
};
use crate::{
    circuit::{handle::Circuit, name::Name, snapshot::Snapshot},
    registry::Registry,
};

/// So many circuits have a history.
const HISTORIES: usize = 1_000;

/// All circuits as the last pass has seen them.
#[derive(Default)]
pub(super) struct AllKnown {
    pub(super) circuits: BTreeMap<Name, Known>,
    /// How many of those have a history.
    histories: usize,
}

/// A circuit as the last pass has seen it.
pub(super) struct Known {
    pass: u64,
    seen: Seen,
    counts: Counts,
    pub(super) history: Option<History>,
}

/// What a circuit was like, apart from how much time has passed.
#[derive(PartialEq)]
struct Seen {
    snapshot: Snapshot,
    settings_version: u64,
    named: bool,
}

impl Seen {
    fn new(circuit: &Circuit, snapshot: &Snapshot, named: bool) -> Self {
        let mut snapshot = snapshot.clone();
        snapshot.time_in_state = Duration::ZERO;
        // But whether a break is over.
        let remains = |time: Duration| time.min(Duration::from_nanos(1));
        snapshot.remaining = snapshot.remaining.map(remains);
        snapshot.outage = snapshot.outage.map(|_| Duration::ZERO);
        let queue = snapshot.parts.iter_mut().flat_map(|it| &mut it.queue);
        queue.for_each(|queue| queue.oldest = queue.oldest.map(|_| Duration::ZERO));
        if let Some(fleet) = &mut snapshot.fleet {
            fleet.sharing = fleet.sharing.whenever();
        }
        Self {
            snapshot,
            settings_version: circuit.settings_version(),
            named,
        }
    }
}

impl AllKnown {
    /// Looks at this one.
    pub(super) fn look(
        &mut self,
        pass: &mut Pass,
        registry: &Registry,
        circuit: &Circuit,
        goes_on: bool,
    ) {
        let name = circuit.full_name();
        let snapshot = circuit.snapshot();
        let named = registry.is_named(name);
        let seen = Seen::new(circuit, &snapshot, named);
        let counts = Counts::of(&snapshot.totals.unwrap_or_default());
        let before = self.circuits.remove(name);
        if before.as_ref().is_none_or(|before| before.seen != seen) {
            let shown = json::circuit(circuit, &snapshot, named).to_string();
            pass.changed.push((name.clone(), shown.into()));
        }
        let (then, history) = match before {
            Some(before) => (before.counts, before.history),
            None => (Counts::default(), self.new_history()),
        };
        let calls = if goes_on {
            counts.since(then)
        } else {
            Counts::default()
        };
        if !calls.is_none() {
            pass.calls.push((name.clone(), calls));
        }
        let mut known = Known {
            pass: pass.number,
            seen,
            counts,
            history,
        };
        if let Some(history) = &mut known.history {
            history.add(pass.second, calls, state(&snapshot));
        }
        self.circuits.insert(name.clone(), known);
    }

    fn new_history(&mut self) -> Option<History> {
        let has_room = self.histories < HISTORIES;
        self.histories += usize::from(has_room);
        has_room.then(History::default)
    }

    /// Those that were not there any more.
    pub(super) fn forget(&mut self, pass: &mut Pass) {
        let (number, histories) = (pass.number, &mut self.histories);
        self.circuits.retain(|name, known| {
            let stays = known.pass == number;
            if !stays {
                *histories -= usize::from(known.history.is_some());
                pass.gone.push(name.clone());
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::followed::{FleetNow, Sharing, Why};

    // L3: a circuit that is shared is not told anew each second.
    #[test]
    fn that_time_passes_is_no_news_of_a_fleet() {
        let registry = Registry::builder().circuit("a", |it| it).build();
        let registry = registry.expect("valid");
        let circuit = registry.get("a").expect("named");
        let seen = |sharing| {
            let mut snapshot = circuit.snapshot();
            snapshot.fleet = Some(FleetNow {
                sharing,
                ..FleetNow::attached()
            });
            Seen::new(&circuit, &snapshot, true)
        };
        let attached = |seconds| Sharing::Attached {
            since: Duration::from_secs(seconds),
        };
        let detached = |seconds, why| Sharing::Detached {
            since: Duration::from_secs(seconds),
            why,
        };
        assert!(seen(attached(1)) == seen(attached(2)));
        assert!(seen(detached(1, Why::Full)) == seen(detached(2, Why::Full)));
        assert!(seen(detached(1, Why::Full)) != seen(detached(1, Why::Clock)));
        assert!(seen(attached(1)) != seen(detached(1, Why::Full)));
    }
}
