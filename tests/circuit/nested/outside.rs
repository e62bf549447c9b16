//! What is not within: the ramp of another circuit, and listeners of a call that has ended (rules D6, D8, E4).

use std::{future::ready, io};

use tower::{Layer, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer, classify::ErrorsOnly};

use crate::support::{fragile, secs};

// D6, G1: asked twice, it would admit the share of a share.
#[tokio::test]
async fn a_ramp_is_asked_once_under_another_circuit() {
    let ramping = fragile(|b| b.ramp(secs(1_000), 0.5));
    ramping.play("f");
    ramping.wait_out();
    ramping.play("s");
    let other = Circuit::builder("other")
        .consecutive_failures(1_000_000)
        .build()
        .expect("valid");
    let inner = CircuitBreakerLayer::new(ramping.circuit.clone()).classifier(ErrorsOnly);
    let outer = CircuitBreakerLayer::new(other).classifier(ErrorsOnly);
    let (inner, outer) = (inner.reject_as_box_error(), outer.reject_as_box_error());
    let mut rejected = 0;
    for _ in 0..100 {
        let answers = service_fn(|(): ()| ready(Ok::<_, io::Error>(())));
        let service = outer.layer(inner.layer(answers));
        rejected += u64::from(service.oneshot(()).await.is_err());
    }
    assert!((48..=52).contains(&rejected), "{rejected}");
}

// D8, E4: the call has ended, so a listener's own call is none within it.
#[cfg(feature = "body")]
#[tokio::test]
async fn a_listener_told_at_the_end_of_a_body_is_outside_of_the_call() {
    use std::sync::{Arc, Mutex};

    use http::{Request, Response};
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};
    use tower_breaker::State;

    let refused = Arc::new(Mutex::new(Vec::new()));
    let heard = refused.clone();
    let fixture = fragile(|b| {
        b.on_transition(move |circuit, told| {
            if told.to == State::Open {
                let asked = circuit.try_acquire().is_err();
                heard.lock().expect("a list").push(asked);
            }
        })
    });
    let broken = service_fn(|_: Request<()>| async {
        let data = Ok(Frame::data(bytes::Bytes::from("a")));
        let frames = [data, Err(io::Error::other("cut"))];
        let body = StreamBody::new(futures_util::stream::iter(frames));
        Ok::<_, io::Error>(Response::new(body))
    });
    let layer = CircuitBreakerLayer::new(fixture.circuit.clone()).reject_as_box_error();
    let service = layer.observe_bodies().layer(broken);
    let response = service.oneshot(Request::new(())).await.expect("a head");
    assert!(response.into_body().collect().await.is_err());
    fixture.is(State::Open);
    assert_eq!(*refused.lock().expect("a list"), [true]);
    assert_eq!(fixture.totals().rejected, 1);
}
