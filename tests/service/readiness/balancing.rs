//! `tower::balance` over real servers, with and without breakers in readiness mode: who is asked, and what
//! share of the requests fails before, while and after one of the servers fails.
//!
//! The breaks end by a clock that the test moves, and requests follow each other, so the counts depend on
//! nothing but the balancer's dice. These choose between two that are ready; the margins are as wide as
//! dice need.

use crate::sockets::{Dependency, Server, patiently};
use axum::{Router, extract::State as Extract, routing::get};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::timeout;
use tower::{
    BoxError, ServiceBuilder, ServiceExt,
    balance::p2c::Balance,
    discover::ServiceList,
    load::{CompleteOnResponse, Constant, Load, PeakEwma, PendingRequests},
    load_shed::error::Overloaded,
    util::BoxService,
};

use super::*;

type Web = Client<HttpConnector, Empty<Bytes>>;
type Get = Request<Empty<Bytes>>;
type Balanced = BoxService<Get, Response<Incoming>, BoxError>;

/// One server, the client that knows its address, and its circuit.
struct Endpoint {
    dependency: Dependency,
    circuit: Circuit,
    server: Server,
}

/// Some endpoints, whose circuits open at the third failure in a row, on a clock that stands still.
struct Fleet {
    endpoints: Vec<Endpoint>,
    cap: EjectionCap,
    clock: ManualClock,
}

impl Fleet {
    async fn of(number: usize, share: f64) -> Self {
        let cap = EjectionCap::new(share).expect("a share");
        let clock = ManualClock::new();
        let mut endpoints = Vec::new();
        for _ in 0..number {
            let circuit = Circuit::builder("endpoint")
                .consecutive_failures(3)
                .open_for(secs(5))
                .clock(clock.clone())
                .ejection_cap(&cap)
                .build();
            let dependency = Dependency::new();
            endpoints.push(Endpoint {
                server: Server::axum(routes(&dependency)).await,
                circuit: circuit.expect("valid"),
                dependency,
            });
        }
        Self {
            endpoints,
            cap,
            clock,
        }
    }

    /// The endpoints behind a balancer, each made into something with a load.
    fn balanced<S, L>(&self, endpoint: impl Fn(&Endpoint) -> S, load: impl Fn(S) -> L) -> Balanced
    where
        L: Load<Metric: std::fmt::Debug> + Send + 'static,
        L: Service<Get, Response = Response<Incoming>, Future: Send, Error: Into<BoxError>>,
    {
        self.balanced_from(0, endpoint, load)
    }

    /// The same, without the first few of them: they have left the service, and their circuits are kept.
    fn balanced_from<S, L>(
        &self,
        first: usize,
        endpoint: impl Fn(&Endpoint) -> S,
        load: impl Fn(S) -> L,
    ) -> Balanced
    where
        L: Load<Metric: std::fmt::Debug> + Send + 'static,
        L: Service<Get, Response = Response<Incoming>, Future: Send, Error: Into<BoxError>>,
    {
        let endpoints = self.endpoints[first..].iter();
        let endpoints = endpoints.map(|one| load(endpoint(one)));
        let list = ServiceList::new::<Get>(endpoints.collect::<Vec<_>>());
        BoxService::new(Balance::new(list))
    }

    fn with_breakers(&self) -> Balanced {
        self.balanced(guarded, |service| Constant::new(service, 1))
    }

    fn without_breakers(&self) -> Balanced {
        self.balanced(plain, |service| Constant::new(service, 1))
    }

    /// How often each was asked since somebody last looked.
    fn entered(&self, before: &mut [u64]) -> Vec<u64> {
        let now = self.endpoints.iter().map(|one| one.dependency.entered());
        let now: Vec<u64> = now.collect();
        let since = now.iter().zip(&*before).map(|(now, before)| now - before);
        let since = since.collect();
        before.copy_from_slice(&now);
        since
    }
}

fn routes(dependency: &Dependency) -> Router {
    async fn call(Extract(dependency): Extract<Dependency>) -> StatusCode {
        dependency.call().await
    }
    Router::new()
        .route("/", get(call))
        .with_state(dependency.clone())
}

/// A client of this server alone.
fn plain(
    endpoint: &Endpoint,
) -> impl Service<
    Get,
    Response = Response<Incoming>,
    Error = hyper_util::client::legacy::Error,
    Future: Send + 'static,
