//! Requests without a key: a mistake that nothing else shows, because nothing fails.

use std::{
    any::type_name,
    panic::Location,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::util::panic::catch_panic;

/// If none of so many had a key, a debug build says so.
const TOLD_AT: u64 = 100;

/// What a layer and its clones have met. Relaxed: it publishes nothing but itself.
pub(super) struct WithoutKey {
    made_at: &'static Location<'static>,
    requests: AtomicU64,
    /// Whether any request has had one.
    any_key: AtomicBool,
}

impl WithoutKey {
    #[track_caller]
    pub(super) fn new() -> Self {
        Self {
            made_at: Location::caller(),
            requests: AtomicU64::new(0),
            any_key: AtomicBool::new(false),
        }
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// A request has a key that its thread has not met before.
    pub(super) fn note_key(&self) {
        // Not written each time, where that is by many threads.
        if !self.any_key.load(Ordering::Relaxed) {
            self.any_key.store(true, Ordering::Relaxed);
        }
    }

    /// A request has no key of this kind.
    #[cold]
    pub(super) fn count<K>(&self) {
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let tells = cfg!(debug_assertions) && requests == TOLD_AT;
        if tells && !self.any_key.load(Ordering::Relaxed) {
            // Nobody reads it, at worst.
            catch_panic(|| eprintln!("{}", self.line_about(type_name::<K>())));
        }
    }

    fn line_about(&self, key: &str) -> String {
        format!(
            "tower-breaker: none of {TOLD_AT} requests through the layer made at {} had a key, so none had a circuit \
             of its own. The docs of the key, `{key}`, say when a request has none",
            self.made_at
        )
    }
}
