//! What becomes of entries that are given up: [`DeadLetter`].

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use super::{
    entry::Entry,
    outbox::{Dead, Leased},
};
use crate::util::panic::catch_panic;

/// An entry that is given up, and why. Given to [`Drainer::dead_letter`](super::Drainer::dead_letter).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The request.
    pub entry: Entry,
    /// Why it is given up.
    pub why: Dead,
    /// How often it was tried.
    pub attempts: u32,
    /// How long it was kept.
    pub age: Duration,
}

impl DeadLetter {
    pub(super) fn new(leased: &Leased, why: Dead) -> Self {
        Self {
            entry: leased.entry.clone(),
            why,
            attempts: leased.attempts,
            age: leased.age,
        }
    }
}

/// Whoever is told of dead letters.
#[derive(Clone)]
pub(super) struct DeadLetters(Arc<Hook>);

type Hook = dyn Fn(DeadLetter) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

impl Default for DeadLetters {
    fn default() -> Self {
        Self::new(async |_| ())
    }
}

impl DeadLetters {
    pub(super) fn new<F, Fut>(hook: F) -> Self
    where
        F: Fn(DeadLetter) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self(Arc::new(move |letter| Box::pin(hook(letter))))
    }

    /// Tells, and waits for it. A panic is told, and that is all.
    pub(super) async fn tell(&self, letter: DeadLetter) {
        let Some(mut told) = catch_panic(|| self.0(letter)) else {
            return;
        };
        poll_fn(|context| {
            let polled = catch_panic(|| told.as_mut().poll(context));
            polled.unwrap_or(Poll::Ready(()))
        })
        .await;
    }
}
