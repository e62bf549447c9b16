//! Threads that come and go, give up, panic and change the number of places (M2).

use std::{sync::atomic::AtomicBool, thread, time::Instant};

use super::*;

const THREADS: u64 = 8;
const ROUNDS: u64 = 300;
const FEW: u32 = 2;
const MANY: u32 = 5;

/// Chosen by whom, and by which call of theirs.
fn order(thread: u64, call: u64) -> &'static str {
    match (thread * 7 + call) % 11 {
        0 => "panics in call",
        1 => "panics",
        2 | 3 => "fails",
        _ => "yields",
    }
}

/// Without a word: there are many.
fn panics_if(told: bool) {
    if told {
        std::panic::resume_unwind(Box::new("as told"));
    }
}

/// Answers as it is told, on the way through the scheduler, so that calls overlap.
fn service(upstream: &Upstream) -> BoxCloneService<&'static str, Response<String>, io::Error> {
    let upstream = upstream.clone();
    BoxCloneService::new(service_fn(move |order| {
        let inside = upstream.enter();
        panics_if(order == "panics in call");
        async move {
            let _inside = inside;
            for _ in 0..3 {
                tokio::task::yield_now().await;
                thread::yield_now();
            }
            panics_if(order == "panics");
            Ok(status(if order == "fails" { 500 } else { 200 }))
        }
    }))
}

/// Some give up after so many polls.
async fn gives_up<F: Future>(call: F, polls: u64) -> Option<F::Output> {
    let (mut call, mut left) = (pin!(call), polls);
    std::future::poll_fn(move |context| {
        let polled = call.as_mut().poll(context).map(Some);
        left = left.saturating_sub(1);
        match polled.is_pending() && left == 0 {
            true => std::task::Poll::Ready(None),
            false => polled,
        }
    })
    .await
}

fn storm(circuit: &Circuit, upstream: &Upstream, done: &AtomicBool) {
    let layer = CircuitBreakerLayer::new(circuit.clone());
    let layer = (BulkheadLayer::new(), layer);
    let layer = &layer;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = { runtime }.enable_time().build().unwrap();
                runtime.block_on(async move {
                    let service = layer.layer(service(upstream));
                    for round in (0..).take_while(|_| !done.load(SeqCst)) {
                        let call = service.clone().oneshot(order(thread, round));
                        let polls = if round % 5 == 0 {
                            round % 4 + 1
                        } else {
                            u64::MAX
                        };
                        let call = AssertUnwindSafe(gives_up(call, polls)).catch_unwind();
                        let _: Result<_, _> = call.await;
                    }
                });
            });
        }
        scope.spawn(move || change(circuit, upstream, done));
    });
}

/// When there are few places, and no more than that inside, there are no more until there are many again.
fn change(circuit: &Circuit, upstream: &Upstream, done: &AtomicBool) {
    let resize = |places| {
        let resized = circuit.reconfigure(|settings| settings.set_bulkhead((places, WAIT)));
        resized.unwrap();
    };
    // Also if this panics, or the others would go on for ever.
    let _done = Done(done);
    let mut found = 0;
    for _ in 0..ROUNDS {
        resize(MANY);
        thread::yield_now();
        resize(FEW);
        let began = Instant::now();
        // Who has a place may not be inside yet.
        while seen(circuit).taken > FEW.into() && began.elapsed() < secs(5) {
            thread::yield_now();
        }
        for _ in 0..200 {
            found = found.max(upstream.inside());
            std::hint::spin_loop();
        }
        assert!(found <= FEW.into(), "{found} are inside");
    }
}

struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

// M2
#[test]
fn there_are_never_more_inside_than_there_are_places() {
    let circuit = circuit(MANY, WAIT, |c| c.consecutive_failures(1_000_000));
    let (upstream, done) = (Upstream::new(), AtomicBool::new(false));
    storm(&circuit, &upstream, &done);
    assert!(done.load(SeqCst));
    let most = upstream.most.load(SeqCst);
    assert_eq!(most, u64::from(MANY), "nor so few that nothing was tried");
    taken(&circuit, 0, 0);
    assert_eq!(upstream.inside(), 0);
    // None was lost, and none is owed.
    let places: Vec<_> = (0..FEW).map(|_| circuit.try_enter().unwrap()).collect();
    assert_eq!(
        circuit.try_enter().unwrap_err().reason(),
        Reason::BulkheadFull
    );
    drop(places);
}
