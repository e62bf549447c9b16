//! [`ClientBody`]: a request's body, and how long its reader waits for the client.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::circuit::{clock::CircuitClock, guard::Meter};

pin_project! {
    /// The body of a request, with which the circuit knows how long its reader waits for the client (rule A3). Frames,
    /// trailers, errors, size hints and `is_end_stream` are those of the inner body.
    ///
    /// The reader waits from a poll that is pending until the next poll that is not, or until the body is dropped.
    ///
    /// Made by a [`RequestBodiesLayer`](super::RequestBodiesLayer).
    pub struct ClientBody<B> {
        #[pin]
        inner: B,
        reading: Option<Reading>,
    }
}

impl<B> ClientBody<B> {
    pub(super) fn new(inner: B) -> Self {
        Self {
            inner,
            reading: None,
        }
    }

    /// Begins to measure, unless there is nothing to wait for.
    pub(super) fn measure(&mut self, clock: impl FnOnce() -> CircuitClock) -> ClientTime
    where
        B: Body,
    {
        if self.inner.is_end_stream() {
            return ClientTime(None);
        }
        let stopwatch = Arc::new(Stopwatch::new(clock()));
        self.reading = Some(Reading(stopwatch.clone()));
        ClientTime(Some(stopwatch))
    }

    /// The inner body.
    pub fn get_ref(&self) -> &B {
        &self.inner
    }

    /// The inner body.
    ///
    /// **Watch out:** time that is spent waiting through the inner body counts as the dependency's. Read the body
    /// itself.
    pub fn get_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    /// The inner body. From here on, waiting for it counts as the dependency's time.
    pub fn into_inner(self) -> B {
        self.inner
    }
}

impl<B: Body> Body for ClientBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let polled = this.inner.poll_frame(context);
        if let Some(Reading(stopwatch)) = this.reading {
            match polled {
                Poll::Pending => stopwatch.start(),
                Poll::Ready(_) => stopwatch.stop(),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: fmt::Debug> fmt::Debug for ClientBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBody")
            .field("inner", &self.inner)
            .field("measured", &self.reading.is_some())
            .finish()
    }
}

/// The reader's end of a stopwatch. Who drops a body waits for it no longer.
struct Reading(Arc<Stopwatch>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// The call's end of a stopwatch: how long it has waited for its client.
#[derive(Default)]
pub struct ClientTime(Option<Arc<Stopwatch>>);

impl Meter for ClientTime {
    type Look<'a> = Option<&'a Stopwatch>;

    fn look(&self) -> Option<&Stopwatch> {
        self.0.as_deref()
    }

    fn waited(look: Option<&Stopwatch>, now: impl FnOnce() -> u64) -> Option<u64> {
        look.map(|stopwatch| stopwatch.shows(now()))
    }
}

impl fmt::Debug for ClientTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTime").finish_non_exhaustive()
    }
}

/// Nanoseconds that a body's reader has waited. The body may be read on another thread than the call, so all
/// is one word, of which only the reader makes a new one. A reading is never torn, and what the call has heard
/// from the reader comes after what the reader wrote before; so relaxed is enough.
pub struct Stopwatch {
    clock: CircuitClock,
    /// While stopped, twice the time; while running, twice what has to be added to the clock to have the
    /// time, plus one.
    word: AtomicI64,
}

const RUNNING: i64 = 1;

impl Stopwatch {
    fn new(clock: CircuitClock) -> Self {
        Self {
            clock,
            word: AtomicI64::new(0),
        }
    }

    fn start(&self) {
        let word = self.word.load(Ordering::Relaxed);
        if word & RUNNING == 0 {
            let begun = word.wrapping_sub(doubled(self.clock.now()));
            self.word.store(begun | RUNNING, Ordering::Relaxed);
        }
    }

    fn stop(&self) {
        let word = self.word.load(Ordering::Relaxed);
        if word & RUNNING != 0 {
            let time = time(word, self.clock.now());
            self.word.store(doubled(time), Ordering::Relaxed);
        }
    }

    fn shows(&self, now: u64) -> u64 {
        time(self.word.load(Ordering::Relaxed), now)
    }
}

impl fmt::Debug for Stopwatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopwatch").finish_non_exhaustive()
    }
}

/// The time by a word. Where the clock was read before the reader began to wait, none of that.
fn time(word: i64, now: u64) -> u64 {
    let twice = match word & RUNNING {
        0 => word,
        _ => word.wrapping_add(doubled(now)),
    };
    // Halved, it has lost the bit that says that it runs.
    (twice / 2).try_into().unwrap_or(0)
}

/// Enough for 146 years.
fn doubled(nanos: u64) -> i64 {
    (nanos << 1) as i64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::circuit::clock::ManualClock;

    // A3
    #[test]
    fn it_shows_what_was_waited_in_all_while_it_runs_and_while_it_does_not() {
        let clock = ManualClock::new();
        let source = CircuitClock::custom(Arc::new(clock.clone())).expect("a time");
        let stopwatch = Stopwatch::new(source.clone());
        let after = |nanos| {
            clock.advance(Duration::from_nanos(nanos));
            stopwatch.shows(source.now())
        };
        assert_eq!(after(5), 0);
        stopwatch.start();
        assert_eq!(after(3), 3);
        // Polled again, and pending still.
        stopwatch.start();
        assert_eq!(after(4), 7);
        stopwatch.stop();
        stopwatch.stop();
        assert_eq!(after(100), 7);
        stopwatch.start();
        assert_eq!(after(1), 8);
        // The clock was read before it was started.
        assert_eq!(stopwatch.shows(source.now() - 1), 7);
        assert_eq!(stopwatch.shows(0), 0);
    }
}
