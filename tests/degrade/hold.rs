//! A call that would be rejected waits for its circuit, for a while.

use std::{convert::Infallible, future::Future, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneService};
use tower_breaker::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Reason, Rejected, State,
    degrade::{Degraded, FallbackKind, queue::HoldLayer},
    observe::FallbackTotal,
};

use crate::{
    drainer::{Dependency, Do, circuit, days},
    support::{millis, secs},
};

/// A line before a breaker before a dependency.
struct Fixture {
    circuit: Circuit,
    dependency: Dependency,
    layer: HoldLayer,
}

type Answer = Result<Response<Bytes>, Infallible>;
type Client = BoxCloneService<Request<Bytes>, Response<Bytes>, Infallible>;

impl Fixture {
    fn new() -> Self {
        Self::of(circuit())
    }

    fn of(circuit: Circuit) -> Self {
        Self {
            layer: HoldLayer::new(&circuit).at_most(secs(60)).waiting(2_000),
            circuit,
            dependency: Dependency::default(),
        }
    }

    fn open(self) -> Self {
        self.circuit.trip(secs(10)).expect("normal mode");
        self
    }

    fn client(&self) -> Client {
        let dependency = self.dependency.clone();
        BoxCloneService::new(service_fn(move |request| {
            let answer = dependency.clone().answer(request);
            async { Ok(answer.await.expect("no errors here")) }
        }))
    }

    fn service(&self) -> Client {
        let service = ServiceBuilder::new()
            .layer(self.layer.clone())
            .layer(CircuitBreakerLayer::new(self.circuit.clone()))
            .service(self.client());
        BoxCloneService::new(service)
    }

    /// The same with a bulkhead in between.
    fn with_bulkhead(&self) -> Client {
        let service = ServiceBuilder::new()
            .layer(self.layer.clone())
            .layer(BulkheadLayer::new())
            .layer(CircuitBreakerLayer::new(self.circuit.clone()))
            .service(self.client());
        BoxCloneService::new(service)
    }

    fn call(&self, body: &str) -> impl Future<Output = Answer> + Send + use<> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let request = Request::post("/orders").body(body).expect("valid");
        self.service().oneshot(request)
    }

    /// Calls that wait, and come in this order.
    async fn calls(&self, count: usize) -> Vec<JoinHandle<Answer>> {
        let mut calls = Vec::new();
        for number in 0..count {
            calls.push(tokio::spawn(self.call(&number.to_string())));
            tokio::task::yield_now().await;
        }
        calls
    }

    /// When calls have reached the dependency.
    fn seconds_since(&self, begun: Instant) -> Vec<u64> {
        let seen = self.dependency.seen();
        seen.iter()
            .map(|seen| (seen.at - begun).as_secs())
            .collect()
    }

    fn held(&self) -> FallbackTotal {
        let parts = self.circuit.snapshot().parts.expect("some were held");
        parts.fallbacks[0]
    }

    fn has_held_for_the_ramp(&self) -> bool {
        let parts = self.circuit.snapshot().parts.expect("some were held");
        let mut causes = parts.fallbacks.iter().map(|total| total.cause.label());
        causes.any(|label| label == "ramping")
    }

    fn rejected(&self) -> u64 {
        self.circuit.snapshot().totals.expect("on").rejected
    }
}

async fn status(call: JoinHandle<Answer>) -> u16 {
    call.await
        .expect("no panic")
        .expect("infallible")
        .status()
        .as_u16()
}

// M6
#[tokio::test(start_paused = true)]
async fn a_call_waits_for_the_circuit_and_is_answered_by_the_dependency() {
    let fixture = Fixture::new().open();
    let begun = Instant::now();
    let answer = fixture.call("one").await.expect("infallible");
    assert_eq!((begun.elapsed(), answer.status().as_u16()), (secs(10), 200));
    let degraded = answer.extensions().get::<Degraded>().expect("marked");
    assert_eq!(degraded.kind, FallbackKind::Hold);
    assert_eq!(degraded.cause.label(), "open");
    assert_eq!(fixture.dependency.bodies(), ["one"], "once");
    assert_eq!(fixture.circuit.state(), State::Closed);
    assert_eq!(fixture.rejected(), 0);
    assert_eq!((fixture.held().answered, fixture.held().failed), (1, 0));
}

