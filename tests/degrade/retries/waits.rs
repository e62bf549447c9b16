//! When a call is repeated.

use std::time::{Duration, SystemTime};

use tower::Service;
use tower_breaker::{
    deadline::{self, Extension, TimeLeft},
    degrade::{
        Because,
        fallback::{self, FallbackLayer},
    },
};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// When the dependency was asked, in milliseconds.
async fn asked_at(
    limits: RetryLimits,
    policy: impl FnOnce(Policy) -> Policy,
    script: impl IntoIterator<Item = Line>,
) -> (Vec<u128>, RetryTotals) {
    let circuit = circuit(limits);
    let upstream = Upstream::new(script);
    let policy = policy(Retries::new(&circuit));
    ask(&stacked(policy, &circuit, &upstream), get()).await;
    (upstream.times(), counted(&circuit))
}

fn at_once(policy: Policy) -> Policy {
    policy.backoff(Duration::ZERO, Duration::ZERO)
}

// M8
#[tokio::test(start_paused = true)]
async fn a_retry_after_is_waited_for() {
    let script = [retry_after(503, 2), retry_after(429, 3), 200.into()];
    let (times, counted) = asked_at(plenty(3), at_once, script).await;
    assert_eq!(times, [0, 2_000, 5_000]);
    assert_eq!(counted, totals(|totals| totals.retried = 2));
}

// M8
#[tokio::test(start_paused = true)]
async fn a_retry_after_may_be_a_date() {
    let in_an_hour = httpdate::fmt_http_date(SystemTime::now() + secs(3_600));
    let limits = plenty(1).max_wait(secs(7_200));
    let script = [retry_after(500, in_an_hour), 200.into()];
    let (times, _) = asked_at(limits, at_once, script).await;
    // Dates are whole seconds.
    assert!((3_590_000..=3_600_000).contains(&times[1]), "{times:?}");
}

// M8: of what is no failure, only these two ask to come back.
#[tokio::test(start_paused = true)]
async fn a_retry_after_of_another_answer_is_not_waited_for() {
    let ignoring = |_: Result<&Answer, &BoxError>| Outcome::Ignored;
    for (status, asked) in [(200, 1), (404, 1), (408, 1), (425, 1), (429, 2), (503, 2)] {
        let circuit = circuit(plenty(1));
        let upstream = Upstream::new([retry_after(status, 1)]);
        let policy: Policy = at_once(Retries::new(&circuit));
        let client = stacked(policy.classifier(ignoring), &circuit, &upstream);
        ask(&client, get()).await;
        assert_eq!(upstream.asked(), asked, "{status}");
    }
}

// M8: what nobody can read says nothing.
#[tokio::test(start_paused = true)]
async fn a_retry_after_that_cannot_be_read_says_nothing() {
    for value in ["soon", "-1", "1.5", "Sun, 06 Nov 1994 08:49:37 GMT", ""] {
        let script = [retry_after(503, value), 200.into()];
        let (times, _) = asked_at(plenty(1), at_once, script).await;
        assert_eq!(times.len(), 2, "{value}");
        assert!(times[1] <= 1, "{value}: {times:?}");
        // It was all that made this worth another try.
        let script = [retry_after(429, value), 200.into()];
        let (times, _) = asked_at(plenty(1), at_once, script).await;
        assert_eq!(times.len(), 1, "{value}");
    }
}

// M8
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_longer_than_they_may() {
    let limits = plenty(9).max_wait(secs(3));
    let too_long = totals(|totals| totals.too_long = 1);
    for seconds in [4, 86_401, u64::MAX] {
        let script = [retry_after(503, seconds), 200.into()];
        let (times, counted) = asked_at(limits, at_once, script).await;
        assert_eq!((times, counted), (vec![0], too_long));
    }
    let script = [retry_after(503, 3), 200.into()];
    assert_eq!(asked_at(limits, at_once, script).await.0, [0, 3_000]);
}

// M8
#[tokio::test(start_paused = true)]
async fn all_waits_of_a_call_count_together() {
    let limits = plenty(9).max_wait(secs(3));
    let (times, counted) = asked_at(limits, at_once, [retry_after(503, 1)]).await;
    assert_eq!(times, [0, 1_000, 2_000, 3_000]);
    let expected = totals(|totals| (totals.retried, totals.too_long) = (3, 1));
    assert_eq!(counted, expected);
}

