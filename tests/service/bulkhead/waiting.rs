//! Waiting for a place, and leaving the line.

use tokio::time::Instant;

use super::*;

// M2
#[tokio::test(start_paused = true)]
async fn who_waits_is_let_in_in_the_order_of_coming_and_nobody_gets_past() {
    let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let mut inside = pends(&mut service, "gate");
    let mut line: Vec<_> = (0..5).map(|_| pends(&mut service, "gate")).collect();
    taken(&circuit, 1, 5);
    for _ in 0..5 {
        upstream.gate.add_permits(1);
        assert_eq!(inside.done().status(), 200);
        // The place is the next one's already, although that was not polled yet: a newcomer gets none.
        let mut newcomer = pends(&mut service, "answers");
        let mut next = line.remove(0);
        assert!(next.is_woken());
        assert!(line.iter().all(|other| !other.is_woken()));
        assert!(next.poll().is_pending(), "it is inside now");
        assert!(newcomer.poll().is_pending());
        assert_eq!(upstream.inside(), 1);
        inside = next;
    }
    assert_eq!(upstream.most.load(SeqCst), 1);
}

// M2
#[tokio::test(start_paused = true)]
async fn a_wait_is_as_long_as_it_may_be_and_not_longer() {
    let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let _hangs = pends(&mut service, "hangs");
    let began = Instant::now();
    let answer = begin(&mut service, "answers").await.unwrap();
    assert_eq!(reason(&answer), Some(Reason::BulkheadFull));
    assert_eq!(began.elapsed(), WAIT);
    taken(&circuit, 1, 0);
}

