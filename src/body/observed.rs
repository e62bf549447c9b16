//! [`ObservedBody`]: a body whose end the circuit hears of.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{ClassifyEos, ObserveBodies, progress::Observation};
use crate::{
    service::{classify::HttpClassifier, reject::ServiceUnavailable, scope::CallScope},
    util::panic::catch_panic,
};

pin_project! {
    /// A body whose end the circuit hears of. Frames, trailers, errors, size hints and `is_end_stream` are those of the
    /// inner body.
    ///
    /// If it is dropped before its end and before any data, the call is abandoned (rule A4), and never slow. If it is
    /// dropped after data has come, the call is what the head said: a success. If it is dropped when it says that it is
    /// at its end, or has brought what was announced, it is complete (rule H5).
    pub struct ObservedBody<B, C = HttpClassifier, R = ServiceUnavailable, X = ObserveBodies>
    where
        X: CallScope,
    {
        // There until it is taken out by `into_inner`.
        #[pin]
        inner: Option<B>,
        observation: Option<Observation<C, R, X>>,
        settle: Settle<B, C, R, X>,
    }

    impl<B, C, R, X> PinnedDrop for ObservedBody<B, C, R, X>
    where
        X: CallScope,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let (Some(inner), Some(observation)) = (&*this.inner, unfinished(this.observation)) {
                (this.settle)(inner, observation);
            }
        }
    }
}

/// Of a call whose outcome is known, nobody asks anything more.
fn unfinished<C, R, X: CallScope>(
    observation: &mut Option<Observation<C, R, X>>,
) -> Option<&mut Observation<C, R, X>> {
    observation.as_mut().filter(|it| !it.is_finished())
}

/// What a drop does to a call whose outcome is not known yet. A pointer, because a type may ask no more of
/// its parts when it is dropped than it always does.
type Settle<B, C, R, X> = fn(&B, &mut Observation<C, R, X>);

/// Whoever knows that a body is complete drops it without polling the end (H5). Dropping never panics (A5).
fn settle<B, C, R, X>(inner: &B, observation: &mut Observation<C, R, X>)
where
    B: Body,
    X: CallScope + ClassifyEos<B::Error>,
{
    catch_panic(|| {
        observation
            .guarded(|observation| observation.on_drop::<B::Error>(|| inner.is_end_stream()));
    });
}

#[expect(clippy::missing_panics_doc, reason = "the body is there, see `TAKEN`")]
impl<B, C, R, X: CallScope> ObservedBody<B, C, R, X> {
    /// A body that nobody observes.
    pub(super) fn unobserved(inner: B) -> Self {
        Self {
            inner: Some(inner),
            observation: None,
            settle: |_, _| {},
        }
    }

    /// A body of which the head has just come.
    pub(super) fn begin(inner: B, observation: Observation<C, R, X>) -> Self
    where
        B: Body,
        X: ClassifyEos<B::Error>,
    {
        let observed = !observation.is_finished();
        Self {
            inner: Some(inner),
            observation: observed.then_some(observation),
            settle: settle::<B, C, R, X>,
        }
    }

    /// The inner body.
    pub fn get_ref(&self) -> &B {
        self.inner.as_ref().expect(TAKEN)
    }

    /// The inner body.
    ///
    /// **Watch out:** what is read through the inner body is not observed. Read the observed body itself. This is for
    /// what the inner body can do besides, such as a setting of its own.
    ///
    /// ```
    /// # use std::{convert::Infallible, task::{Context, Poll, Waker}};
    /// # use http::{Request, Response};
    /// # use http_body::Body;
    /// # use http_body_util::Full;
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # use tower_breaker::Circuit;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let layer = Circuit::builder("files").build_layer()?.observe_bodies();
    /// # let whole = || Full::new(bytes::Bytes::from("whole"));
    /// # let answer = move |_: Request<()>| async move { Ok::<_, Infallible>(Response::new(whole())) };
    /// # let mut body = layer.layer(service_fn(answer)).oneshot(Request::new(())).await?.into_body();
    /// # let mut context = Context::from_waker(Waker::noop());
    /// // Wrong: the circuit hears of nothing, and the call is abandoned when `body` is dropped.
    /// // let frame = std::pin::Pin::new(body.get_mut()).poll_frame(&mut context);
    ///
    /// // Right.
    /// let frame = std::pin::Pin::new(&mut body).poll_frame(&mut context);
    /// # assert!(matches!(frame, Poll::Ready(Some(Ok(_)))));
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_mut(&mut self) -> &mut B {
        self.inner.as_mut().expect(TAKEN)
    }

    /// The inner body, which is not observed any more. The call ends as if the observed body had been dropped (rule
    /// H5).
    pub fn into_inner(mut self) -> B {
        let inner = self.inner.take().expect(TAKEN);
        if let Some(observation) = unfinished(&mut self.observation) {
            (self.settle)(&inner, observation);
        }
        inner
    }
}

/// Only `into_inner` takes the body out, and nobody has the rest any more then.
const TAKEN: &str = "the body is there as long as anybody can ask for it";

impl<B, C, R, X> Body for ObservedBody<B, C, R, X>
where
    B: Body,
    X: CallScope + ClassifyEos<B::Error>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let mut inner = this.inner.as_pin_mut().expect(TAKEN);
        let Some(observation) = unfinished(this.observation) else {
            return inner.poll_frame(context);
        };
        let polled = observation.guarded(|observation| {
            let polled = inner.as_mut().poll_frame(context);
            observation.on_polled(&polled, || inner.is_end_stream());
            polled
        });
        if observation.is_finished() {
            *this.observation = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.get_ref().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.get_ref().size_hint()
    }
}

/// A body that nobody observes, such as that of a rejection.
impl<B: Default, C, R, X: CallScope> Default for ObservedBody<B, C, R, X> {
    fn default() -> Self {
        Self::unobserved(B::default())
    }
}

impl<B: fmt::Debug, C, R, X: CallScope> fmt::Debug for ObservedBody<B, C, R, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedBody")
            .field("inner", self.get_ref())
            .field("observed", &self.observation.is_some())
            .finish()
    }
}
