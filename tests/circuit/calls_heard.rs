//! What is told of single calls, and to whom (rule L2).

use std::{
    future::{Future, pending},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    task::{Context, Poll, Waker},
};

use tower::{Layer, Service, service_fn};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, CircuitBuilder, Mode, State,
    observe::{CallEvent, Subscription},
};

use crate::support::{Fixture, NANO, SLOW, fragile, secs};

/// What was told since the last look, in a few words each.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn listener(&self) -> impl Fn(&Circuit, CallEvent<'_>) + Send + Sync + use<> {
        let heard = self.clone();
        move |_, event| heard.0.lock().expect("no panic").push(words(event))
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}

fn words(event: CallEvent<'_>) -> String {
    let marked = |word: &str, marks: &[(bool, &str)]| {
        let marks = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark);
        [word]
            .into_iter()
            .chain(marks)
            .collect::<Vec<_>>()
            .join(" ")
    };
    match event {
        CallEvent::Admitted(call) => {
            let marks = [(call.probe, "probe"), (call.shadowed, "shadowed")];
            let word = format!("{} {}", call.state.label(), call.era);
            marked(&word, &marks)
        }
        CallEvent::Rejected(rejected) => format!("rejected {}", rejected.reason().label()),
        CallEvent::Ended(call) => {
            let marks = [
                (call.slow, "slow"),
                (call.stale, "stale"),
                (call.probe, "probe"),
            ];
            let took = call.took.map(|took| format!(" {took:?}"));
            marked(call.end.label(), &marks) + &took.unwrap_or_default()
        }
        other => format!("{other:?}"),
    }
}

/// A circuit that opens at the first failure, whose calls are heard.
fn heard(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> (Fixture, Heard) {
    let heard = Heard::default();
    let listener = heard.listener();
    (fragile(|c| configure(c.on_call(listener))), heard)
}

// L2
#[test]
fn each_call_is_told_as_it_begins_and_as_it_ends() {
    let (circuit, heard) = heard(|c| c.slow_call_duration(SLOW).success_threshold(2));
    circuit.play("s i a S d f x");
    assert_eq!(
        heard.take(),
        [
            "closed 0",
            "success 0ns",
            "closed 0",
            "ignored 0ns",
            "closed 0",
            "ignored 0ns",
            "closed 0",
            "success slow 1.000000001s",
            "closed 0",
            "abandoned 0ns",
            "closed 0",
            "failure 0ns",
            "rejected open",
        ]
    );
    circuit.wait_out();
    circuit.play("s a f");
    assert_eq!(
        heard.take(),
        [
            "half_open 2 probe",
            "success probe 0ns",
            "half_open 2 probe",
            "success probe 0ns",
            "closed 3",
            "failure 0ns",
        ]
    );
    circuit.wait_out();
    let probe = circuit.admit();
    circuit.play("x");
    circuit.circuit.force_open();
    circuit.play("x");
    drop(probe);
    assert_eq!(
        heard.take(),
        [
            "half_open 5 probe",
            "rejected half_open_full",
            "rejected forced_open",
            "abandoned stale probe 0ns",
        ]
    );
}

// L2, E1
#[test]
fn what_shadow_mode_lets_pass_is_told_so() {
    let (circuit, heard) = heard(|c| c.mode(Mode::Shadow));
    circuit.play("f s");
    circuit.circuit.set_mode(Mode::Disabled);
    circuit.play("f");
    assert_eq!(
        heard.take(),
        [
            "closed 0",
            "failure 0ns",
            "open 1 shadowed",
            "success 0ns",
            "closed 2",
            "failure 0ns"
        ]
    );
}

// L2: also where nothing else would time calls.
#[test]
fn calls_are_timed_where_they_are_heard() {
    let (circuit, heard) = heard(|c| c);
    let call = circuit.admit();
    circuit.wait(SLOW + NANO);
    call.success();
    assert_eq!(heard.take()[1], "success 1.000000001s");
}

// L2
#[test]
fn a_live_circuit_is_listened_to_and_no_more() {
    let circuit = fragile(|c| c);
    let told = Heard::default();
    let before = circuit.admit();
    let subscription = circuit.circuit.subscribe_calls(told.listener());
    circuit.play("s");
    assert_eq!(told.take(), ["closed 0", "success 0ns"]);
    before.failure();
    assert_eq!(told.take(), ["failure"], "the end without the beginning");
    let other = circuit.circuit.subscribe_calls(|_, _| {});
    drop(subscription);
    circuit.play("x");
    drop(other);
    circuit.play("x");
    circuit.circuit.reset();
    circuit.play("s");
    assert_eq!(told.take(), Vec::<String>::new());
}

// L2: once nobody listens, a call does not read the clock any more.
#[test]
fn nothing_is_left_of_a_listener_that_has_ended() {
    let clock = Arc::new(AtomicU64::new(0));
    struct Counting(Arc<AtomicU64>);
    impl tower_breaker::clock::Clock for Counting {
        fn now(&self) -> std::time::Duration {
            self.0.fetch_add(1, Ordering::Relaxed);
            secs(1)
        }
    }
    let circuit = Circuit::builder("payments").clock(Counting(clock.clone()));
    let circuit = circuit.build().expect("valid");
    let reads = || {
        clock.store(0, Ordering::Relaxed);
        circuit.try_acquire().expect("closed").success();
        clock.load(Ordering::Relaxed)
    };
    assert_eq!(reads(), 0);
    let subscription = circuit.subscribe_calls(|_, _| {});
    assert!(reads() > 0);
    drop(subscription);
    assert_eq!(reads(), 0);
}

// L2, D8: what is a part of another call is told with that one.
#[tokio::test]
async fn a_call_within_a_call_is_one_call() {
    let (circuit, heard) = heard(|c| c);
    let inner = circuit.circuit.clone();
    let answer = circuit.circuit.call(async {
        let _ = inner.call(async { Err::<(), _>(()) }).await;
        inner.try_acquire().expect("a part of the call").failure();
        Ok::<_, ()>(())
    });
    answer.await.expect("admitted");
    assert_eq!(heard.take(), ["closed 0", "success 0ns"]);
}

// L2, A5
#[test]
fn a_call_that_panics_has_ended() {
    let (circuit, heard) = heard(|c| c);
    let mut call = Box::pin(
        circuit
            .circuit
            .call(async { panic!("the call's own fault") as Result<(), ()> }),
    );
    let context = &mut Context::from_waker(Waker::noop());
    let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context).is_ready()));
    polled.expect_err("it panics");
    drop(call);
    assert_eq!(heard.take(), ["closed 0", "failure 0ns"]);
}

