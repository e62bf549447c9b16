//! Who makes room in a registry that is full (rule I5).
//!
//! Circuits that were made on first use are *strangers*. Their names may come from whoever sends requests, so they may
//! be many, and all wrong. A stranger leaves when its place is needed and nobody will notice. A flood of new names
//! must not drive out those that have been there for a while: where half of the strangers are *young*, a new one takes
//! the place of a young one, or gets none.

use std::collections::VecDeque;

use crate::circuit::{handle::Circuit, name::Name};

/// For so long a stranger is young: a minute, in nanoseconds.
const YOUNG_FOR: u64 = 60_000_000_000;

/// How many are looked at for each new one. Where most may leave, the first does; where few do, to look at all would
/// be what a flood of names is sent for.
const LOOKS: usize = 16;

/// One name after the other, and where the last look ended.
#[derive(Default)]
struct Ring {
    names: VecDeque<Stranger>,
    /// How many were looked at since all had their turn.
    hand: usize,
}

struct Stranger {
    name: Name,
    /// By its circuit's clock, in nanoseconds.
    made: u64,
}

impl Ring {
    /// Takes out the next for which `may_leave` holds.
    fn next(&mut self, mut may_leave: impl FnMut(&Name) -> bool) -> Option<Name> {
        for _ in 0..LOOKS.min(self.names.len()) {
            self.hand %= self.names.len();
            if may_leave(&self.names[self.hand].name) {
                return self.names.remove(self.hand).map(|stranger| stranger.name);
            }
            self.hand += 1;
        }
        None
    }

    fn remove(&mut self, name: &str) {
        self.names.retain(|stranger| stranger.name != *name);
    }
}

/// The strangers of a registry.
#[derive(Default)]
pub(super) struct Strangers {
    /// In the order in which they were made.
    young: Ring,
    old: Ring,
}

impl Strangers {
    pub(super) fn len(&self) -> usize {
        self.young.names.len() + self.old.names.len()
    }

    pub(super) fn add(&mut self, circuit: &Circuit) {
        self.young.names.push_back(Stranger {
            name: circuit.name().to_owned().into(),
            made: circuit.now(),
        });
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.young.remove(name);
        self.old.remove(name);
    }

    /// Takes out one that may leave, for a new one; none while there is room for it among so many `places`. `Err` if
    /// there is no room and nobody to leave.
    pub(super) fn make_room<'a>(
        &mut self,
        places: usize,
        circuit: impl Fn(&str) -> Option<&'a Circuit>,
    ) -> Result<Option<Name>, NoRoom> {
        if self.len() < places {
            return Ok(None);
        }
        self.grow_up(&circuit);
        let may_leave = |name: &Name| circuit(name).is_none_or(Circuit::may_leave);
        let old = if self.young.names.len() < places.div_ceil(2) {
            self.old.next(may_leave)
        } else {
            None
        };
        let leaves = old.or_else(|| self.young.next(may_leave));
        leaves.map(Some).ok_or(NoRoom)
    }

    /// Those that have been there for long enough are young no more.
    fn grow_up<'a>(&mut self, circuit: impl Fn(&str) -> Option<&'a Circuit>) {
        let is_young = |stranger: &Stranger| {
            circuit(&stranger.name)
                .is_some_and(|circuit| circuit.now().saturating_sub(stranger.made) < YOUNG_FOR)
        };
        let names = &mut self.young.names;
        while let Some(first) = names.pop_front() {
            if is_young(&first) {
                names.push_front(first);
                return;
            }
            self.old.names.push_back(first);
        }
    }
}

/// There is no room for a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;
