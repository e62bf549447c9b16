//! The numbers of a live circuit: changed together, read together (rule E5).
//!
//! There are two sets of cells, and a version whose lowest bit says which set holds. A writer fills
//! the other set and then raises the version. A reader reads the version, the set, and the version
//! again: if it has not moved, nobody was writing that set. If it has, a writer got on meanwhile,
//! and the reader starts over. Readers never wait for a writer that is held up half-way.

use super::numbers::Numbers;
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
        Numbers::from_words(self.words.read().0)
    }

    /// What the machine decides by, of one version: the limits, which it only keeps, read as off.
    #[inline]
    pub(crate) fn read_deciding(&self) -> Numbers {
        Numbers::from_words(self.words.read_first(Numbers::DECIDING).0)
    }

    /// How often they were changed.
    pub(crate) fn version(&self) -> u64 {
        self.words.version()
    }

    /// Replaces all numbers by what `change` makes of them and their version, unless that is the same. If another
    /// change got between, `change` is asked again, with what that has made, and its version: so whoever expects a
    /// version compares in there. `hints` is called with the new numbers before anybody can read them.
    ///
    /// `change` is somebody else's code, so it is called without the lock.
    pub(crate) fn change<E>(
        &self,
        mut change: impl FnMut(Numbers, u64) -> Result<Numbers, E>,
        hints: impl Fn(&Numbers),
    ) -> Result<Changed, E> {
        loop {
            let (words, version) = self.words.read();
            let old = Numbers::from_words(words);
            let new = change(old, version)?;
            if new == old {
                return Ok(Changed { old, new, version });
            }
            if let Some(version) = self.replace(version, new, &hints) {
                return Ok(Changed { old, new, version });
            }
        }
    }

    /// Calls `look` with the numbers, while nobody changes them.
    pub(crate) fn hold(&self, look: impl FnOnce(&Numbers)) {
        let holding = self.writing.lock();
        let _holding = holding.unwrap_or_else(std::sync::PoisonError::into_inner);
        look(&self.read());
    }

    /// Writes the numbers that follow those of `version`. Gives their version, if no other change got between.
    fn replace(&self, version: u64, new: Numbers, hints: impl Fn(&Numbers)) -> Option<u64> {
        let writing = self.writing.lock();
        // Nobody panics under it half-way, so a poisoned lock is as good.
        let _writing = writing.unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.words.version() != version {
            return None;
        }
        hints(&new);
        self.words.write(new.to_words());
        Some(version + 1)
    }
}

/// What a change has made of the numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Changed {
    pub(crate) old: Numbers,
    pub(crate) new: Numbers,
    /// How many changes there have been, with this one if it changed anything.
    pub(crate) version: u64,
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

    /// The words, and their version.
    pub(crate) fn read(&self) -> ([u64; N], u64) {
        self.read_first(N)
    }

    /// So many of the words, the rest as zero, and their version.
    #[inline]
    pub(crate) fn read_first(&self, count: usize) -> ([u64; N], u64) {
        loop {
            // Acquire: pairs with the release store of the version; the set it names is complete.
            let version = self.version.load(Ordering::Acquire);
            // A loop: `array::map` is not always inlined.
            let mut words = [0; N];
            for (word, cell) in words.iter_mut().zip(self.set(version)).take(count) {
                *word = cell.load(Ordering::Relaxed);
            }
            // Pairs with the writer's release fence: whoever has read a cell of a newer version
            // sees below that the version has moved.
            fence(Ordering::Acquire);
            if self.version.load(Ordering::Relaxed) == version {
                return (words, version);
            }
        }
    }

    /// For a writer, which has the lock: nobody else raises it then.
    fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// For one writer at a time.
    pub(crate) fn write(&self, words: [u64; N]) {
        let version = self.version() + 1;
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

    fn set(tunable: &Tunable, value: u64) -> Changed {
        let change = |numbers, _| {
            Ok::<_, ()>(Numbers {
                consecutive_failures: value,
                ramp_from: value,
                ..numbers
            })
        };
        tunable.change(change, |_| {}).expect("valid")
    }

    #[test]
    fn a_refused_change_changes_nothing() {
        let tunable = Tunable::new(Numbers::default());
        assert_eq!(tunable.change(|_, _| Err("no"), |_| {}), Err("no"));
        assert_eq!(tunable.read(), Numbers::default());
        assert_eq!(set(&tunable, 1).version, 1);
    }

    #[test]
    fn a_change_to_what_there_is_already_makes_no_version() {
        let tunable = Tunable::new(Numbers::default());
        let versions = [1, 1, 2, 2, 1].map(|value| set(&tunable, value).version);
        assert_eq!(versions, [1, 1, 2, 2, 3]);
    }

    // E5
    #[test]
    fn a_change_within_a_change_holds_and_the_outer_one_begins_from_it() {
        let tunable = Tunable::new(Numbers::default());
        let change = |numbers, _| {
            set(&tunable, 7);
            Ok::<_, ()>(Numbers {
                permits: 3,
                ..numbers
            })
        };
        let changed = tunable.change(change, |_| {}).expect("valid");
        assert_eq!((changed.old.consecutive_failures, changed.version), (7, 2));
        assert_eq!(
            (changed.new.consecutive_failures, changed.new.permits),
            (7, 3)
        );
        assert_eq!(tunable.read(), changed.new);
    }

    // E5
    #[test]
    fn numbers_are_never_seen_mixed() {
        let tunable = &Tunable::new(Numbers::default());
        set(tunable, 0);
        let seen_enough = &AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut values = 1..;
                while !seen_enough.load(Ordering::Relaxed) {
                    set(tunable, values.next().expect("endless"));
                }
            });
            let (mut last, mut changes_seen) = (0, 0);
            while changes_seen < 1_000 {
                let numbers = tunable.read();
                assert_eq!(numbers.consecutive_failures, numbers.ramp_from);
                changes_seen += u64::from(numbers.consecutive_failures != last);
                last = numbers.consecutive_failures;
            }
            seen_enough.store(true, Ordering::Relaxed);
        });
    }
}
