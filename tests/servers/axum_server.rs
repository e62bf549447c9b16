//! Under axum, over real sockets: one layer is one circuit, for all routes, connections and
//! protocols; nothing stands between the layer and a router; and every answer is accounted for
//! (rules G4 and H1). Where layers stand, how often they are applied, extractors, error handlers and
//! clients that vanish have a module each, beside this file.

mod answers;
mod applied;
#[cfg(feature = "body")]
mod bodies;
mod errors;
mod extractors;
mod placement;
mod requests;
mod vanishing;

use std::convert::Infallible;

use crate::sockets::{BOTH, Browser, Connection, Dependency, Server, Version, until};
use crate::storm::Storm;
use crate::support::{Fixture, fragile_after_break, millis, secs, three_failures};
use axum::{
    Router,
    extract::State,
    handler::Handler,
    http::StatusCode,
    response::IntoResponse,
    routing::{MethodRouter, get, post},
};
use tokio::task::JoinSet;
use tower::{Layer, ServiceBuilder};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, State as CircuitState, observe::short_lived_circuits,
};

/// `/ok` and `/fail` do what they say, `/` does what the dependency does; everything else is a 404
/// of the router's own making.
fn routes(dependency: &Dependency) -> Router {
    Router::new()
        .route("/", get(call))
        .route("/ok", get(call))
        .route("/fail", get(fail))
        .fallback(not_found)
        .with_state(dependency.clone())
}

async fn call(State(dependency): State<Dependency>) -> StatusCode {
    dependency.call().await
}

