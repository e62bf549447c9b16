//! A table of cells that grows while others look through it.
//!
//! A lock is taken only by who gets a cell or gives it back. Cells never move, so who has one, or looks
//! through all of them, takes none.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock, PoisonError},
};

use crate::machine::sync::{AtomicU64, Mutex};

/// Enough for 2^32 cells.
const CHUNKS: usize = 31;

#[derive(Debug)]
pub(super) struct Slots {
    /// Two cells, four, eight and so on.
    chunks: [OnceLock<Arc<[AtomicU64]>>; CHUNKS],
    given: Mutex<Given>,
}

/// Which cells are given out.
#[derive(Debug, Default)]
struct Given {
    ever: usize,
    /// Of these, the ones that came back.
    back: BTreeSet<usize>,
}

/// A cell of its own for whoever has it.
#[derive(Debug)]
pub(super) struct Slot {
    chunk: Arc<[AtomicU64]>,
    number: usize,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
            given: Mutex::default(),
        }
    }

    /// The first cell that nobody has. It holds 0, or what was left in it.
    pub(super) fn get(&self) -> Slot {
        let number = self.change(|given| {
            given.back.pop_first().unwrap_or_else(|| {
                given.ever += 1;
                given.ever - 1
            })
        });
        let (chunk, _) = position(number);
        let cells = || (0..2 << chunk).map(|_| AtomicU64::new(0)).collect();
        Slot {
            chunk: self.chunks[chunk].get_or_init(cells).clone(),
            number,
        }
    }

    pub(super) fn give_back(&self, slot: &Slot) {
        self.change(|given| given.back.insert(slot.number));
    }

    /// All cells that there are, from the first on.
    pub(super) fn iter(&self) -> impl Iterator<Item = &AtomicU64> {
        let chunks = self.chunks.iter().map_while(OnceLock::get);
        chunks.flat_map(|chunk| chunk.iter())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Given) -> T) -> T {
        // Nothing in here panics.
        let given = self.given.lock();
        change(&mut given.unwrap_or_else(PoisonError::into_inner))
    }
}

impl Slot {
    pub(super) fn cell(&self) -> &AtomicU64 {
        &self.chunk[position(self.number).1]
    }
}

/// The chunk of a cell, and where it is in there.
fn position(number: usize) -> (usize, usize) {
    let length = (number + 2).ilog2();
    (length as usize - 1, number + 2 - (1 << length))
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use super::*;
    use crate::machine::sync::Ordering;

    #[test]
    fn every_number_has_a_cell_of_its_own() {
        let numbers: Vec<_> = (0..14).map(position).collect();
        let counted = (0..3).flat_map(|chunk| (0..2 << chunk).map(move |cell| (chunk, cell)));
        assert_eq!(numbers, counted.collect::<Vec<_>>());
        assert!(position(u32::MAX as usize - 2).0 < CHUNKS);
    }

    #[test]
    fn a_cell_that_came_back_is_the_next_to_be_given() {
        let slots = Slots::new();
        let got: Vec<Slot> = (0..100).map(|_| slots.get()).collect();
        for slot in &got {
            slot.cell().store(slot.number as u64, Ordering::Relaxed);
        }
        let held = slots
            .iter()
            .take(100)
            .map(|cell| cell.load(Ordering::Relaxed));
        assert!(held.eq(0..100));
        slots.give_back(&got[70]);
        slots.give_back(&got[3]);
        assert_eq!([(); 3].map(|()| slots.get().number), [3, 70, 100]);
    }
}
