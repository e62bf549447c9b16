//! [`ObservedBody`]: a body whose end the circuit hears of.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{ClassifyEnd, observation::Observation};
use crate::hold::Hold;

pin_project! {
    /// A body whose end the circuit hears of. It is the inner body in all that it tells: frames,
    /// trailers, errors, size hints and `is_end_stream`.
    ///
    /// Dropped before its end, the call is abandoned (rule A4), and never slow.
    pub struct ObservedBody<B, H: Hold> {
        #[pin]
        inner: B,
        observation: Option<Observation<H>>,
    }
}

impl<B, H: Hold> ObservedBody<B, H> {
    pub(super) fn new(inner: B, observation: Option<Observation<H>>) -> Self {
        Self { inner, observation }
    }

    /// A body of which the head has just come.
    pub(super) fn begin(inner: B, observation: Observation<H>) -> Self {
        let followed = !observation.is_finished();
        Self::new(inner, followed.then_some(observation))
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
        let followed = this.observation.as_mut();
        // Of a call whose outcome is known, nobody asks anything more.
        let Some(observation) = followed.filter(|it| !it.is_finished()) else {
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
        Self::new(B::default(), None)
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
