//! Bodies are kept as they are read, whole or not at all (rules M3, M4).

use std::{
    collections::VecDeque,
    convert::Infallible,
    io::{self, Cursor},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tower::{BoxError, Layer, service_fn};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, CircuitError,
    clock::ManualClock,
    degrade::{
        Because, Degraded, FallbackKind,
        cached::{Cached, CachedBody, CachedService, NotKept},
        fallback::{self, CountedFor, FallbackLayer},
    },
};

use super::stage::{HOUR, Question, get, reply, request};

/// A body that does as it is told, and says nothing of its end before it is polled.
#[derive(Default)]
struct Script {
    frames: VecDeque<Result<Frame<Bytes>, io::Error>>,
    knows_its_end: bool,
}

impl Script {
    fn of(pieces: &[&'static str]) -> Self {
        let frame = |piece: &&'static str| Ok(Frame::data(Bytes::from_static(piece.as_bytes())));
        Self {
            frames: pieces.iter().map(frame).collect(),
            knows_its_end: false,
        }
    }

    fn and(mut self, frame: Result<Frame<Bytes>, io::Error>) -> Self {
        self.frames.push_back(frame);
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(self.frames.pop_front())
    }

    fn is_end_stream(&self) -> bool {
        self.knows_its_end && self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

type Answer = Result<Response<Script>, BoxError>;

/// A cache around a service that gives the answers it is given, one for each request, and then fails.
struct Recorder {
    cached: Cached,
    clock: ManualClock,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

impl Recorder {
    fn new() -> Self {
        let clock = ManualClock::new();
        let builder = Cached::builder()
            .body_limit(8)
            .stale_if_error(HOUR)
            .clock(clock.clone());
        Self {
            cached: builder.build().expect("fine"),
            clock,
            answers: Arc::default(),
        }
    }

    fn ask(&self, request: Question) -> Result<Response<CachedBody<Script>>, BoxError> {
        let answers = self.answers.clone();
        let origin = service_fn(move |_: Question| {
            let answer = answers.lock().expect("fine").pop_front();
            async move { answer.unwrap_or_else(|| Err("gone".into())) }
        });
        let circuit = Circuit::builder("files").build().expect("fine");
        let service = self.cached.layer(&circuit).boxed_errors().layer(origin);
        service.oneshot(request).now_or_never().expect("at once")
    }

    /// A response whose body is still to be read.
    fn get(&self, headers: &[(&str, &str)], body: Script) -> CachedBody<Script> {
        let response = reply(200, headers, "").map(|_| body);
        self.answers.lock().expect("fine").push_back(Ok(response));
        self.ask(get("/a", &[])).expect("an answer").into_body()
    }

    /// What is kept.
    fn kept(&self) -> Option<Bytes> {
        let response = self.ask(get("/a", &[])).ok()?;
        assert_eq!(
            response
                .extensions()
                .get::<Degraded>()
                .expect("marked")
                .kind,
            FallbackKind::Cached
        );
        Some(read(response.into_body()).expect("whole"))
    }
}

fn read<B: Body>(body: B) -> Option<Bytes> {
    let whole = body.collect().now_or_never().expect("at once").ok()?;
    Some(whole.to_bytes())
}

fn poll<B: Body + Unpin>(body: &mut B) -> Option<Result<Frame<B::Data>, B::Error>> {
    body.frame().now_or_never().expect("at once")
}

// M3
#[test]
fn a_body_is_passed_on_as_it_comes_and_kept_at_its_end() {
    let recorder = Recorder::new();
    let mut body = recorder.get(&[], Script::of(&["one", "", "two"]));
    for piece in ["one", "", "two"] {
        assert_eq!(recorder.cached.usage().answers, 0);
        let frame = poll(&mut body).expect("more").expect("fine");
        assert_eq!(frame.into_data().expect("data"), piece);
    }
    assert_eq!(recorder.cached.usage().recording, 1);
    assert!(poll(&mut body).is_none());
    assert_eq!(recorder.cached.usage().recording, 0);
    assert_eq!(recorder.kept().expect("kept"), "onetwo");
}

// M4: a server goes by that, as to whether there is a body, and which length it writes.
#[test]
fn a_body_says_how_long_it_is_and_when_it_is_over() {
    fn said<B: Body>(body: &B) -> (bool, Option<u64>) {
        (body.is_end_stream(), body.size_hint().exact())
    }
    fn before_and_after<B: Body + Unpin>(mut body: CachedBody<B>) -> [(bool, Option<u64>); 2] {
        let before = said(&body);
        poll(&mut body);
        [before, said(&body)]
    }
    let inner = CachedBody::from(Full::new(Bytes::from("live")));
    let short = [(false, Some(4)), (true, Some(0))];
    assert_eq!(before_and_after(inner), short);
    let recorder = Recorder::new();
    for (text, told) in [("kept", short), ("", [(true, Some(0)); 2])] {
        let live = recorder.get(&[], Script::of(&[text]));
        assert_eq!(said(&live), (false, None));
        read(live);
        let kept = recorder.ask(get("/a", &[])).expect("kept");
        assert_eq!(before_and_after(kept.into_body()), told);
    }
}

/// A body of a request that is never read, and what it says of itself.
#[derive(Clone, Copy)]
struct Unread {
    is_over: bool,
    length: Option<u64>,
}

impl Body for Unread {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        unreachable!("nobody reads it")
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

// M3: some bodies know their length and not their end, and some the other way round.
#[test]
fn a_request_has_no_body_if_that_says_in_any_way_that_it_is_empty() {
    for (is_over, length, bodies) in [
        (true, None, 0),
        (false, Some(0), 0),
        (false, Some(1), 1),
        (false, None, 1),
    ] {
        let cached = Cached::builder().build().expect("fine");
        let origin = service_fn(|_: http::Request<Unread>| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        });
        let service = cached.layer(CountedFor::nobody()).layer(origin);
        let asked = service.oneshot(http::Request::new(Unread { is_over, length }));
        asked.now_or_never().expect("at once").expect("fine");
        let counted = cached.usage().not_asked.body;
        assert_eq!(counted, bodies, "{is_over}, {length:?}");
    }
}

// M3
#[test]
fn what_is_not_read_to_its_end_is_not_kept() {
    let recorder = Recorder::new();
    let mut body = recorder.get(&[], Script::of(&["one", "two"]));
    for _ in 0..2 {
        poll(&mut body);
    }
    drop(body);
    assert_eq!(recorder.cached.usage().not_kept.incomplete, 1);
    assert_eq!(
        (recorder.kept(), recorder.cached.usage().recording),
        (None, 0)
    );
    let mut body = recorder.get(&[("content-length", "6")], Script::of(&["one", "two"]));
    poll(&mut body);
    drop(body);
    assert_eq!(recorder.kept(), None);
}

// M3: as clients do that know the length.
#[test]
fn what_has_come_as_it_was_announced_is_at_its_end() {
    let recorder = Recorder::new();
    let mut body = recorder.get(&[("content-length", "6")], Script::of(&["one", "two"]));
    for _ in 0..2 {
        poll(&mut body);
    }
    assert_eq!(
        recorder.cached.usage().answers,
        0,
        "there may be more than was announced"
    );
    drop(body);
    assert_eq!(recorder.kept().expect("kept"), "onetwo");
}

// M3: as hyper's server does.
#[test]
fn a_body_that_says_that_it_is_at_its_end_is() {
    let recorder = Recorder::new();
    let mut script = Script::of(&["one"]);
    script.knows_its_end = true;
    let mut body = recorder.get(&[], script);
    poll(&mut body);
    assert_eq!(recorder.kept().expect("kept"), "one");
    let mut script = Script::of(&[]);
    script.knows_its_end = true;
    let body = recorder.get(&[], script);
    assert_eq!(recorder.kept().expect("kept"), "");
    drop(body);
}

// M3
#[test]
fn what_breaks_off_has_trailers_or_another_length_is_not_kept() {
    let recorder = Recorder::new();
    let broken = || Script::of(&["one"]).and(Err(io::ErrorKind::ConnectionReset.into()));
    let trailers = || Script::of(&["one"]).and(Ok(Frame::trailers(HeaderMap::new())));
    for (length, body) in [
        ("", broken()),
        ("3", broken()),
        ("", trailers()),
        ("3", trailers()),
        ("4", Script::of(&["one"])),
        ("2", Script::of(&["one"])),
        ("0", Script::of(&["one"])),
    ] {
        let headers = [("content-length", length)];
        let headers = if length.is_empty() { &[][..] } else { &headers };
        let _: Option<Bytes> = read(recorder.get(headers, body));
        assert_eq!(recorder.kept(), None, "{length}");
    }
    assert_eq!(recorder.cached.usage().not_kept.incomplete, 7);
}

// M4
#[test]
fn what_is_longer_than_the_limit_is_passed_on_and_not_kept() {
    let recorder = Recorder::new();
    for (pieces, kept) in [
        (&["12345678"][..], true),
        (&["1234", "5678", ""], true),
        (&["1234", "56789"], false),
    ] {
        recorder.cached.clear();
        let whole = pieces.concat();
        assert_eq!(
            read(recorder.get(&[], Script::of(pieces))).expect("whole"),
            whole
        );
        assert_eq!(recorder.kept().is_some(), kept, "{whole}");
    }
    recorder.cached.clear();
    let body = recorder.get(&[("content-length", "9")], Script::of(&["123456789"]));
    assert_eq!(recorder.cached.usage().recording, 0);
    assert_eq!(read(body).expect("whole"), "123456789");
    assert_eq!(recorder.kept(), None);
}

// M4
#[test]
fn no_more_than_64_bodies_are_recorded_at_once() {
    let recorder = Recorder::new();
    let mut bodies: Vec<_> = (0..64)
        .map(|_| recorder.get(&[], Script::of(&["one"])))
        .collect();
    assert_eq!(recorder.cached.usage().recording, 64);
    assert_eq!(
        read(recorder.get(&[], Script::of(&["many"]))).expect("whole"),
        "many"
    );
    assert_eq!(
        (recorder.cached.usage().recording, recorder.kept()),
        (64, None)
    );
    assert_eq!(recorder.cached.usage().not_kept.no_place, 1);
    bodies.pop();
    assert_eq!(
        read(recorder.get(&[], Script::of(&["room"]))).expect("whole"),
        "room"
    );
    assert_eq!(recorder.kept().expect("kept"), "room");
    drop(bodies);
    assert_eq!(recorder.cached.usage().recording, 0);
}

// M4
#[test]
fn whoever_reads_slowly_keeps_nobody_from_being_kept() {
    let recorder = Recorder::new();
    let mut slow: Vec<_> = (0..64)
        .map(|_| recorder.get(&[("content-length", "7")], Script::of(&["slow", "est"])))
        .collect();
    for body in &mut slow {
        poll(body);
    }
    let ten_seconds = HOUR / 360;
    recorder.clock.advance(ten_seconds);
    read(recorder.get(&[], Script::of(&["waits"])));
    assert_eq!(recorder.kept(), None);
    recorder.clock.advance(std::time::Duration::from_nanos(1));
    let new = recorder.get(&[], Script::of(&["new"]));
    assert_eq!(recorder.cached.usage().recording, 64);
    // It is passed on all the same.
    assert_eq!(read(slow.remove(0)).expect("whole"), "est");
    assert_eq!(recorder.kept(), None);
    read(new);
    assert_eq!(recorder.kept().expect("kept"), "new");
    drop(slow);
    let usage = recorder.cached.usage();
    // The one that waited, the one that lost its place, and those that were not read to their end.
    let NotKept {
        no_place,
        incomplete,
        ..
    } = usage.not_kept;
    assert_eq!((usage.recording, no_place, incomplete), (0, 2, 63));
}

// M4
#[test]
fn what_is_not_kept_takes_nobodys_place() {
    let recorder = Recorder::new();
    let slow: Vec<_> = (0..64)
        .map(|_| recorder.get(&[], Script::of(&["slow"])))
        .collect();
    recorder.clock.advance(HOUR / 60);
    let long = "x".repeat(32 * 1024);
    read(recorder.get(&[("x-long", &long)], Script::of(&["new"])));
    for body in slow {
        read(body);
    }
    let NotKept {
        too_large,
        no_place,
        ..
    } = recorder.cached.usage().not_kept;
    assert_eq!((too_large, no_place), (1, 0));
}

// M4: it is the body that takes long, and not the head.
#[test]
fn whose_head_took_long_keeps_its_place_all_the_same() {
    let recorder = Recorder::new();
    let clock = recorder.clock.clone();
    let origin = service_fn(move |_: Question| {
        // It takes a quarter of a minute to think.
        clock.advance(HOUR / 240);
        async { Ok::<_, BoxError>(reply(200, &[], "").map(|_| Script::of(&["quick"]))) }
    });
    let ask = || {
        let service = recorder.cached.layer(CountedFor::nobody());
        let service = service.boxed_errors().layer(origin.clone());
        let asked = service.oneshot(get("/a", &[])).now_or_never();
        asked.expect("at once").expect("an answer").into_body()
    };
    let last = {
        let last = ask();
        let mut bodies: Vec<_> = (0..63)
            .map(|_| recorder.get(&[], Script::of(&["x"])))
            .collect();
        for body in &mut bodies {
            poll(body);
        }
        // All are taken, and no body has taken longer than these seconds.
        recorder.clock.advance(HOUR / 720);
        read(recorder.get(&[], Script::of(&["late"])));
        last
    };
    read(last);
    assert_eq!(recorder.kept().expect("kept"), "quick");
}

// M4
#[test]
fn an_answer_that_was_on_its_way_when_something_changed_is_not_kept() {
    let recorder = Recorder::new();
    let before = recorder.get(&[], Script::of(&["before"]));
    recorder
        .answers
        .lock()
        .expect("fine")
        .push_back(Ok(reply(200, &[], "").map(|_| Script::default())));
    recorder.ask(request("POST", "/a", &[])).expect("fine");
    read(before);
    assert_eq!(recorder.kept(), None);
    read(recorder.get(&[], Script::of(&["after"])));
    assert_eq!(recorder.kept().expect("kept"), "after");
    let before = recorder.get(&[], Script::of(&["before"]));
    recorder.cached.clear();
    read(before);
    assert_eq!(recorder.kept(), None);
    assert_eq!(recorder.cached.usage().not_kept.outdated, 2);
}

// M3: what others have asked stays good; but by chance, for one in 256.
#[test]
fn an_answer_that_was_on_its_way_to_him_when_he_was_told_no_is_not_kept() {
    let recorder = Recorder::new();
    let ask = |user: &str, status, body| {
        let response = reply(status, &[("vary", "cookie")], "").map(|_| body);
        let mut answers = recorder.answers.lock().expect("fine");
        answers.push_back(Ok(response));
        drop(answers);
        let asked = recorder.ask(get("/a", &[("cookie", user)]));
        asked.expect("an answer").into_body()
    };
    let ann = ask("ann", 200, Script::of(&["secret"]));
    let others: Vec<_> = (0..15)
        .map(|at| ask(&format!("{at}"), 200, Script::of(&["fine"])))
        .collect();
    ask("ann", 401, Script::default());
    read(ann);
    assert_eq!(recorder.cached.usage().answers, 0);
    others.into_iter().for_each(|body| drop(read(body)));
    assert!(recorder.cached.usage().answers > 0);
    read(ask("ann", 200, Script::of(&["again"])));
    let got = recorder.ask(get("/a", &[("cookie", "ann")]));
    assert_eq!(
        read(got.expect("kept").into_body()).expect("whole"),
        "again"
    );
}

// M3: a change elsewhere counts only by chance, for one in 256.
#[test]
fn answers_that_are_on_their_way_stay_good_when_something_else_changes() {
    let recorder = Recorder::new();
    let answer = |body| {
        let response = reply(200, &[], "").map(|_| body);
        recorder
            .answers
            .lock()
            .expect("fine")
            .push_back(Ok(response));
    };
    let on_their_way: Vec<_> = (0..16)
        .map(|at| {
            answer(Script::of(&["fine"]));
            let asked = recorder.ask(get(&format!("/{at}"), &[]));
            asked.expect("an answer").into_body()
        })
        .collect();
    answer(Script::default());
    recorder.ask(request("POST", "/other", &[])).expect("fine");
    for body in on_their_way {
        read(body);
    }
    assert!(recorder.cached.usage().answers > 0);
}

/// Says that it is over when it is dropped, also by a panic: or the others would go on for ever.
struct Over<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

// M4: while others ask for the same, all the time.
#[test]
fn what_has_changed_is_never_given_as_it_was() {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    const CHANGES: u64 = 3_000;
    let cached = Cached::builder()
        .stale_if_error(HOUR)
        .build()
        .expect("fine");
    let circuit = Circuit::builder("files").build().expect("fine");
    let (version, is_over) = (Arc::new(AtomicU64::new(0)), AtomicBool::new(false));
    let origin = service_fn(move |request: Question| {
        let one_more = u64::from(request.method() == "POST");
        let now = version.fetch_add(one_more, Ordering::SeqCst) + one_more;
        // For who says so, it is down.
        let status = if request.headers().contains_key("down") {
            500
        } else {
            200
        };
        async move { Ok::<_, Infallible>(reply(status, &[], &now.to_string()).map(Full::new)) }
    });
    let ask = |request| {
        let response = cached
            .layer(&circuit)
            .layer(origin.clone())
            .oneshot(request);
        let response = response.now_or_never().expect("at once").expect("fine");
        let is_kept = response.extensions().get::<Degraded>().is_some();
        (is_kept, read(response.into_body()).expect("whole"))
    };
    let given = std::thread::scope(|scope| {
        let _over = Over(&is_over);
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    ask(get("/a", &[]));
                }
            });
        }
        let mut given = 0;
        for change in 1..=CHANGES {
            ask(request("POST", "/a", &[]));
            for _ in 0..4 {
                let (is_kept, version) = ask(get("/a", &[("down", "")]));
                let version: u64 = std::str::from_utf8(&version)
                    .expect("text")
                    .parse()
                    .expect("a number");
                assert!(version >= change, "{version} after {change}");
                given += u64::from(is_kept);
            }
        }
        given
    });
    assert!(given > 0, "nothing was ever kept in time");
}

