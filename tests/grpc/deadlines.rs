//! Deadlines, by whoever keeps them: the channel, tonic's server, or a timeout around all (H4, A4).
//!
//! The server never answers, so a deadline always passes, however short it is.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{runtime::Runtime, task::JoinSet};
use tonic::{Code, Request, transport::Server};
use tonic_health::pb::health_client::HealthClient;
use tower::{ServiceBuilder, timeout::TimeoutLayer};
use tower_breaker::{
    CircuitBreakerLayer, State,
    clock::Clock,
    grpc::{self, GrpcClassifier},
};

use crate::{
    health::{GuardedClient, Ledger, Running, Told, grpc, guarded, patient, told},
    peer::Peer,
    sockets::{patiently, until},
    support::{Fixture, fragile, fragile_after_break, secs},
};

/// Nobody waits for more than the deadline takes.
const SOON: Duration = Duration::from_millis(5);

// A1: an error instead of a response.
#[tokio::test]
async fn the_timeout_of_an_endpoint_is_a_failure() {
    let fixture = fragile(|circuit| circuit);
    let server = Running::plain(&Told::new(&fixture));
    let mut client = guarded(server.endpoint().timeout(SOON), grpc(&fixture));
    let status = patiently(client.check(told("hang"))).await;
    // So tonic calls it.
    assert_eq!(status.expect_err("late").code(), Code::Cancelled);
    fixture.tells(&["closed -> open: 1 failure, open for 5s"]);
}

// A1: which the channel keeps, too.
#[tokio::test]
async fn the_timeout_of_a_request_is_a_failure() {
    let fixture = fragile(|circuit| circuit);
    let peer = Peer::start().await;
    let mut request = Request::new(told(""));
    request.set_timeout(SOON);
    let answer = patiently(peer.guarded_client(&fixture).check(request)).await;
    assert_eq!(answer.expect_err("late").code(), Code::Cancelled);
    fixture.tells(&["closed -> open: 1 failure, open for 5s"]);
}

// H4: tonic's server says cancelled when its own timeout has passed. Nobody on this side has cancelled.
#[tokio::test]
async fn the_timeout_of_a_tonic_server_is_a_failure_to_its_clients() {
    let fixture = patient();
    let health = Told::new(&fixture).server();
    let server = Running::start(|incoming| {
        let server = Server::builder().timeout(SOON).add_service(health);
        server.serve_with_incoming(incoming)
    });
    let mut ledger = Ledger::of(&fixture);
    let not_asking = GrpcClassifier::new().ignored([grpc::Code::Cancelled]);
    let layer = CircuitBreakerLayer::new(fixture.circuit.clone());
    for (layer, letter) in [(grpc(&fixture), "f"), (layer.grpc_with(not_asking), "i")] {
        let mut client = guarded(server.endpoint(), layer);
        let status = patiently(client.check(told("hang"))).await;
        assert_eq!(status.expect_err("late").code(), Code::Cancelled);
        assert_eq!(ledger.since(&fixture), letter);
    }
}

/// One call that is never answered in time: unary, or a stream that never begins.
async fn late(mut client: GuardedClient, unary: bool, deadline: Option<Duration>) {
    let mut request = Request::new(told(if unary { "hang" } else { "head hang" }));
    if let Some(deadline) = deadline {
        request.set_timeout(deadline);
    }
    let status = match unary {
        true => client.check(request).await.map(drop),
        false => client.watch(request).await.map(drop),
    };
    status.expect_err("late");
}

/// 200 calls, of which each is late.
async fn late_in_a_race(client: &GuardedClient, deadline: Option<Duration>) {
    for _ in 0..20 {
        let mut calls = JoinSet::new();
        for number in 0..10 {
            calls.spawn(late(client.clone(), number % 2 == 0, deadline));
        }
        patiently(calls.join_all()).await;
    }
}