> + use<>
+ Clone
+ Send
+ 'static {
    let client: Web = Client::builder(TokioExecutor::new()).build_http();
    let authority = endpoint.server.address();
    ServiceBuilder::new()
        .map_request(move |mut request: Get| {
            let uri = format!("http://{authority}{}", request.uri());
            *request.uri_mut() = uri.parse().expect("a URI");
            request
        })
        .service(client)
}

/// The same, in readiness mode.
fn guarded(
    endpoint: &Endpoint,
) -> impl Service<
    Get,
    Response = Response<Incoming>,
    Error = CircuitError<hyper_util::client::legacy::Error>,
    Future: Send + 'static,
> + use<>
+ Send
+ 'static {
    CircuitBreakerLayer::new(endpoint.circuit.clone())
        .reject_as_error()
        .pending_while_open()
        .layer(plain(endpoint))
}

fn request() -> Get {
    Request::get("/").body(Empty::new()).expect("a request")
}

/// One request; whether it failed.
async fn ask(balance: &mut Balanced) -> bool {
    let ready = patiently(balance.ready())
        .await
        .expect("no endpoint breaks");
    let answer = patiently(ready.call(request())).await;
    let Ok(answer) = answer else {
        return true;
    };
    let failed = !answer.status().is_success();
    patiently(answer.into_body().collect())
        .await
        .expect("a body");
    failed
}

/// How many of so many requests fail.
async fn failures(balance: &mut Balanced, requests: u64) -> u64 {
    let mut failed = 0;
    for _ in 0..requests {
        failed += u64::from(ask(balance).await);
    }
    failed
}

const REQUESTS: u64 = 300;

// G7: before, while and after one of three fails. Without breakers a third of the requests fails for as long
// as it lasts; with breakers, the three that it takes to trip.
#[tokio::test]
async fn the_share_of_failures_with_and_without_breakers() {
    let fleet = Fleet::of(3, 0.5).await;
    let mut bare = fleet.without_breakers();
    assert_eq!(failures(&mut bare, REQUESTS).await, 0);
    fleet.endpoints[0].dependency.fail();
    let during = failures(&mut bare, REQUESTS).await;
    // Of 300 with a chance of a third: 100, give or take 60, which is more than seven deviations.
    assert!((40..=160).contains(&during), "{during}");
    fleet.endpoints[0].dependency.heal();
    assert_eq!(failures(&mut bare, REQUESTS).await, 0);

    let mut guarded = fleet.with_breakers();
    assert_eq!(failures(&mut guarded, REQUESTS).await, 0);
    fleet.endpoints[0].dependency.fail();
    assert_eq!(failures(&mut guarded, REQUESTS).await, 3);
    assert_eq!(fleet.cap.ejected(), 1);
    // Somebody thinks that it is well: another three.
    fleet.endpoints[0].circuit.reset();
    assert_eq!(failures(&mut guarded, REQUESTS).await, 3);
    fleet.endpoints[0].dependency.heal();
    fleet.endpoints[0].circuit.reset();
    assert_eq!(failures(&mut guarded, REQUESTS).await, 0);
    assert_eq!(fleet.cap.ejected(), 0);
}

// G7: it is left alone while it is ejected, and asked like the others once it is back.
#[tokio::test]
async fn an_ejected_endpoint_is_steered_around_and_comes_back() {
    let fleet = Fleet::of(3, 0.5).await;
    let mut balance = fleet.with_breakers();
    let mut before = vec![0; 3];
    assert_eq!(failures(&mut balance, REQUESTS).await, 0);
    let shares = fleet.entered(&mut before);
    assert!(shares.iter().all(|asked| *asked > 40), "{shares:?}");

    fleet.endpoints[1].dependency.fail();
    failures(&mut balance, REQUESTS).await;
    let asked = fleet.entered(&mut before);
    assert_eq!(asked[1], 3);
    assert_eq!(failures(&mut balance, REQUESTS).await, 0);
    assert_eq!(fleet.entered(&mut before)[1], 0);

    fleet.endpoints[1].dependency.heal();
    fleet.endpoints[1].circuit.reset();
    assert_eq!(failures(&mut balance, REQUESTS).await, 0);
    let shares = fleet.entered(&mut before);
    assert!(shares.iter().all(|asked| *asked > 40), "{shares:?}");
}

