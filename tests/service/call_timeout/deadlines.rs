//! M5: what a caller has left only shortens the limit, and fails nobody.

use proptest::{collection::vec, prelude::*};

use super::*;

// M5: who is in a hurry opens no circuit.
#[tokio::test(start_paused = true)]
async fn a_thousand_callers_in_a_hurry_leave_the_circuit_closed() {
    let (circuit, alive) = (build(|c| c.failure_rate(0.5)), Alive::default());
    let service = layer(&circuit).shortened_by(Extension);
    let service = service.layer(hanging(&alive, None));
    for left in [Duration::ZERO, Duration::from_nanos(1)]
        .into_iter()
        .cycle()
        .take(1_000)
    {
        let (answer, took) = timed(service.clone().oneshot(with_time_left(left))).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
        is_told(
            answer.extensions().get().expect("told"),
            LimitOf::Caller,
            left,
        );
        assert!(took <= MOMENT, "{took:?}");
    }
    assert_eq!(circuit.state(), State::Closed);
    assert_eq!(counted(&circuit), (0, 1_000, 0));
    assert_eq!((timed_out(&circuit), alive.count()), ((0, 0, 1_000), 0));
}

// M5, A4: but one that was slow by then has failed.
#[tokio::test(start_paused = true)]
async fn a_dependency_that_hangs_opens_it_all_the_same() {
    type Configure = fn(CircuitBuilder) -> CircuitBuilder;
    let ways: [Configure; 2] = [
        |c| c.slow_call_duration(LIMIT / 4),
        |c| c.abandoned(AbandonedPolicy::FailureAfter(LIMIT / 4)),
    ];
    for way in ways {
        let (circuit, alive) = (build(way), Alive::default());
        let service = layer(&circuit).shortened_by(Extension);
        let service = service.layer(hanging(&alive, None));
        let answer = service.clone().oneshot(with_time_left(LIMIT / 8)).await;
        assert_eq!(answer.expect("an answer").status(), 504);
        assert_eq!(counted(&circuit), (0, 1, 0));
        for _ in 0..3 {
            let answer = service.clone().oneshot(with_time_left(LIMIT / 2)).await;
            let answer = answer.expect("an answer");
            let told: &TimedOut = answer.extensions().get().expect("told");
            is_told(told, LimitOf::Caller, LIMIT / 2);
        }
        assert_eq!(
            (circuit.state(), counted(&circuit)),
            (State::Open, (3, 1, 0))
        );
        assert_eq!(timed_out(&circuit), (0, 0, 4));
    }
}

// M5: a caller shortens the limit, and never lengthens it.
#[tokio::test(start_paused = true)]
async fn a_deadline_only_shortens() {
    let limits = [
        (LIMIT / 4, LimitOf::Caller, LIMIT / 4),
        (LIMIT, LimitOf::Call, LIMIT),
        (2 * LIMIT, LimitOf::Call, LIMIT),
        (Duration::MAX, LimitOf::Call, LIMIT),
    ];
    for (left, whose, limit) in limits {
        let (circuit, alive) = (build(|c| c), Alive::default());
        let service = layer(&circuit).shortened_by(Extension);
        let service = service.layer(hanging(&alive, None));
        let (answer, took) = timed(service.oneshot(with_time_left(left))).await;
        is_limit(took, limit);
        let answer = answer.expect("an answer");
        is_told(answer.extensions().get().expect("told"), whose, limit);
    }
    // Without a limit of the circuit's it is the only one.
    let circuit = Circuit::builder("payments").build().expect("valid");
    let service = layer(&circuit).shortened_by(Extension);
    let service = service.layer(hanging(&Alive::default(), Some(secs(3))));
    let (answer, took) = timed(service.clone().oneshot(with_time_left(secs(1)))).await;
    is_limit(took, secs(1));
    assert_eq!(answer.expect("an answer").status(), 504);
    for request in [
        Asked::default(),
        with_time_left(secs(4)),
        with_time_left(Duration::MAX),
    ] {
        let answer = service.clone().oneshot(request).await;
        assert_eq!(answer.expect("its own").status(), 200);
    }
    assert_eq!(counted(&circuit), (0, 1, 3));
}