// H4: the client's own timer and the server's answer race each other, and it does not matter which wins.
#[tokio::test]
async fn whoever_tells_of_a_deadline_first_it_is_a_failure() {
    let fixture = patient();
    let told = Told::new(&fixture);
    let elsewhere = Runtime::new().expect("a runtime for the servers");
    let entered = elsewhere.enter();
    let patient_server = Running::plain(&told);
    let impatient_server = Running::start(|incoming| {
        let server = Server::builder().timeout(SOON).add_service(told.server());
        server.serve_with_incoming(incoming)
    });
    drop(entered);
    let plain = |server: &Running| guarded(server.endpoint(), grpc(&fixture));
    let timed = |server: &Running| guarded(server.endpoint().timeout(SOON), grpc(&fixture));
    for (client, deadline) in [
        (plain(&patient_server), Some(SOON)),
        (plain(&patient_server), Some(2 * SOON)),
        (
            plain(&impatient_server),
            Some(SOON + Duration::from_millis(1)),
        ),
        (plain(&impatient_server), None),
        (plain(&impatient_server), Some(SOON)),
        (timed(&patient_server), None),
        (timed(&impatient_server), None),
        (timed(&impatient_server), Some(SOON)),
    ] {
        let before = fixture.totals();
        late_in_a_race(&client, deadline).await;
        let after = fixture.totals();
        assert_eq!(after.failed - before.failed, 200, "{deadline:?}");
        assert_eq!(after.ended() - before.ended(), 200);
    }
    elsewhere.shutdown_background();
}

// H4, B1: such a server is one that fails.
#[tokio::test]
async fn a_server_that_only_ever_times_out_opens_the_circuit() {
    for (of_server, of_caller) in [
        (None, Some(SOON)),
        (Some(SOON), None),
        (Some(SOON), Some(SOON)),
    ] {
        let fixture = Fixture::new(|circuit| circuit.consecutive_failures(20));
        let health = Told::new(&fixture).server();
        let server = Running::start(|incoming| {
            let mut server = Server::builder();
            if let Some(timeout) = of_server {
                server = server.timeout(timeout);
            }
            server.add_service(health).serve_with_incoming(incoming)
        });
        let client = server.guarded_client(&fixture);
        for number in 0..20 {
            patiently(late(client.clone(), number % 2 == 0, of_caller)).await;
        }
        fixture.is(State::Open);
    }
}

// H4
#[tokio::test]
async fn a_deadline_that_a_server_tells_of_is_a_failure() {
    let fixture = fragile(|circuit| circuit);
    let server = Running::plain(&Told::new(&fixture));
    let mut client = server.guarded_client(&fixture);
    patiently(client.check(told("4"))).await.expect_err("late");
    fixture.is(State::Open);
}

