//! [`PlacedBody`]: a body that holds its call's place in a bulkhead (rule M2).

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    circuit::bulkhead::Place,
    service::bulkhead::{BulkheadLayer, HoldsPlace, sealed},
};

#[cfg_attr(docsrs, doc(cfg(feature = "body")))]
impl BulkheadLayer {
    /// Lets a call hold its place to the end of its response's body, or until that fails or is dropped. The service
    /// then answers with a [`PlacedBody`](crate::body::PlacedBody).
    ///
    /// For downloads and streams, whose connection is taken until then.
    ///
    /// **Watch out:** a client that reads slowly holds a place for as long. A body that nobody reads and nobody drops
    /// holds it for ever.
    ///
    /// Default: a call holds its place to the head.
    pub fn to_end_of_body(self) -> BulkheadLayer<ToEndOfBody> {
        BulkheadLayer::until()
    }
}

/// A call holds its place to the end of its response's body: see [`BulkheadLayer::to_end_of_body`].
#[derive(Clone, Copy, Debug)]
pub struct ToEndOfBody;

impl sealed::Sealed for ToEndOfBody {}

#[diagnostic::do_not_recommend]
impl<B: Body> HoldsPlace<Response<B>> for ToEndOfBody {
    type Response = Response<PlacedBody<B>>;

    fn hold(place: Option<Place>, response: Response<B>) -> Self::Response {
        response.map(|inner| {
            let place = place.filter(|_| !inner.is_end_stream());
            PlacedBody { inner, place }
        })
    }
}

pin_project! {
    /// A body that holds its call's place in a bulkhead to its end. All that it tells is that of the inner body.
    #[derive(Default)]
    pub struct PlacedBody<B> {
        #[pin]
        inner: B,
        // It goes last when this is dropped.
        place: Option<Place>,
    }
}

impl<B> PlacedBody<B> {
    /// The inner body.
    pub fn get_ref(&self) -> &B {
        &self.inner
    }

    /// The inner body.
    pub fn get_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    /// The inner body. The call's place is given back.
    pub fn into_inner(self) -> B {
        self.inner
    }
}

impl<B: Body> Body for PlacedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        // In hand, so that a panic gives it back.
        let in_hand = this.place.take();
        let polled = this.inner.as_mut().poll_frame(context);
        let goes_on = match &polled {
            Poll::Pending => true,
            Poll::Ready(Some(Ok(_))) => !this.inner.is_end_stream(),
            Poll::Ready(Some(Err(_)) | None) => false,
        };
        *this.place = in_hand.filter(|_| goes_on);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: fmt::Debug> fmt::Debug for PlacedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlacedBody")
            .field("inner", &self.inner)
            .field("place", &self.place.is_some())
            .finish()
    }
}
