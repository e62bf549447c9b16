//! Bodies that hold a place in a bulkhead to their end (rule M2).

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower::{Layer, service_fn};
use tower_breaker::{BulkheadLayer, Circuit, CircuitBreakerLayer, body::PlacedBody};

/// What comes, letter by letter: data, trailers, an error, a panic, nothing yet; at its end it is over, and says so if
/// it is told to.
#[derive(Default)]
struct Script {
    letters: &'static str,
    says_end: bool,
}

impl Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let letter = self.letters.chars().next();
        self.letters = self.letters.get(1..).unwrap_or_default();
        match letter {
            None => Poll::Ready(None),
            Some('d') => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"d"))))),
            Some('t') => Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new())))),
            Some('e') => Poll::Ready(Some(Err(std::io::Error::other("as told")))),
            Some('p') => panic!("as told"),
            Some(_) => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.says_end && self.letters.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.letters.len() as u64)
    }
}

fn circuit() -> Circuit {
    let builder = Circuit::builder("files").bulkhead(1, Duration::ZERO);
    builder.build().unwrap()
}

async fn body(circuit: &Circuit, letters: &'static str, says_end: bool) -> PlacedBody<Script> {
    let answer = move |_: Request<()>| async move {
        Ok::<_, Infallible>(Response::new(Script { letters, says_end }))
    };
    let layer = BulkheadLayer::new().to_end_of_body();
    let breaker = CircuitBreakerLayer::new(circuit.clone()).layer(service_fn(answer));
    let response = layer.layer(breaker).oneshot(Request::new(())).await;
    response.unwrap().into_body()
}

fn taken(circuit: &Circuit) -> bool {
    circuit.snapshot().parts.unwrap().bulkhead.unwrap().taken == 1
}

fn poll(body: &mut PlacedBody<Script>) {
    let polled = Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()));
    drop(polled);
}

// M2
#[tokio::test]
async fn a_place_is_held_to_the_end_of_the_body_and_not_longer() {
    for (letters, says_end) in [
        ("dd", false),
        ("wdwt", false),
        ("dd", true),
        ("dt", true),
        ("de", false),
    ] {
        let circuit = circuit();
        let mut body = body(&circuit, letters, says_end).await;
        assert_eq!(body.size_hint().exact(), Some(letters.len() as u64));
        // The end is known with the last frame, or only after it.
        let polls = letters.len() + usize::from(!says_end && !letters.contains('e'));
        for _ in 0..polls {
            assert!(taken(&circuit), "{letters}");
            circuit.try_enter().unwrap_err();
            poll(&mut body);
        }
        assert!(!taken(&circuit), "{letters}");
        assert_eq!(body.is_end_stream(), says_end, "{letters}");
    }
}

// M2
#[tokio::test]
async fn a_body_that_is_dropped_taken_out_or_panics_gives_its_place_back() {
    let circuit = circuit();
    drop(body(&circuit, "dd", false).await);
    assert!(!taken(&circuit));
    let _inner = body(&circuit, "dd", false).await.into_inner();
    assert!(!taken(&circuit));
    let mut panics = body(&circuit, "p", false).await;
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut panics))).is_err());
    assert!(!taken(&circuit));
}

// M2: a slow reader holds none where nobody has asked for that.
#[tokio::test]
async fn a_body_that_is_over_with_its_head_holds_none_nor_does_that_of_a_rejection() {
    let circuit = circuit();
    let over = body(&circuit, "", true).await;
    assert!(!taken(&circuit));
    let held = body(&circuit, "dd", false).await;
    let rejected = body(&circuit, "dd", false).await;
    assert!(taken(&circuit));
    drop(held);
    assert!(!taken(&circuit));
    assert_eq!(rejected.get_ref().letters, "", "its own");
    drop(over);
}
