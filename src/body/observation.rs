//! What becomes of one call while its body arrives.

use std::task::Poll;

use bytes::Buf;
use http_body::Frame;

use super::{BodyEnd, ClassifyEos};
use crate::{
    circuit::nesting::{self, Inside},
    machine::{Nanos, Outcome},
    service::{hold::Hold, scope::ObservedCall},
};

/// One call between its head and its outcome. Dropped there, it is abandoned, and never slow (H5), unless
/// [`on_drop`](Observation::on_drop) has found out more.
pub(super) struct Observation<H: Hold> {
    admitted: ObservedCall<H>,
    /// Whether a complete body has to be judged, or is a success as it is.
    awaits_eos: bool,
    /// How long it took to the head, if that is what tells slow from fast (A3).
    took: Option<Nanos>,
    announced: Option<u64>,
    delivered: u64,
    /// Whether a data frame has come, be it empty.
    begun: bool,
}

impl<H: Hold> Observation<H> {
    pub(super) fn new(admitted: ObservedCall<H>, awaits_eos: bool, took: Option<Nanos>) -> Self {
        Self {
            admitted,
            awaits_eos,
            took,
            announced: None,
            delivered: 0,
            begun: false,
        }
    }

    /// Runs somebody else's code as a part of this call (D8). If that panics, the call has failed (A5).
    #[inline]
    pub(super) fn guarded<T>(&mut self, code: impl FnOnce(&mut Self) -> T) -> T {
        let inside = Inside::enter(self.admitted.holder().identity());
        let guard = PanicGuard(self, inside);
        let result = code(guard.0);
        guard.1.leave();
        std::mem::forget(guard);
        result
    }

    /// The head has come, with the length that it announces, and perhaps with it all there is.
    pub(super) fn on_head<E>(&mut self, announced: Option<u64>, is_over: bool)
    where
        H::CallScope: ClassifyEos<E>,
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
        H::CallScope: ClassifyEos<E>,
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
        H::CallScope: ClassifyEos<E>,
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
        H::CallScope: ClassifyEos<E>,
    {
        self.announced == Some(self.delivered) && !self.admitted.holder().scope().awaits_trailers()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.admitted.ticket().is_spent()
    }

    fn on_frame<D, E>(&mut self, frame: &Frame<D>, is_over: impl FnOnce() -> bool)
    where
        D: Buf,
        H::CallScope: ClassifyEos<E>,
    {
        if let Some(trailers) = frame.trailers_ref() {
            return match self.awaits_eos {
                _ if self.is_short() => self.finish_by_classifier(BodyEnd::<E>::WrongLength),
                true => self.finish_by_classifier(BodyEnd::<E>::Trailers(trailers)),
                false => self.finish(Outcome::Success),
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

    fn on_end<E>(&mut self)
    where
        H::CallScope: ClassifyEos<E>,
    {
        if self.is_short() {
            self.finish_by_classifier(BodyEnd::<E>::WrongLength);
        } else {
            self.on_complete::<E>();
        }
    }

    fn on_complete<E>(&mut self)
    where
        H::CallScope: ClassifyEos<E>,
    {
        if self.awaits_eos {
            self.finish_by_classifier(BodyEnd::<E>::Complete);
        } else {
            self.finish(Outcome::Success);
        }
    }

    /// Who has all that was announced may not ask for the end.
    fn check_length(&mut self) {
        if !self.awaits_eos && self.announced == Some(self.delivered) {
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
        H::CallScope: ClassifyEos<E>,
    {
        // A body that breaks is no answer, as an error is none (A2).
        let answered = matches!(end, BodyEnd::Complete | BodyEnd::Trailers(_));
        let outcome = self.admitted.holder().scope().classify_eos(end);
        self.finish_as(outcome, answered);
    }

    fn finish(&mut self, outcome: Outcome) {
        self.finish_as(outcome, true);
    }

    /// Under [`guarded`](Self::guarded), but no part of the call: who is told of it may make calls of his own (E4).
    fn finish_as(&mut self, outcome: Outcome, answered: bool) {
        let identity = self.admitted.holder().identity();
        nesting::outside(identity, || self.record(outcome, answered));
    }

    fn record(&mut self, outcome: Outcome, answered: bool) {
        match self.took {
            None => self.admitted.finish(outcome, answered),
            Some(took) => self.admitted.finish_late(outcome, answered, took),
        }
    }
}

impl<H: Hold> Drop for Observation<H> {
    fn drop(&mut self) {
        self.admitted.abandon(true);
    }
}

/// Lives while somebody else's code runs.
struct PanicGuard<'a, H: Hold>(&'a mut Observation<H>, Inside);

impl<H: Hold> Drop for PanicGuard<'_, H> {
    #[cold]
    fn drop(&mut self) {
        self.1.leave();
        self.0.record(Outcome::Failure, true);
    }
}
