//! Somebody else's code panics, and the place is free again.

use std::task::{Context, Poll, Wake, Waker};

use super::*;

fn panics(code: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(code)).is_err());
}

// M2, A5
#[tokio::test(start_paused = true)]
async fn a_panic_gives_the_place_back_at_once() {
    let many_failures = |c: CircuitBuilder| c.consecutive_failures(9);
    let (circuit, upstream) = (circuit(1, WAIT, many_failures), Upstream::new());
    let mut service = upstream.of(&circuit);
    panics(|| drop(begin(&mut service, "panics in call")));
    taken(&circuit, 0, 0);

    // Although somebody still holds the future.
    let mut call = begin(&mut service, "panics");
    panics(|| drop(call.poll()));
    taken(&circuit, 0, 0);
    assert_eq!(once(&mut service, "answers").status(), 200);
    drop(call);
    taken(&circuit, 0, 0);

    // After a wait, in the poll that has the place.
    let hangs = pends(&mut service, "hangs");
    let mut waits = pends(&mut service, "panics in call");
    drop(hangs);
    panics(|| drop(waits.poll()));
    taken(&circuit, 0, 0);
    assert_eq!(circuit.snapshot().totals.unwrap().failed, 3);
}

/// Its futures panic when they are dropped.
#[derive(Clone)]
struct Fragile;

struct Shatters;

impl Future for Shatters {
    type Output = Answer;

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Answer> {
        Poll::Pending
    }
}

impl Drop for Shatters {
    fn drop(&mut self) {
        panic!("as told");
    }
}

impl Service<()> for Fragile {
    type Response = Response<String>;
    type Error = io::Error;
    type Future = Shatters;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Shatters {
        Shatters
    }
}

// M2, A5
#[tokio::test(start_paused = true)]
async fn a_panic_in_a_drop_gives_the_place_back() {
    let circuit = circuit(1, NOW, |c| c.consecutive_failures(9));
    let mut service = BulkheadLayer::new().layer(CircuitBreaker::new(Fragile, circuit.clone()));
    let mut call = Box::pin(service.ready().await.unwrap().call(()));
    assert!(call.as_mut().now_or_never().is_none());
    panics(|| drop(call));
    taken(&circuit, 0, 0);
}

struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        panic!("as told");
    }
}

// M2: nor does a waker that panics disturb who gives its place to that task.
#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_harms_nobody() {
    let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let hangs = pends(&mut service, "hangs");
    let mut waits = Box::pin(service.ready().await.unwrap().call("answers"));
    let waker = Waker::from(Arc::new(Bomb));
    let polled = waits.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    drop(hangs);
    assert_eq!(answer(waits).status(), 200);
    taken(&circuit, 0, 0);
}