// M6
#[tokio::test(start_paused = true)]
async fn while_closed_nothing_is_held() {
    let fixture = Fixture::new();
    let answer = fixture.call("one").await.expect("infallible");
    assert!(answer.extensions().get::<Degraded>().is_none());
    assert_eq!(fixture.circuit.snapshot().parts, None);
}

// M6
#[tokio::test(start_paused = true)]
async fn it_waits_no_longer_than_it_may() {
    let mut fixture = Fixture::new().open();
    fixture.layer = fixture.layer.at_most(secs(3));
    let begun = Instant::now();
    let answer = fixture.call("one").await.expect("infallible");
    assert_eq!((begun.elapsed(), answer.status().as_u16()), (secs(3), 503));
    let rejected = answer.extensions().get::<Rejected>().expect("marked");
    assert_eq!(rejected.remaining(), Some(secs(7)));
    assert!(answer.extensions().get::<Degraded>().is_none());
    assert!(fixture.dependency.seen().is_empty());
    assert_eq!(fixture.rejected(), 1, "counted once");
    assert_eq!((fixture.held().answered, fixture.held().failed), (0, 1));
}

// M6
#[tokio::test(start_paused = true)]
async fn a_call_may_be_held_for_months() {
    let mut fixture = Fixture::new();
    fixture.layer = fixture.layer.at_most(days(100));
    assert!(fixture.circuit.force_open());
    let calls = fixture.calls(1).await;
    sleep(days(99)).await;
    fixture.circuit.reset();
    for call in calls {
        assert_eq!(status(call).await, 200);
    }
}

// M6
#[tokio::test(start_paused = true)]
async fn no_more_wait_than_may() {
    let mut fixture = Fixture::new().open();
    fixture.layer = fixture.layer.waiting(2);
    let waiting = fixture.calls(2).await;
    let begun = Instant::now();
    assert_eq!(
        fixture.call("three").await.expect("infallible").status(),
        503
    );
    assert_eq!(begun.elapsed(), Duration::ZERO);
    for call in waiting {
        assert_eq!(status(call).await, 200);
    }
    // Their places are free again.
    let fixture = fixture.open();
    for call in fixture.calls(2).await {
        assert_eq!(status(call).await, 200);
    }
}

// M6: what is asked for at the end of the wait is asked with the request still in hand.
#[tokio::test(start_paused = true)]
async fn the_circuit_is_asked_again_before_the_request_is_given_away() {
    let fixture = Fixture::new().open();
    fixture.dependency.then([Do::Status(500)]);
    let calls = fixture.calls(5).await;
    sleep(millis(10_001)).await;
    assert_eq!(
        fixture.dependency.bodies(),
        ["0"],
        "it has failed, and opened the circuit"
    );
    assert_eq!(fixture.circuit.state(), State::Open);
    let mut statuses = Vec::new();
    for call in calls {
        statuses.push(status(call).await);
    }
    assert_eq!(statuses, [500, 200, 200, 200, 200]);
    assert_eq!(
        fixture.dependency.bodies(),
        ["0", "1", "2", "3", "4"],
        "each once, in order"
    );
    assert_eq!(fixture.rejected(), 0);
}

// M6, D1
#[tokio::test(start_paused = true)]
async fn in_half_open_one_goes_at_a_time() {
    let circuit = Circuit::builder("orders").consecutive_failures(3);
    let circuit = circuit.permits(3).success_threshold(3);
    let fixture = Fixture::of(circuit.build().expect("valid")).open();
    fixture.dependency.then([Do::Take(900); 6]);
    let calls = fixture.calls(6).await;
    let begun = Instant::now();
    for call in calls {
        assert_eq!(status(call).await, 200);
    }
    assert_eq!(fixture.seconds_since(begun), [10, 10, 11, 12, 12, 12]);
}

