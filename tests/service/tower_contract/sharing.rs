//! What a layer's services hold in common, on many threads: for how long, and that all of it is freed.

use std::{
    convert::Infallible,
    future::{Pending, Ready, pending, ready},
    pin::Pin,
    sync::{Arc, Weak},
    thread,
    time::Duration,
};

use futures_util::FutureExt;
use http::Response;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_breaker::{
    Circuit, CircuitBreaker, CircuitBreakerLayer, Classify, Outcome, Reject, Rejected, State,
    TimedOut,
    clock::{Clock, ManualClock},
};

type Answer = Result<Response<()>, Infallible>;

/// A clock is what the circuit itself holds.
struct Ticking {
    clock: ManualClock,
    _held: Arc<()>,
}

impl Clock for Ticking {
    fn now(&self) -> Duration {
        self.clock.now()
    }
}

/// What is still held: by the circuit, by the classifier, and by what answers rejections.
struct Held([Weak<()>; 3]);

impl Held {
    fn counts(&self) -> [usize; 3] {
        self.0.each_ref().map(Weak::strong_count)
    }
}

struct Judge(#[expect(dead_code, reason = "it only has to be held")] Arc<()>);

impl Classify<Response<()>, Infallible> for Judge {
    fn classify(&self, _: Result<&Response<()>, &Infallible>) -> Outcome {
        Outcome::Success
    }
}

struct Refuse(#[expect(dead_code, reason = "it only has to be held")] Arc<()>);

impl Reject<u8, Response<()>, Infallible> for Refuse {
    type Error = Infallible;
    type Future = Ready<Answer>;

    fn reject(&self, _: Rejected, _: u8) -> Self::Future {
        ready(Ok(Response::new(())))
    }

    fn inner_error(&self, error: Infallible) -> Infallible {
        error
    }

    fn timed_out(&self, _: TimedOut) -> Option<Answer> {
        None
    }
}

fn held_layer() -> (CircuitBreakerLayer<Judge, Refuse>, Held) {
    let (circuit, classifier, rejection) = (Arc::new(()), Arc::new(()), Arc::new(()));
    let held = Held([&circuit, &classifier, &rejection].map(Arc::downgrade));
    let clock = Ticking {
        clock: ManualClock::new(),
        _held: circuit,
    };
    let circuit = Circuit::builder("test").clock(clock).build();
    let layer = CircuitBreakerLayer::new(circuit.expect("valid"))
        .classifier(Judge(classifier))
        .rejection(Refuse(rejection));
    (layer, held)
}

/// Never answers.
fn silent()
-> impl Service<u8, Response = Response<()>, Error = Infallible, Future = Pending<Answer>>
+ Clone
+ Send
+ Sync
+ 'static {
    service_fn(|_: u8| pending::<Answer>())
}

const THREADS: u32 = 20;

/// What `make` makes on many threads, with each of their numbers.
fn on_threads<T: Send>(make: impl Fn() -> T + Sync) -> Vec<T> {
    let make = &make;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(make)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, T>| thread.join().expect("no panic");
        threads.into_iter().map(join).collect()
    })
}

/// A clone, and a call of it that is under way.
fn begun<S>(service: &S) -> (S, Pin<Box<S::Future>>)
where
    S: Service<u8, Error: std::fmt::Debug> + Clone,
{
    let mut clone = service.clone();
    let ready = clone.ready().now_or_never().expect("ready at once");
    let mut call = Box::pin(ready.expect("no error").call(1));
    assert!((&mut call).now_or_never().is_none());
    (clone, call)
}

/// What lives longest.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Last {
    Layer,
    Service,
    Clones,
    Calls,
}

#[test]
fn all_is_freed_when_all_is_dropped_and_not_before() {
    for last in [Last::Layer, Last::Service, Last::Clones, Last::Calls] {
        let (layer, held) = held_layer();
        let service = layer.layer(silent());
        let (clones, calls): (Vec<_>, Vec<_>) = on_threads(|| begun(&service)).into_iter().unzip();
        // Of clones of clones, too.
        let (more_clones, more_calls): (Vec<_>, Vec<_>) =
            on_threads(|| begun(&clones[3])).into_iter().unzip();
        let (mut layer, mut service) = (Some(layer), Some(service));
        let (mut clones, mut calls) = (vec![clones, more_clones], vec![calls, more_calls]);
        for gone in [Last::Layer, Last::Service, Last::Clones, Last::Calls] {
            if gone == last {
                continue;
            }
            match gone {
                Last::Layer => drop(layer.take()),
                Last::Service => drop(service.take()),
                Last::Clones => clones.clear(),
                Last::Calls => calls.clear(),
            }
            assert!(held.counts().iter().all(|count| *count > 0), "{last:?}");
        }
        drop((layer, service, clones, calls));
        assert_eq!(held.counts(), [0; 3], "{last:?}");
    }
}

#[test]
fn a_layer_that_is_changed_keeps_nothing_of_what_it_was() {
    let (layer, held) = held_layer();
    let layer = layer.reject_as_error();
    assert_eq!(held.counts().map(|count| count > 0), [true, true, false]);
    let layer = layer.classifier(tower_breaker::classify::ErrorsOnly);
    assert_eq!(held.counts().map(|count| count > 0), [true, false, false]);
    drop(layer);
    assert_eq!(held.counts(), [0; 3]);
}

// G4: whoever is left shares the circuit.
#[test]
fn clones_that_outlive_the_layer_and_its_services_work_the_same() {
    let circuit = Circuit::builder("test").consecutive_failures(THREADS);
    let circuit = circuit.build().expect("valid");
    let failing = service_fn(|_: u8| async { Err::<Response<()>, _>("down") });
    let clone = CircuitBreaker::new(failing, circuit.clone()).clone();
    let ask = || {
        let call = clone.clone().oneshot(1).now_or_never();
        call.expect("answered at once").expect_err("down");
    };
    on_threads(ask);
    assert_eq!(circuit.state(), State::Open);
    let mut last = on_threads(|| clone.clone()).swap_remove(7);
    drop(clone);
    let answer = last.ready().now_or_never().expect("ready at once");
    let answer = answer.expect("ready").call(1).now_or_never();
    assert_eq!(answer.expect("at once").expect("a rejection").status(), 503);
}
