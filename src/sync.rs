//! Where the atomics come from: the one place to change when they are to be watched by a checker.

pub(crate) use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering, fence},
};

/// A small number that stays with the calling thread, to spread writers over stripes.
///
/// Numbers are given out in turn, so the first N threads get N different stripes.
pub(crate) fn thread_number() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    std::thread_local! {
        // Relaxed: the number only has to be this thread's own; nothing is published with it.
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    // A thread that is being torn down has no number any more; any stripe is as good as another.
    NUMBER.try_with(|number| *number).unwrap_or(0)
}

/// How many stripes a circuit gets: one for each thread the machine runs at once, within reason.
pub(crate) fn stripe_count() -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .next_power_of_two()
        .min(16)
}