// M6, D6: a thousand wait, and a dependency that has just come back gets a share of them.
#[tokio::test(start_paused = true)]
async fn a_stampede_obeys_the_ramp() {
    let circuit = Circuit::builder("orders")
        .consecutive_failures(9)
        .ramp(secs(10), 0.1);
    let fixture = Fixture::of(circuit.build().expect("valid")).open();
    let calls = fixture.calls(1_000).await;
    sleep(millis(10_900)).await;
    let at_once = fixture.dependency.seen().len();
    assert!((90..=120).contains(&at_once), "a tenth of them: {at_once}");
    let mut went = vec![at_once];
    for _ in 0..10 {
        let before = fixture.dependency.seen().len();
        let share = fixture.circuit.snapshot().ramp_share;
        sleep(secs(1)).await;
        let (now, left) = (fixture.dependency.seen().len(), 1_000 - before);
        let (now, left) = (now - before, left as f64);
        went.push(now);
        assert!(
            now as f64 >= left * share * 0.5,
            "{went:?} of {left}, of which {share}"
        );
        assert!(
            now as f64 <= left * (share + 0.12) + 12.0,
            "{went:?} of {left}, of which {share}"
        );
    }
    for call in calls {
        assert_eq!(status(call).await, 200);
    }
    assert_eq!(fixture.dependency.seen().len(), 1_000);
    assert_eq!(fixture.rejected(), 0);
}

// M6, D6
#[tokio::test(start_paused = true)]
async fn whoever_a_ramp_turns_away_waits_as_well() {
    let circuit = Circuit::builder("orders").ramp(secs(20), 0.1);
    let fixture = Fixture::of(circuit.build().expect("valid")).open();
    assert_eq!(
        fixture.call("probe").await.expect("infallible").status(),
        200
    );
    for call in fixture.calls(50).await {
        assert_eq!(status(call).await, 200);
    }
    assert_eq!(fixture.rejected(), 0);
    assert!(fixture.has_held_for_the_ramp());
}

// M6, D6, M2
#[tokio::test(start_paused = true)]
async fn whoever_a_ramp_turns_away_waits_around_a_bulkhead_as_well() {
    let circuit = Circuit::builder("orders").ramp(secs(20), 0.1);
    let fixture = Fixture::of(circuit.build().expect("valid")).open();
    let probe = fixture.call("probe").await.expect("infallible");
    assert_eq!(probe.status(), 200);
    for _ in 0..50 {
        let request = Request::post("/orders").body(Bytes::new());
        let call = fixture.with_bulkhead().oneshot(request.expect("valid"));
        assert_eq!(call.await.expect("infallible").status(), 200);
    }
    assert_eq!(fixture.rejected(), 0);
    assert!(fixture.has_held_for_the_ramp());
}

// M6, B9: asking again and again would undo what shedding does.
#[tokio::test(start_paused = true)]
async fn what_is_shed_is_not_held() {
    let circuit = Circuit::builder("orders")
        .count_window(20)
        .minimum_calls(10)
        .failure_rate(None)
        .shed(2.0, 0.1);
    let fixture = Fixture::of(circuit.build().expect("valid"));
    for _ in 0..20 {
        if let Ok(guard) = fixture.circuit.try_acquire() {
            guard.failure();
        }
    }
    let (begun, before) = (Instant::now(), fixture.rejected());
    let mut rejected = 0;
    for call in fixture.calls(10).await {
        rejected += u64::from(status(call).await == 503);
    }
    assert!(rejected >= 5, "{rejected} of 10");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(fixture.rejected() - before, rejected);
    let parts = fixture.circuit.snapshot().parts;
    assert_eq!(parts, None, "none is told to have been held");
}

