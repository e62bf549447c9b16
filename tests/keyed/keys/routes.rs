//! The route that axum has matched, by a real router.

use std::convert::Infallible;

use axum::{
    Router,
    body::Body,
    routing::{get, post},
};
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_breaker::{
    Circuit,
    keyed::{Key, KeyedLayer, by},
    registry::Registry,
};

/// How many it has admitted: what a client asks for in vain is ignored.
fn calls(circuit: &Circuit) -> u64 {
    let totals = circuit.snapshot().totals.unwrap();
    totals.successful + totals.ignored
}

/// A layer, and whose calls it has seen.
struct Seen<K> {
    registry: Registry,
    layer: KeyedLayer<K>,
}

fn seen<K>(key: K) -> Seen<K> {
    let registry = Registry::builder().build().unwrap();
    let layer = registry.layer_by(key);
    Seen { registry, layer }
}

impl<K> Seen<K> {
    /// How many calls had no circuit.
    fn unguarded(&self) -> u64 {
        calls(self.layer.circuit())
    }

    /// The circuit of a request, or what it had instead.
    async fn of(&self, app: &Router, line: &str) -> String {
        let (method, path) = line.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(path);
        let unguarded = self.unguarded();
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap());
        let status = response.await.unwrap().status();
        assert!(status.as_u16() < 500, "{line}: {status}");
        let all = self.registry.circuits();
        assert!(all.iter().all(|circuit| {
            self.registry.remove(circuit.name());
            calls(circuit) == 1
        }));
        match (&all[..], self.unguarded() - unguarded) {
            ([circuit], 0) => circuit.name().to_owned(),
            ([], 1) => "unguarded".to_owned(),
            ([], 0) => "not asked".to_owned(),
            other => panic!("{line}: {other:?}"),
        }
    }

    /// Each of these requests has this circuit.
    async fn is(&self, app: &Router, table: &[(&str, &str)]) {
        for (line, expected) in table {
            assert_eq!(self.of(app, line).await, *expected, "{line}");
        }
    }
}

async fn hello() -> &'static str {
    "hello"
}

fn users() -> Router {
    Router::new()
        .route("/users", get(hello).post(hello))
        .route("/users/{id}", get(hello))
        .route("/files/{*path}", get(hello))
}

// J1
#[tokio::test]
async fn around_a_router_the_key_is_the_pattern_and_never_the_path() {
    let seen = seen(by::route());
    let app = users().layer(seen.layer.clone());
    let table = [
        ("GET /users", "/users"),
        ("POST /users", "/users"),
        ("GET /users?page=2", "/users"),
        ("GET /users/7", "/users/{id}"),
        ("GET /users/%2e%2e", "/users/{id}"),
        ("GET /users/{id}", "/users/{id}"),
        ("GET /files/a/b/c", "/files/{*path}"),
        // A method that the route does not have is still its own.
        ("DELETE /users", "/users"),
        // The layer is around the fallback, too.
        ("GET /nothing", "unguarded"),
        ("GET /users/", "unguarded"),
        ("GET /users/7/8", "unguarded"),
    ];
    seen.is(&app, &table).await;
}

// J1
#[tokio::test]
async fn around_its_routes_only_a_router_does_not_ask_for_what_it_does_not_know() {
    let seen = seen(by::route());
    let app = users().route_layer(seen.layer.clone());
    let table = [
        ("GET /users", "/users"),
        ("GET /users/7", "/users/{id}"),
        ("DELETE /users", "/users"),
        ("GET /nothing", "not asked"),
    ];
    seen.is(&app, &table).await;
}

// J1
#[tokio::test]
async fn around_one_route_the_key_is_its_pattern() {
    let seen = seen(by::route());
    let app = users().route("/one/{id}", get(hello).layer(seen.layer.clone()));
    seen.is(
        &app,
        &[("GET /one/7", "/one/{id}"), ("GET /users/7", "not asked")],
    )
    .await;
}

// J1
#[tokio::test]
async fn routes_that_come_after_the_layer_are_not_behind_it() {
    let seen = seen(by::route());
    let app = users().layer(seen.layer.clone()).route("/late", get(hello));
    seen.is(
        &app,
        &[("GET /late", "not asked"), ("GET /users", "/users")],
    )
    .await;
}

// J1: the prefix belongs to the key, wherever the layer is.
#[tokio::test]
async fn a_nested_router_has_its_prefix_in_the_key() {
    let table = [
        ("GET /api/users", "/api/users"),
        ("GET /api/users/7", "/api/users/{id}"),
        ("GET /api/files/a/b", "/api/files/{*path}"),
        ("DELETE /api/users", "/api/users"),
    ];
    let outside = seen(by::route());
    let app = Router::new()
        .nest("/api", users())
        .layer(outside.layer.clone());
    outside.is(&app, &table).await;
    outside
        .is(
            &app,
            &[
                ("GET /api/nothing", "unguarded"),
                ("GET /nothing", "unguarded"),
            ],
        )
        .await;

    let inside = seen(by::route());
    let app = Router::new().nest("/api", users().layer(inside.layer.clone()));
    inside.is(&app, &table).await;
    inside.is(&app, &[("GET /nothing", "not asked")]).await;

    let deep = seen(by::route());
    let nested = Router::new().nest("/v{version}", users());
    let app = Router::new().nest("/api", nested).layer(deep.layer.clone());
    deep.is(
        &app,
        &[("GET /api/v1/users/7", "/api/v{version}/users/{id}")],
    )
    .await;
}

