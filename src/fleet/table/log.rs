//! Which circuits have changed, and in which order.

use std::collections::BTreeMap;

use super::super::wire::{Changed, Key, MOST_LOOKS};

/// So many circuits are remembered.
const KEPT: usize = 4096;

/// The number of each circuit's last change. No two have the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::fleet) struct Log {
    newest: u64,
    numbers: BTreeMap<Key, u64>,
    /// The number before its first change, until that is forgotten. It is an entry as well (`#0`): else a circuit that
    /// has changed twice would look like a gap, as long as no other one has.
    began: u64,
}

impl Log {
    pub(in crate::fleet) fn newest(&self) -> u64 {
        self.newest
    }

    /// The first number is the time: who has seen a log that is no more sees that by any number of the new one.
    pub(super) fn note(&mut self, now: u64, name: &Key) {
        if self.newest == 0 {
            (self.newest, self.began) = (now, now);
        }
        self.newest += 1;
        self.numbers.insert(name.clone(), self.newest);
        if self.len() > KEPT {
            let oldest = self.lowest();
            self.numbers.retain(|_, number| *number != oldest);
            self.began = 0;
        }
    }

    pub(super) fn since(&self, seen: u64) -> Changed {
        // Something is missing between, or it is another log.
        if seen > self.newest || self.lowest() > seen + 1 {
            return Changed::All;
        }
        let mut later: Vec<_> = self.numbers.iter().filter(|it| *it.1 > seen).collect();
        if later.len() > MOST_LOOKS {
            return Changed::All;
        }
        later.sort_by_key(|it| it.1);
        Changed::Names(later.into_iter().map(|it| it.0.clone()).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len() + usize::from(self.began > 0)
    }

    fn lowest(&self) -> u64 {
        match self.began {
            0 => self.numbers.values().copied().min().unwrap_or(0),
            began => began,
        }
    }
}