/// Each reading is two seconds later than the last.
#[derive(Default)]
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Duration {
        secs(2 * self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// The health service behind a breaker, in a server that has no patience.
fn impatient(fixture: &Fixture) -> Running {
    let (health, layer) = (Told::new(fixture).server(), grpc(fixture));
    Running::start(|incoming| {
        let mut server = Server::builder().timeout(SOON).layer(layer);
        server.add_service(health).serve_with_incoming(incoming)
    })
}

// A4: on a server, its timeout lies outside of the layers, and drops the call.
#[tokio::test]
async fn the_timeout_of_a_server_around_its_breaker_is_neutral_or_a_slow_failure() {
    for slow in [false, true] {
        let fixture = fragile(|circuit| match slow {
            false => circuit,
            true => circuit
                .slow_call_duration(secs(1))
                .clock(Ticking::default()),
        });
        let server = impatient(&fixture);
        let late = patiently(server.client().check(told("hang"))).await;
        assert_eq!(late.expect_err("late").code(), Code::Cancelled);
        until(|| fixture.totals().ended() == 1).await;
        let totals = fixture.totals();
        let (failed, neutral) = (u64::from(slow), u64::from(!slow));
        assert_eq!(
            (totals.failed, totals.slow, totals.abandoned),
            (failed, failed, neutral)
        );
    }
}

// A4, D1: a probe among them.
#[tokio::test]
async fn a_probe_that_a_server_gives_up_is_not_lost() {
    let fixture = fragile_after_break(|circuit| circuit);
    let server = impatient(&fixture);
    for calls in 1..=3 {
        let late = patiently(server.client().check(told("hang"))).await;
        assert_eq!(late.expect_err("late").code(), Code::Cancelled);
        until(|| fixture.totals().abandoned == calls).await;
    }
    fixture.is(State::HalfOpen);
    assert_eq!(fixture.totals().rejected, 0);
}

// A4: a timeout around the breaker, as tower has it.
#[tokio::test]
async fn a_timeout_around_a_breaker_is_neutral_and_one_inside_a_failure() {
    let fixture = patient();
    let server = Running::plain(&Told::new(&fixture));
    let channel = server.endpoint().connect_lazy();
    let mut ledger = Ledger::of(&fixture);

    let outside = ServiceBuilder::new()
        .layer(TimeoutLayer::new(SOON))
        .layer(grpc(&fixture))
        .service(channel.clone());
    let mut client = HealthClient::new(outside);
    patiently(client.check(told("hang")))
        .await
        .expect_err("late");
    assert_eq!(ledger.since(&fixture), "d");

    let inside = ServiceBuilder::new()
        .layer(grpc(&fixture))
        .layer(TimeoutLayer::new(SOON))
        .service(channel);
    let mut client = HealthClient::new(inside);
    patiently(client.check(told("hang")))
        .await
        .expect_err("late");
    assert_eq!(ledger.since(&fixture), "f");
}

// ---- the deadline of a caller ------------------------------------------------------------------

/// M5: `grpc-timeout` may shorten the limit of a call. The time is paused.
mod of_callers {
    use std::convert::Infallible;

    use http::{HeaderValue, Request, Response, StatusCode, response::Parts};
    use tokio::time::{Instant, sleep};
    use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneService};
    use tower_breaker::{
        LimitOf, Rejected, TimedOut,
        deadline::{Deadline, GrpcTimeout},
    };

    use super::*;
    use crate::support::millis;

    const LIMIT: Duration = Duration::from_millis(800);

    type Asked = Request<()>;
    type Answer = Response<String>;

    fn asked(values: &[&[u8]]) -> Asked {
        let mut request = Asked::default();
        for value in values {
            let value = HeaderValue::from_bytes(value).expect("a value");
            request.headers_mut().append("grpc-timeout", value);
        }
        request
    }

    /// A server of gRPC that hangs, and takes note of the deadlines that it is told.
    fn hanging(fixture: &Fixture) -> BoxCloneService<Asked, Response<()>, Infallible> {
        let layer = CircuitBreakerLayer::new(fixture.circuit.clone()).grpc();
        let service = layer.shortened_by(GrpcTimeout).layer(service_fn(hang));
        BoxCloneService::new(service.map_response(|response| response.map(drop)))
    }

    async fn hang(_: Asked) -> Result<Answer, Infallible> {
        sleep(secs(86_400)).await;
        panic!("nobody has cut it off")
    }

    /// The head of what `layer` makes of a call that hangs.
    async fn head<L, B>(layer: L) -> Parts
    where
        L: Layer<
                BoxCloneService<Asked, Answer, Infallible>,
                Service: Service<Asked, Response = Response<B>, Error = Infallible>,
            >,
    {
        let answer = layer
            .layer(BoxCloneService::new(service_fn(hang)))
            .oneshot(asked(&[]))
            .await;
        let Ok(answer) = answer;
        answer.into_parts().0
    }

    /// The answer is deadline exceeded, after so long, by that limit.
    async fn late(fixture: &Fixture, values: &[&[u8]]) -> (LimitOf, Duration) {
        let began = Instant::now();
        let answer = hanging(fixture).oneshot(asked(values)).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["grpc-status"], "4");
        assert_eq!(answer.headers()["grpc-message"], "the call took too long");
        let told: &TimedOut = answer.extensions().get().expect("told");
        (told.whose(), began.elapsed())
    }

    // H2, H4: to answer rejections otherwise says nothing about calls that take too long.
    #[tokio::test(start_paused = true)]
    async fn a_rejection_of_ones_own_leaves_a_late_call_deadline_exceeded() {
        let fixture = fragile(|circuit| circuit.consecutive_failures(9).call_timeout(LIMIT));
        let layer = || CircuitBreakerLayer::new(fixture.circuit.clone()).grpc();
        let answered = |_: &Rejected| Response::new(String::new());
        let fallback = async |_, _: Asked| Ok(Response::new(String::new()));
        let answers = [
            head(layer().reject_with(answered)).await,
            head(layer().fallback(fallback)).await,
            head(
                layer()
                    .reject_as_status()
                    .reject_with(answered)
                    .fallback(fallback),
            )
            .await,
            head(layer().drain_rejected(1, LIMIT).reject_with(answered)).await,
        ];
        for answer in answers {
            let code = &answer.headers["grpc-status"];
            assert_eq!((answer.status.as_u16(), code.as_bytes()), (200, &b"4"[..]));
            let told: &TimedOut = answer.extensions.get().expect("told");
            assert_eq!(told.whose(), LimitOf::Call);
        }
        let own = layer()
            .reject_with(answered)
            .time_out_with(|_| StatusCode::BAD_GATEWAY);
        assert_eq!(head(own).await.status, 502);
    }

    // M5
    #[tokio::test(start_paused = true)]
    async fn a_thousand_callers_without_time_leave_the_circuit_closed() {
        let fixture = fragile(|circuit| circuit.call_timeout(LIMIT));
        for _ in 0..1_000 {
            let (whose, took) = late(&fixture, &[b"1n"]).await;
            assert_eq!(whose, LimitOf::Caller);
            assert!(took <= millis(1));
        }
        fixture.is(State::Closed);
        let totals = fixture.totals();
        assert_eq!((totals.failed, totals.abandoned), (0, 1_000));
        // One that is late by the circuit's own limit has failed.
        let (whose, took) = late(&fixture, &[]).await;
        assert_eq!(whose, LimitOf::Call);
        assert!((LIMIT..LIMIT + millis(2)).contains(&took));
        fixture.is(State::Open);
    }

    // M5: a caller who says nonsense, or too much, waits as long as any.
    #[tokio::test(start_paused = true)]
    async fn none_of_them_waits_longer() {
        let fixture = Fixture::new(|c| c.consecutive_failures(1_000).call_timeout(LIMIT));
        let hostile: [&[&[u8]]; 14] = [
            &[],
            &[b""],
            &[b"1"],
            &[b"n"],
            &[b"-1n"],
            &[b"+1n"],
            &[b"1.0n"],
            &[b"1 n"],
            &[b"123456789n"],
            &[b"99999999H"],
            &[b"1\xff"],
            &[b"\xffn"],
            &[b"1s"],
            &[b"soon", b"2S", b"800m"],
        ];
        for values in hostile {
            let (whose, took) = late(&fixture, values).await;
            assert_eq!(whose, LimitOf::Call, "{values:?}");
            assert!((LIMIT..LIMIT + millis(2)).contains(&took), "{values:?}");
        }
        let shorter: [&[&[u8]]; 4] = [
            &[b"100m"],
            &[b"1H", b"100m"],
            &[b"100m", b"1H"],
            &[b"1H,100m"],
        ];
        for values in shorter {
            let (whose, took) = late(&fixture, values).await;
            assert_eq!(whose, LimitOf::Caller, "{values:?}");
            assert!((millis(100)..millis(102)).contains(&took), "{values:?}");
        }
    }

    // M5
    #[test]
    fn it_is_read_as_the_protocol_has_it() {
        let left = |value: &[u8]| GrpcTimeout.left(&asked(&[value]));
        assert_eq!(left(b"5000000H"), Some(secs(5_000_000 * 3_600)));
        // 11,000 years: nobody has so much.
        assert_eq!(left(b"99999999H"), None);
        assert_eq!(left(b"2M"), Some(secs(120)));
        assert_eq!(left(b"2S"), Some(secs(2)));
        assert_eq!(left(b"2m"), Some(millis(2)));
        assert_eq!(left(b"2u"), Some(Duration::from_micros(2)));
        assert_eq!(left(b"00000002n"), Some(Duration::from_nanos(2)));
        assert_eq!(left(b"0n"), Some(Duration::ZERO));
        // As tonic writes it.
        let mut request = tonic::Request::new(());
        request.set_timeout(secs(3));
        let (metadata, _, ()) = request.into_parts();
        let mut as_sent = Asked::default();
        *as_sent.headers_mut() = metadata.into_headers();
        assert_eq!(GrpcTimeout.left(&as_sent), Some(secs(3)));
    }

    // M5, A4: over sockets. Tonic's server keeps `grpc-timeout`, too, around its layers, and so does the client;
    // whoever is first, nobody has failed.
    #[tokio::test]
    async fn in_a_server_a_call_whose_caller_has_no_time_left_is_abandoned() {
        let fixture = fragile(|circuit| circuit);
        let health = Told::new(&fixture).server();
        let layer = grpc(&fixture).shortened_by(GrpcTimeout);
        let server = Running::start(|incoming| {
            let mut server = Server::builder().layer(layer);
            server.add_service(health).serve_with_incoming(incoming)
        });
        for calls in 1..=5 {
            let mut request = tonic::Request::new(told("hang"));
            request.set_timeout(SOON);
            let late = patiently(server.client().check(request)).await;
            late.expect_err("late");
            until(|| fixture.totals().ended() == calls).await;
        }
        assert_eq!(fixture.totals().abandoned, 5);
        fixture.is(State::Closed);
    }
}
