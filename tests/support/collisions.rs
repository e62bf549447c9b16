//! Threads that collide, and a test that fails if they did not.

#![allow(dead_code, reason = "no test file uses all of it")]

use std::{
    collections::BTreeSet,
    hint,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
};

static ROUND: AtomicUsize = AtomicUsize::new(0);

/// Threads wait here for each other, so that they set off together.
struct Start {
    missing: AtomicUsize,
}

impl Start {
    fn of(threads: usize) -> Self {
        Self {
            missing: AtomicUsize::new(threads),
        }
    }

    fn together(&self) {
        self.missing.fetch_sub(1, SeqCst);
        while self.missing.load(SeqCst) > 0 {
            thread::yield_now();
            hint::spin_loop();
        }
    }
}

/// Runs `work` on so many threads, which set off together; gives what each of them returned.
pub(crate) fn race<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (start, work) = (&Start::of(threads), &work);
    thread::scope(|scope| {
        let run = |number| {
            let late = Dice::new(ROUND.fetch_add(1, SeqCst)).below(4);
            scope.spawn(move || {
                start.together();
                // Or one that waits for a core would always be the last.
                (0..late).for_each(|_| thread::yield_now());
                work(number)
            })
        };
        let running: Vec<_> = (0..threads).map(run).collect();
        let joined = running.into_iter().map(|thread| thread.join());
        joined.map(|result| result.expect("no panic")).collect()
    })
}

/// Plays rounds until each of these outcomes has come up, and says so if one never does.
pub(crate) fn until_seen<const N: usize>(
    outcomes: [&'static str; N],
    mut round: impl FnMut() -> &'static str,
) {
    let mut missing = BTreeSet::from(outcomes);
    for played in 1..=50_000 {
        missing.remove(round());
        // A few hundred rounds more than it takes: the rare interleavings are what this is for.
        if missing.is_empty() && played >= 300 {
            return;
        }
    }
    panic!("never provoked: {missing:?}");
}

/// Ends the threads that look at it, also if this one panics.
pub(crate) struct EndsThem<'a>(pub(crate) &'a AtomicBool);

impl Drop for EndsThem<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Cheap numbers that look random; xorshift.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: usize) -> Self {
        Self((seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) % sides
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let at = self.below(of.len() as u64);
        &of[usize::try_from(at).expect("an index")]
    }
}
