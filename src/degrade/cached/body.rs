//! [`CachedBody`]: a body that is recorded while it is read, or one that was.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::recording::Recording;
use crate::degrade::{
    Because,
    fallback::{self, Respond},
};

pin_project! {
    /// The body of a response of [`CachedService`](super::CachedService): the inner one, or one that was kept.
    ///
    /// The inner body is passed on as it comes. If its data is not [`Bytes`] already, it is copied into [`Bytes`].
    pub struct CachedBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Inner {
            #[pin]
            inner: B,
            recording: Option<Recording>,
        },
        Kept {
            data: Option<Bytes>,
        },
    }
}

impl<B> CachedBody<B> {
    pub(super) fn inner(inner: B) -> Self {
        let recording = None;
        Self {
            kind: Kind::Inner { inner, recording },
        }
    }

    pub(super) fn kept(data: Bytes) -> Self {
        Self {
            kind: Kind::Kept {
                data: Some(data).filter(|data| !data.is_empty()),
            },
        }
    }
}

/// One that is not recorded: for the answer of a fallback further out.
impl<B> From<B> for CachedBody<B> {
    fn from(body: B) -> Self {
        Self::inner(body)
    }
}

/// A default where nothing is kept, for a fallback around a cache: [`value`](fallback::value) with a [`CachedBody`],
/// which is not `Clone`.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{Layer, service_fn};
/// use tower_breaker::{Circuit, degrade::{StackLayer, cached::{self, Cached}}};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// # let circuit = Circuit::builder("reviews").build()?;
/// # let cached = Cached::builder().build()?;
/// # let client = service_fn(async |_: Request<String>| {
/// #     Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
/// # });
/// let none = cached::otherwise(Response::new(Full::from("no reviews yet")));
/// let reviews = StackLayer::of(&circuit).cached(&cached).on_failure(none).layer(client);
/// # fn is_service<S: tower::Service<Request<String>>>(_: S) {}
/// # is_service(reviews);
/// # Ok(())
/// # }
/// ```
pub fn otherwise<B: Clone, E>(
    default: Response<B>,
) -> Respond<impl Fn(&Because<E>) -> Response<CachedBody<B>> + Clone> {
    fallback::response(move |_: &Because<E>| default.clone().map(CachedBody::from))
}

impl<B: Body> CachedBody<B> {
    pub(super) fn recorded(inner: B, mut recording: Recording) -> Self {
        // Then nobody polls it.
        if inner.is_end_stream() {
            recording.end();
        }
        Self {
            kind: Kind::Inner {
                inner,
                recording: Some(recording),
            },
        }
    }
}

impl<B: Body> Body for CachedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let (mut inner, recording) = match self.project().kind.project() {
            KindProjection::Inner { inner, recording } => (inner, recording),
            KindProjection::Kept { data } => {
                return Poll::Ready(data.take().map(|data| Ok(Frame::data(data))));
            }
        };
        let polled = ready!(inner.as_mut().poll_frame(context));
        let polled = polled.map(|result| result.map(to_bytes));
        if let Some(recording) = recording {
            record(recording, polled.as_ref(), || inner.is_end_stream());
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { inner, .. } => inner.is_end_stream(),
            Kind::Kept { data } => data.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { inner, .. } => inner.size_hint(),
            Kind::Kept { data } => {
                SizeHint::with_exact(data.as_ref().map_or(0, |data| data.len() as u64))
            }
        }
    }
}

fn to_bytes<D: Buf>(frame: Frame<D>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}

/// Trailers are nothing that could be kept, nor is what breaks off.
fn record<E>(
    recording: &mut Recording,
    polled: Option<&Result<Frame<Bytes>, E>>,
    is_end_stream: impl FnOnce() -> bool,
) {
    match polled {
        None => recording.end(),
        Some(Ok(frame)) => match frame.data_ref() {
            Some(data) => {
                recording.add(data);
                if is_end_stream() {
                    recording.end();
                }
            }
            None => recording.give_up(),
        },
        Some(Err(_)) => recording.give_up(),
    }
}

/// An empty inner body, for breakers and bulkheads further out.
impl<B: Default> Default for CachedBody<B> {
    fn default() -> Self {
        Self::inner(B::default())
    }
}

impl<B: fmt::Debug> fmt::Debug for CachedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Inner { inner, recording } => f
                .debug_struct("CachedBody")
                .field("inner", inner)
                .field("recorded", &recording.is_some())
                .finish(),
            Kind::Kept { data } => f.debug_struct("CachedBody").field("kept", data).finish(),
        }
    }
}
