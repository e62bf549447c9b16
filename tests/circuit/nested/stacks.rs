//! In stacks of Tower's: one layer twice, a service in a call, a call in a service.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::Pin,
};

use tower::{Layer, Service, ServiceBuilder, service_fn};
use tower_breaker::{CircuitBreakerLayer, classify::ErrorsOnly, reject::RejectAsBoxError};

use super::*;

type Boxed = Box<dyn std::error::Error + Send + Sync>;

fn layer(fixture: &Fixture) -> CircuitBreakerLayer<ErrorsOnly, RejectAsBoxError> {
    CircuitBreakerLayer::new(fixture.circuit.clone())
        .classifier(ErrorsOnly)
        .reject_as_box_error()
}

/// Succeeds or fails as it is told, a poll later.
async fn as_told(succeeds: bool) -> Result<(), Boxed> {
    once_more().await;
    if succeeds {
        Ok(())
    } else {
        Err(broken().into())
    }
}

#[tokio::test]
async fn one_layer_twice_in_a_stack() {
    let fixture = fragile_after_break(|c| c.permits(1));
    let mut service = ServiceBuilder::new()
        .layer(layer(&fixture))
        .layer(layer(&fixture))
        .service(service_fn(as_told));
    let mut call = async |succeeds| service.ready().await.expect("ready").call(succeeds).await;
    call(true).await.expect("admitted");
    fixture.tells(&CLOSES);
    assert!(call(false).await.is_err());
    assert_eq!(fixture.told().len(), 1);
    assert_eq!(ends(&fixture), [1, 2, 0, 0, 0]);
    assert!(call(true).await.is_err());
    assert_eq!(ends(&fixture), [1, 2, 0, 0, 1]);
    fixture.wait_out();
    assert!(call(false).await.is_err());
    fixture.tells(&REOPENS);
    is_put_back_after_break(&fixture);
}

#[track_caller]
fn is_put_back_after_break(fixture: &Fixture) {
    fixture.wait_out();
    is_put_back(fixture);
}

#[tokio::test]
async fn one_layer_many_times_with_another_between() {
    let (one, other) = (fragile_after_break(|c| c), fragile_after_break(|c| c));
    let mut service = ServiceBuilder::new()
        .layer(layer(&one))
        .layer(layer(&other))
        .layer(layer(&one))
        .layer(layer(&other))
        .layer(layer(&one))
        .service(service_fn(as_told));
    service
        .ready()
        .await
        .expect("ready")
        .call(true)
        .await
        .expect("admitted");
    for fixture in [&one, &other] {
        fixture.tells(&CLOSES);
        assert_eq!(ends(fixture), [1, 1, 0, 0, 0]);
    }
}

#[tokio::test]
async fn a_service_in_a_call() {
    let fixture = fragile_after_break(|c| c);
    let service = layer(&fixture).layer(service_fn(as_told));
    let call = fixture
        .circuit
        .call(async { service.clone().oneshot(true).await });
    call.await.expect("admitted");
    fixture.tells(&CLOSES);
    assert_eq!(ends(&fixture), [1, 1, 0, 0, 0]);
}

#[tokio::test]
async fn a_call_in_a_service() {
    let fixture = fragile_after_break(|c| c);
    let circuit = &fixture.circuit;
    let inner = |succeeds| async move {
        let answer = circuit.call(as_told(succeeds)).await;
        answer.map_err(CircuitError::into_boxed)
    };
    let service = layer(&fixture).layer(service_fn(inner));
    service.oneshot(true).await.expect("admitted");
    fixture.tells(&CLOSES);
    assert_eq!(ends(&fixture), [1, 1, 0, 0, 0]);
}