// M6, B9: also if there is nothing to shed any more by the time of its call.
#[tokio::test(start_paused = true)]
async fn what_was_shed_is_not_held_as_if_by_a_ramp() {
    let circuit = Circuit::builder("orders")
        .time_window(secs(10))
        .minimum_calls(10)
        .failure_rate(None)
        .shed(2.0, 0.000_001);
    let fixture = Fixture::of(circuit.build().expect("valid"));
    for bulkhead in [false, true] {
        for _ in 0..10 {
            fixture
                .circuit
                .try_acquire()
                .expect("none is shed")
                .failure();
        }
        // The first turn passes.
        drop(fixture.circuit.try_acquire());
        let mut service = match bulkhead {
            false => fixture.service(),
            true => fixture.with_bulkhead(),
        };
        let before = fixture.rejected();
        let ready = service.ready().await.expect("infallible");
        sleep(secs(12)).await;
        assert_eq!(fixture.circuit.snapshot().shed_share, 0.0);
        let request = Request::post("/orders").body(Bytes::new()).expect("valid");
        let answer = ready.call(request).await.expect("infallible");
        assert_eq!(answer.status(), 503);
        assert_eq!(fixture.rejected() - before, 1);
        let rejected = answer.extensions().get::<Rejected>().expect("marked");
        assert_eq!(rejected.reason(), Reason::Shedding);
    }
    assert_eq!(fixture.circuit.snapshot().parts, None);
}

// M6: what it is held for is why it would have been rejected.
#[tokio::test(start_paused = true)]
async fn what_an_open_circuit_has_turned_away_is_not_told_as_a_ramp() {
    let fixture = Fixture::new().open();
    let mut service = fixture.service();
    let ready = service.ready().await.expect("infallible");
    sleep(secs(10)).await;
    let request = Request::post("/orders").body(Bytes::new()).expect("valid");
    let answer = ready.call(request).await.expect("infallible");
    assert_eq!(answer.status(), 200);
    assert_eq!(fixture.held().cause.label(), "open");
}

// M6, D6
#[tokio::test(start_paused = true)]
async fn in_a_ramp_too_it_waits_no_longer_than_it_may() {
    let circuit = Circuit::builder("orders").ramp(secs(1_000), 0.01);
    let mut fixture = Fixture::of(circuit.build().expect("valid")).open();
    assert_eq!(
        fixture.call("probe").await.expect("infallible").status(),
        200
    );
    fixture.layer = fixture.layer.at_most(millis(300));
    let begun = Instant::now();
    let calls = fixture.calls(30).await;
    for call in calls {
        call.await.expect("no panic").expect("infallible");
    }
    assert_eq!(begun.elapsed(), millis(300));
}

// M6: who has gone waits no more.
#[tokio::test(start_paused = true)]
async fn who_is_under_way_has_no_place_in_line() {
    let mut fixture = Fixture::new().open();
    fixture.layer = fixture.layer.waiting(1);
    fixture.dependency.then([Do::Take(5_000)]);
    let first = tokio::spawn(fixture.call("one"));
    sleep(secs(11)).await;
    let second = tokio::spawn(fixture.call("two"));
    assert_eq!((status(first).await, status(second).await), (200, 200));
}

// M6: of a rejection, also one that looks like no failure.
#[tokio::test(start_paused = true)]
async fn a_rejection_is_no_answer() {
    let fixture = Fixture::new().open();
    let service = ServiceBuilder::new()
        .layer(fixture.layer.clone().at_most(secs(1)))
        .layer(CircuitBreakerLayer::new(fixture.circuit.clone()).reject_with(|_| Response::new(())))
        .service(service_fn(|()| async {
            Ok::<_, Infallible>(Response::new(()))
        }));
    let answer = service.oneshot(()).await.expect("infallible");
    assert!(answer.extensions().get::<Rejected>().is_some());
    assert!(answer.extensions().get::<Degraded>().is_none());
    assert_eq!((fixture.held().answered, fixture.held().failed), (0, 1));
}

// M6
#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_leaves_nothing() {
    let mut fixture = Fixture::new().open();
    fixture.layer = fixture.layer.waiting(2);
    for _ in 0..10 {
        // The first in line, and one behind it.
        let [first, second] = ["one", "two"].map(|body| timeout(millis(1), fixture.call(body)));
        let (first, second) = tokio::join!(first, second);
        assert!(first.is_err() && second.is_err());
    }
    assert!(fixture.dependency.seen().is_empty());
    assert_eq!(
        fixture.call("three").await.expect("infallible").status(),
        200
    );
}

// M6, A4: the next has its turn when the one in half-open is dropped.
#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_makes_room() {
    let fixture = Fixture::new().open();
    fixture.dependency.then([Do::Hang]);
    let calls = fixture.calls(2).await;
    sleep(secs(11)).await;
    assert_eq!(fixture.dependency.bodies(), ["0"]);
    calls[0].abort();
    sleep(secs(1)).await;
    assert_eq!(fixture.dependency.bodies(), ["0", "1"]);
}

