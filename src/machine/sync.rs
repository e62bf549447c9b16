//! Where the atomics come from, `std` or loom: the one place that knows.
//!
//! The switch is a cfg of our own, `tower_breaker_loom`, and not plain `loom`: tokio listens to that
//! one and loses its network and its timers.

#[cfg(tower_breaker_loom)]
pub(crate) use self::{
    modelled::AtomicU64,
    modelled_arc::{Arc, Weak},
};
#[cfg(tower_breaker_loom)]
pub(crate) use loom::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64 as UnmodelledU64, Ordering, fence},
    },
    thread::yield_now,
};
#[cfg(not(tower_breaker_loom))]
pub(crate) use std::sync::{
    Arc, Mutex, MutexGuard, Weak,
    atomic::{AtomicU64, AtomicU64 as UnmodelledU64, Ordering, fence},
};
#[cfg(not(tower_breaker_loom))]
pub(crate) use std::thread::yield_now;

/// What is written once, and read from then on.
#[cfg(not(tower_breaker_loom))]
pub(crate) use std::sync::OnceLock as Once;

/// The same, with a word that loom sees: whether it has been written, which may be read late.
#[cfg(tower_breaker_loom)]
#[derive(Debug)]
pub(crate) struct Once<T> {
    value: std::sync::OnceLock<T>,
    /// `None` if it was written when it was made.
    written: Option<UnmodelledU64>,
}

#[cfg(tower_breaker_loom)]
impl<T> Once<T> {
    pub(crate) fn new() -> Self {
        Self {
            value: std::sync::OnceLock::new(),
            written: Some(UnmodelledU64::new(0)),
        }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        let written = self.written.as_ref();
        let written = written.is_none_or(|word| word.load(Ordering::Acquire) == 1);
        self.value.get().filter(|_| written)
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        self.value.set(value)?;
        if let Some(word) = &self.written {
            word.store(1, Ordering::Release);
        }
        Ok(())
    }
}

#[cfg(tower_breaker_loom)]
impl<T> From<T> for Once<T> {
    fn from(value: T) -> Self {
        Self {
            value: value.into(),
            written: None,
        }
    }
}

// `UnmodelledU64` is for cells that are read by the dozen and hardly ever written: loom explores them
// without the twin that `modelled` gives to the others, or no model would end.

/// A small number that stays with the calling thread, to spread writers over stripes.
///
/// Numbers are given out in turn, so the first N threads get N different stripes.
#[cfg(not(tower_breaker_loom))]
pub(crate) fn thread_number() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    std::thread_local! {
        // Relaxed: the number only has to be this thread's own; nothing is published with it.
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    // A thread that is being torn down has no number any more; any stripe is as good as another.
    NUMBER.try_with(|number| *number).unwrap_or(0)
}

/// How many words fill the cache lines that the hardware fetches together.
#[cfg(not(tower_breaker_loom))]
pub(crate) const WORDS_PER_LINE_PAIR: usize = 16;

/// How many stripes a circuit gets: one for each thread the machine runs at once, within reason.
///
/// Asked once and kept: the answer takes reading files, and changes while the program runs, with the limits of
/// a container or where a thread is bound to a processor.
#[cfg(not(tower_breaker_loom))]
pub(crate) fn stripe_count() -> usize {
    static COUNT: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *COUNT.get_or_init(|| {
        std::thread::available_parallelism()
            .map_or(1, usize::from)
            .next_power_of_two()
            .min(16)
    })
}

#[cfg(tower_breaker_loom)]
pub(crate) use self::modelled::{
    WORDS_PER_LINE_PAIR, set_thread_number, stripe_count, thread_number,
};

/// Atomics under loom's eye.
#[cfg(tower_breaker_loom)]
mod modelled {
    use std::cell::Cell;

    use loom::sync::atomic::{self, Ordering};

    loom::thread_local! {
        static NUMBER: Cell<usize> = Cell::new(0);
    }

    /// Cache lines are not modelled, and every word more is a load more to explore.
    pub(crate) const WORDS_PER_LINE_PAIR: usize = 1;

    /// Two stripes are enough for a race between them.
    pub(crate) fn stripe_count() -> usize {
        2
    }

    pub(crate) fn thread_number() -> usize {
        NUMBER.with(Cell::get)
    }

    /// Models say which stripe a thread uses: numbers given out in turn would depend on the
    /// schedule.
    pub(crate) fn set_thread_number(number: usize) {
        NUMBER.with(|own| own.set(number));
    }