// What is made in `call` and not in a future counts as well.
#[tokio::test]
async fn a_guard_in_a_services_call() {
    let fixture = fragile_after_break(|c| c);
    let circuit = &fixture.circuit;
    let service = layer(&fixture).layer(service_fn(|_: bool| {
        circuit.try_acquire().expect("the same call").failure();
        ready(Ok::<_, Boxed>(()))
    }));
    service.oneshot(true).await.expect("admitted");
    fixture.tells(&CLOSES);
}

// D6, G1: the ramp is asked once.
#[tokio::test]
async fn a_ramp_is_asked_once() {
    let fixture = fragile_after_break(|c| c.ramp(secs(1000), 0.5));
    fixture.play("s");
    let mut service = ServiceBuilder::new()
        .layer(layer(&fixture))
        .layer(layer(&fixture))
        .service(service_fn(as_told));
    let mut admitted = 0;
    for _ in 0..100 {
        admitted += u64::from(
            service
                .ready()
                .await
                .expect("ready")
                .call(true)
                .await
                .is_ok(),
        );
    }
    assert_eq!(ends(&fixture), [1 + admitted, 1, 0, 0, 100 - admitted]);
    assert!((49..=51).contains(&admitted), "{admitted}");
}

// G7: what waits does not wait for itself.
#[tokio::test]
async fn readiness_mode_inside_of_a_call() {
    let fixture = fragile_after_break(|c| c);
    let service = layer(&fixture)
        .pending_while_open()
        .layer(service_fn(as_told));
    // One that waits since before the call.
    let mut waiting = service.clone();
    let mut context = Context::from_waker(Waker::noop());
    let probe = fixture.admit();
    assert!(waiting.poll_ready(&mut context).is_pending());
    drop(probe);
    let call = fixture.circuit.call(async {
        service.clone().oneshot(true).await?;
        waiting.ready().await?.call(true).await
    });
    call.await.expect("admitted");
    fixture.tells(&CLOSES);
    assert_eq!(ends(&fixture), [1, 1, 0, 1, 0]);
}

// G7: of another circuit's, it is none.
#[tokio::test]
async fn readiness_mode_waits_inside_of_a_call_of_another_circuit() {
    let (other, fixture) = (sturdy(), fragile(|c| c));
    fixture.play("f");
    let mut waiting = layer(&fixture)
        .pending_while_open()
        .layer(service_fn(as_told));
    let call = other.circuit.call(async {
        let mut context = Context::from_waker(Waker::noop());
        let polled = Service::<bool>::poll_ready(&mut waiting, &mut context);
        Ok::<_, Boxed>(polled.is_pending())
    });
    assert!(call.await.expect("admitted"), "it has to wait");
}

#[tokio::test]
async fn readiness_mode_twice_in_a_stack() {
    let fixture = fragile_after_break(|c| c);
    let mut service = ServiceBuilder::new()
        .layer(layer(&fixture).pending_while_open())
        .layer(layer(&fixture).pending_while_open())
        .service(service_fn(as_told));
    service
        .ready()
        .await
        .expect("ready")
        .call(true)
        .await
        .expect("admitted");
    fixture.tells(&CLOSES);
}

/// Fails or panics where it is told to.
#[derive(Clone, Copy)]
enum Faulty {
    NotReady,
    PanicsWhenAsked,
    PanicsInCall,
    PanicsInFuture,
}

