//! A circuit that observes bodies, and bodies that do as they are told.

use std::{
    cell::Cell,
    collections::VecDeque,
    convert::Infallible,
    fmt,
    future::ready,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tower::{Layer as _, Service, service_fn};
use tower_breaker::{
    CircuitBreakerLayer, Outcome, Totals,
    body::{BodyEnd, ObserveBodies, ObservedBody},
    classify::HttpClassifier,
    reject::ServiceUnavailable,
};

use crate::support::{Fixture, SLOW};

/// A circuit that notes slow calls, and does not trip by them.
pub(crate) fn watchful() -> Fixture {
    Fixture::new(|c| {
        c.slow_call_duration(SLOW)
            .slow_call_rate(1.0)
            .minimum_calls(100)
    })
}

/// How a scripted body breaks. Not `Copy`, like most errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

/// When a body says that it is at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Says {
    /// Only by ending.
    #[default]
    Nothing,
    /// As soon as there is nothing more.
    Truth,
    Panics,
}

/// A body of one letter a poll: a digit is a data frame of so many bytes, `p` is pending, `t` are trailers,
/// `T` are trailers that tell of a failure, `e` is an error and `!` a panic. Then it ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scripted {
    letters: VecDeque<char>,
    says: Says,
    hint: Option<u64>,
}

pub(crate) fn body(script: &str) -> Scripted {
    Scripted {
        letters: script.chars().collect(),
        ..Scripted::default()
    }
}

impl Scripted {
    pub(crate) fn says(self, says: Says) -> Self {
        Self { says, ..self }
    }