// M2: a wait longer than there is time.
#[tokio::test(start_paused = true)]
async fn a_wait_may_be_for_ever() {
    let (circuit, upstream) = (circuit(1, Duration::MAX, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let mut gate = pends(&mut service, "gate");
    let mut waits = pends(&mut service, "answers");
    advance(secs(1_000_000)).await;
    assert!(waits.poll().is_pending());
    upstream.gate.add_permits(1);
    gate.done();
    assert_eq!(waits.done().status(), 200);
}

// M2: the place comes just as the wait is over.
#[tokio::test(start_paused = true)]
async fn a_place_that_comes_with_the_end_of_the_wait_is_taken() {
    let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let hangs = pends(&mut service, "hangs");
    let mut waits = pends(&mut service, "answers");
    advance(WAIT).await;
    drop(hangs);
    assert_eq!(waits.done().status(), 200);
}

// M2
#[tokio::test(start_paused = true)]
async fn who_leaves_the_line_leaves_nothing_behind() {
    let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let mut inside = Some(pends(&mut service, "gate"));
    let mut first_in_line = None;
    for round in 0..10_000 {
        // Or the task would have done all that it may do at a time.
        tokio::task::yield_now().await;
        // Before it is polled, while it waits, and just as the place arrives.
        drop(begin(&mut service, "answers"));
        drop(pends(&mut service, "answers"));
        if round % 3 == 0 {
            let next = pends(&mut service, "answers");
            upstream.gate.add_permits(1);
            inside.take().unwrap().done();
            assert!(next.is_woken());
            drop(next);
            assert_eq!(once(&mut service, "answers").status(), 200);
            inside = Some(pends(&mut service, "gate"));
        }
        if round % 7 == 0 {
            // Who comes after who left is the next.
            let leaves = pends(&mut service, "answers");
            let stays = pends(&mut service, "gate");
            drop(leaves);
            upstream.gate.add_permits(1);
            inside.take().unwrap().done();
            first_in_line = Some(stays);
        }
        if let Some(mut stays) = first_in_line.take() {
            assert!(stays.is_woken());
            assert!(stays.poll().is_pending(), "it is inside");
            inside = Some(stays);
        }
        taken(&circuit, 1, 0);
    }
    drop(inside);
    taken(&circuit, 0, 0);
    assert_eq!(once(&mut service, "answers").status(), 200);
    assert_eq!(upstream.most.load(SeqCst), 1);
}

// M2, D1: place before permit.
#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_a_place_holds_no_probe() {
    let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let hangs = pends(&mut service, "hangs");
    circuit.trip(BREAK).unwrap();
    advance(BREAK).await;
    let mut waits = pends(&mut service, "answers");
    assert_eq!(circuit.state(), State::Open);
    let probe = circuit.try_acquire().expect("the probe is free");
    drop(probe);
    assert_eq!(circuit.state(), State::HalfOpen);
    // It is the probe once it has its place.
    drop(hangs);
    assert_eq!(waits.done().status(), 200);
    assert_eq!(circuit.state(), State::Closed);
}

// M2
#[tokio::test(start_paused = true)]
async fn who_waits_is_rejected_as_soon_as_the_circuit_rejects() {
    type Rejecting = fn(&Circuit);
    let ways: [(Rejecting, Reason); 2] = [
        (|circuit| circuit.trip(BREAK).unwrap(), Reason::Open),
        (|circuit| assert!(circuit.force_open()), Reason::ForcedOpen),
    ];
    for (reject, told) in ways {
        let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
        let mut service = upstream.of(&circuit);
        let _hangs = pends(&mut service, "hangs");
        let mut line = [(); 3].map(|()| pends(&mut service, "answers"));
        advance(millis(1)).await;
        reject(&circuit);
        for waits in &mut line {
            assert!(waits.is_woken());
            assert_eq!(reason(&waits.done()), Some(told));
        }
        taken(&circuit, 1, 0);
        assert_eq!(circuit.snapshot().totals.unwrap().rejected, 3);
        assert_eq!(upstream.calls(), 1);
    }
}

// M2: half-open fills up, which is a rejection, too.
#[tokio::test(start_paused = true)]
async fn who_waits_is_rejected_when_another_takes_the_last_probe() {
    let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let _hangs = pends(&mut service, "hangs");
    circuit.trip(BREAK).unwrap();
    advance(BREAK).await;
    let mut waits = pends(&mut service, "answers");
    let _probe = circuit.try_acquire().unwrap();
    assert_eq!(reason(&waits.done()), Some(Reason::HalfOpenFull));
}

// M2: a place that comes late is given back where there is no call to make.
#[tokio::test(start_paused = true)]
async fn a_place_that_comes_to_a_rejected_call_goes_to_the_next() {
    let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let hangs = pends(&mut service, "hangs");
    let mut waits = pends(&mut service, "answers");
    circuit.trip(BREAK).unwrap();
    drop(hangs);
    // It has its place, and then asks the circuit, which has opened.
    assert_eq!(reason(&waits.done()), Some(Reason::Open));
    taken(&circuit, 0, 0);
    assert_eq!(upstream.calls(), 1);
    assert_eq!(circuit.snapshot().totals.unwrap().rejected, 1);
}

// M2, D6: the ramp is asked once for each call, and keeps its word while that waits.
#[tokio::test(start_paused = true)]
async fn a_ramp_is_asked_once_for_a_call_that_waits() {
    let wait = secs(1);
    let circuit = circuit(1, wait, |c| c.ramp(secs(100), 0.5));
    let upstream = Upstream::new();
    let mut service = upstream.of(&circuit);
    circuit.trip(BREAK).unwrap();
    advance(BREAK).await;
    assert_eq!(once(&mut service, "answers").status(), 200);
    let (mut waited, mut turned_away) = (0, 0);
    for _ in 0..200 {
        advance(millis(1)).await;
        let place = circuit.try_enter().unwrap();
        let mut call = begin(&mut service, "answers");
        if call.poll().is_ready() {
            turned_away += 1;
            continue;
        }
        waited += 1;
        drop(place);
        assert_eq!(call.done().status(), 200, "whom it lets pass, it lets in");
    }
    assert!(waited > 50 && turned_away > 50, "{waited}, {turned_away}");
    assert_eq!(circuit.snapshot().totals.unwrap().rejected, turned_away);
}

// M2, G2: it goes with the service that was found ready, and that which stays has to be asked.
#[tokio::test(start_paused = true)]
async fn a_call_that_waits_takes_along_the_service_that_was_ready() {
    let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
    let limited = tower::limit::ConcurrencyLimitLayer::new(2).layer(upstream.service());
    let breaker = CircuitBreaker::new(limited, circuit.clone());
    let mut service = BulkheadLayer::new().layer(breaker);
    let mut gate = pends(&mut service, "gate");
    let mut waits = pends(&mut service, "gate");
    // The one that waits has the second permit of the inner limit.
    assert!(service.ready().now_or_never().is_none());
    let early = catch_unwind(AssertUnwindSafe(|| drop(service.call("answers"))));
    assert!(early.is_err(), "nobody was ready");
    upstream.gate.add_permits(2);
    gate.done();
    drop(gate);
    assert_eq!(waits.done().status(), 200);
    drop(waits);
    assert_eq!(begin(&mut service, "answers").done().status(), 200);

    // Dropped in the line, it gives back what it holds.
    let _place = circuit.try_enter().unwrap();
    for _ in 0..10 {
        drop(pends(&mut service, "answers"));
    }
    service.ready().await.unwrap();
}

// M2
#[tokio::test(start_paused = true)]
async fn the_service_that_waits_and_the_clone_that_stays_share_the_layers_counts() {
    let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let hangs = pends(&mut service, "hangs");
    let mut waits = pends(&mut service, "answers");
    drop(hangs);
    assert_eq!(waits.done().status(), 200);
    drop(waits);
    assert_eq!(once(&mut service, "fails").status(), 500);
    assert_eq!(circuit.state(), State::Open);
}

// M2: it needs a timer only where it has to wait.
#[test]
fn without_a_runtime_only_a_wait_panics() {
    let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    assert_eq!(once(&mut service, "answers").status(), 200);
    let hangs = pends(&mut service, "hangs");
    let mut waits = begin(&mut service, "answers");
    let polled = catch_unwind(AssertUnwindSafe(|| waits.poll().is_ready()));
    assert!(polled.is_err());
    drop((waits, hangs));
    taken(&circuit, 0, 0);
}

// M2: tokio's timers are pending in a task that has done all that it may do at a time.
#[tokio::test(start_paused = true)]
async fn a_wait_ends_in_a_busy_task() {
    let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let _hangs = pends(&mut service, "hangs");
    let mut call = Box::pin(service.ready().await.unwrap().call("answers"));
    let busy = tokio::spawn(std::future::poll_fn(move |context| {
        // Until it is told to let others run.
        let mut busy = Box::pin(async {
            loop {
                tokio::task::consume_budget().await;
            }
        });
        let _: std::task::Poll<()> = busy.as_mut().poll(context);
        call.as_mut().poll(context)
    }));
    tokio::task::yield_now().await;
    advance(WAIT).await;
    tokio::task::yield_now().await;
    assert!(busy.is_finished());
    assert_eq!(
        reason(&busy.await.unwrap().unwrap()),
        Some(Reason::BulkheadFull)
    );
}

// M5: whatever the call waits for, the caller's time runs.
#[tokio::test(start_paused = true)]
async fn a_caller_waits_no_longer_for_a_place_and_an_answer_than_it_has_time() {
    let (circuit, upstream) = (circuit(1, 10 * WAIT, |c| c), Upstream::new());
    let layer = CircuitBreakerLayer::new(circuit.clone());
    let layer = layer.shortened_by(|order: &&'static str| (*order == "gate").then_some(WAIT));
    let service = BulkheadLayer::new().layer(layer.layer(upstream.service()));
    for freed_after in [WAIT / 2, 2 * WAIT] {
        let hangs = service.clone().oneshot("hangs");
        let mut hangs = spawn(tokio::time::timeout(freed_after, hangs));
        assert!(hangs.poll().is_pending());
        let began = Instant::now();
        let (_, answer) = tokio::join!(hangs, timed(service.clone().oneshot("gate"), began));
        let (answer, took) = answer;
        assert_eq!(took, WAIT, "{:?}", answer.unwrap().status());
    }
}

async fn timed<F: Future>(call: F, began: Instant) -> (F::Output, Duration) {
    let answer = call.await;
    (answer, began.elapsed())
}
