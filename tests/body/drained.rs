//! What is left of a rejected upload is read in turns with everybody else's work (rule H2).

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header::EXPECT};
use http_body::{Body, Frame, SizeHint};
use tokio_test::task::{Spawn, spawn};
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
    let layer = CircuitBreakerLayer::new(open()).drain_rejected(u64::MAX, time);
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

/// An upload that comes when it is let go on.
#[derive(Clone, Default)]
struct Upload {
    /// How many pieces are to come, and whether it says that there are none.
    left: u64,
    says_end: bool,
    hint: u64,
    goes_on: Arc<AtomicBool>,
    read: Arc<AtomicU64>,
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.goes_on.load(SeqCst) {
            return Poll::Pending;
        }
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or(0);
        let piece = left.map(|_| Ok(Frame::data(Bytes::from_static(b"x"))));
        self.read.fetch_add(u64::from(piece.is_some()), SeqCst);
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        self.says_end
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.hint);
        hint
    }
}

const MOST: u64 = 5;

/// An upload of three pieces.
fn upload() -> Request<Upload> {
    Request::new(Upload {
        left: 3,
        ..Upload::default()
    })
}

/// What an open circuit does with it.
fn drains(circuit: Circuit, upload: Request<Upload>) -> Spawn<impl Future<Output = u16>> {
    let layer = CircuitBreakerLayer::new(circuit);
    let layer = layer.drain_rejected(MOST, Duration::from_secs(60));
    let service = layer.layer(service_fn(|_: Request<Upload>| {
        std::future::pending::<Result<Response<()>, Infallible>>()
    }));
    spawn(async move {
        let Ok(answer) = service.oneshot(upload).await;
        answer.status().as_u16()
    })
}

fn open() -> Circuit {
    let circuit = Circuit::builder("uploads").build().expect("valid");
    circuit.force_open();
    circuit
}

// H2: whoever sends gets the answer when all is there.
#[tokio::test(start_paused = true)]
async fn a_rejection_waits_for_what_the_client_still_sends() {
    let upload = upload();
    let body = upload.body().clone();
    let mut call = drains(open(), upload);
    for _ in 0..3 {
        assert!(call.poll().is_pending());
    }
    body.goes_on.store(true, SeqCst);
    assert_eq!(call.poll(), Poll::Ready(503));
    assert_eq!(body.read.load(SeqCst), 3);
}

// H2
#[tokio::test(start_paused = true)]
async fn a_rejection_waits_only_for_an_upload_that_can_be_waited_for() {
    type Change = fn(&mut Request<Upload>);
    let ways: [(bool, &str, Change); 8] = [
        (true, "as it is", |_| {}),
        (true, "HTTP/1.0", |it| *it.version_mut() = Version::HTTP_10),
        (true, "no longer than may be", |it| {
            it.body_mut().hint = MOST;
        }),
        (false, "longer than may be", |it| {
            it.body_mut().hint = MOST + 1;
        }),
        (false, "HTTP/2", |it| *it.version_mut() = Version::HTTP_2),
        (false, "HTTP/3", |it| *it.version_mut() = Version::HTTP_3),
        (false, "without a body", |it| it.body_mut().says_end = true),
        (false, "not sent yet", |it| {
            let value = HeaderValue::from_static("100-continue");
            it.headers_mut().insert(EXPECT, value);
        }),
    ];
    for (waits, what, change) in ways {
        let mut upload = upload();
        change(&mut upload);
        let mut call = drains(open(), upload);
        assert_eq!(call.poll().is_pending(), waits, "{what}");
    }
}

// M5: it is about rejections only.
#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_is_answered_as_without_it() {
    let limit = Duration::from_secs(1);
    let circuit = Circuit::builder("uploads").call_timeout(limit);
    let circuit = circuit.build().expect("valid");
    let answer = drains(circuit, upload());
    assert_eq!(tokio::time::timeout(2 * limit, answer).await, Ok(504));
}