// M4
#[test]
fn an_answer_that_was_asked_for_earlier_replaces_none_that_was_asked_for_later() {
    let recorder = Recorder::new();
    let earlier = recorder.get(&[], Script::of(&["old"]));
    recorder.clock.advance(HOUR / 60);
    read(recorder.get(&[], Script::of(&["new"])));
    read(earlier);
    assert_eq!(recorder.kept().expect("kept"), "new");
    assert_eq!(recorder.cached.usage().not_kept.outdated, 1);
}

// M3: nor while both come to their end at the same instant.
#[test]
fn of_two_answers_that_end_together_the_one_that_was_asked_for_later_stays() {
    const ROUNDS: usize = 5_000;
    let recorder = Recorder::new();
    let (together, bodies) = (std::sync::Barrier::new(2), Mutex::new(None));
    let mut old = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..ROUNDS {
                together.wait();
                let body: Option<CachedBody<Script>> = bodies.lock().expect("fine").take();
                together.wait();
                read(body.expect("the later one"));
                together.wait();
            }
        });
        for _ in 0..ROUNDS {
            let earlier = recorder.get(&[], Script::of(&["old"]));
            recorder.clock.advance(HOUR / 3_600_000);
            *bodies.lock().expect("fine") = Some(recorder.get(&[], Script::of(&["new"])));
            together.wait();
            together.wait();
            read(earlier);
            together.wait();
            old += usize::from(recorder.kept().expect("kept") != "new");
            recorder.cached.clear();
        }
    });
    assert_eq!(old, 0, "of {ROUNDS}");
}