// J1
#[tokio::test]
async fn the_fallback_of_a_nested_router_has_no_key() {
    let outside = seen(by::route());
    let nested = users().fallback(hello);
    let app = Router::new()
        .nest("/api", nested)
        .layer(outside.layer.clone());
    outside
        .is(
            &app,
            &[("GET /api/nothing", "unguarded"), ("GET /api", "unguarded")],
        )
        .await;

    let inside = seen(by::route());
    let nested = users().fallback(hello).layer(inside.layer.clone());
    let app = Router::new().nest("/api", nested);
    inside.is(&app, &[("GET /api/nothing", "unguarded")]).await;
}

// J1: to axum it is one route, and which it is within only the service knows.
#[tokio::test]
async fn a_nested_service_has_no_key_but_the_routes_of_a_router_in_it_do() {
    let service =
        service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::empty())));
    let outside = seen(by::route());
    let app = Router::new()
        .nest_service("/assets", service)
        .nest_service("/api", users())
        .layer(outside.layer.clone());
    let table = [
        ("GET /assets/a.css", "unguarded"),
        ("GET /assets/a/b.css", "unguarded"),
        ("GET /api/users/7", "unguarded"),
        // The prefix alone is a route.
        ("GET /assets", "/assets"),
        ("GET /assets/", "/assets/"),
    ];
    outside.is(&app, &table).await;

    let inside = seen(by::route());
    let app = Router::new().nest_service("/api", users().layer(inside.layer.clone()));
    let table = [
        ("GET /api/users/7", "/api/users/{id}"),
        ("GET /api/users", "/api/users"),
        ("GET /api/nothing", "unguarded"),
    ];
    inside.is(&app, &table).await;
}

// J1
#[tokio::test]
async fn a_service_on_a_route_has_the_key_of_the_route() {
    let service =
        service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::empty())));
    let seen = seen(by::route());
    let app = Router::new()
        .route_service("/proxy/{*rest}", service)
        .merge(users())
        .layer(seen.layer.clone());
    let table = [
        ("GET /proxy/a/b", "/proxy/{*rest}"),
        ("GET /users/7", "/users/{id}"),
    ];
    seen.is(&app, &table).await;
}

// J1
#[tokio::test]
async fn a_fallback_has_no_key() {
    let seen = seen(by::route());
    let app = users().fallback(hello).layer(seen.layer.clone());
    seen.is(
        &app,
        &[("GET /nothing", "unguarded"), ("GET /users", "/users")],
    )
    .await;

    // Nor has a whole router that is one, but its routes have.
    let app = Router::new()
        .route("/one", get(hello))
        .fallback_service(users())
        .layer(seen.layer.clone());
    seen.is(&app, &[("GET /users/7", "unguarded"), ("GET /one", "/one")])
        .await;
    let app = Router::new().fallback_service(users().layer(seen.layer.clone()));
    seen.is(
        &app,
        &[
            ("GET /users/7", "/users/{id}"),
            ("GET /nothing", "unguarded"),
        ],
    )
    .await;
}

// J1: nothing is matched yet.
#[tokio::test]
async fn a_layer_around_a_router_as_a_service_finds_no_key() {
    let seen = seen(by::route());
    let app = Router::new().fallback_service(seen.layer.layer(users()));
    seen.is(&app, &[("GET /users/7", "unguarded")]).await;
}

// J1
#[tokio::test]
async fn the_method_goes_before_the_route() {
    let seen = seen(by::method_and_route());
    let app = users()
        .route("/posts/{id}", post(hello))
        .layer(seen.layer.clone());
    let table = [
        ("GET /users/7", "GET /users/{id}"),
        ("HEAD /users/7", "HEAD /users/{id}"),
        ("GET /users", "GET /users"),
        ("POST /users", "POST /users"),
        ("POST /posts/7", "POST /posts/{id}"),
        ("OPTIONS /users", "OPTIONS /users"),
        ("PATCH /users", "PATCH /users"),
        // Anybody can make up methods.
        ("BREW /users", "unguarded"),
        ("get /users", "unguarded"),
        ("PROPFIND /users", "unguarded"),
        ("GET /nothing", "unguarded"),
    ];
    seen.is(&app, &table).await;
}

// J1
#[tokio::test]
async fn a_pattern_that_is_too_long_to_go_with_its_method_has_no_key() {
    let long = format!("/{}", "x".repeat(252));
    let seen = seen(by::method_and_route());
    let app = Router::new()
        .route(&long, get(hello).post(hello))
        .layer(seen.layer.clone());
    seen.is(&app, &[(&format!("GET {long}"), "unguarded")])
        .await;
}

// J1
#[test]
fn without_axum_there_is_no_route() {
    let request = Request::get("/users/7").body(()).unwrap();
    let mut scratch = Default::default();
    assert_eq!(by::route().of(&request, &mut scratch), None);
    assert_eq!(by::method_and_route().of(&request, &mut scratch), None);
}