// M6, D4: nobody in line asks the circuit, which may be all that notices.
#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_does_not_hold_up_the_line() {
    let circuit = Circuit::builder("orders")
        .half_open_timeout(secs(5))
        .open_for(secs(10));
    let fixture = Fixture::of(circuit.build().expect("valid")).open();
    fixture.dependency.then([Do::Hang]);
    let begun = Instant::now();
    let _calls = fixture.calls(2).await;
    sleep(secs(26)).await;
    assert_eq!(fixture.seconds_since(begun), [10, 25]);
}

// M6: it is one that takes its time, and there is room for others.
#[tokio::test(start_paused = true)]
async fn where_there_is_room_the_next_probe_goes_after_a_second() {
    let circuit = Circuit::builder("orders").permits(3).success_threshold(3);
    let fixture = Fixture::of(circuit.build().expect("valid")).open();
    fixture.dependency.then([Do::Hang]);
    let begun = Instant::now();
    let _calls = fixture.calls(2).await;
    sleep(secs(15)).await;
    assert_eq!(fixture.seconds_since(begun), [10, 11]);
}

// M6: it has been full for long, and a second is from when there is room.
#[tokio::test(start_paused = true)]
async fn where_there_is_room_again_the_next_probe_goes_after_a_second() {
    let circuit = Circuit::builder("orders").permits(2).success_threshold(5);
    let circuit = circuit.half_open_timeout(secs(100));
    let fixture = Fixture::of(circuit.build().expect("valid")).open();
    fixture.dependency.then([Do::Hang]);
    let begun = Instant::now();
    sleep(secs(10)).await;
    let [one, two] = [(), ()].map(|()| fixture.circuit.try_acquire().expect("a probe"));
    let _calls = fixture.calls(2).await;
    sleep(secs(2)).await;
    one.success();
    sleep(secs(5)).await;
    two.success();
    sleep(secs(5)).await;
    assert_eq!(fixture.seconds_since(begun), [12, 18]);
}

// M6: nothing that is bad is marked as another answer.
#[tokio::test(start_paused = true)]
async fn a_failure_is_no_answer() {
    let fixture = Fixture::new().open();
    fixture.dependency.then([Do::Status(500)]);
    let answer = fixture.call("one").await.expect("infallible");
    assert_eq!(answer.status(), 500);
    assert!(answer.extensions().get::<Degraded>().is_none());
    assert_eq!((fixture.held().answered, fixture.held().failed), (0, 1));
}

// M6, D8
#[tokio::test(start_paused = true)]
async fn a_part_of_a_call_is_not_held() {
    let fixture = Fixture::new().open();
    sleep(secs(10)).await;
    let inner = fixture.call("part");
    let answer = fixture.circuit.call(inner).await.expect("admitted");
    assert_eq!(answer.status(), 200);
    assert!(answer.extensions().get::<Degraded>().is_none());
}

// M6: a reset ends all waits, a release too.
#[tokio::test(start_paused = true)]
async fn a_person_ends_the_wait() {
    let fixture = Fixture::new();
    assert!(fixture.circuit.force_open());
    let calls = fixture.calls(3).await;
    sleep(secs(5)).await;
    fixture.circuit.reset();
    let reset_at = Instant::now();
    for call in calls {
        assert_eq!(status(call).await, 200);
    }
    assert_eq!(reset_at.elapsed(), Duration::ZERO);
    assert_eq!(fixture.held().cause.label(), "forced_open");
}

// M6
#[tokio::test(start_paused = true)]
async fn who_waits_is_not_polled() {
    let fixture = Fixture::new();
    fixture.circuit.trip(secs(3_600)).expect("normal mode");
    let call = fixture.layer.clone().at_most(secs(900)).layer(
        CircuitBreakerLayer::new(fixture.circuit.clone()).layer(service_fn(|_: ()| async {
            Ok::<_, Infallible>(Response::new(()))
        })),
    );
    let polls = crate::drainer::polls(call.oneshot(()), secs(600)).await;
    assert!(polls <= 2, "{polls}");
}