    /// loom 0.7 explores a `load` followed by a compare-and-swap against another thread's plain
    /// `load` in one order only (tokio-rs/loom#392, #166). A read-modify-write on a twin before each
    /// access makes it branch there. The twin's relaxed accesses order nothing that is not ordered
    /// already.
    #[derive(Debug)]
    pub(crate) struct AtomicU64 {
        value: atomic::AtomicU64,
        twin: atomic::AtomicU64,
    }

    impl Default for AtomicU64 {
        fn default() -> Self {
            Self::new(0)
        }
    }

    impl AtomicU64 {
        pub(crate) fn new(value: u64) -> Self {
            Self {
                value: atomic::AtomicU64::new(value),
                twin: atomic::AtomicU64::new(0),
            }
        }

        fn modelled(&self) -> &atomic::AtomicU64 {
            self.twin.fetch_add(1, Ordering::Relaxed);
            &self.value
        }

        pub(crate) fn load(&self, order: Ordering) -> u64 {
            self.modelled().load(order)
        }

        pub(crate) fn store(&self, value: u64, order: Ordering) {
            self.modelled().store(value, order);
        }

        pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
            self.modelled().fetch_add(value, order)
        }

        pub(crate) fn fetch_sub(&self, value: u64, order: Ordering) -> u64 {
            self.modelled().fetch_sub(value, order)
        }

        #[cfg(feature = "registry")]
        pub(crate) fn fetch_or(&self, value: u64, order: Ordering) -> u64 {
            self.modelled().fetch_or(value, order)
        }

        pub(crate) fn fetch_max(&self, value: u64, order: Ordering) -> u64 {
            self.modelled().fetch_max(value, order)
        }

        pub(crate) fn compare_exchange(
            &self,
            current: u64,
            new: u64,
            success: Ordering,
            failure: Ordering,
        ) -> Result<u64, u64> {
            self.modelled()
                .compare_exchange(current, new, success, failure)
        }

        pub(crate) fn compare_exchange_weak(
            &self,
            current: u64,
            new: u64,
            success: Ordering,
            failure: Ordering,
        ) -> Result<u64, u64> {
            self.modelled()
                .compare_exchange_weak(current, new, success, failure)
        }
    }
}

/// Handles that are counted.
#[cfg(tower_breaker_loom)]
mod modelled_arc {
    use std::{ops::Deref, sync};

    use loom::sync::atomic::{AtomicU64, Ordering};

    /// loom's has no weak handles, and does not see what the counts of std's publish: what was done by whoever let go
    /// of a handle is seen by whoever then finds that there is no other. So that is done here once more.
    pub(crate) struct Arc<T>(Option<sync::Arc<Counted<T>>>);

    pub(crate) struct Weak<T>(sync::Weak<Counted<T>>);

    struct Counted<T> {
        held: T,
        let_go: AtomicU64,
    }

    impl<T> Arc<T> {
        pub(crate) fn new(held: T) -> Self {
            Self(Some(sync::Arc::new(Counted {
                held,
                let_go: AtomicU64::new(0),
            })))
        }

        fn counted(&self) -> &sync::Arc<Counted<T>> {
            self.0.as_ref().expect("until it is let go of")
        }

        pub(crate) fn downgrade(this: &Self) -> Weak<T> {
            Weak(sync::Arc::downgrade(this.counted()))
        }

        pub(crate) fn as_ptr(this: &Self) -> *const () {
            sync::Arc::as_ptr(this.counted()).cast()
        }

        #[cfg(feature = "registry")]
        pub(crate) fn strong_count(this: &Self) -> usize {
            sync::Arc::strong_count(this.counted())
        }

        #[cfg(feature = "registry")]
        pub(crate) fn try_unwrap(mut this: Self) -> Result<T, Self> {
            let counted = this.0.take().expect("until it is let go of");
            counted.let_go.fetch_add(0, Ordering::Acquire);
            match sync::Arc::try_unwrap(counted) {
                Ok(counted) => Ok(counted.held),
                Err(counted) => Err(Self(Some(counted))),
            }
        }
    }

    impl<T> Weak<T> {
        pub(crate) fn as_ptr(&self) -> *const () {
            self.0.as_ptr().cast()
        }

        pub(crate) fn upgrade(&self) -> Option<Arc<T>> {
            Some(Arc(Some(self.0.upgrade()?)))
        }
    }

    impl<T> Deref for Arc<T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.counted().held
        }
    }

    impl<T> Clone for Arc<T> {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }

    impl<T> Clone for Weak<T> {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }

    impl<T> Drop for Arc<T> {
        fn drop(&mut self) {
            if let Some(counted) = &self.0 {
                counted.let_go.fetch_add(1, Ordering::Release);
            }
        }
    }
}
