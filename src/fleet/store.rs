//! [`Store`]: where instances meet.

use std::{error::Error, fmt, future::Future, pin::Pin};

use super::wire::{Decide, Decided, Exchange, Exchanged, Text};
pub use crate::circuit::followed::Why;

/// The future of a store's answer.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Where the instances of a fleet meet: `Memory`, Redis (package `tower-breaker-redis`), or one of your own. Test your
/// own with `contract::check`.
///
/// A store keeps numbers, adds them up, and lets only one decision follow another. It knows no thresholds. Each method
/// makes one try. The fleet tries again, and gives up waiting after a time. Then it drops the future.
pub trait Store: Send + Sync + 'static {
    /// Takes what instances see, and answers with what the fleet makes of it and what has changed since.
    fn exchange<'a>(&'a self, ask: &'a Exchange) -> Answer<'a, Exchanged>;

    /// Takes one decision, and answers with how things stand.
    fn decide<'a>(&'a self, ask: &'a Decide) -> Answer<'a, Decided>;

    /// Waits until something may have changed. A hint may be lost, come twice or late, because instances look by
    /// themselves once a second. A store that cannot tell returns a future that never ends.
    ///
    /// It can be dropped while it waits.
    fn hint(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// A store could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreError {
    /// Which kind of trouble.
    pub why: Why,
    /// What happened, for people, in one line. No password is in it.
    pub text: Text<256>,
}

impl StoreError {
    /// Makes an error with a text for people, of which at most 256 bytes are kept.
    #[must_use]
    pub fn new(why: Why, text: &str) -> Self {
        let text = Text::of(text);
        Self { why, text }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.why, self.text)
    }
}

impl Error for StoreError {}