async fn fail(State(dependency): State<Dependency>) -> StatusCode {
    dependency.call().await;
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn not_found(State(dependency): State<Dependency>) -> StatusCode {
    dependency.call().await;
    StatusCode::NOT_FOUND
}

fn layer(fixture: &Fixture) -> CircuitBreakerLayer {
    CircuitBreakerLayer::new(fixture.circuit.clone())
}

/// The whole router behind one circuit that opens after 3 failures in a row.
struct Guarded {
    circuit: Fixture,
    dependency: Dependency,
    server: Server,
}

impl Guarded {
    async fn new() -> Self {
        let (circuit, dependency) = (three_failures(), Dependency::new());
        let router = routes(&dependency).layer(layer(&circuit));
        let server = Server::axum(router).await;
        Self {
            circuit,
            dependency,
            server,
        }
    }

    /// Trips the circuit, and lets the break pass.
    async fn await_a_probe(&self, browser: &Browser) {
        for _ in 0..3 {
            assert_eq!(browser.status("/fail").await, 500);
        }
        self.circuit.wait_out();
    }
}

// ---- one circuit -------------------------------------------------------------------------------

// G4: the router applies the layer once for each route, and the fallback is one more.
#[tokio::test]
async fn all_routes_and_all_connections_share_the_circuit_of_one_layer() {
    for version in BOTH {
        let guarded = Guarded::new().await;
        shared_by_all_connections(version, &guarded).await;
    }
}

// G4: a server that makes its services anew for each connection applies the layer as often.
#[tokio::test]
async fn a_layer_applied_anew_for_each_connection_shares_its_circuit() {
    for version in BOTH {
        let (circuit, dependency) = (three_failures(), Dependency::new());
        let (layer, routes) = (layer(&circuit), routes(&dependency));
        let server = Server::hyper(move || layer.layer(routes.clone())).await;
        shared_by_all_connections(
            version,
            &Guarded {
                circuit,
                dependency,
                server,
            },
        )
        .await;
    }
}

async fn shared_by_all_connections(version: Version, guarded: &Guarded) {
    let Guarded {
        circuit,
        dependency,
        server,
    } = guarded;
    let browsers: Vec<Browser> = (0..4).map(|_| Browser::new(version, server)).collect();
    dependency.fail();
    assert_eq!(browsers[0].status("/").await, 500);
    assert_eq!(browsers[1].status("/ok").await, 500);
    circuit.is(CircuitState::Closed);
    assert_eq!(browsers[2].status("/fail").await, 500);
    circuit.tells(&["closed -> open: 3 consecutive failures, open for 5s"]);

    for browser in &browsers {
        for path in ["/", "/ok", "/fail", "/nowhere"] {
            assert_eq!(browser.status(path).await, 503, "{path}");
        }
    }
    assert_eq!(dependency.entered(), 3);
    assert_eq!(circuit.totals().rejected, 16);
    assert!(server.connections() >= 4);

    dependency.heal();
    circuit.wait_out();
    assert_eq!(browsers[3].status("/ok").await, 200);
    for browser in &browsers {
        assert_eq!(browser.status("/").await, 200);
        assert_eq!(browser.status("/nowhere").await, 404);
    }
}

// G4: on one connection that never closes, through a trip and a recovery.
#[tokio::test]
async fn a_rejection_leaves_the_connection_open() {
    for version in BOTH {
        let Guarded {
            circuit,
            dependency,
            server,
        } = Guarded::new().await;
        let mut connection = Connection::open(version, &server).await;
        let mut statuses = Vec::new();
        for path in ["/ok", "/fail", "/fail", "/fail", "/ok", "/fail"] {
            statuses.push(connection.get(path).await.status);
        }
        circuit.wait_out();
        for path in ["/ok", "/ok"] {
            statuses.push(connection.get(path).await.status);
        }
        assert_eq!(statuses, [200, 500, 500, 500, 503, 503, 200, 200]);
        assert_eq!(dependency.entered(), 6);
        assert_eq!(server.connections(), 1);
    }
}

// H1
#[tokio::test]
async fn a_rejection_is_an_empty_503_that_says_when_to_come_back() {
    for version in BOTH {
        let Guarded {
            circuit, server, ..
        } = Guarded::new().await;
        let browser = Browser::new(version, &server);
        circuit.play("f f f");

        for (passes, seconds) in [
            (millis(0), 5),
            (millis(1), 5),
            (secs(1), 4),
            (millis(3998), 1),
        ] {
            circuit.wait(passes);
            let rejection = browser.get("/ok").await;
            assert_eq!(
                (rejection.status, rejection.retry_after),
                (503, Some(seconds))
            );
            assert!(rejection.body.is_empty());
        }

        circuit.circuit.force_open();
        let rejection = browser.get("/ok").await;
        assert_eq!((rejection.status, rejection.retry_after), (503, None));
    }
}

// A4, D1: hyper drops the call when its client has gone, and the seat is free again.
#[tokio::test]
async fn a_client_that_hangs_up_gives_its_probe_back() {
    for version in BOTH {
        let guarded = Guarded::new().await;
        let Guarded {
            circuit,
            dependency,
            server,
        } = &guarded;
        let browser = Browser::new(version, server);
        guarded.await_a_probe(&browser).await;

        dependency.hold();
        let impatient = Browser::new(version, server);
        let probe = tokio::spawn(async move { impatient.status("/ok").await });
        until(|| dependency.entered() == 4).await;
        assert_eq!(
            browser.get("/ok").await.retry_after,
            Some(1),
            "half-open and full"
        );

        probe.abort();
        until(|| circuit.totals().abandoned == 1).await;
        circuit.is(CircuitState::HalfOpen);
        dependency.let_go();
        assert_eq!(browser.status("/ok").await, 200);
        circuit.is(CircuitState::Closed);
    }
}

// C4: calls from before the trip fail while a probe is out, and it is the probe that counts.
#[tokio::test]
async fn stragglers_decide_nothing() {
    for version in BOTH {
        let Guarded {
            circuit,
            dependency,
            server,
        } = Guarded::new().await;
        dependency.hold();
        dependency.fail();
        let mut asking = JoinSet::new();
        for asked in 1..=10 {
            let browser = Browser::new(version, &server);
            asking.spawn(async move { browser.status("/").await });
            until(|| dependency.entered() == asked).await;
        }

        circuit.play("f f f");
        circuit.wait_out();
        dependency.heal();
        let browser = Browser::new(version, &server);
        asking.spawn(async move { browser.status("/").await });
        until(|| dependency.entered() == 11).await;
        circuit.is(CircuitState::HalfOpen);

        dependency.let_go();
        let mut statuses = asking.join_all().await;
        statuses.sort_unstable();
        assert_eq!(statuses[..2], [200, 500]);
        circuit.tells(&[
            "closed -> open: 3 consecutive failures, open for 5s",
            "open -> half-open: the wait is over, the next call is a probe",
            "half-open -> closed: the probes succeeded",
        ]);
        assert_eq!(circuit.look().consecutive_failures, 0);
        assert_eq!(circuit.totals().stale, 10);
    }
}

// ---- where it stacks ---------------------------------------------------------------------------

// H1: with nothing between, and nothing to handle errors after it.
#[test]
fn the_error_stays_infallible() {
    let layer = layer(&three_failures());
    let of_one: MethodRouter<(), Infallible> = get(|| async {}).layer(layer.clone());
    let of_both = of_one.merge(post(|| async {}).layer(layer.clone()));
    let router: Router = Router::new()
        .route("/", of_both)
        .route("/handler", get((|| async {}).layer(layer.clone())))
        .route_layer(layer.clone())
        .layer(layer.clone());
    infallible(&router);
    infallible(&layer.layer(router));
}

fn infallible<S: tower::Service<axum::extract::Request, Error = Infallible>>(_: &S) {}

// G4
#[tokio::test]
async fn a_route_layer_guards_the_routes_and_nothing_else() {
    let circuit = three_failures();
    let router = Router::new()
        .route("/ok", get(|| async { "fine" }))
        .route("/fail", get(|| async { StatusCode::BAD_GATEWAY }))
        .route_layer(layer(&circuit))
        .route("/later", get(|| async { "added after the layer" }));
    let server = Server::axum(router).await;
    let browser = Browser::new(Version::Http1, &server);

    for _ in 0..3 {
        assert_eq!(browser.status("/nowhere").await, 404);
        assert_eq!(browser.status("/fail").await, 502);
    }
    assert_eq!(browser.status("/ok").await, 503);
    assert_eq!(browser.status("/fail").await, 503);
    assert_eq!(browser.status("/later").await, 200);
    // What matches no route never came to the circuit, neither before nor after the trip.
    assert_eq!(browser.status("/nowhere").await, 404);
    let totals = circuit.totals();
    assert_eq!((totals.ignored, totals.failed, totals.rejected), (0, 3, 2));
}

// G4
#[tokio::test]
async fn a_method_router_takes_the_layer_with_nothing_between() {
    let (circuit, dependency) = (three_failures(), Dependency::new());
    let guarded = get(call).post(call).layer(layer(&circuit));
    let router = Router::new()
        .route("/guarded", guarded)
        .route("/open", get(call));
    let server = Server::axum(router.with_state(dependency.clone())).await;
    let browser = Browser::new(Version::Http1, &server);

    dependency.fail();
    for _ in 0..4 {
        assert_eq!(browser.status("/open").await, 500);
    }
    circuit.is(CircuitState::Closed);
    for expected in [500, 500, 500, 503] {
        assert_eq!(browser.status("/guarded").await, expected);
    }
    assert_eq!(browser.status("/open").await, 500);
}

// ---- more than one circuit ---------------------------------------------------------------------

// G4
#[tokio::test]
async fn routes_with_layers_of_their_own_trip_on_their_own() {
    let (search, checkout) = (
        three_failures(),
        Fixture::new(|c| c.consecutive_failures(1)),
    );
    let dependency = Dependency::new();
    let router = Router::new()
        .route("/search", get(call).layer(layer(&search)))
        .route("/checkout", get(call).layer(layer(&checkout)))
        .with_state(dependency.clone());
    let server = Server::axum(router).await;
    let browser = Browser::new(Version::Http1, &server);

    dependency.fail();
    assert_eq!(browser.status("/checkout").await, 500);
    assert_eq!(browser.status("/search").await, 500);
    dependency.heal();
    assert_eq!(browser.status("/checkout").await, 503);
    assert_eq!(browser.status("/search").await, 200);
    assert_eq!(checkout.totals().rejected, 1);
    assert_eq!(search.totals().rejected, 0);
}

// G4, H3: an outer circuit leaves the rejections of an inner one alone.
#[tokio::test]
async fn a_circuit_around_a_circuit_ignores_its_rejections() {
    let (inner, outer) = (three_failures(), three_failures());
    let router = Router::new()
        .route("/fail", get(fail).layer(layer(&inner)))
        .with_state(Dependency::new());
    let server = Server::axum(router.layer(layer(&outer))).await;
    let browser = Browser::new(Version::Http1, &server);

    inner.play("f f f");
    for _ in 0..10 {
        assert_eq!(browser.get("/fail").await.retry_after, Some(5));
    }
    outer.is(CircuitState::Closed);
    assert_eq!(outer.totals().ignored, 10);
}

// G4: a layer that is built for each request has a circuit for each request, which never opens.
#[tokio::test]
async fn a_layer_that_is_built_for_each_request_never_opens() {
    let build = || {
        let builder = Circuit::builder("one of many").consecutive_failures(1);
        builder.build_layer().expect("settings that make sense")
    };
    let handler = move || async move {
        let failing = tower::service_fn(|(): ()| async {
            Ok::<_, Infallible>(StatusCode::BAD_GATEWAY.into_response())
        });
        build().layer(failing).oneshot(()).await
    };
    let server = Server::axum(Router::new().route("/fail", get(handler))).await;
    let browser = Browser::new(Version::Http1, &server);
    for _ in 0..10 {
        assert_eq!(browser.status("/fail").await, 502);
    }
    // And so it is found out.
    let found = short_lived_circuits();
    let here = found
        .iter()
        .filter(|found| found.built_at.file() == file!());
    assert_eq!(here.map(|here| here.circuits).collect::<Vec<_>>(), [10]);
}

// ---- hundreds of clients -----------------------------------------------------------------------

async fn storm(version: Version) -> Storm {
    let Guarded {
        circuit,
        dependency,
        server,
    } = Guarded::new().await;
    Storm::new(version, circuit, dependency, server).await
}

// C1, C3, D1, G4: known to the call.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hundreds_of_clients_act_by_act() {
    for version in BOTH {
        storm(version).await.in_acts().await;
    }
}

// C4, E4, F1, F2, F4: whatever the interleaving.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hundreds_of_clients_at_once() {
    for version in BOTH {
        storm(version).await.at_once().await;
    }
}