// M8: spread after the time that was asked for, never before, and only as far as there is room.
#[tokio::test(start_paused = true)]
async fn nobody_comes_back_early() {
    let spread = |policy: Policy| policy.backoff(secs(1), secs(1));
    let mut waits = Vec::new();
    for _ in 0..50 {
        let script = [retry_after(503, 1), 200.into()];
        waits.push(asked_at(plenty(1), spread, script).await.0[1]);
    }
    assert!(
        waits.iter().all(|wait| (1_000..=2_000).contains(wait)),
        "{waits:?}"
    );
    assert!(waits.iter().any(|wait| *wait > 1_100), "{waits:?}");

    let script = [retry_after(503, 1), 200.into()];
    let limits = plenty(1).max_wait(SECOND);
    assert_eq!(asked_at(limits, spread, script).await.0, [0, 1_000]);
}

/// The waits of one call that is repeated six times.
async fn waits(seed: Option<u64>) -> Vec<u128> {
    let policy = |policy: Policy| match seed {
        Some(seed) => policy.backoff(secs(1), secs(8)).jitter_seed(seed),
        None => policy.backoff(secs(1), secs(8)),
    };
    let (times, _) = asked_at(plenty(6), policy, [500.into()]).await;
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

// M8
#[tokio::test(start_paused = true)]
async fn waits_double_up_to_their_maximum_and_are_drawn_from_below() {
    let mut longest = [0; 6];
    for seed in 0..300 {
        for (longest, wait) in longest.iter_mut().zip(waits(Some(seed)).await) {
            *longest = wait.max(*longest);
        }
    }
    for (longest, seconds) in longest.iter().zip([1, 2, 4, 8, 8, 8]) {
        // A timer of tokio is late by up to a millisecond.
        let within = seconds * 950..=seconds * 1_000 + 1;
        assert!(within.contains(longest), "{longest}");
    }
}

// M8
#[tokio::test(start_paused = true)]
async fn a_seed_makes_the_same_waits_and_none_makes_others() {
    assert_eq!(waits(Some(7)).await, waits(Some(7)).await);
    assert_ne!(waits(Some(7)).await, waits(Some(8)).await);
    assert_ne!(waits(None).await, waits(None).await);
}

// M8: within one policy, calls draw different waits.
#[tokio::test(start_paused = true)]
async fn calls_that_fail_together_do_not_come_back_together() {
    let circuit = circuit(plenty(1));
    let upstream = Upstream::new([500]);
    let policy: Policy = Retries::new(&circuit)
        .backoff(secs(1), secs(1))
        .jitter_seed(7);
    let client = stacked(policy, &circuit, &upstream);
    let calls = (0..100).map(|_| {
        let client = client.clone();
        async move { ask(&client, get()).await }
    });
    futures_util::future::join_all(calls).await;
    let mut repeats = upstream.times().split_off(100);
    repeats.dedup();
    assert!(repeats.len() > 80, "{repeats:?}");
}

/// Asks with so much time left, in milliseconds, and says when the dependency was asked and how much was left then.
async fn asked_with(
    left: u64,
    script: impl IntoIterator<Item = Line>,
) -> (Vec<(u128, u128)>, RetryTotals) {
    let circuit = circuit(plenty(9));
    let upstream = Upstream::new(script);
    let policy = at_once(Retries::new(&circuit)).shortened_by(Extension);
    let layer = CircuitBreakerLayer::new(circuit.clone());
    let service = ServiceBuilder::new()
        .retry(policy)
        .layer(layer)
        .service(upstream.service());
    let mut request = get();
    request
        .extensions_mut()
        .insert(TimeLeft(Duration::from_millis(left)));
    let _ = service.clone().oneshot(request).await;
    let asked = upstream.asked.lock().unwrap();
    let times = asked.iter().map(|(at, request)| {
        let left: &TimeLeft = request.extensions().get().unwrap();
        (at.as_millis(), left.0.as_millis())
    });
    (times.collect(), counted(&circuit))
}

// M8
#[tokio::test(start_paused = true)]
async fn nothing_is_repeated_when_its_caller_will_have_gone() {
    let (asked, counted) = asked_with(2_500, [retry_after(503, 1)]).await;
    assert_eq!(asked, [(0, 2_500), (1_000, 1_500), (2_000, 500)]);
    let expected = totals(|totals| (totals.retried, totals.too_long) = (2, 1));
    assert_eq!(counted, expected);

    // Not even at once, and not at the very end.
    let too_long = totals(|totals| totals.too_long = 1);
    assert_eq!(asked_with(0, [500.into()]).await, (vec![(0, 0)], too_long));
    let (asked, _) = asked_with(1_000, [retry_after(503, 1)]).await;
    assert_eq!(asked.len(), 1);
}

// M8: a header says what was left at first, again and again.
#[tokio::test(start_paused = true)]
async fn a_header_is_read_once() {
    let circuit = circuit(plenty(9));
    let upstream = Upstream::new([retry_after(503, 1)]);
    let header = deadline::header("x-time-left".parse().unwrap());
    let policy: Policy = at_once(Retries::new(&circuit));
    let service = ServiceBuilder::new()
        .retry(policy.shortened_by(header))
        .layer(CircuitBreakerLayer::new(circuit))
        .service(upstream.service());
    let mut request = get();
    request
        .headers_mut()
        .insert("x-time-left", "2500ms".parse().unwrap());
    let _ = service.oneshot(request).await;
    assert_eq!(upstream.times(), [0, 1_000, 2_000]);
}

// M8: each call has its own.
#[tokio::test(start_paused = true)]
async fn the_time_of_one_caller_is_not_that_of_the_next() {
    let circuit = circuit(plenty(1));
    let upstream = Upstream::new([500]);
    let policy: Policy = at_once(Retries::new(&circuit));
    let layer = CircuitBreakerLayer::new(circuit.clone());
    let mut service = ServiceBuilder::new()
        .retry(policy.shortened_by(Extension))
        .layer(layer)
        .service(upstream.service());
    for (left, asked) in [(Some(1), 2), (Some(0), 3), (None, 5), (Some(1), 7)] {
        let mut request = get();
        if let Some(seconds) = left {
            request.extensions_mut().insert(TimeLeft(secs(seconds)));
        }
        let _ = service.ready().await.unwrap().call(request).await;
        assert_eq!(upstream.asked(), asked);
        tokio::time::advance(secs(5)).await;
    }
}

// M8, M5: the breaker further in has cut the call off, because its caller would not wait.
#[tokio::test(start_paused = true)]
async fn nor_when_its_caller_has_gone() {
    let circuit = circuit(plenty(9));
    let hangs = service_fn(async |_: Ask| std::future::pending::<Result<Answer, BoxError>>().await);
    let layer = CircuitBreakerLayer::new(circuit.clone()).shortened_by(Extension);
    let policy: Policy = at_once(Retries::new(&circuit));
    let mut request = get();
    request.extensions_mut().insert(TimeLeft(SECOND));
    let answers = ServiceBuilder::new()
        .retry(policy)
        .layer(layer.clone())
        .service(hangs);
    assert_eq!(
        answers.oneshot(request.clone()).await.unwrap().status(),
        504
    );

    let policy = Retries::new(&circuit).backoff(Duration::ZERO, Duration::ZERO);
    let errors = ServiceBuilder::new()
        .retry(policy)
        .layer(layer.reject_as_box_error())
        .service(hangs);
    errors.oneshot(request).await.unwrap_err();
    assert_eq!(counted(&circuit), totals(|totals| totals.too_long = 2));
}

// M8, M5: by the limit of all calls, the call has failed.
#[tokio::test(start_paused = true)]
async fn a_call_that_took_too_long_is_repeated() {
    let circuit = built(plenty(2), |builder| builder.call_timeout(SECOND));
    let hangs = service_fn(async |_: Ask| std::future::pending::<Result<Answer, BoxError>>().await);
    let layer = CircuitBreakerLayer::new(circuit.clone());
    let policy: Policy = at_once(Retries::new(&circuit));
    let service = ServiceBuilder::new()
        .retry(policy)
        .layer(layer)
        .service(hangs);
    let began = Instant::now();
    assert_eq!(service.oneshot(get()).await.unwrap().status(), 504);
    // The limit is that of each try.
    assert!((3_000..3_010).contains(&began.elapsed().as_millis()));
    let expected = totals(|totals| (totals.retried, totals.exhausted) = (2, 1));
    assert_eq!(counted(&circuit), expected);
}

// M8, M1: another answer has been found further in.
#[tokio::test(start_paused = true)]
async fn the_answer_of_a_fallback_is_not_repeated() {
    let circuit = circuit(plenty(9));
    let upstream = Upstream::new([500]);
    let sorry = fallback::response(|_: &Because<BoxError>| {
        Response::builder().status(502).body(String::new()).unwrap()
    });
    let service = ServiceBuilder::new()
        .retry::<Policy>(at_once(Retries::new(&circuit)))
        .layer(FallbackLayer::on_failure(&circuit, sorry).boxed_errors())
        .layer(CircuitBreakerLayer::new(circuit.clone()))
        .service(upstream.service());
    assert_eq!(service.oneshot(get()).await.unwrap().status(), 502);
    assert_eq!(upstream.asked(), 1);
    assert_eq!(counted(&circuit), totals(|_| ()));
}