    pub(crate) fn hint(self, exact: u64) -> Self {
        Self {
            hint: Some(exact),
            ..self
        }
    }
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Poll::Ready(Some(match self.letters.pop_front() {
            None => return Poll::Ready(None),
            Some('p') => return Poll::Pending,
            Some('e') => Err(Broken),
            Some('t') => Ok(Frame::trailers(trailers("fine"))),
            Some('T') => Ok(Frame::trailers(trailers("failed"))),
            Some('!') => panic!("the body"),
            Some(digit) => {
                let bytes = digit.to_digit(10).expect("a digit") as usize;
                Ok(Frame::data(Bytes::from_static(&[0; 9][..bytes])))
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        match self.says {
            Says::Nothing => false,
            Says::Truth => self.letters.is_empty(),
            Says::Panics => panic!("is_end_stream"),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

pub(crate) fn trailers(status: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static("x-status"),
        HeaderValue::from_static(status),
    )])
}

pub(crate) type Judge = fn(BodyEnd<'_, Broken>) -> Outcome;
pub(crate) type Layer<J> =
    CircuitBreakerLayer<HttpClassifier, ServiceUnavailable, ObserveBodies<J>>;
pub(crate) type Observed<J = Judge, B = Scripted> =
    ObservedBody<B, HttpClassifier, ServiceUnavailable, ObserveBodies<J>>;

/// Whether all is well is known at the end only.
pub(crate) const AT_END: StatusCode = StatusCode::ACCEPTED;
pub(crate) const NOW: StatusCode = StatusCode::OK;
pub(crate) const HEADS: [StatusCode; 2] = [NOW, AT_END];

/// What the trailers say; else as the default.
pub(crate) fn judge(end: BodyEnd<'_, Broken>) -> Outcome {
    match end {
        BodyEnd::Complete => Outcome::Success,
        BodyEnd::Trailers(trailers) if trailers["x-status"] == "fine" => Outcome::Success,
        _ => Outcome::Failure,
    }
}

/// A circuit, a layer around it, and what has become of the calls.
pub(crate) struct Stage<J = Judge> {
    pub(crate) fixture: Fixture,
    pub(crate) layer: Layer<J>,
    seen: Cell<Totals>,
}

impl Stage {
    pub(crate) fn new(fixture: Fixture) -> Self {
        Self::with(fixture, judged_by(judge))
    }
}

pub(crate) fn judged_by(judge: Judge) -> ObserveBodies<Judge> {
    ObserveBodies::new().eos_classifier(judge)
}

impl<J> Stage<J> {
    pub(crate) fn with(fixture: Fixture, observe: ObserveBodies<J>) -> Self {
        let layer = CircuitBreakerLayer::new(fixture.circuit.clone())
            .classifier(HttpClassifier::new().classify_as(Outcome::RequiresEos, [AT_END]))
            .observe_bodies_with(observe);
        Self {
            seen: Cell::new(fixture.totals()),
            fixture,
            layer,
        }
    }

    /// The answer of a service that answers so.
    pub(crate) fn ask<B>(
        &self,
        request: http::request::Builder,
        answer: Response<B>,
    ) -> Response<Observed<J, B>>
    where
        B: Body + Default,
        J: tower_breaker::body::ClassifyEos<B::Error>,
    {
        self.ask_after(Duration::ZERO, request, answer)
    }

    /// The same, of one that takes its time.
    pub(crate) fn ask_after<B>(
        &self,
        time: Duration,
        request: http::request::Builder,
        answer: Response<B>,
    ) -> Response<Observed<J, B>>
    where
        B: Body + Default,
        J: tower_breaker::body::ClassifyEos<B::Error>,
    {
        let mut answer = Some(answer);
        let mut service = self.layer.layer(service_fn(|_: Request<()>| {
            self.fixture.wait(time);
            ready(Ok::<_, Infallible>(answer.take().expect("one call")))
        }));
        let mut context = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut context).is_ready());
        let called = service.call(request.body(()).unwrap());
        called.now_or_never().expect("an answer").unwrap()
    }

    /// The body of the answer to a `GET`.
    pub(crate) fn get(&self, status: StatusCode, body: Scripted) -> Observed<J>
    where
        J: tower_breaker::body::ClassifyEos<Broken>,
    {
        self.ask(Request::get("/"), answer(status, body))
            .into_body()
    }

    /// How the calls have ended since the last look; nothing while they are under way.
    pub(crate) fn ended(&self) -> String {
        let (now, before) = (
            self.fixture.totals(),
            self.seen.replace(self.fixture.totals()),
        );
        [
            ("successful", now.successful - before.successful),
            ("failed", now.failed - before.failed),
            ("ignored", now.ignored - before.ignored),
            ("abandoned", now.abandoned - before.abandoned),
            ("slow", now.slow - before.slow),
            ("stale", now.stale - before.stale),
            ("rejected", now.rejected - before.rejected),
        ]
        .into_iter()
        .flat_map(|(name, times)| std::iter::repeat_n(name, usize::try_from(times).unwrap()))
        .collect::<Vec<_>>()
        .join(" ")
    }
}

pub(crate) fn answer<B>(status: StatusCode, body: B) -> Response<B> {
    Response::builder().status(status).body(body).unwrap()
}

pub(crate) fn announcing<B>(length: &str, mut answer: Response<B>) -> Response<B> {
    let length = HeaderValue::from_bytes(length.as_bytes()).unwrap();
    answer.headers_mut().insert("content-length", length);
    answer
}

/// Polls once, and says what came in the letters of the script; a `.` is the end.
pub(crate) fn poll<B>(body: &mut B) -> char
where
    B: Body<Data = Bytes, Error = Broken> + Unpin,
{
    match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => 'p',
        Poll::Ready(None) => '.',
        Poll::Ready(Some(Err(Broken))) => 'e',
        Poll::Ready(Some(Ok(frame))) => match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => char::from(b'0' + u8::try_from(data.len()).unwrap()),
            (_, Some(trailers)) if trailers["x-status"] == "fine" => 't',
            _ => 'T',
        },
    }
}

/// Polls so often.
pub(crate) fn read<B>(body: &mut B, polls: usize) -> String
where
    B: Body<Data = Bytes, Error = Broken> + Unpin,
{
    (0..polls).map(|_| poll(body)).collect()
}

/// Polls until there is nothing more to come: the end, trailers or an error.
pub(crate) fn read_to_end<B>(body: &mut B) -> String
where
    B: Body<Data = Bytes, Error = Broken> + Unpin,
{
    let mut heard = String::new();
    while !heard.ends_with(['.', 'e', 't', 'T']) {
        heard.push(poll(body));
    }
    heard
}
