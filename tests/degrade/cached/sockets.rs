//! Around axum's routers, and around a client, over sockets (rule M4).

use axum::{Router, routing::get};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{Service, ServiceBuilder};
use tower_breaker::{Circuit, CircuitBreakerLayer, degrade::cached::Cached};

use super::stage::HOUR;
use crate::sockets::{BOTH, Browser, Dependency, Server};

fn cached() -> Cached {
    Cached::builder()
        .stale_if_error(HOUR)
        .build()
        .expect("fine")
}

/// Pages of a dependency, long enough to come in many pieces.
fn router(dependency: &Dependency) -> Router {
    let dependency = dependency.clone();
    Router::new().route(
        "/page",
        get(move || {
            let dependency = dependency.clone();
            async move { (dependency.call().await, "page ".repeat(50_000)) }
        }),
    )
}

// M4
#[tokio::test]
async fn a_router_answers_when_what_is_behind_it_cannot() {
    for version in BOTH {
        let (dependency, cached) = (Dependency::new(), cached());
        let circuit = Circuit::builder("pages").build().expect("fine");
        let app = router(&dependency)
            .layer(CircuitBreakerLayer::new(circuit.clone()))
            .layer(cached.layer(&circuit));
        let server = Server::axum(app).await;
        let browser = Browser::new(version, &server);
        let live = browser.get("/page").await;
        assert_eq!((live.status, live.body.len()), (200, 250_000));
        assert_eq!(cached.usage().answers, 1);
        dependency.fail();
        assert_eq!(browser.get("/page").await, live);
        circuit.force_open();
        assert_eq!(browser.get("/page").await, live);
        assert_eq!(dependency.entered(), 2);
        let head = browser
            .send(Request::head("/page"), "")
            .await
            .expect("an answer");
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(browser.status("/other").await, 503);
    }
}

// M4
#[tokio::test]
async fn a_client_has_the_last_good_answer_of_a_server_that_is_gone() {
    for version in BOTH {
        let (dependency, cached) = (Dependency::new(), cached());
        // Of hyper's: its connections are gone with it.
        let pages = router(&dependency);
        let server = Server::hyper(move || pages.clone()).await;
        let uri = format!("http://{}/page", server.address());
        let circuit = Circuit::builder("pages")
            .consecutive_failures(2)
            .build()
            .expect("fine");
        let client = Client::builder(TokioExecutor::new())
            .http2_only(version == crate::sockets::Version::Http2)
            .build_http::<Empty<bytes::Bytes>>();
        let mut service = ServiceBuilder::new()
            .layer(cached.layer(&circuit))
            .layer(CircuitBreakerLayer::new(circuit.clone()).reject_as_error())
            .service(client);
        let mut told = Vec::new();
        let mut server = Some(server);
        for _ in 0..4 {
            let request = Request::get(&uri).body(Empty::new()).expect("a request");
            let response = service
                .ready()
                .await
                .expect("ready")
                .call(request)
                .await
                .expect("an answer");
            let said = response
                .headers()
                .get("cache-status")
                .map(|said| said.to_str().expect("text").to_owned());
            told.push(said.map(|said| said.split("; ").last().expect("some").to_owned()));
            assert_eq!(
                response
                    .into_body()
                    .collect()
                    .await
                    .expect("whole")
                    .to_bytes()
                    .len(),
                250_000
            );
            if let Some(server) = server.take() {
                drop(server.stop().await);
            }
        }
        let told: Vec<_> = told.iter().map(Option::as_deref).collect();
        let gone = [
            None,
            Some("detail=failed"),
            Some("detail=failed"),
            Some("detail=circuit-open"),
        ];
        assert_eq!(told, gone);
    }
}
