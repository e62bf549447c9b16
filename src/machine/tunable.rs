//! The numbers of a live circuit: changed together, read together (rule E5).
//!
//! There are two sets of cells, and a version whose lowest bit says which set holds. A writer fills
//! the other set and then raises the version. A reader reads the version, the set, and the version
//! again: if it has not moved, nobody was writing that set. If it has, a writer got on meanwhile,
//! and the reader starts over. Readers never wait for a writer that is held up half-way.

use super::config::Numbers;
use crate::machine::sync::{AtomicU64, Mutex, Ordering, UnmodelledU64, fence};

/// The numbers of one circuit.
#[derive(Debug)]
pub(crate) struct Tunable {
    words: Versioned<{ Numbers::WORDS }>,
    /// Keeps writers apart. Calls never take it.
    writing: Mutex<()>,
}

impl Tunable {
    pub(crate) fn new(numbers: Numbers) -> Self {
        Self {
            words: Versioned::new(numbers.to_words()),
            writing: Mutex::new(()),
        }
    }

    /// All numbers, of one version.
    pub(crate) fn read(&self) -> Numbers {
        Numbers::from_words(self.words.read())
    }

    /// Replaces all numbers by what `change` makes of them.
    pub(crate) fn change<E>(
        &self,
        change: impl FnOnce(Numbers) -> Result<Numbers, E>,
    ) -> Result<Numbers, E> {
        let writing = self.writing.lock();
        // A panic in `change` leaves the numbers as they were, so a poisoned lock is as good.
        let _writing = writing.unwrap_or_else(std::sync::PoisonError::into_inner);
        let numbers = change(self.read())?;
        self.words.write(numbers.to_words());
        Ok(numbers)
    }
}

/// Words that one thread at a time writes and any number read, together.
#[derive(Debug)]
pub(crate) struct Versioned<const N: usize> {
    version: AtomicU64,
    sets: [[UnmodelledU64; N]; 2],
}

impl<const N: usize> Versioned<N> {
    pub(crate) fn new(words: [u64; N]) -> Self {
        Self {
            version: AtomicU64::new(0),
            sets: [words.map(UnmodelledU64::new), words.map(UnmodelledU64::new)],
        }
    }

    pub(crate) fn read(&self) -> [u64; N] {
        loop {
            // Acquire: pairs with the release store of the version; the set it names is complete.
            let version = self.version.load(Ordering::Acquire);
            // A loop: `array::map` is not always inlined.
            let mut words = [0; N];
            for (word, cell) in words.iter_mut().zip(self.set(version)) {
                *word = cell.load(Ordering::Relaxed);
            }
            // Pairs with the writer's release fence: whoever has read a cell of a newer version
            // sees below that the version has moved.
            fence(Ordering::Acquire);
            if self.version.load(Ordering::Relaxed) == version {
                return words;
            }
        }
    }

    /// For one writer at a time.
    pub(crate) fn write(&self, words: [u64; N]) {
        let version = self.version.load(Ordering::Relaxed) + 1;
        // Pairs with the readers' acquire fence.
        fence(Ordering::Release);
        for (cell, word) in self.set(version).iter().zip(words) {
            cell.store(word, Ordering::Relaxed);
        }
        self.version.store(version, Ordering::Release);
    }

    fn set(&self, version: u64) -> &[UnmodelledU64; N] {
        &self.sets[usize::from(version & 1 == 1)]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn a_refused_change_changes_nothing() {
        let tunable = Tunable::new(Numbers::default());
        assert_eq!(tunable.change(|_| Err("no")), Err("no"));
        assert_eq!(tunable.read(), Numbers::default());
    }

    // E5
    #[test]
    fn numbers_are_never_seen_mixed() {
        let tunable = &Tunable::new(Numbers::default());
        let set = |value: u64| {
            tunable.change(|numbers| {
                Ok::<_, ()>(Numbers {
                    consecutive: value,
                    ramp_from: value,
                    ..numbers
                })
            })
        };
        set(0).expect("valid");
        let seen_enough = &AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut values = 1..;
                while !seen_enough.load(Ordering::Relaxed) {
                    let _ = set(values.next().expect("endless"));
                }
            });
            let (mut last, mut changes_seen) = (0, 0);
            while changes_seen < 1_000 {
                let numbers = tunable.read();
                assert_eq!(numbers.consecutive, numbers.ramp_from);
                changes_seen += u64::from(numbers.consecutive != last);
                last = numbers.consecutive;
            }
            seen_enough.store(true, Ordering::Relaxed);
        });
    }
}
