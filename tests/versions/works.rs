//! What works with older versions of the neighbours, and what only seems to. `.ci/versions` runs it.

use axum07::{Router, body::Body, routing::get};
use http::Request;
use tower::ServiceExt;
use tower_breaker::{Circuit, keyed::by, registry::Registry};

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread();
    { runtime }.enable_all().build().unwrap().block_on(future)
}

#[test]
fn axum_0_7_tells_no_route_which_is_counted() {
    let registry = Registry::builder().build().unwrap();
    let layer = registry.layer_by(by::route());
    let app = Router::new()
        .route("/users/:id", get(|| async { "found" }))
        .layer(layer.clone());
    let request = Request::get("/users/1").body(Body::empty()).unwrap();
    assert_eq!(run(app.oneshot(request)).unwrap().status(), 200);
    assert_eq!((layer.without_key(), registry.len()), (1, 0));
}

#[test]
fn the_layer_alone_works_on_axum_0_7() {
    let circuit = Circuit::builder("pay").build().unwrap();
    let layer = tower_breaker::CircuitBreakerLayer::new(circuit.clone());
    let app = Router::new()
        .route("/pay", get(|| async { "paid" }))
        .layer(layer);
    circuit.force_open();
    let request = Request::get("/pay").body(Body::empty()).unwrap();
    assert_eq!(run(app.oneshot(request)).unwrap().status(), 503);
}

#[test]
fn the_layer_works_in_a_builder_of_tower_0_4() {
    let circuit = Circuit::builder("pay").build().unwrap();
    let service = tower04::ServiceBuilder::new()
        .layer(tower_breaker::CircuitBreakerLayer::new(circuit.clone()))
        .service(tower04::service_fn(|_: Request<()>| async {
            Ok::<_, std::io::Error>(http::Response::new(()))
        }));
    circuit.force_open();
    let response = run(tower04::ServiceExt::oneshot(service, Request::new(())));
    assert_eq!(response.unwrap().status(), 503);
}