// M4: a body of any data.
#[test]
fn data_of_any_type_is_kept() {
    type Chained = bytes::buf::Chain<Cursor<Vec<u8>>, &'static [u8]>;
    let data = || bytes::Buf::chain(Cursor::new(b"one".to_vec()), &b"two"[..]);
    let cached = Cached::builder()
        .stale_if_error(HOUR)
        .build()
        .expect("fine");
    let fails = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let told = fails.clone();
    let origin = service_fn(move |_: Question| {
        let status = if told.load(std::sync::atomic::Ordering::Relaxed) {
            500
        } else {
            200
        };
        async move { Ok::<_, Infallible>(reply(status, &[], "").map(|_| Full::<Chained>::new(data()))) }
    });
    let circuit = Circuit::builder("files").build().expect("fine");
    let service: CachedService<_> = cached.layer(&circuit).layer(origin);
    for _ in 0..2 {
        let response = service
            .clone()
            .oneshot(get("/a", &[]))
            .now_or_never()
            .expect("at once")
            .expect("fine");
        assert_eq!(read(response.into_body()).expect("whole"), "onetwo");
        fails.store(true, std::sync::atomic::Ordering::Relaxed);
    }
    assert_eq!(
        circuit.snapshot().parts.expect("a part").fallbacks[0].answered,
        1
    );
}

