//! What became of a circuit's calls, second by second, for the last five minutes.

use std::collections::VecDeque;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::{
    circuit::snapshot::Snapshot,
    machine::{Mode, State, Totals},
};

/// So many seconds are looked back on.
pub(super) const SECONDS: u64 = 300;

/// Calls that succeeded, failed, were slow, were rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts(pub(super) [u64; 4]);

impl Counts {
    pub(super) fn of(totals: &Totals) -> Self {
        Self([
            totals.successful,
            totals.failed,
            totals.slow,
            totals.rejected,
        ])
    }

    /// What has come since. Where there are fewer than before, it is another circuit of the name, which began at none.
    pub(super) fn since(self, before: Self) -> Self {
        let goes_on = self.0.iter().zip(before.0).all(|(now, then)| *now >= then);
        let before = if goes_on { before } else { Self::default() };
        let mut since = self;
        for (now, then) in since.0.iter_mut().zip(before.0) {
            *now -= then;
        }
        since
    }

    pub(super) fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// What a picture shows of a circuit: 0 closed, 1 open, 2 half-open, 3 forced open.
pub(super) fn state(seen: &Snapshot) -> u8 {
    match (seen.mode, seen.state) {
        (Mode::ForcedOpen, _) => 3,
        (_, State::Closed) => 0,
        (_, State::Open) => 1,
        (_, State::HalfOpen) => 2,
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    second: u64,
    counts: [u32; 4],
    state: u8,
}

/// The seconds with calls, and those in which the state has changed. The first may be older than all that is looked
/// back on: it tells the state that held then.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Sample>);

impl History {
    pub(super) fn add(&mut self, second: u64, calls: Counts, state: u8) {
        let is_new = self.0.back().is_none_or(|last| last.state != state);
        if is_new || !calls.is_none() {
            let counts = calls
                .0
                .map(|count| u32::try_from(count).unwrap_or(u32::MAX));
            self.0.push_back(Sample {
                second,
                counts,
                state,
            });
        }
        let is_old = |sample: &Sample| sample.second + SECONDS < second;
        while self.0.get(1).is_some_and(is_old) {
            self.0.pop_front();
        }
    }

    /// As it is told at this second: of an `epoch` in seconds.
    pub(super) fn told(&self, second: u64, epoch: u64) -> Told<'_> {
        Told {
            history: self,
            second,
            epoch,
        }
    }
}

/// `{"to":…,"samples":[[age,success,failure,slow,rejected,state],…]}`
pub(super) struct Told<'a> {
    history: &'a History,
    second: u64,
    epoch: u64,
}

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("to", &self.epoch)?;
        map.serialize_entry("samples", &Samples(self))?;
        map.end()
    }
}

struct Samples<'a>(&'a Told<'a>);

impl Serialize for Samples<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Told {
            history, second, ..
        } = self.0;
        let mut list = serializer.serialize_seq(Some(history.0.len()))?;
        for sample in &history.0 {
            let age = second.saturating_sub(sample.second);
            let [success, failure, slow, rejected] = match age {
                0..=SECONDS => sample.counts,
                // Too old for its calls.
                _ => [0; 4],
            };
            let age = age.min(SECONDS);
            list.serialize_element(&(age, success, failure, slow, rejected, sample.state))?;
        }
        list.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(history: &History, second: u64) -> serde_json::Value {
        serde_json::to_value(history.told(second, 1_000)).expect("JSON")["samples"].clone()
    }

    #[test]
    fn only_seconds_with_calls_or_another_state_are_kept_and_only_for_five_minutes() {
        let mut history = History::default();
        let (none, some) = (Counts::default(), Counts([1, 2, 3, 4]));
        history.add(10, some, 0);
        history.add(11, none, 0);
        history.add(12, none, 1);
        assert_eq!(
            told(&history, 13),
            serde_json::json!([[3, 1, 2, 3, 4, 0], [1, 0, 0, 0, 0, 1]])
        );
        // Of what is older, only the state is known.
        history.add(311, none, 1);
        assert_eq!(
            told(&history, 311),
            serde_json::json!([[300, 0, 0, 0, 0, 0], [299, 0, 0, 0, 0, 1]])
        );
        history.add(400, none, 1);
        assert_eq!(
            told(&history, 400),
            serde_json::json!([[300, 0, 0, 0, 0, 1]])
        );
    }

    #[test]
    fn the_calls_of_five_minutes_ago_are_told_also_if_they_were_counted_twice_in_that_second() {
        let mut history = History::default();
        let (none, some) = (Counts::default(), Counts([1, 2, 3, 4]));
        history.add(10, some, 0);
        history.add(10, some, 0);
        history.add(310, none, 0);
        let [first, second] = [300, 300].map(|age| [age, 1, 2, 3, 4, 0]);
        assert_eq!(told(&history, 310), serde_json::json!([first, second]));
    }

    #[test]
    fn a_circuit_that_took_the_place_of_another_began_at_none() {
        let before = Counts([5, 0, 0, 0]);
        assert_eq!(Counts([7, 1, 0, 0]).since(before), Counts([2, 1, 0, 0]));
        assert_eq!(Counts([3, 1, 0, 0]).since(before), Counts([3, 1, 0, 0]));
    }
}
