//! Idempotency keys that we make.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::HeaderValue;

/// In the extensions of a request: its key was made here, for the case that it has to be kept. Whoever sent the request
/// has not said that it may be made twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MadeHere;

/// A key that nobody else has: a quoted string, as the draft of `Idempotency-Key` has it.
///
/// Of 128 bits, that two are the same by chance is as likely as with random UUIDs. Nobody who has seen some can tell
/// the next: they are hashes under secrets of the process.
pub(super) fn new_key() -> HeaderValue {
    static SECRETS: OnceLock<[RandomState; 2]> = OnceLock::new();
    static MADE: AtomicU64 = AtomicU64::new(0);
    // Relaxed: it says nothing of other memory.
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let secrets = SECRETS.get_or_init(|| [RandomState::new(), RandomState::new()]);
    let [high, low] = [0, 1].map(|half: usize| secrets[half].hash_one((half, number)));
    let quoted = format!("\"{high:016x}{low:016x}\"");
    HeaderValue::from_str(&quoted).expect("digits and quotes")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::new_key;

    // M6
    #[test]
    fn no_key_is_made_twice() {
        let keys: HashSet<_> = (0..10_000).map(|_| new_key()).collect();
        assert_eq!(keys.len(), 10_000);
        assert!(keys.iter().all(|key| key.len() == 34));
    }
}