// M4
#[test]
fn a_rejection_is_found_in_an_error_too() {
    let cached = Cached::builder()
        .stale_if_error(HOUR)
        .build()
        .expect("fine");
    let circuit = Circuit::builder("files").build().expect("fine");
    let origin = service_fn(|_: Question| async {
        Ok::<_, io::Error>(Response::new(Full::new(Bytes::from_static(b"fine"))))
    });
    let guarded = CircuitBreakerLayer::new(circuit.clone())
        .reject_as_error()
        .layer(origin);
    let service = cached.layer(&circuit).layer(guarded);
    let ask = |path| {
        service
            .clone()
            .oneshot(get(path, &[]))
            .now_or_never()
            .expect("at once")
    };
    read(ask("/a").expect("fine").into_body());
    circuit.force_open();
    let kept = ask("/a").expect("kept");
    assert!(
        kept.headers()["cache-status"]
            .to_str()
            .expect("text")
            .contains("; hit; ")
    );
    assert!(matches!(ask("/b"), Err(CircuitError::Rejected(_))));
}

// M4
#[tokio::test(start_paused = true)]
async fn a_call_that_is_cut_off_is_answered() {
    let cached = Cached::builder()
        .stale_if_error(HOUR)
        .build()
        .expect("fine");
    let circuit = Circuit::builder("files")
        .call_timeout(HOUR / 3600)
        .build()
        .expect("fine");
    let hangs = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let told = hangs.clone();
    let origin = service_fn(move |_: Question| {
        let hangs = told.load(std::sync::atomic::Ordering::Relaxed);
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"fine"))))
        }
    });
    let guarded = CircuitBreakerLayer::new(circuit.clone()).layer(origin);
    let service = cached.layer(&circuit).layer(guarded);
    read(
        service
            .clone()
            .oneshot(get("/a", &[]))
            .await
            .expect("fine")
            .into_body(),
    );
    hangs.store(true, std::sync::atomic::Ordering::Relaxed);
    let kept = service.clone().oneshot(get("/a", &[])).await.expect("fine");
    let said = kept.headers()["cache-status"].to_str().expect("text");
    assert_eq!(said, "tower-breaker; fwd=stale; ttl=-1; detail=timed-out");
}