// M5: what passes before the first poll is the caller's loss.
#[tokio::test(start_paused = true)]
async fn a_deadline_runs_from_the_call() {
    let (circuit, alive) = (build(|c| c), Alive::default());
    let mut service = layer(&circuit)
        .shortened_by(Extension)
        .layer(hanging(&alive, None));
    let service = service.ready().await.expect("ready");
    let call = tower::Service::call(service, with_time_left(LIMIT / 2));
    advance(LIMIT / 4).await;
    let (answer, took) = timed(call).await;
    is_limit(took, LIMIT / 4);
    assert_eq!(answer.expect("an answer").status(), 504);
    assert_eq!(counted(&circuit), (0, 1, 0));
}

// M5: a probe that its caller gives up decides nothing, and gives its permit back (A4).
#[tokio::test(start_paused = true)]
async fn a_probe_whose_caller_has_no_time_decides_nothing() {
    let (circuit, alive) = (build(|c| c.probe_timeout(LIMIT / 2)), Alive::default());
    break_over(&circuit).await;
    let service = layer(&circuit).shortened_by(Extension);
    let service = service.layer(hanging(&alive, None));
    let answer = service.clone().oneshot(with_time_left(LIMIT / 4)).await;
    assert_eq!(answer.expect("an answer").status(), 504);
    assert_eq!(
        (circuit.state(), counted(&circuit)),
        (State::HalfOpen, (0, 1, 0))
    );
    let answer = service.oneshot(with_time_left(LIMIT)).await;
    let answer = answer.expect("an answer");
    is_told(
        answer.extensions().get().expect("told"),
        LimitOf::Probe,
        LIMIT / 2,
    );
    assert_eq!(
        (circuit.state(), counted(&circuit)),
        (State::Open, (1, 1, 0))
    );
}

// M5: deadlines hold in every mode; and a shadowed probe goes on from its own limit to that of its caller.
#[tokio::test(start_paused = true)]
async fn a_deadline_holds_in_every_mode() {
    for mode in [Mode::Shadow, Mode::Disabled] {
        let (circuit, alive) = (build(|c| c.mode(mode)), Alive::default());
        let service = layer(&circuit).shortened_by(Extension);
        let service = service.layer(hanging(&alive, None));
        let answer = service.oneshot(with_time_left(LIMIT / 4)).await;
        assert_eq!(answer.expect("an answer").status(), 504);
        assert_eq!(
            (counted(&circuit), timed_out(&circuit)),
            ((0, 1, 0), (0, 0, 1))
        );
    }
    let (circuit, alive) = (build(|c| c.probe_timeout(LIMIT / 4)), Alive::default());
    break_over(&circuit).await;
    circuit.set_mode(Mode::Shadow);
    let service = layer(&circuit).shortened_by(Extension);
    let service = service.layer(hanging(&alive, None));
    let (answer, took) = timed(service.oneshot(with_time_left(LIMIT / 2))).await;
    is_limit(took, LIMIT / 2);
    let answer = answer.expect("an answer");
    is_told(
        answer.extensions().get().expect("told"),
        LimitOf::Caller,
        LIMIT / 2,
    );
    assert_eq!(
        (counted(&circuit), timed_out(&circuit)),
        ((1, 0, 0), (0, 1, 0))
    );
}

// M5: where a caller cannot be answered, its deadline does nothing, and the circuit sees what becomes of the call.
#[tokio::test(start_paused = true)]
async fn without_an_answer_a_deadline_does_nothing() {
    let (circuit, alive) = (build(|c| c), Alive::default());
    let layer = layer(&circuit)
        .reject_with(|_| respond(503))
        .without_time_out_answer()
        .shortened_by(Extension);
    let call = |time| {
        let service = layer.clone().layer(hanging(&alive, Some(time)));
        service.oneshot(with_time_left(LIMIT / 4))
    };
    assert_eq!(call(LIMIT / 2).await.expect("its own").status(), 200);
    assert_eq!(
        (counted(&circuit), timed_out(&circuit)),
        ((0, 0, 1), (0, 0, 0))
    );
    assert_eq!(call(2 * LIMIT).await.expect("its own").status(), 200);
    assert_eq!(
        (counted(&circuit), timed_out(&circuit)),
        ((1, 0, 1), (1, 0, 0))
    );
    let layer = layer.time_out_with(|_| respond(598));
    let service = layer.layer(hanging(&alive, None));
    let answer = service.oneshot(with_time_left(LIMIT / 4)).await;
    assert_eq!(answer.expect("told").status(), 598);
    assert_eq!(
        (counted(&circuit), timed_out(&circuit)),
        ((1, 1, 1), (1, 0, 1))
    );
}