// M6, M2
#[tokio::test(start_paused = true)]
async fn a_bulkhead_may_be_in_between() {
    let circuit = Circuit::builder("orders").bulkhead(1, secs(5));
    let fixture = Fixture::of(circuit.build().expect("valid")).open();
    fixture.dependency.then([Do::Take(1_000); 3]);
    let service = fixture.with_bulkhead();
    let begun = Instant::now();
    let calls = ["one", "two", "three"].map(|body| {
        let request = Request::post("/orders")
            .body(Bytes::from(body))
            .expect("valid");
        tokio::spawn(service.clone().oneshot(request))
    });
    for call in calls {
        assert_eq!(status(call).await, 200);
    }
    assert_eq!(begun.elapsed(), secs(13));
    assert_eq!(fixture.rejected(), 0);
}

/// The answer to a call whose caller has so many seconds, and when it came. It opens after ten, and the dependency
/// takes five.
async fn hurried(fixture: &Fixture, has: u64, with_bulkhead: bool) -> (Response<Bytes>, Duration) {
    fixture.dependency.then([Do::Take(5_000)]);
    let breaker = CircuitBreakerLayer::new(fixture.circuit.clone());
    let breaker = breaker.shortened_by(move |_: &Request<Bytes>| Some(secs(has)));
    let breaker = breaker.layer(fixture.client());
    let request = Request::new(Bytes::new());
    let begun = Instant::now();
    let answer = match with_bulkhead {
        true => {
            let bulkhead = BulkheadLayer::new().layer(breaker);
            fixture.layer.layer(bulkhead).oneshot(request).await
        }
        false => fixture.layer.layer(breaker).oneshot(request).await,
    };
    (answer.expect("infallible"), begun.elapsed())
}

// M6, M5: whatever the call waits for, the caller's time runs.
#[tokio::test(start_paused = true)]
async fn a_caller_waits_no_longer_for_its_circuit_and_an_answer_than_it_has_time() {
    for with_bulkhead in [false, true] {
        let fixture = Fixture::new().open();
        let (answer, took) = hurried(&fixture, 2, with_bulkhead).await;
        assert_eq!((answer.status().as_u16(), took), (503, secs(2)));
        let rejected = answer.extensions().get::<Rejected>().expect("marked");
        assert_eq!(rejected.reason(), Reason::Open);
        assert!(fixture.dependency.seen().is_empty());
        assert_eq!(fixture.rejected(), 1, "counted once");

        let fixture = Fixture::new().open();
        let (answer, took) = hurried(&fixture, 12, with_bulkhead).await;
        assert_eq!((answer.status().as_u16(), took), (504, secs(12)));
        assert_eq!(fixture.seconds_since(Instant::now() - took), [10]);
        assert_eq!((fixture.held().answered, fixture.held().failed), (0, 1));
    }
}

// M6, M5, M2: nor for a place after that.
#[tokio::test(start_paused = true)]
async fn a_caller_that_was_held_waits_no_longer_for_a_place_than_it_has_time() {
    for (freed_after, status, reached) in [(11, 504, vec![11]), (13, 503, vec![])] {
        let circuit = Circuit::builder("orders").bulkhead(1, secs(60));
        let fixture = Fixture::of(circuit.build().expect("valid"));
        let place = fixture.circuit.try_enter().expect("there is room");
        let fixture = fixture.open();
        let begun = Instant::now();
        let freed = async move {
            sleep(secs(freed_after)).await;
            drop(place);
        };
        let ((answer, took), ()) = tokio::join!(hurried(&fixture, 12, true), freed);
        assert_eq!((answer.status().as_u16(), took), (status, secs(12)));
        assert_eq!(fixture.seconds_since(begun), reached);
    }
}

// G4
#[tokio::test(start_paused = true)]
async fn the_breaker_can_be_seen() {
    let fixture = Fixture::new();
    let mut service = fixture.layer.layer(7_u32);
    *service.get_mut() += 1;
    assert_eq!((*service.get_ref(), service.clone().into_inner()), (8, 8));
    assert!(format!("{service:?}").contains("orders"));
}
