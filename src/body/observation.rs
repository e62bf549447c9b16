//! What becomes of one call while its body arrives.

use std::task::Poll;

use bytes::Buf;
use http_body::Frame;

use super::{BodyEnd, ClassifyEnd};
use crate::{
    circuit::nesting::{self, Inside},
    machine::Outcome,
    service::{follow::Followed, hold::Hold},
};

/// One call between its head and its outcome. Dropped there, it is abandoned, and never slow (H5), unless
/// [`see_drop`](Observation::see_drop) has found out more.
pub(super) struct Observation<H: Hold> {
    admitted: Followed<H>,
    /// Whether a complete body has to be judged, or is a success as it is.
    judged: bool,
    /// Nanoseconds to the head, if that is what tells slow from fast (A3).
    took: Option<u64>,
    announced: Option<u64>,
    delivered: u64,
    /// Whether a data frame has come, be it empty.
    begun: bool,
}

impl<H: Hold> Observation<H> {
    pub(super) fn new(admitted: Followed<H>, judged: bool, took: Option<u64>) -> Self {
        Self {
            admitted,
            judged,
            took,
            announced: None,
            delivered: 0,
            begun: false,
        }
    }

    /// Runs somebody else's code as a part of this call (D8). If that panics, the call has failed (A5).
    #[inline]
    pub(super) fn watch<T>(&mut self, code: impl FnOnce(&mut Self) -> T) -> T {
        let inside = Inside::enter(self.admitted.holder().identity());
        let watching = Watching(self, inside);
        let result = code(watching.0);
        watching.1.leave();
        std::mem::forget(watching);
        result
    }

    /// The head has come, with the length that it announces, and perhaps with it all there is.
    pub(super) fn see_head<E>(&mut self, announced: Option<u64>, is_over: bool)
    where
        H::Extent: ClassifyEnd<E>,
    {
        self.announced = announced;
        if is_over {
            self.end::<E>();
        } else {
            self.check_length();
        }
    }

    /// The body was polled.
    pub(super) fn see<D, E>(
        &mut self,
        polled: &Poll<Option<Result<Frame<D>, E>>>,
        is_over: impl FnOnce() -> bool,
    ) where
        D: Buf,
        H::Extent: ClassifyEnd<E>,
    {
        match polled {
            Poll::Pending => {}
            Poll::Ready(None) => self.end::<E>(),
            Poll::Ready(Some(Err(error))) => self.judge(BodyEnd::Error(error)),
            Poll::Ready(Some(Ok(frame))) => self.see_frame::<D, E>(frame, is_over),
        }
    }

    /// The body is dropped, and is complete all the same if it says so or has brought what was announced. Who
    /// leaves a stream that has begun has had what the head promised; what would have come, nobody knows.
    pub(super) fn see_drop<E>(&mut self, is_over: impl FnOnce() -> bool)
    where
        H::Extent: ClassifyEnd<E>,
    {
        if self.may_end_here::<E>() || is_over() {
            self.end::<E>();
        } else if self.begun {
            self.finish(Outcome::Success);
        }
    }

    /// Whether all that was announced is there, and nothing else need come. Over HTTP/1, servers drop a body
    /// then; what has to bring trailers is not over.
    fn may_end_here<E>(&self) -> bool
    where
        H::Extent: ClassifyEnd<E>,
    {
        self.announced == Some(self.delivered) && !self.admitted.holder().extent().awaits_trailers()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.admitted.permit().is_spent()
    }

    fn see_frame<D, E>(&mut self, frame: &Frame<D>, is_over: impl FnOnce() -> bool)
    where
        D: Buf,
        H::Extent: ClassifyEnd<E>,
    {
        if let Some(trailers) = frame.trailers_ref() {
            return match self.judged {
                _ if self.is_short() => self.judge(BodyEnd::<E>::WrongLength),
                true => self.judge(BodyEnd::<E>::Trailers(trailers)),
                false => self.finish(Outcome::Success),
            };
        }
        let Some(data) = frame.data_ref() else {
            return;
        };
        self.begun = true;
        self.delivered = self.delivered.saturating_add(data.remaining() as u64);
        if self.is_overlong() {
            self.judge(BodyEnd::<E>::WrongLength);
        } else if is_over() {
            self.end::<E>();
        } else if self.admitted.permit().is_probe() {
            // H5: or a long stream would hold up recovery.
            self.finish(Outcome::Success);
        } else {
            self.check_length();
        }
    }

    fn end<E>(&mut self)
    where
        H::Extent: ClassifyEnd<E>,
    {
        if self.is_short() {
            self.judge(BodyEnd::<E>::WrongLength);
        } else {
            self.complete::<E>();
        }
    }

    fn complete<E>(&mut self)
    where
        H::Extent: ClassifyEnd<E>,
    {
        if self.judged {
            self.judge(BodyEnd::<E>::Complete);
        } else {
            self.finish(Outcome::Success);
        }
    }

    /// Who has all that was announced may not ask for the end.
    fn check_length(&mut self) {
        if !self.judged && self.announced == Some(self.delivered) {
            self.finish(Outcome::Success);
        }
    }

    fn is_short(&self) -> bool {
        self.announced.is_some_and(|length| self.delivered < length)
    }

    fn is_overlong(&self) -> bool {
        self.announced.is_some_and(|length| self.delivered > length)
    }

    fn judge<E>(&mut self, end: BodyEnd<'_, E>)
    where
        H::Extent: ClassifyEnd<E>,
    {
        // A body that breaks is no answer, as an error is none (A2).
        let answered = matches!(end, BodyEnd::Complete | BodyEnd::Trailers(_));
        let outcome = self.admitted.holder().extent().classify_end(end);
        self.finish_as(outcome, answered);
    }

    fn finish(&mut self, outcome: Outcome) {
        self.finish_as(outcome, true);
    }

    /// Under [`watch`](Self::watch), but no part of the call: who is told of it may make calls of his own (E4).
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
struct Watching<'a, H: Hold>(&'a mut Observation<H>, Inside);

impl<H: Hold> Drop for Watching<'_, H> {
    #[cold]
    fn drop(&mut self) {
        self.1.leave();
        self.0.record(Outcome::Failure, true);
    }
}