// L2, D7
#[tokio::test]
async fn the_probe_of_a_driver_is_a_call() {
    let (circuit, heard) = heard(|c| c);
    circuit.play("f");
    circuit.wait_out();
    heard.take();
    let mut driver = Box::pin(
        circuit
            .circuit
            .probe_with(async || pending::<Result<(), ()>>().await),
    );
    let context = &mut Context::from_waker(Waker::noop());
    for _ in 0..2 {
        assert!(driver.as_mut().poll(context).is_pending());
    }
    drop(driver);
    assert_eq!(heard.take(), ["half_open 2 probe", "abandoned probe 0ns"]);
}

// L2, A6
#[test]
fn a_service_that_fails_to_become_ready_is_told_without_a_call() {
    struct Broken;
    impl Service<()> for Broken {
        type Response = http::Response<()>;
        type Error = ();
        type Future = std::future::Ready<Result<Self::Response, ()>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
            Poll::Ready(Err(()))
        }

        fn call(&mut self, (): ()) -> Self::Future {
            unreachable!("it is never ready")
        }
    }
    let (circuit, heard) = heard(|c| c);
    let mut service = CircuitBreakerLayer::new(circuit.circuit.clone()).layer(Broken);
    let ready = Service::<()>::poll_ready(&mut service, &mut Context::from_waker(Waker::noop()));
    assert!(matches!(ready, Poll::Ready(Err(_))));
    assert_eq!(heard.take(), ["NotReady"]);
    assert_eq!(circuit.circuit.state(), State::Open);
}