// G7, D1: it comes back by a probe, which the balancer sends when a timer has told it of the end of the break.
// A probe that fails costs one request. No sockets here: the time is tokio's, and paused.
#[tokio::test(start_paused = true)]
async fn an_ejected_endpoint_comes_back_by_a_probe() {
    let cap = EjectionCap::new(0.5).expect("a share");
    let circuits: Vec<Circuit> = (0..2)
        .map(|_| fragile(|builder| builder.ejection_cap(&cap)))
        .collect();
    let down = Arc::new(Mutex::new([true, false]));
    let endpoints = circuits.iter().enumerate().map(|(number, circuit)| {
        let down = down.clone();
        let answer = move |_: Answer| match down.lock().expect("not poisoned")[number] {
            true => ready(Err(Down)),
            false => ready(Ok(())),
        };
        let service = layer(circuit)
            .pending_while_open()
            .layer(service_fn(answer));
        Constant::new(service, 1)
    });
    let list = ServiceList::new::<Answer>(endpoints.collect::<Vec<_>>());
    let mut balance = Balance::new(list);
    let mut failures = [0; 4];
    for second in 0..20 {
        for _ in 0..50 {
            let service = balance.ready().await.expect("an endpoint");
            failures[second / 5] += u64::from(service.call(Ok(())).await.is_err());
        }
        if second == 12 {
            down.lock().expect("not poisoned")[0] = false;
        }
        advance(secs(1)).await;
    }
    // The trip; a failed probe at 5 s and one at 10 s; one at 15 s that succeeds.
    assert_eq!(failures, [1, 1, 1, 0]);
    assert_eq!(circuits[0].state(), State::Closed);
    assert_eq!(cap.ejected(), 0);
}

