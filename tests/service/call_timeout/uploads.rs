//! A3, M5: the client's time is not the dependency's, but it is the caller's own.

use bytes::Bytes;
use http_body_util::{BodyExt, channel::Channel};

use super::*;

/// Sends a body in two parts, so long after each other, to a handler that hangs when it has all of it. Its caller
/// has so much time left, if it says so.
async fn upload<S>(service: S, pause: Duration, left: Option<Duration>) -> (TimedOut, Duration)
where
    S: tower::Service<Request<Channel<Bytes, io::Error>>, Response = Answer>,
    S::Error: std::fmt::Debug,
{
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        for part in ["first", "second"] {
            sleep(pause).await;
            // Nobody reads the rest of what was cut off.
            sender.send_data(part.into()).await.ok();
        }
    });
    let mut request = Request::new(body);
    if let Some(left) = left {
        request.extensions_mut().insert(TimeLeft(left));
    }
    let (answer, took) = timed(service.oneshot(request)).await;
    let answer = answer.expect("an answer");
    (
        answer.extensions().get::<TimedOut>().expect("told").clone(),
        took,
    )
}

/// Reads all of it, and hangs.
async fn handle<B: http_body::Body + Unpin>(request: Request<B>) -> Result<Answer, io::Error> {
    drop(request.into_body().collect().await);
    hang().await
}

#[track_caller]
fn is_about(took: Duration, expected: Duration) {
    let late = took.checked_sub(expected);
    assert!(late.is_some_and(|late| late <= 4 * MOMENT), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_limit_is_extended_by_what_the_client_took() {
    for pause in [LIMIT / 5, LIMIT, 7 * LIMIT] {
        let circuit = build(|c| c);
        let plain = layer(&circuit).observe_request_bodies(|body| body);
        let plain = plain.layer(service_fn(handle));
        let (told, took) = upload(plain, pause, None).await;
        is_about(took, 2 * pause + LIMIT);
        is_told(&told, LimitOf::Call, LIMIT);
        let limited = layer(&circuit).limit_calls();
        let limited = limited.observe_request_bodies(|body| body);
        let limited = limited.layer(service_fn(handle));
        let (told, took) = upload(limited, pause, None).await;
        is_about(took, 2 * pause + LIMIT);
        is_told(&told, LimitOf::Call, LIMIT);
        assert_eq!(counted(&circuit), (2, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_not() {
    let circuit = build(|c| c.slow_call_duration(LIMIT / 2));
    let layer = layer(&circuit).shortened_by(Extension);
    let layer = layer.observe_request_bodies(|body| body);
    let service = layer.layer(service_fn(handle));
    // All that time it has waited for its client: no slow failure either.
    let (told, took) = upload(service.clone(), 2 * LIMIT, Some(3 * LIMIT)).await;
    is_about(took, 3 * LIMIT);
    is_told(&told, LimitOf::Caller, 3 * LIMIT);
    assert_eq!(counted(&circuit), (0, 1, 0));
    // The last three quarters were the dependency's.
    let (told, took) = upload(service.clone(), LIMIT, Some(11 * LIMIT / 4)).await;
    is_about(took, 11 * LIMIT / 4);
    is_told(&told, LimitOf::Caller, 11 * LIMIT / 4);
    assert_eq!(counted(&circuit), (1, 1, 0));
    let (told, took) = upload(service, LIMIT, Some(10 * LIMIT)).await;
    is_about(took, 3 * LIMIT);
    is_told(&told, LimitOf::Call, LIMIT);
    assert_eq!(counted(&circuit), (2, 1, 0));
}

// M5: an observed body is limited to its head.
#[tokio::test(start_paused = true)]
async fn the_body_of_a_response_is_not_limited() {
    let circuit = build(|c| c);
    let layer = layer(&circuit).observe_bodies().shortened_by(Extension);
    let service = layer.layer(service_fn(async |_: Asked| {
        sleep(LIMIT / 2).await;
        Ok::<_, io::Error>(respond(200))
    }));
    let answer = service.oneshot(with_time_left(2 * LIMIT)).await;
    let answer = answer.expect("a head");
    sleep(4 * LIMIT).await;
    assert_eq!(counted(&circuit), (0, 0, 0));
    answer.into_body().collect().await.expect("a body");
    assert_eq!(counted(&circuit), (0, 0, 1));

    let service = layer_that_hangs(&circuit);
    let answer = service.oneshot(Asked::default()).await.expect("an answer");
    assert_eq!(answer.status(), 504);
    assert_eq!(
        answer.into_body().collect().await.expect("none").to_bytes(),
        ""
    );
    assert_eq!(counted(&circuit), (1, 0, 1));
}

fn layer_that_hangs(
    circuit: &Circuit,
) -> impl tower::Service<
    Asked,
    Response = Response<impl http_body::Body<Data = Bytes, Error: std::fmt::Debug>>,
    Error = io::Error,
> {
    let layer = layer(circuit).observe_bodies().limit_calls();
    layer.layer(hanging(&Alive::default(), None))
}
