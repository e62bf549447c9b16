//! What becomes of one call while its body arrives.

use std::task::Poll;

use bytes::Buf;
use http_body::Frame;

use super::{BodyEnd, ClassifyEos};
use crate::{
    circuit::nesting::{self, Inside},
    machine::{Answer, Nanos, Outcome},
    service::scope::{CallScope, ObservedCall},
};

/// What a complete body means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenComplete {
    /// What the head has said.
    Success,
    /// What the classifier makes of it.
    Classify,
}

/// One call between its head and its outcome. Dropped there, it is abandoned, and never slow (H5), unless
/// [`on_drop`](Observation::on_drop) has found out more.
pub(super) struct Observation<C, R, X: CallScope> {
    admitted: ObservedCall<C, R, X>,
    when_complete: WhenComplete,
    /// How long it took to the head, if that is what tells slow from fast (A3).
    took: Option<Nanos>,
    announced: Option<u64>,
    delivered: u64,
    /// Whether a data frame has come, be it empty.
    begun: bool,
}

impl<C, R, X: CallScope> Observation<C, R, X> {
    pub(super) fn new(
        admitted: ObservedCall<C, R, X>,
        when_complete: WhenComplete,
        took: Option<Nanos>,
    ) -> Self {
        Self {
            admitted,
            when_complete,
            took,
            announced: None,
            delivered: 0,
            begun: false,
        }
    }

    /// Runs somebody else's code as a part of this call (D8). If that panics, the call has failed (A5).
    #[inline]
    pub(super) fn guarded<T>(&mut self, code: impl FnOnce(&mut Self) -> T) -> T {
        let inside = Inside::enter(self.admitted.handle().identity());
        let guard = PanicGuard(self, inside);
        let result = code(guard.0);
        guard.1.leave();
        std::mem::forget(guard);
        result
    }

    /// The head has come, with the length that it announces, and perhaps with it all there is.
    pub(super) fn on_head<E>(&mut self, announced: Option<u64>, is_over: bool)
    where
        X: ClassifyEos<E>,
    {
        self.announced = announced;
        if is_over {
            self.on_end::<E>();
        } else {
            self.check_length();
        }
    }

    /// The body was polled.
    pub(super) fn on_polled<D, E>(
        &mut self,
        polled: &Poll<Option<Result<Frame<D>, E>>>,
        is_over: impl FnOnce() -> bool,
    ) where
        D: Buf,
        X: ClassifyEos<E>,
    {
        match polled {
            Poll::Pending => {}
            Poll::Ready(None) => self.on_end::<E>(),
            Poll::Ready(Some(Err(error))) => self.finish_by_classifier(BodyEnd::Error(error)),
            Poll::Ready(Some(Ok(frame))) => self.on_frame::<D, E>(frame, is_over),
        }
    }

    /// The body is dropped, and is complete all the same if it says so or has brought what was announced. Who
    /// leaves a stream that has begun has had what the head promised; what would have come, nobody knows.
    pub(super) fn on_drop<E>(&mut self, is_over: impl FnOnce() -> bool)
    where
        X: ClassifyEos<E>,
    {
        if self.may_end_here::<E>() || is_over() {
            self.on_end::<E>();
        } else if self.begun {
            self.finish(Outcome::Success);
        }
    }

    /// Whether all that was announced is there, and nothing else need come. Over HTTP/1, servers drop a body
    /// then; what has to bring trailers is not over.
    fn may_end_here<E>(&self) -> bool
    where
        X: ClassifyEos<E>,
    {
        self.announced == Some(self.delivered) && !self.admitted.handle().scope().awaits_trailers()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.admitted.ticket().is_spent()
    }

    fn on_frame<D, E>(&mut self, frame: &Frame<D>, is_over: impl FnOnce() -> bool)
    where
        D: Buf,
        X: ClassifyEos<E>,
    {
        if let Some(trailers) = frame.trailers_ref() {
            return match self.when_complete {
                _ if self.is_short() => self.finish_by_classifier(BodyEnd::<E>::WrongLength),
                WhenComplete::Classify => {
                    self.finish_by_classifier(BodyEnd::<E>::Trailers(trailers));
                }
                WhenComplete::Success => self.finish(Outcome::Success),
            };
        }
        let Some(data) = frame.data_ref() else {
            return;
        };
        self.begun = true;
        self.delivered = self.delivered.saturating_add(data.remaining() as u64);
        if self.is_overlong() {
            self.finish_by_classifier(BodyEnd::<E>::WrongLength);
        } else if is_over() {
            self.on_end::<E>();
        } else if self.admitted.ticket().is_probe() {
            // H5: or a long stream would hold up recovery.
            self.finish(Outcome::Success);
        } else {
            self.check_length();
        }
    }

    /// The body is at its end, or there is none.
    pub(super) fn on_end<E>(&mut self)
    where
        X: ClassifyEos<E>,
    {
        if self.is_short() {
            self.finish_by_classifier(BodyEnd::<E>::WrongLength);
        } else {
            self.on_complete::<E>();
        }
    }

    fn on_complete<E>(&mut self)
    where
        X: ClassifyEos<E>,
    {
        match self.when_complete {
            WhenComplete::Classify => self.finish_by_classifier(BodyEnd::<E>::Complete),
            WhenComplete::Success => self.finish(Outcome::Success),
        }
    }

    /// Who has all that was announced may not ask for the end.
    fn check_length(&mut self) {
        let complete = self.announced == Some(self.delivered);
        if complete && self.when_complete == WhenComplete::Success {
            self.finish(Outcome::Success);
        }
    }

    fn is_short(&self) -> bool {
        self.announced.is_some_and(|length| self.delivered < length)
    }

    fn is_overlong(&self) -> bool {
        self.announced.is_some_and(|length| self.delivered > length)
    }

    fn finish_by_classifier<E>(&mut self, end: BodyEnd<'_, E>)
    where
        X: ClassifyEos<E>,
    {
        // A body that breaks is no answer, as an error is none (A2).
        let answer = match end {
            BodyEnd::Complete | BodyEnd::Trailers(_) => Answer::Response,
            BodyEnd::WrongLength | BodyEnd::Error(_) => Answer::None,
        };
        let outcome = self.admitted.handle().scope().classify_eos(end);
        self.finish_as(outcome, answer);
    }

    fn finish(&mut self, outcome: Outcome) {
        self.finish_as(outcome, Answer::Response);
    }

    /// Under [`guarded`](Self::guarded), but no part of the call: who is told of it may make calls of his own (E4).
    fn finish_as(&mut self, outcome: Outcome, answer: Answer) {
        let identity = self.admitted.handle().identity();
        nesting::outside(identity, || self.record(outcome, answer));
    }

    fn record(&mut self, outcome: Outcome, answer: Answer) {
        match self.took {
            None => self.admitted.finish(outcome, answer),
            Some(took) => self.admitted.finish_that_took(outcome, answer, took),
        }
    }
}

impl<C, R, X: CallScope> Drop for Observation<C, R, X> {
    fn drop(&mut self) {
        self.admitted.abandon(Answer::Response);
    }
}

/// Lives while somebody else's code runs.
struct PanicGuard<'a, C, R, X: CallScope>(&'a mut Observation<C, R, X>, Inside);

impl<C, R, X: CallScope> Drop for PanicGuard<'_, C, R, X> {
    #[cold]
    fn drop(&mut self) {
        self.1.leave();
        self.0.record(Outcome::Failure, Answer::None);
    }
}
