//! What is left of a rejected upload is read in turns with everybody else's work (rule H2).

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use tower::{Layer, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer};

/// More than anybody reads at once.
const MANY: u32 = 10_000;

/// An upload of which there is always more, up to `MANY` pieces, or until it is `enough`.
struct Endless {
    read: u32,
    enough: Arc<AtomicBool>,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        assert!(self.read < MANY, "nobody else gets a turn");
        self.read += 1;
        let piece = (!self.enough.load(SeqCst)).then(|| Ok(Frame::data(Bytes::from_static(b"x"))));
        Poll::Ready(piece)
    }
}

/// The status of the answer to an upload, which is `enough` when another task says so.
async fn rejected(time: Duration, enough: Arc<AtomicBool>) -> u16 {
    let circuit = Circuit::builder("uploads").build().expect("valid");
    circuit.force_open();
    let layer = CircuitBreakerLayer::new(circuit).drain_rejected(u64::MAX, time);
    let service = layer.layer(service_fn(async |_: Request<Endless>| {
        Ok::<_, Infallible>(Response::new(()))
    }));
    let upload = Request::new(Endless { read: 0, enough });
    let Ok(answer) = service.oneshot(upload).await;
    answer.status().as_u16()
}

// The thread is the one of both.
#[tokio::test(start_paused = true)]
async fn whoever_else_runs_on_the_thread_gets_a_turn() {
    let enough = Arc::new(AtomicBool::new(false));
    let says_so = enough.clone();
    let other = tokio::spawn(async move { says_so.store(true, SeqCst) });
    assert_eq!(rejected(Duration::from_secs(60), enough).await, 503);
    other.await.expect("no panic");
}

// Also of a client that never lets anybody wait.
#[tokio::test(start_paused = true)]
async fn it_takes_no_longer_than_its_time() {
    let time = Duration::from_secs(5);
    let other = tokio::spawn(tokio::time::advance(time));
    assert_eq!(rejected(time, Arc::default()).await, 503);
    other.await.expect("no panic");
}
