//! The loop around every compare-and-swap of the word.

use super::{Core, word::Word};

/// What became of one attempt to decide something from one word.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt<T> {
    Done(T),
    /// The word has changed meanwhile. Nothing has been decided.
    Lost,
}

use Attempt::{Done, Lost};

impl<T> Attempt<T> {
    #[inline]
    pub(super) fn map<U>(self, map: impl FnOnce(T) -> U) -> Attempt<U> {
        match self {
            Done(value) => Done(map(value)),
            Lost => Lost,
        }
    }

    #[inline]
    pub(super) fn done(self) -> Option<T> {
        match self {
            Done(value) => Some(value),
            Lost => None,
        }
    }
}

impl Core {
    /// Makes attempts, each from the word as it stands, until one is done.
    #[inline]
    pub(super) fn retry<T>(&self, attempt: impl FnMut(Word) -> Attempt<T>) -> T {
        self.retry_from(self.load(), attempt)
    }

    /// The same, where the first attempt is from a word that was loaded before.
    #[inline]
    pub(super) fn retry_from<T>(
        &self,
        mut word: Word,
        mut attempt: impl FnMut(Word) -> Attempt<T>,
    ) -> T {
        loop {
            if let Done(result) = attempt(word) {
                return result;
            }
            word = self.load();
        }
    }

    /// What was read of the facts beside `word`: right if its era still stands (F7).
    #[inline]
    pub(super) fn read_in_era<T>(&self, word: Word, read: T) -> Attempt<T> {
        if self.load().era() == word.era() {
            Done(read)
        } else {
            Lost
        }
    }
}