// G7, D7: with a driver it comes back without a request: the trip is the only one that fails.
#[tokio::test(start_paused = true)]
async fn an_ejected_endpoint_comes_back_by_its_driver() {
    let cap = EjectionCap::new(0.5).expect("a share");
    let circuits: Vec<Circuit> = (0..2)
        .map(|_| fragile(|builder| builder.ejection_cap(&cap)))
        .collect();
    let down = Arc::new(AtomicU64::new(1));
    let asked = Arc::new(AtomicU64::new(0));
    let (health, requests) = (down.clone(), (down.clone(), asked.clone()));
    let check = async move || match health.load(SeqCst) {
        0 => Ok(()),
        _ => Err(Down),
    };
    let driver = tokio::spawn(circuits[0].probe_with(check));
    let first = service_fn(move |_: Answer| {
        requests.1.fetch_add(1, SeqCst);
        ready(if requests.0.load(SeqCst) == 0 {
            Ok(())
        } else {
            Err(Down)
        })
    });
    let first = layer(&circuits[0]).pending_while_open().layer(first);
    let second = layer(&circuits[1]).pending_while_open();
    let second = second.layer(service_fn(|_: Answer| ready(Ok(()))));
    let boxed = |service| Constant::new(service, 1);
    let endpoints = [
        boxed(BoxService::new(first)),
        boxed(BoxService::new(second)),
    ];
    let mut balance = Balance::new(ServiceList::new::<Answer>(endpoints));
    let mut failures = 0;
    // Between the ends of breaks, at 5, 10 and 15 s, so that the driver comes first.
    for step in 0..20 {
        for _ in 0..50 {
            let service = balance.ready().await.expect("an endpoint");
            failures += u64::from(service.call(Ok(())).await.is_err());
        }
        if step == 11 {
            down.store(0, SeqCst);
            assert_eq!(asked.load(SeqCst), 1);
        }
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    assert_eq!(failures, 1);
    assert!(asked.load(SeqCst) > 1, "it is back");
    assert_eq!((circuits[0].state(), cap.ejected()), (State::Closed, 0));
    assert!(!driver.is_finished());
}

// G7: when all fail, half of them stay in rotation: callers see the endpoints' own errors, and nobody waits.
#[tokio::test]
async fn when_all_fail_the_cap_keeps_half_of_them_in_rotation() {
    let fleet = Fleet::of(4, 0.5).await;
    let mut balance = fleet.with_breakers();
    for endpoint in &fleet.endpoints {
        endpoint.dependency.fail();
    }
    assert_eq!(failures(&mut balance, REQUESTS).await, REQUESTS);
    assert_eq!((fleet.cap.ejected(), fleet.cap.members()), (2, 4));
    // And they answer at once when they are well again, with no break to wait for.
    for endpoint in &fleet.endpoints {
        endpoint.dependency.heal();
    }
    assert_eq!(failures(&mut balance, REQUESTS).await, 0);
}

// G7: an ejected endpoint that nobody asks any more gives its place up at the end of its break, to one that
// fails after that.
#[tokio::test]
async fn an_ejected_endpoint_that_nobody_asks_is_no_reason_to_ask_a_failing_one() {
    for (number, share) in [(3, 1.0 / 3.0), (4, 0.25), (5, 0.3)] {
        let fleet = Fleet::of(number, share).await;
        let [gone, failing, ..] = &fleet.endpoints[..] else {
            unreachable!("more than two");
        };
        gone.dependency.fail();
        let mut balance = fleet.with_breakers();
        assert_eq!(failures(&mut balance, REQUESTS).await, 3);
        assert_eq!(gone.circuit.state(), State::Open);

        let mut balance = fleet.balanced_from(1, guarded, |service| Constant::new(service, 1));
        assert_eq!(failures(&mut balance, REQUESTS).await, 0);
        fleet.clock.advance(secs(5));
        failing.dependency.fail();
        assert_eq!(failures(&mut balance, 3_000).await, 3);
        assert_eq!(failing.circuit.state(), State::Open);
        assert_eq!(gone.circuit.state(), State::Open, "as nobody has asked");
        assert_eq!(fleet.cap.ejected(), 1);
    }
}

// G7: without a cap there may be nobody left, and callers wait for the first break to end, unless something
// outside sheds them.
#[tokio::test]
async fn when_all_are_ejected_callers_wait_or_are_shed() {
    let fleet = Fleet::of(2, 1.0).await;
    let mut balance = fleet.with_breakers();
    for endpoint in &fleet.endpoints {
        endpoint.circuit.force_open();
    }
    {
        let mut asking = tokio_test::task::spawn(balance.ready());
        for _ in 0..3 {
            assert!(asking.poll().is_pending());
        }
        fleet.endpoints[1].circuit.release();
        assert!(asking.is_woken());
        assert!(asking.poll().is_ready());
    }
    assert_eq!(failures(&mut balance, 10).await, 0);

    fleet.endpoints[1].circuit.force_open();
    let mut shedding = ServiceBuilder::new().load_shed().service(balance);
    let error = shedding
        .ready()
        .await
        .expect("always")
        .call(request())
        .await;
    assert!(error.expect_err("shed").is::<Overloaded>());
    fleet.endpoints[0].circuit.release();
    let answer = shedding.ready().await.expect("always").call(request());
    assert!(
        patiently(answer)
            .await
            .expect("an answer")
            .status()
            .is_success()
    );
}

// G7: a timeout looks at the call only. Around a buffer, the wait is part of the call.
#[tokio::test(start_paused = true)]
async fn a_timeout_bounds_the_wait_around_a_buffer_and_not_without() {
    let circuit = open();
    let endpoint = || layer(&circuit).pending_while_open().layer(Echo::default());
    let balance = || {
        let list = ServiceList::new::<Answer>(vec![Constant::new(endpoint(), 1)]);
        Balance::new(list)
    };
    let began = tokio::time::Instant::now();
    let buffered = ServiceBuilder::new()
        .timeout(secs(1))
        .buffer(8)
        .service(balance());
    let error = buffered.oneshot(Ok(())).await.expect_err("too late");
    assert!(error.is::<tower::timeout::error::Elapsed>());
    assert_eq!(began.elapsed(), secs(1));

    let unbuffered = ServiceBuilder::new().timeout(secs(1)).service(balance());
    unbuffered
        .oneshot(Ok(()))
        .await
        .expect("at the end of the break");
    assert_eq!(began.elapsed(), secs(5));
    circuit.force_open();
    let forever = timeout(secs(1_000_000), balance().oneshot(Ok(())));
    assert!(forever.await.is_err());
}

// G7: what is shed inside of a buffer is shed at once; a buffer inside of the shedding has to be full first.
#[tokio::test(start_paused = true)]
async fn a_shedder_sheds_inside_of_a_buffer_and_waits_for_a_full_one_outside() {
    let circuit = open();
    circuit.force_open();
    let balance = || {
        let endpoint = layer(&circuit).pending_while_open().layer(Echo::default());
        Balance::new(ServiceList::new::<Answer>(vec![Constant::new(endpoint, 1)]))
    };
    let inside = ServiceBuilder::new()
        .buffer(1)
        .load_shed()
        .service(balance());
    let error = inside.oneshot(Ok(())).await.expect_err("shed");
    assert!(error.is::<Overloaded>());

    let outside = ServiceBuilder::new()
        .load_shed()
        .buffer(1)
        .service(balance());
    let mut shed = 0;
    let mut waiting = Vec::new();
    for _ in 0..10 {
        let mut call = tokio_test::task::spawn(outside.clone().oneshot(Ok(())));
        match call.poll() {
            Poll::Ready(answer) => shed += u64::from(answer.expect_err("shed").is::<Overloaded>()),
            Poll::Pending => waiting.push(call),
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(shed + waiting.len() as u64, 10);
    assert!(shed > 0 && !waiting.is_empty(), "{shed} were shed");
    circuit.release();
    for call in waiting {
        call.into_inner().await.expect("at last");
    }
}

// A6, G7: the balancer takes an error of readiness for the end of the endpoint.
#[tokio::test(start_paused = true)]
async fn an_endpoint_whose_readiness_fails_is_dropped_by_the_balancer() {
    let circuits = [(); 2].map(|()| fragile(|builder| builder));
    let inner = [(); 2].map(|()| Echo::default());
    let endpoints = [0, 1].map(|number: usize| {
        let endpoint = layer(&circuits[number]).pending_while_open();
        Constant::new(endpoint.layer(inner[number].clone()), 1)
    });
    *inner[0].readiness.lock().expect("not poisoned") = Some(Poll::Ready(Err(Down)));
    let mut balance = Balance::new(ServiceList::new::<Answer>(endpoints));
    for _ in 0..20 {
        let ready = balance.ready().await.expect("an endpoint");
        ready.call(Ok(())).await.expect("an answer");
    }
    assert_eq!(inner[0].asked.load(SeqCst), 1);
    assert_eq!((circuits[0].state(), balance.len()), (State::Open, 1));
}

// G7: requests at the same time, and loads as tower measures them.
#[tokio::test]
async fn joined_requests_and_measured_loads_steer_around_it_too() {
    let fleet = Fleet::of(3, 0.5).await;
    let ewma = |service| {
        let rtt = Duration::from_millis(1);
        PeakEwma::new(service, rtt, 1e9, CompleteOnResponse::default())
    };
    let pending = |service| PendingRequests::new(service, CompleteOnResponse::default());
    let balances = [
        fleet.balanced(guarded, ewma),
        fleet.balanced(guarded, pending),
    ];
    for mut balance in balances {
        fleet.endpoints[2].dependency.fail();
        let mut before = vec![0; 3];
        fleet.entered(&mut before);
        let failed = in_batches(&mut balance, 30, 10).await;
        // Those that were on their way at the trip fail, too, but no more than one batch of them.
        assert!((3..=12).contains(&failed), "{failed}");
        assert_eq!(fleet.entered(&mut before)[2], failed);
        assert_eq!(in_batches(&mut balance, 10, 10).await, 0);
        assert_eq!(fleet.entered(&mut before)[2], 0);
        fleet.endpoints[2].dependency.heal();
        fleet.endpoints[2].circuit.reset();
        assert_eq!(in_batches(&mut balance, 30, 10).await, 0);
        assert!(fleet.entered(&mut before)[2] > 0);
    }
}

/// So many batches of so many requests at once; gives how many fail.
async fn in_batches(balance: &mut Balanced, batches: u64, size: u64) -> u64 {
    let mut failed = 0;
    for _ in 0..batches {
        let mut answers = Vec::new();
        for _ in 0..size {
            let ready = patiently(balance.ready()).await.expect("an endpoint");
            answers.push(ready.call(request()));
        }
        for answer in futures_util::future::join_all(answers).await {
            let succeeded = answer.is_ok_and(|answer| answer.status().is_success());
            failed += u64::from(!succeeded);
        }
    }
    failed
}
