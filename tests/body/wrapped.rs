//! What a layer says of bodies holds however it is wrapped (rules H5, A3).

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::{Empty, combinators::UnsyncBoxBody};
use tower::{Layer as _, Service, ServiceExt, service_fn, util::BoxService};
use tower_breaker::{
    Outcome,
    body::{BodyEnd, ClassifyEos, ObserveBodies},
};

use crate::{
    stage::{AT_END, Broken, Layer, Scripted, Stage, announcing, answer, body, poll, watchful},
    support::{NANO, SLOW},
};

type Asked = Request<Empty<Bytes>>;
type Answer = Result<Response<Scripted>, Infallible>;
type Boxed = BoxService<Asked, Response<UnsyncBoxBody<Bytes, Broken>>, Infallible>;

/// Takes a body without trailers for a failure, and may wait for them.
#[derive(Clone, Copy)]
struct Eos {
    awaits_trailers: bool,
}

impl ClassifyEos<Broken> for Eos {
    fn classify_eos(&self, _: BodyEnd<'_, Broken>) -> Outcome {
        Outcome::Failure
    }

    fn awaits_trailers(&self) -> bool {
        self.awaits_trailers
    }
}

/// Answers with a body of three bytes, of which it says how long it is.
fn inner<B>()
-> impl Service<Request<B>, Response = Response<Scripted>, Error = Infallible, Future = Ready<Answer>>
+ Clone
+ Send
+ 'static {
    service_fn(|_| ready(Ok(announcing("3", answer(AT_END, body("3"))))))
}

fn boxed<S, B>(service: S) -> Boxed
where
    S: Service<Asked, Response = Response<B>, Error = Infallible, Future: Send> + Send + 'static,
    B: http_body::Body<Data = Bytes, Error = Broken> + Send + 'static,
{
    let service = service.map_response(|response: Response<B>| response.map(UnsyncBoxBody::new));
    BoxService::new(service)
}

/// Notes nothing of the request.
macro_rules! by_request {
    ($layer:expr) => {
        $layer.classify_with_request(
            |_: &Request<_>| (),
            |(), _: Result<&Response<Scripted>, &Infallible>| Outcome::RequiresEos,
        )
    };
}

#[cfg(feature = "registry")]
fn on_first_failure(layer: Layer<Eos>) -> Boxed {
    use tower_breaker::{keyed::by, registry::Registry};

    let registry = Registry::builder().build().unwrap();
    let layer = layer.keyed_by(&registry, by::authority());
    boxed(layer.create_on_first_failure().layer(inner()))
}

type Wrap = fn(Layer<Eos>) -> Boxed;

const WRAPPED: &[(&str, Wrap)] = &[
    ("not at all", |layer| boxed(layer.layer(inner()))),
    ("by request", |layer| {
        boxed(by_request!(layer).layer(inner()))
    }),
    ("limited", |layer| boxed(layer.limit_calls().layer(inner()))),
    ("with request bodies", |layer| {
        let layer = layer.observe_request_bodies(|body| body);
        boxed(layer.layer(inner()))
    }),
    ("by all of them", |layer| {
        let layer = by_request!(layer).limit_calls();
        boxed(layer.observe_request_bodies(|body| body).layer(inner()))
    }),
    #[cfg(feature = "registry")]
    ("on first failure", on_first_failure),
];

/// What becomes of a call of which nothing is slow but the body, and whose reader leaves with the last byte.
fn left(wrap: Wrap, observe: ObserveBodies<Eos>) -> String {
    let stage = Stage::with(watchful(), observe);
    let call = wrap(stage.layer.clone()).oneshot(Request::new(Empty::new()));
    let mut body = call.now_or_never().expect("an answer").unwrap().into_body();
    assert_eq!(poll(&mut body), '3');
    stage.fixture.wait(SLOW + NANO);
    drop(body);
    stage.ended()
}

// H5, A3
#[test]
fn what_is_said_of_bodies_holds_however_the_layer_is_wrapped() {
    let eos = |awaits_trailers| ObserveBodies::new().eos_classifier(Eos { awaits_trailers });
    for (how, wrap) in WRAPPED {
        let left = |observe| left(*wrap, observe);
        assert_eq!(left(eos(false)), "failed", "{how}");
        // What may still come, nobody knows.
        assert_eq!(left(eos(true)), "successful", "{how}");
        let to_end = |awaits| eos(awaits).measure_to_end_of_body();
        assert_eq!(left(to_end(false)), "failed slow", "{how}");
        assert_eq!(left(to_end(true)), "successful slow", "{how}");
    }
}
