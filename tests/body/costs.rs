//! What observing costs, and that it costs nothing where it is off (rules F3, F4, H5).

use std::{
    convert::Infallible,
    future::{Ready, ready},
    mem::size_of,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{Request, Response};
use tower::{Layer, Service};
use tower_breaker::{
    Circuit, CircuitBreaker, CircuitBreakerLayer, CircuitBuilder,
    body::ObservedBody,
    clock::{Clock, ManualClock},
};

use crate::stage::{AT_END, NOW, Scripted, answer, body, read};

/// Answers at once, with a body that allocates nothing.
#[derive(Clone)]
struct Fixed(Scripted);

#[derive(Clone, Copy, Default)]
struct Plain(u8);

impl http_body::Body for Plain {
    type Data = bytes::Bytes;
    type Error = crate::stage::Broken;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        self.0 += 1;
        let frame = || Ok(http_body::Frame::data(bytes::Bytes::from_static(b"frame")));
        Poll::Ready((self.0 < 4).then(frame))
    }
}

impl Service<http::StatusCode> for Fixed {
    type Response = Response<Scripted>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, status: http::StatusCode) -> Self::Future {
        ready(Ok(answer(status, self.0.clone())))
    }
}

#[derive(Clone)]
struct Bare;

impl Service<Request<http::StatusCode>> for Bare {
    type Response = Response<Plain>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<http::StatusCode>) -> Self::Future {
        ready(Ok(answer(request.into_body(), Plain(0))))
    }
}

fn call<S, Req>(service: &mut S, request: Req) -> S::Response
where
    S: Service<Req, Error = Infallible>,
{
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    match std::pin::pin!(service.call(request)).poll(&mut context) {
        Poll::Ready(Ok(response)) => response,
        Poll::Pending => unreachable!("the service answers at once"),
    }
}

fn layer(
    configure: fn(CircuitBuilder) -> CircuitBuilder,
    clock: impl Clock,
) -> CircuitBreakerLayer {
    let builder = configure(Circuit::builder("costs").clock(clock));
    CircuitBreakerLayer::new(builder.build().expect("valid"))
}

fn plain_layer() -> CircuitBreakerLayer {
    layer(|c| c, ManualClock::new())
}

// H5: nothing is wrapped.
#[test]
fn where_bodies_are_not_observed_the_response_is_the_inner_services() {
    fn answers_alike<S, T>(_: &S, _: &T)
    where
        S: Service<Request<http::StatusCode>>,
        T: Service<Request<http::StatusCode>, Response = S::Response>,
    {
    }
    answers_alike(&Bare, &plain_layer().layer(Bare));
}

type FutureOf<S, Req> = <S as Service<Req>>::Future;

// H5: nothing is carried: a call is what the inner one is, its circuit, its permit, and which of the two
// kinds of future it is.
#[test]
fn where_bodies_are_not_observed_a_call_carries_nothing_for_them() {
    let inner = size_of::<FutureOf<Bare, Request<http::StatusCode>>>();
    let (circuit, permit) = (size_of::<usize>(), 2 * size_of::<u64>());
    let off = size_of::<FutureOf<CircuitBreaker<Bare>, Request<http::StatusCode>>>();
    assert!(off <= inner + circuit + permit + size_of::<u64>(), "{off}");
    assert_eq!(size_of::<tower_breaker::types::HeadOnly>(), 0);
}

// H5: no bound for bodies: neither requests nor responses need to be HTTP.
#[test]
fn where_bodies_are_not_observed_nothing_has_to_have_one() {
    let mut service = plain_layer().layer(Fixed(body("3")));
    let response = call(&mut service, NOW);
    assert_eq!(response.status(), NOW);
}

// H5: what a body carries while it is followed: all of it in the body itself.
#[test]
fn an_observed_body_is_larger_by_a_few_words() {
    type Observed = <CircuitBreaker<
        Bare,
        tower_breaker::classify::HttpClassifier,
        tower_breaker::reject::ServiceUnavailable,
        tower_breaker::body::ObserveBodies,
    > as Service<Request<http::StatusCode>>>::Response;
    let more = size_of::<Observed>() - size_of::<Response<Plain>>();
    assert!(more <= 12 * size_of::<u64>(), "{more}");
    // By its short name.
    let _: fn(Observed) -> Response<ObservedBody<Plain>> = |response| response;
}

fn allocations(path: impl FnOnce()) -> u64 {
    allocation_counter::measure(path).count_total
}

// F3: however a body ends.
#[test]
fn observing_allocates_nothing() {
    let observing = plain_layer()
        .classifier(
            tower_breaker::classify::HttpClassifier::new()
                .classify_as(tower_breaker::Outcome::RequiresEos, [AT_END]),
        )
        .observe_bodies();
    let mut service = observing.layer(Bare);
    for status in [NOW, AT_END] {
        for polls in 0..5 {
            let allocated = allocations(|| {
                let request = Request::new(status);
                let mut observed = call(&mut service, request).into_body();
                read(&mut observed, polls).clear();
            });
            let of_the_reader = allocations(|| {
                read(&mut Plain(0), polls).clear();
            });
            assert_eq!(allocated, of_the_reader, "{status} {polls}");
        }
    }
    let totals = service.circuit().snapshot().totals.expect("counted");
    assert_eq!((totals.successful, totals.abandoned), (8, 2));
}

/// A clock that counts how often it is read.
#[derive(Clone, Default)]
struct CountingClock(Arc<AtomicU64>);

impl Clock for CountingClock {
    fn now(&self) -> Duration {
        self.0.fetch_add(1, Ordering::Relaxed);
        Duration::from_secs(1)
    }
}

// F4: a body reads no clock, where no time is kept.
#[test]
fn observing_reads_the_clock_only_where_time_matters() {
    let reads = |configure: fn(CircuitBuilder) -> CircuitBuilder| {
        let clock = CountingClock::default();
        let mut service = layer(configure, clock.clone()).observe_bodies().layer(Bare);
        let before = clock.0.load(Ordering::Relaxed);
        read(call(&mut service, Request::new(NOW)).body_mut(), 4);
        clock.0.load(Ordering::Relaxed) - before
    };
    assert_eq!(reads(|c| c), 0);
    // Beginning, head and end.
    assert_eq!(reads(|c| c.slow_call_duration(Duration::from_secs(1))), 3);
}
