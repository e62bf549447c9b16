//! What an axum handler returns becomes a response.

use std::{convert::Infallible, future::ready};

use axum::{Json, body::Body, http::StatusCode, response::IntoResponse};
use http::Response;
use tower::{Layer, Service, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer};

/// As a server or a router would take it.
fn serve<S: Service<()>>(_: S) {}

fn main() {
    let circuit = Circuit::builder("pages").build().unwrap();
    let inner = service_fn(|(): ()| ready(Ok::<_, Infallible>(Response::new(Body::empty()))));
    let service = CircuitBreakerLayer::new(circuit)
        .reject_with(|_| (StatusCode::SERVICE_UNAVAILABLE, Json("sorry")).into_response())
        .layer(inner);
    serve(service);
}
