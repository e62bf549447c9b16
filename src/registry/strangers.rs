//! Who makes room in a registry that is full (rule I5).
//!
//! Circuits that were made on first use are *strangers*. Their names may come from whoever sends requests, so they may
//! be many, and all wrong. A stranger leaves when its place is needed and nobody will notice. A flood of new names must
//! not drive out those that have been there for a while. So if half of the strangers are *young*, a new one takes the
//! place of a young one, or gets none.

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

pub(crate) struct Stranger {
    name: Name,
    /// How many were made before it.
    #[cfg_attr(
        not(feature = "config"),
        expect(dead_code, reason = "nobody is put back")
    )]
    number: u64,
    /// By its circuit's clock, in nanoseconds.
    made: u64,
}

impl Ring {
    /// Takes out the next that can be taken, if one can.
    fn take_next(&mut self, mut take: impl FnMut(&Name) -> bool) -> bool {
        for _ in 0..LOOKS.min(self.names.len()) {
            self.hand %= self.names.len();
            if take(&self.names[self.hand].name) {
                self.names.remove(self.hand);
                return true;
            }
            self.hand += 1;
        }
        false
    }

    fn remove(&mut self, name: &str) -> Option<Stranger> {
        let at = self.names.iter().position(|it| it.name == *name)?;
        self.names.remove(at)
    }
}

#[cfg(feature = "config")]
impl Stranger {
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// The strangers of a registry.
#[derive(Default)]
pub(super) struct Strangers {
    /// In the order in which they were made.
    young: Ring,
    old: Ring,
    made: u64,
}

impl Strangers {
    pub(super) fn len(&self) -> usize {
        self.young.names.len() + self.old.names.len()
    }

    #[cfg(feature = "config")]
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        let all = self.young.names.iter().chain(&self.old.names);
        all.map(|stranger| &stranger.name)
    }

    pub(super) fn add(&mut self, name: Name, circuit: &Circuit) {
        self.young.names.push_back(Stranger {
            name,
            number: self.made,
            made: circuit.now(),
        });
        self.made += 1;
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Stranger> {
        self.young.remove(name).or_else(|| self.old.remove(name))
    }

    /// One that was removed is there again. Should it be old, it grows up when there is a need for room.
    #[cfg(feature = "config")]
    pub(super) fn put_back(&mut self, stranger: Stranger) {
        let young = &mut self.young.names;
        let at = young.partition_point(|other| other.number < stranger.number);
        young.insert(at, stranger);
    }

    /// Takes out one, for a new one; none while there is room for it among so many `places`. `take` takes the circuit,
    /// if it may leave. `Err` if there is no room and nobody to leave.
    pub(super) fn make_room(
        &mut self,
        places: usize,
        mut take: impl FnMut(&Name) -> bool,
    ) -> Result<(), NoRoom> {
        if self.len() < places {
            return Ok(());
        }
        let young_are_few = self.young.names.len() < places.div_ceil(2);
        let taken = young_are_few && self.old.take_next(&mut take) || self.young.take_next(take);
        if taken { Ok(()) } else { Err(NoRoom) }
    }

    /// Those that have been there for long enough are young no more. `now` is by the clock of a circuit.
    pub(super) fn grow_up(&mut self, now: impl Fn(&str) -> Option<u64>) {
        let is_young = |stranger: &Stranger| {
            now(&stranger.name).is_some_and(|now| now.saturating_sub(stranger.made) < YOUNG_FOR)
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

#[cfg(all(test, feature = "config"))]
mod tests {
    use super::*;

    // I5: it is not the last to grow up because it was named for a moment.
    #[test]
    fn a_stranger_that_is_put_back_has_its_old_place() {
        let circuit = Circuit::builder("any").build().expect("valid");
        let mut strangers = Strangers::default();
        for name in ["a", "b", "c"] {
            strangers.add(Name::from_static(name), &circuit);
        }
        for name in ["a", "b", "c"] {
            let taken = strangers.remove(name).expect("there");
            strangers.put_back(taken);
            let order: Vec<_> = strangers.names().map(Name::as_str).collect();
            assert_eq!(order, ["a", "b", "c"], "{name}");
        }
    }
}
