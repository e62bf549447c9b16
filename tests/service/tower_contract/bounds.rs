//! What may be wrapped: rule G6, no bound that the inner service does not need itself.

use std::{
    cell::Cell,
    future::{Ready, ready},
    rc::Rc,
    task::{Context, Poll},
};

use futures_util::FutureExt;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_breaker::{
    Circuit, CircuitBreaker, CircuitBreakerLayer, Outcome, ResponseFuture, State,
    classify::ErrorsOnly, clock::ManualClock,
};

use super::{circuit, layer};

fn closed() -> Circuit {
    circuit(&ManualClock::new(), |builder| builder)
}

/// Neither `Send` nor `Clone`, and neither is its answer.
struct Local {
    calls: Rc<Cell<u32>>,
}

impl Service<Rc<str>> for Local {
    type Response = Rc<str>;
    type Error = Rc<str>;
    type Future = Ready<Result<Rc<str>, Rc<str>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rc<str>>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Rc<str>) -> Self::Future {
        self.calls.set(self.calls.get() + 1);
        ready(if &*request == "bad" {
            Err(request)
        } else {
            Ok(request)
        })
    }
}

#[test]
fn a_service_that_is_neither_send_nor_clone() {
    let circuit = closed();
    let calls = Rc::new(Cell::new(0));
    let mut service = layer(&circuit).layer(Local {
        calls: calls.clone(),
    });

    for request in ["good", "bad", "good"] {
        let ready = service.ready().now_or_never().expect("always ready");
        let answer = ready.unwrap().call(request.into());
        let _ = answer.now_or_never().expect("answered at once");
    }

    // The third was rejected.
    assert_eq!(calls.get(), 2);
    assert_eq!(circuit.state(), State::Open);
}

#[test]
fn requests_services_and_futures_that_borrow() {
    let circuit = closed();
    let names = vec![String::from("first"), String::from("second")];
    let seen = Cell::new(0);
    let service = service_fn(|name: &str| {
        seen.set(seen.get() + name.len());
        let seen = &seen;
        async move { Ok::<_, Rc<str>>(seen.get()) }
    });
    let mut service = layer(&circuit).layer(service);

    let mut lengths = Vec::new();
    for name in &names {
        let ready = service.ready().now_or_never().expect("always ready");
        let answer = ready.unwrap().call(name.as_str()).now_or_never();
        lengths.push(answer.expect("answered at once").unwrap());
    }

    assert_eq!(lengths, [5, 11]);
}

#[test]
fn closures_that_are_neither_clone_nor_send() {
    let circuit = closed();
    let classified = Rc::new(Cell::new(0));
    let count = NotClone(classified.clone());
    let layer = CircuitBreakerLayer::new(circuit.clone()).classify(
        move |result: Result<&http::Response<()>, &Rc<str>>| {
            let count = &count;
            count.0.set(count.0.get() + 1);
            result.map_or(Outcome::Failure, |_| Outcome::Success)
        },
    );
    let answer = || service_fn(|(): ()| async { Ok::<_, Rc<str>>(http::Response::new(())) });

    // The layer is a clone; so is the service.
    let service = layer.clone().layer(answer());
    for mut service in [service.clone(), service, layer.layer(answer())] {
        let ready = service.ready().now_or_never().expect("always ready");
        let answer = ready.unwrap().call(()).now_or_never();
        assert!(answer.expect("answered at once").is_ok());
    }

    assert_eq!(classified.get(), 3);
}

struct NotClone(Rc<Cell<u32>>);

fn assert_send<T: Send>(_: &T) {}
fn assert_sync<T: Sync>(_: &T) {}
fn assert_static<T: 'static>(_: &T) {}
fn assert_clone<T: Clone>(_: &T) {}
fn assert_unpin<T: Unpin>(_: &T) {}

#[test]
fn what_the_inner_service_has_the_protected_one_has_too() {
    let inner = service_fn(|request: u32| ready(Ok::<u32, std::io::Error>(request)));
    let layer = layer(&closed());
    let mut service = layer.layer(inner);
    assert_send(&layer);
    assert_sync(&layer);
    assert_clone(&layer);
    assert_send(&service);
    assert_sync(&service);
    assert_clone(&service);
    assert_static(&service);
    assert_unpin(&service);

    let ready = service.ready().now_or_never().expect("always ready");
    let answer = ready.unwrap().call(1);

    assert_send(&answer);
    assert_sync(&answer);
    assert_static(&answer);
    assert_unpin(&answer);
}

/// The request is only named in the future's type; it may be anything.
#[test]
fn a_request_that_is_not_send_does_not_make_the_future_so() {
    let inner = service_fn(|_: Rc<str>| ready(Ok::<u32, std::io::Error>(1)));
    let mut service = layer(&closed()).layer(inner);
    let ready = service.ready().now_or_never().expect("always ready");
    assert_send(&ready.unwrap().call("request".into()));
}

fn first_call<S: Service<u32>>(mut service: S) -> S::Future {
    let ready = service.ready().now_or_never().expect("always ready");
    ready.map(|ready| ready.call(1)).ok().expect("ready")
}

#[test]
fn the_future_has_a_name() {
    type Answer = Ready<Result<http::Response<()>, std::io::Error>>;
    type Inner = fn(u32) -> Answer;
    type UnavailableFuture = tower_breaker::reject::UnavailableFuture<(), std::io::Error>;
    type Usual = ResponseFuture<Answer, UnavailableFuture, u32>;
    type Named = ResponseFuture<Answer, UnavailableFuture, u32, ErrorsOnly>;

    let inner: Inner = |_| ready(Ok(http::Response::new(())));
    let layer = || CircuitBreakerLayer::new(closed());
    let usual: Usual = first_call(layer().layer(service_fn(inner)));
    let named: Named = first_call(layer().classifier(ErrorsOnly).layer(service_fn(inner)));
    drop((usual, named));
}

#[test]
fn the_inner_service_can_be_had_back() {
    let calls = Rc::new(Cell::new(0));
    let inner = Local {
        calls: calls.clone(),
    };
    let mut service = CircuitBreaker::new(inner, closed());
    service.get_ref().calls.set(5);
    service.get_mut().calls = Rc::new(Cell::new(6));
    assert_eq!((calls.get(), service.into_inner().calls.get()), (5, 6));
}