// M4: nor is it taken for a failure, whatever its status.
#[test]
fn what_another_fallback_has_answered_is_not_kept() {
    let cached = Cached::builder()
        .stale_if_error(HOUR)
        .build()
        .expect("fine");
    let circuit = Circuit::builder("files").build().expect("fine");
    let origin = service_fn(|_: Question| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"fine"))))
    });
    let sorry = fallback::response(|_: &Because<Infallible>| {
        let mut sorry = Response::new(Full::new(Bytes::from_static(b"sorry")));
        *sorry.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        sorry
    });
    let guarded = CircuitBreakerLayer::new(circuit.clone()).layer(origin);
    let service = cached
        .layer(&circuit)
        .layer(FallbackLayer::on_rejection(&circuit, sorry).layer(guarded));
    let ask = || {
        let response = service
            .clone()
            .oneshot(get("/a", &[]))
            .now_or_never()
            .expect("at once")
            .expect("fine");
        read(response.into_body()).expect("whole")
    };
    circuit.force_open();
    assert_eq!(ask(), "sorry");
    assert_eq!(cached.usage().answers, 0);
    assert_eq!(cached.usage().not_kept.not_good, 1);
    circuit.release();
    assert_eq!(ask(), "fine");
    circuit.force_open();
    assert_eq!(ask(), "sorry");
}

// M1, M4: the circuit takes a kept answer for the dependency's, and never opens.
#[test]
fn a_cache_inside_of_its_breaker_is_found_out() {
    let cached = Cached::builder()
        .stale_if_error(HOUR)
        .build()
        .expect("fine");
    let circuit = Circuit::builder("files").build().expect("fine");
    let fails = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let told = fails.clone();
    let origin = service_fn(move |_: Question| {
        let status = if told.load(std::sync::atomic::Ordering::Relaxed) {
            500
        } else {
            200
        };
        async move { Ok::<_, Infallible>(reply(status, &[], "").map(Full::new)) }
    });
    let wrong =
        CircuitBreakerLayer::new(circuit.clone()).layer(cached.layer(&circuit).layer(origin));
    let ask = || {
        let response = wrong
            .clone()
            .oneshot(get("/a", &[]))
            .now_or_never()
            .expect("at once");
        read(response.expect("fine").into_body()).expect("whole")
    };
    ask();
    fails.store(true, std::sync::atomic::Ordering::Relaxed);
    ask();
    assert_eq!(circuit.snapshot().parts.expect("a part").hidden_failures, 1);
}
