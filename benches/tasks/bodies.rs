//! Services whose bodies are read.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower::Service;

use super::{Maker, maker, repeat};

/// Answers with a short body.
#[derive(Clone)]
pub(crate) struct Short;

impl Service<Request<()>> for Short {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Full::from("short"))))
    }
}

/// Calls, and reads each body to its end.
pub(crate) fn downloads<S, B>(service: S) -> Maker
where
    S: Service<Request<()>, Response = Response<B>> + Clone + Send + Sync + 'static,
    B: Body,
{
    maker(move || {
        let mut service = service.clone();
        repeat(move || download(&mut service))
    })
}

fn download<S, B>(service: &mut S)
where
    S: Service<Request<()>, Response = Response<B>>,
    B: Body,
{
    let mut context = Context::from_waker(Waker::noop());
    let _ = black_box(service.poll_ready(&mut context).is_ready());
    let called = pin!(service.call(Request::new(())));
    if let Poll::Ready(Ok(response)) = called.poll(&mut context) {
        let mut body = pin!(response.into_body());
        while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut context) {
            let _ = black_box(frame.is_ok());
        }
    }
}