impl Service<()> for Faulty {
    type Response = ();
    type Error = Boxed;
    type Future = Pin<Box<dyn Future<Output = Result<(), Boxed>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Boxed>> {
        match self {
            Self::NotReady => Poll::Ready(Err(broken().into())),
            Self::PanicsWhenAsked => panic!("asked"),
            Self::PanicsInCall | Self::PanicsInFuture => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, (): ()) -> Self::Future {
        match self {
            Self::PanicsInCall => panic!("called"),
            _ => Box::pin(async { panic!("polled") }),
        }
    }
}

// A6: it is one failure, whoever hears of it first.
#[tokio::test]
async fn readiness_that_fails_is_one_failure() {
    let fixture = sturdy();
    let mut service = ServiceBuilder::new()
        .layer(layer(&fixture))
        .layer(layer(&fixture))
        .service(Faulty::NotReady);
    assert!(service.ready().await.is_err());
    assert_eq!(ends(&fixture), [0, 1, 0, 0, 0]);
    let call = fixture
        .circuit
        .call(async { service.ready().await.map(|_| ()) });
    assert!(call.await.is_err());
    assert_eq!(ends(&fixture), [0, 2, 0, 0, 0]);
    assert_eq!(fixture.look().consecutive_failures, 2);
}

#[tokio::test]
async fn readiness_that_fails_is_one_failed_probe() {
    let fixture = fragile_after_break(|c| c);
    let mut service = ServiceBuilder::new()
        .layer(layer(&fixture))
        .layer(layer(&fixture))
        .service(Faulty::NotReady);
    assert!(service.ready().await.is_err());
    fixture.tells(&REOPENS);
    assert_eq!(ends(&fixture), [0, 2, 0, 0, 0]);
}

#[tokio::test]
async fn panics_in_nested_services_leave_nothing_behind() {
    for (faulty, failures) in [
        (Faulty::PanicsWhenAsked, 0),
        (Faulty::PanicsInCall, 1),
        (Faulty::PanicsInFuture, 1),
    ] {
        for ramping in [false, true] {
            let fixture = Fixture::new(|c| {
                c.consecutive_failures(5)
                    .open_for(secs(5))
                    .ramp(secs(1000), 0.999)
            });
            if ramping {
                fixture.circuit.trip(secs(5)).expect("normal mode");
                fixture.wait_out();
                fixture.play("s");
            }
            let stack = ServiceBuilder::new()
                .layer(layer(&fixture))
                .layer(layer(&fixture))
                .service(faulty);
            let mut call = pin!(stack.oneshot(()));
            let mut context = Context::from_waker(Waker::noop());
            let poll = || call.as_mut().poll(&mut context).is_ready();
            assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
            assert_eq!(ends(&fixture)[1], failures);
            is_put_back(&fixture);
        }
    }
}

/// Makes a call of its own while it is asked whether it is ready, as one that connects does.
struct Connecting<'a>(&'a Circuit);

impl Service<()> for Connecting<'_> {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        let mut call = pin!(self.0.call(ready(Ok::<_, Infallible>(()))));
        assert!(call.as_mut().poll(context).is_ready());
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

// Readiness is no call, so what it asks for is counted.
#[tokio::test]
async fn a_call_made_in_poll_ready_is_a_call_of_its_own() {
    let fixture = sturdy();
    let service = CircuitBreakerLayer::new(fixture.circuit.clone())
        .classifier(ErrorsOnly)
        .reject_as_box_error();
    let mut service = service.layer(tower::util::MapErr::new(
        Connecting(&fixture.circuit),
        |never: Infallible| -> Boxed { match never {} },
    ));
    service
        .ready()
        .await
        .expect("ready")
        .call(())
        .await
        .expect("admitted");
    assert_eq!(ends(&fixture), [2, 0, 0, 0, 0]);
}

// A fallback runs because there is no call.
#[tokio::test]
async fn a_fallback_is_not_under_the_call_that_was_rejected() {
    let fixture = fragile(|c| c);
    fixture.play("f");
    let circuit = fixture.circuit.clone();
    let service = CircuitBreakerLayer::new(fixture.circuit.clone())
        .classifier(ErrorsOnly)
        .fallback(move |_, _: bool| {
            let circuit = circuit.clone();
            async move {
                let answer = circuit.call(as_told(true)).await;
                answer.map_err(CircuitError::into_boxed)
            }
        })
        .without_time_out_answer()
        .layer(service_fn(as_told));
    assert!(service.oneshot(true).await.is_err());
    assert_eq!(ends(&fixture), [0, 1, 0, 0, 2]);
}