// M5: of several, the shortest; of any kind, and in any order of the layer's methods.
#[tokio::test(start_paused = true)]
async fn the_shortest_of_several_holds() {
    let (circuit, alive) = (build(|c| c), Alive::default());
    let by_uri = |request: &Asked| {
        let path = request.uri().path().trim_start_matches('/');
        path.parse().ok().map(Duration::from_millis)
    };
    let a = layer(&circuit).shortened_by(Extension).shortened_by(by_uri);
    let b = layer(&circuit)
        .shortened_by(by_uri)
        .shortened_by(Extension)
        .limit_calls();
    let noted = b.classify_with_request(
        |request: &Asked| request.method().clone(),
        |_, _: Result<&Answer, &io::Error>| Outcome::Success,
    );
    let inner = || hanging(&alive, None);
    let services = [
        BoxCloneService::new(a.layer(inner())),
        BoxCloneService::new(noted.layer(inner())),
    ];
    for service in services {
        for (path, left) in [("/100", 300), ("/300", 100), ("/later", 100)] {
            let mut request = with_time_left(millis(left));
            *request.uri_mut() = path.parse().expect("a path");
            let (answer, took) = timed(service.clone().oneshot(request)).await;
            is_limit(took, millis(100));
            let answer = answer.expect("an answer");
            is_told(
                answer.extensions().get().expect("told"),
                LimitOf::Caller,
                millis(100),
            );
        }
    }
    assert_eq!(counted(&circuit), (0, 6, 0));
}

// M5, A5: a deadline is somebody else's code.
#[tokio::test(start_paused = true)]
async fn a_deadline_that_panics_has_failed_the_call() {
    let circuit = build(|c| c);
    let panics = |_: &Asked| -> Option<Duration> { std::panic::resume_unwind(Box::new("no time")) };
    let layer = layer(&circuit).shortened_by(panics);
    let service = layer.layer(hanging(&Alive::default(), None));
    let call = AssertUnwindSafe(service.oneshot(Asked::default()));
    assert!(call.catch_unwind().await.is_err());
    assert_eq!(counted(&circuit), (1, 0, 0));
}

fn said(values: &[&[u8]]) -> Asked {
    let mut request = Asked::default();
    for value in values {
        let value = HeaderValue::from_bytes(value).expect("a value");
        request.headers_mut().append("x-time-left", value);
    }
    request
}

fn time_left() -> deadline::Header {
    deadline::header(HeaderName::from_static("x-time-left"))
}

// M5
#[test]
fn a_header_is_a_number_and_a_unit() {
    let left = |value: &str| time_left().left(&said(&[value.as_bytes()]));
    let understood = [
        ("0ms", Duration::ZERO),
        ("1ns", Duration::from_nanos(1)),
        ("7us", Duration::from_micros(7)),
        ("800ms", millis(800)),
        (" 800ms ", millis(800)),
        ("0800ms", millis(800)),
        ("2s", secs(2)),
        ("3m", secs(180)),
        ("1h", secs(3_600)),
        // Proxies make one line of several.
        ("5s, 2s,3s", secs(2)),
        ("soon, 2s", secs(2)),
    ];
    for (value, time) in understood {
        assert_eq!(left(value), Some(time), "{value}");
    }
    let nonsense = [
        "",
        " ",
        "ms",
        "800",
        "-1s",
        "+1s",
        "1.5s",
        "1 s",
        "1S",
        "1sec",
        "1ms1s",
        "soon",
        "s1",
        "0x1s",
        "1e3ms",
        "inf",
        "NaN",
        ",",
        "99999999999999999999s",
        "18446744073709551615h",
    ];
    for value in nonsense {
        assert_eq!(left(value), None, "{value}");
    }
    assert_eq!(left(&format!("{}ms", "9".repeat(4_096))), None);
}

