//! How often axum applies a layer, and that it makes no difference to a shared circuit (rule G4).
//!
//! Handlers that were never given their state are kept as they are, with their layers beside them.
//! `with_state` puts them together; a router that never saw it does so for each connection under
//! `axum::serve`, and for each request as a plain service.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tower::ServiceExt;

use super::*;

/// A layer that knows how often it was applied.
#[derive(Clone)]
struct Counting {
    layer: CircuitBreakerLayer,
    applied: Arc<AtomicU64>,
}

impl Counting {
    fn new(layer: CircuitBreakerLayer) -> Self {
        Self {
            layer,
            applied: Arc::default(),
        }
    }

    /// How often it was applied since the last look.
    fn applied(&self) -> u64 {
        self.applied.swap(0, Ordering::SeqCst)
    }
}

impl<S> Layer<S> for Counting {
    type Service = <CircuitBreakerLayer as Layer<S>>::Service;

    fn layer(&self, inner: S) -> Self::Service {
        self.applied.fetch_add(1, Ordering::SeqCst);
        self.layer.layer(inner)
    }
}

/// Two routes, without a state to be given. All that `layer` can be applied to later.
fn stateless(layer: &Counting) -> Router {
    Router::new()
        .route("/fail", get(|| async { StatusCode::BAD_GATEWAY }))
        .route("/ok", get(|| async { "fine" }))
        .route_layer(layer.clone())
}

/// Asks on so many new connections, three times each.
async fn ask(server: &Server, connections: u64, path: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..connections {
        let mut connection = Connection::open(Version::Http1, server).await;
        for _ in 0..3 {
            statuses.push(connection.get(path).await.status);
        }
    }
    statuses
}

// G4: given its state, before the layer or after it, a router is put together once.
#[tokio::test]
async fn given_its_state_a_router_applies_a_layer_once() {
    let circuit = three_failures();
    for state_first in [true, false] {
        let counting = Counting::new(layer(&circuit));
        let dependency = Dependency::new();
        let router = Router::new().route("/ok", get(call)).route("/", get(call));
        let router: Router = match state_first {
            true => router.with_state(dependency).route_layer(counting.clone()),
            false => router.route_layer(counting.clone()).with_state(dependency),
        };
        let built = counting.applied();
        assert!(built >= 2, "{built}");
        let server = Server::axum(router).await;
        assert_eq!(ask(&server, 3, "/ok").await, [200; 9]);
        assert_eq!(counting.applied(), 0);
    }
}

// G4: it has no state to wait for, but nobody said so.
#[tokio::test]
async fn without_a_state_a_layer_is_applied_for_each_connection_and_shares_its_circuit() {
    let circuit = three_failures();
    let counting = Counting::new(layer(&circuit));
    let server = Server::axum(stateless(&counting)).await;
    counting.applied();

    assert_eq!(ask(&server, 1, "/ok").await, [200; 3]);
    let each = counting.applied();
    assert!(each >= 2, "{each}");
    assert_eq!(ask(&server, 4, "/ok").await, [200; 12]);
    assert_eq!(counting.applied(), 4 * each);

    assert_eq!(ask(&server, 1, "/fail").await, [502; 3]);
    assert_eq!(ask(&server, 2, "/ok").await, [503; 6]);
    assert_eq!(circuit.totals().rejected, 6);
}

// G4
#[tokio::test]
async fn as_a_plain_service_a_layer_is_applied_for_each_request_and_shares_its_circuit() {
    let circuit = three_failures();
    let counting = Counting::new(layer(&circuit));
    let router = stateless(&counting);
    let server = Server::hyper(move || router.clone()).await;
    counting.applied();

    assert_eq!(ask(&server, 2, "/ok").await, [200; 6]);
    assert_eq!(counting.applied(), 6);
    assert_eq!(ask(&server, 1, "/fail").await, [502; 3]);
    assert_eq!(ask(&server, 2, "/ok").await, [503; 6]);
}

// G4: to be made a service of is as good as the empty state.
#[tokio::test]
async fn made_into_a_service_a_router_applies_a_layer_once() {
    let counting = Counting::new(layer(&three_failures()));
    let made = stateless(&counting).into_make_service().oneshot(()).await;
    let router = made.expect("infallible");
    assert!(counting.applied() >= 2);
    let server = Server::hyper(move || router.clone()).await;
    assert_eq!(ask(&server, 3, "/ok").await, [200; 9]);
    assert_eq!(counting.applied(), 0);
}
