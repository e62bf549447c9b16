//! reqwest, over real sockets: a client that is protected, in a call of its circuit.

use crate::sockets::{Dependency, Server};
use axum::{Router, http::StatusCode, routing::get};
use reqwest::{Client, Method, Request};
use tower::{Layer, ServiceBuilder};
use tower_breaker::CircuitBreakerLayer;

use super::*;

async fn server(dependency: &Dependency) -> (Server, impl Fn() -> Request + use<>) {
    let asked = dependency.clone();
    let handler = move || {
        let asked = asked.clone();
        async move { (asked.call().await, "answer") }
    };
    let server = Server::axum(Router::new().route("/", get(handler))).await;
    let url: reqwest::Url = format!("http://{}/", server.address())
        .parse()
        .expect("a URL");
    (server, move || Request::new(Method::GET, url.clone()))
}

fn client() -> Client {
    Client::builder().no_proxy().build().expect("a client")
}

#[tokio::test]
async fn a_protected_client_in_a_call_of_its_circuit() {
    let dependency = Dependency::new();
    let (_server, request) = server(&dependency).await;
    let fixture = fragile_after_break(|c| c);
    let circuit = &fixture.circuit;
    let layer = CircuitBreakerLayer::new(circuit.clone());
    for fails in [false, true] {
        if fails {
            dependency.fail();
        }
        let protected = layer.layer(client());
        let response = circuit.call_http(protected.oneshot(request())).await;
        let status = response.expect("admitted").status();
        assert_eq!(status == StatusCode::OK, !fails);
    }
    assert_eq!(fixture.told().len(), 3);
    assert_eq!(ends(&fixture), [1, 2, 0, 0, 0]);
}

#[tokio::test]
async fn the_layer_twice_around_a_client_with_bodies_observed() {
    let dependency = Dependency::new();
    let (_server, request) = server(&dependency).await;
    for observed_outside in [false, true] {
        let fixture = fragile_after_break(|c| c);
        let layer = CircuitBreakerLayer::new(fixture.circuit.clone());
        let observing = layer.clone().observe_bodies();
        let body = async |response: reqwest::Response| response.text().await.expect("a body");
        let text = match observed_outside {
            true => {
                let stack = ServiceBuilder::new().layer(observing).layer(layer);
                body(
                    stack
                        .service(client())
                        .oneshot(request())
                        .await
                        .expect("an answer"),
                )
                .await
            }
            false => {
                let stack = ServiceBuilder::new().layer(layer).layer(observing);
                body(
                    stack
                        .service(client())
                        .oneshot(request())
                        .await
                        .expect("an answer"),
                )
                .await
            }
        };
        assert_eq!(text, "answer");
        fixture.tells(&CLOSES);
        assert_eq!(ends(&fixture), [1, 1, 0, 0, 0]);
    }
}