// M5
#[test]
fn a_number_without_a_unit_is_what_is_said() {
    let bare = said(&[b"800"]);
    assert_eq!(time_left().left(&bare), None);
    assert_eq!(time_left().in_milliseconds().left(&bare), Some(millis(800)));
    assert_eq!(time_left().in_seconds().left(&bare), Some(secs(800)));
    let with_unit = said(&[b"800ms"]);
    assert_eq!(time_left().in_seconds().left(&with_unit), Some(millis(800)));
    for nonsense in [
        "-800",
        "8.5",
        "18446744073709551616",
        "18446744073709551615",
    ] {
        let left = time_left().in_milliseconds();
        assert_eq!(left.left(&said(&[nonsense.as_bytes()])), None, "{nonsense}");
    }
}

// M5
#[test]
fn of_several_headers_the_shortest_counts_and_nonsense_does_not() {
    let left = |values: &[&[u8]]| time_left().left(&said(values));
    assert_eq!(left(&[b"2s", b"1s"]), Some(secs(1)));
    assert_eq!(left(&[b"1s", b"2s"]), Some(secs(1)));
    assert_eq!(left(&[b"\xff\xfe", b"2s", b"-1s"]), Some(secs(2)));
    assert_eq!(left(&[b"1s\xff"]), None);
    assert_eq!(left(&[]), None);
}

// M5: nonsense is no deadline, and the limit of the circuit holds.
#[tokio::test(start_paused = true)]
async fn nonsense_lengthens_nothing() {
    let (circuit, alive) = (build(|c| c.consecutive_failures(1_000)), Alive::default());
    let service = layer(&circuit).shortened_by(time_left());
    let service = service.layer(hanging(&alive, None));
    let nonsense: [&[&[u8]]; 6] = [
        &[b"-1s"],
        &[b"99999999h"],
        &[b"99999999999999999999ns"],
        &[b"\xff"],
        &[b"1"],
        &[b"1h", b"2h"],
    ];
    for values in nonsense {
        let (answer, took) = timed(service.clone().oneshot(said(values))).await;
        is_limit(took, LIMIT);
        let answer = answer.expect("an answer");
        is_told(
            answer.extensions().get().expect("told"),
            LimitOf::Call,
            LIMIT,
        );
    }
    let (_, took) = timed(service.oneshot(said(&[b"1h", b"100ms"]))).await;
    is_limit(took, millis(100));
}

proptest! {
    // M5: whatever a stranger sends, the limit is shortened or left, and nothing panics.
    #[test]
    fn whatever_is_sent_it_is_a_time_or_nothing(
        values in vec(
            prop_oneof![
                vec(any::<u8>(), 0..24),
                "[0-9]{0,22}[a-zA-Z]{0,3}".prop_map(String::into_bytes),
                "[-+ ,.0-9]{0,12}(ns|us|ms|s|m|h|n|H|S)?".prop_map(String::into_bytes),
            ],
            0..4,
        ),
    ) {
        let mut request = Asked::default();
        let values: Vec<_> = (values.iter().filter_map(|value| HeaderValue::from_bytes(value).ok())).collect();
        for value in &values {
            request.headers_mut().append("x-time-left", value.clone());
        }
        for header in [time_left(), time_left().in_seconds(), time_left().in_milliseconds()] {
            let all = header.left(&request);
            // One more never makes it longer.
            request.headers_mut().append("x-time-left", HeaderValue::from_static("7s"));
            let more = header.left(&request).expect("a time");
            prop_assert!(more <= secs(7) && all.is_none_or(|all| more <= all));
            request.headers_mut().remove("x-time-left");
            for value in &values {
                request.headers_mut().append("x-time-left", value.clone());
            }
        }
    }
}
