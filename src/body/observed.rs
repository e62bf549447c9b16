//! [`ObservedBody`]: a body whose end the circuit hears of.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{ClassifyEnd, observation::Observation};
use crate::{hold::Hold, unwind::harmless};

pin_project! {
    /// A body whose end the circuit hears of. It is the inner body in all that it tells: frames,
    /// trailers, errors, size hints and `is_end_stream`.
    ///
    /// Dropped before its end, the call is abandoned (rule A4), and never slow. Dropped when it says that
    /// it is at its end, or has brought what was announced, it is complete.
    pub struct ObservedBody<B, H: Hold> {
        #[pin]
        inner: B,
        observation: Option<Observation<H>>,
        settle: Settle<B, H>,
    }

    impl<B, H: Hold> PinnedDrop for ObservedBody<B, H> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(observation) = unfinished(this.observation) {
                (this.settle)(&this.inner, observation);
            }
        }
    }
}

/// Of a call whose outcome is known, nobody asks anything more.
fn unfinished<H: Hold>(observation: &mut Option<Observation<H>>) -> Option<&mut Observation<H>> {
    observation.as_mut().filter(|it| !it.is_finished())
}

/// What a drop does to a call whose outcome is not known yet. A pointer, because a type may ask no more of
/// its parts when it is dropped than it always does.
type Settle<B, H> = fn(&B, &mut Observation<H>);

/// Whoever knows that a body is complete drops it without polling the end (H5). Dropping never panics (A5).
fn settle<B, H>(inner: &B, observation: &mut Observation<H>)
where
    B: Body,
    H: Hold,
    H::Extent: ClassifyEnd<B::Error>,
{
    harmless(|| {
        observation.watch(|observation| observation.see_drop::<B::Error>(|| inner.is_end_stream()));
    });
}

impl<B, H: Hold> ObservedBody<B, H> {
    /// A body that nobody observes.
    pub(super) fn unobserved(inner: B) -> Self {
        Self {
            inner,
            observation: None,
            settle: |_, _| {},
        }
    }

    /// A body of which the head has just come.
    pub(super) fn begin(inner: B, observation: Observation<H>) -> Self
    where
        B: Body,
        H::Extent: ClassifyEnd<B::Error>,
    {
        let followed = !observation.is_finished();
        Self {
            inner,
            observation: followed.then_some(observation),
            settle: settle::<B, H>,
        }
    }

    /// The inner body.
    pub fn get_ref(&self) -> &B {
        &self.inner
    }
}

impl<B, H> Body for ObservedBody<B, H>
where
    B: Body,
    H: Hold,
    H::Extent: ClassifyEnd<B::Error>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(observation) = unfinished(this.observation) else {
            return this.inner.poll_frame(context);
        };
        let polled = observation.watch(|observation| {
            let polled = this.inner.as_mut().poll_frame(context);
            observation.see(&polled, || this.inner.is_end_stream());
            polled
        });
        if observation.is_finished() {
            *this.observation = None;
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

/// A body that nobody observes, such as that of a rejection.
impl<B: Default, H: Hold> Default for ObservedBody<B, H> {
    fn default() -> Self {
        Self::unobserved(B::default())
    }
}

impl<B: fmt::Debug, H: Hold> fmt::Debug for ObservedBody<B, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedBody")
            .field("inner", &self.inner)
            .field("observed", &self.observation.is_some())
            .finish()
    }
}
