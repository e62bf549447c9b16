//! What would have become of calls that were rejected: what became of those beside them.

use std::time::Duration;

use crate::{
    chance::{Chance, Of},
    recording::{Call, Fate, Recording},
};

#[derive(Debug)]
pub(super) struct Neighbours<'a> {
    recording: &'a Recording,
    seed: u64,
    /// The calls whose end is known, by their numbers; empty if that are all.
    known: Vec<u32>,
}

impl<'a> Neighbours<'a> {
    pub(super) fn new(recording: &'a Recording, seed: u64) -> Self {
        let mut known = Vec::new();
        if recording.unknown() > 0 {
            let kept = (0..).zip(&recording.calls);
            known.extend(
                kept.filter(|(_, it)| it.is_known())
                    .map(|(number, _)| number),
            );
        }
        Self {
            recording,
            seed,
            known,
        }
    }

    /// A call as it was, or, if nobody knows, with the fate of one that began in the same second. The same one each
    /// time.
    pub(super) fn fate(&self, number: usize) -> Call {
        let call = self.recording.call(number);
        if call.fate != Fate::Unknown {
            return call;
        }
        let second = Duration::from_secs(call.at.as_secs());
        let begins = |known: &u32| self.recording.call(*known as usize).at;
        let from = self.known.partition_point(|known| begins(known) < second);
        let ends = second + Duration::from_secs(1);
        let to = self.known.partition_point(|known| begins(known) < ends);
        let neighbour = match u32::try_from(to - from) {
            Ok(many @ 1..) => {
                let mut chance = Chance::new(self.seed, Of::Calls, number as u64);
                from + chance.one_of(many) as usize
            }
            _ => self.nearest(from, call.at),
        };
        let neighbour = self.recording.call(self.known[neighbour] as usize);
        Call {
            at: call.at,
            ..neighbour
        }
    }

    /// There is at least one: else nothing is replayed.
    fn nearest(&self, next: usize, at: Duration) -> usize {
        let Some(before) = next.checked_sub(1) else {
            return 0;
        };
        let begins = |place: usize| self.recording.call(self.known[place] as usize).at;
        let is_next = next < self.known.len() && begins(next) - at < at - begins(before);
        if is_next { next } else { before }
    }
}