// L2
#[tokio::test]
async fn calls_through_a_layer_are_told() {
    let (circuit, heard) = heard(|c| c);
    let inner = service_fn(async |broken: bool| {
        let status = if broken { 500 } else { 200 };
        let response = http::Response::builder().status(status).body(());
        Ok::<_, ()>(response.expect("valid"))
    });
    let mut service = CircuitBreakerLayer::new(circuit.circuit.clone()).layer(inner);
    for broken in [false, true, false] {
        std::future::poll_fn(|context| service.poll_ready(context))
            .await
            .expect("ready");
        service.call(broken).await.expect("a response");
    }
    assert_eq!(
        heard.take(),
        [
            "closed 0",
            "success 0ns",
            "closed 0",
            "failure 0ns",
            "rejected open"
        ]
    );
    // One that is dropped.
    circuit.circuit.reset();
    std::future::poll_fn(|context| service.poll_ready(context))
        .await
        .expect("ready");
    drop(service.call(false));
    assert_eq!(heard.take(), ["closed 2", "abandoned 0ns"]);
}

// L2, E4
#[test]
fn a_listener_may_call_back_and_what_it_calls_is_not_told() {
    let (circuit, _) = heard(|c| c);
    let (told, ends) = (Heard::default(), Arc::new(Mutex::new(None::<Subscription>)));
    let (listener, itself) = (told.listener(), ends.clone());
    let subscription = circuit.circuit.subscribe_calls(move |circuit, event| {
        listener(circuit, event);
        circuit.try_acquire().expect("closed").success();
        let _ = circuit.snapshot();
        if matches!(event, CallEvent::Ended(_)) {
            drop(itself.lock().expect("no panic").take());
        }
    });
    *ends.lock().expect("no panic") = Some(subscription);
    let (done, ended) = mpsc::channel();
    let working = circuit.circuit.clone();
    std::thread::spawn(move || {
        (0..2).for_each(|_| working.try_acquire().expect("closed").success());
        done.send(()).expect("somebody waits");
    });
    ended.recv_timeout(secs(20)).expect("no deadlock");
    assert_eq!(told.take(), ["closed 0", "success 0ns"]);
    assert_eq!(circuit.totals().successful, 4);
}

// L2, E4: neither the others nor the call.
#[test]
fn a_listener_that_panics_harms_nobody() {
    let told = Heard::default();
    let circuit = fragile(|c| {
        c.on_call(|_, _| panic!("a listener's own fault"))
            .on_call(told.listener())
    });
    circuit.play("s f x");
    assert_eq!(told.take().len(), 5);
    circuit.is(State::Open);
}

// L2
#[test]
fn listeners_to_calls_keep_no_circuit_alive() {
    let (circuit, _) = heard(|c| c);
    let Fixture { circuit, .. } = circuit;
    let subscription = circuit.subscribe_calls(|_, _| {});
    let weak = circuit.downgrade();
    drop(circuit);
    assert!(weak.upgrade().is_none());
    drop(subscription);
}

// L2: however many threads call, begin and cease to listen.
#[test]
fn each_admission_has_one_end_on_every_thread() {
    let counts = Arc::new(Mutex::new([0_u64; 3]));
    let counted = counts.clone();
    let circuit = Circuit::builder("payments")
        .consecutive_failures(2)
        .open_for(NANO)
        .on_call(move |_, event| {
            let mut counts = counted.lock().expect("no panic");
            match event {
                CallEvent::Admitted(_) => counts[0] += 1,
                CallEvent::Ended(_) => counts[1] += 1,
                CallEvent::Rejected(_) => counts[2] += 1,
                other => panic!("{other:?}"),
            }
        })
        .build()
        .expect("valid");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let circuit = circuit.clone();
            scope.spawn(move || {
                for number in 0..1_000 {
                    drop(circuit.subscribe_calls(|_, _| {}));
                    match circuit.try_acquire() {
                        Ok(call) if number % 3 == thread % 3 => call.failure(),
                        Ok(call) => call.success(),
                        Err(_) => {}
                    }
                }
            });
        }
    });
    let [admitted, ended, rejected] = *counts.lock().expect("no panic");
    let totals = circuit.snapshot().totals.expect("on");
    assert_eq!((admitted, admitted), (ended, totals.ended()));
    assert_eq!(rejected, totals.rejected);
    assert_eq!(admitted + rejected, 4_000);
}
