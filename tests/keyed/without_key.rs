//! Requests without a key are counted, and told if there are no others.

use std::convert::Infallible;

use http::{HeaderName, Request, Response};
use tower::{Layer, Service, service_fn};
use tower_breaker::{keyed::by, registry::Registry};

use super::said::said_by;

const TENANT: HeaderName = HeaderName::from_static("x-tenant");

fn registry() -> Registry {
    Registry::builder().build().expect("valid")
}

fn request(tenant: Option<&str>) -> Request<()> {
    let mut request = Request::new(());
    if let Some(tenant) = tenant {
        let value = tenant.try_into().expect("a header value");
        request.headers_mut().insert(TENANT, value);
    }
    request
}

async fn answer(_: Request<()>) -> Result<Response<()>, Infallible> {
    Ok(Response::default())
}

/// A request to a service that this layer makes for it, as a router would.
macro_rules! ask {
    ($layer:expr, $tenant:expr) => {
        $layer
            .layer(service_fn(answer))
            .oneshot(request($tenant))
            .await
            .unwrap()
    };
}

// J7
#[tokio::test]
async fn each_request_without_a_key_is_counted() {
    let layer = registry().layer_by(by::header(TENANT));
    ask!(layer, Some("acme"));
    assert_eq!(layer.without_key(), 0);
    ask!(layer, None);
    ask!(layer, Some(&*"x".repeat(257)));
    assert_eq!(layer.without_key(), 2);
}

// J7: also those of clones, of layers that were made of it, and of services.
#[tokio::test]
async fn whatever_is_made_of_a_layer_counts_for_it() {
    let layer = registry().layer_by(by::header(TENANT));
    ask!(layer.clone(), None);
    ask!(
        layer.clone().create_on_first_failure().known_keys_only(),
        None
    );
    let mut service = layer.layer(service_fn(answer));
    let ready = service.ready().await.unwrap();
    ready.call(request(None)).await.unwrap();
    assert_eq!((layer.without_key(), service.without_key()), (3, 3));
}

// J7: who has a registry need not have its layers to see it.
#[tokio::test]
async fn the_registry_counts_those_of_all_its_keyed_layers() {
    let registry = registry();
    let layer = registry.layer_by(by::header(TENANT));
    ask!(layer, None);
    ask!(layer, Some("acme"));
    ask!(registry.layer_by(by::authority()), None);
    drop(layer);
    assert_eq!(registry.totals().without_key, 2);
    assert_eq!(self::registry().totals().without_key, 0);
}

// J7: a key without room, or unknown, is a key.
#[tokio::test]
async fn a_key_without_a_circuit_is_not_counted() {
    let layer = registry().layer_by(by::header(TENANT)).known_keys_only();
    ask!(layer, Some("acme"));
    let full = Registry::builder().max_circuits(1).circuit("acme", |it| it);
    let full = full.build().expect("valid").layer_by(by::header(TENANT));
    ask!(full, Some("other"));
    assert_eq!((layer.without_key(), full.without_key()), (0, 0));
}

// J7
#[tokio::test]
async fn if_none_of_the_first_hundred_had_one_it_is_told_once() {
    let said = said_by("without_key::if_none_of_the_first_hundred_had_one_it_is_told_once");
    if let Some(said) = said {
        let told = [99, 100, 300].map(|requests| {
            let (said, _) = said.split_once(&so_many(requests)).expect("said");
            said.matches(
                "none of 100 requests through the layer made at tests/keyed/without_key.rs:",
            )
            .count()
        });
        let once = usize::from(cfg!(debug_assertions));
        assert_eq!(told, [0, once, once], "{said}");
        return;
    }
    let layer = registry().layer_by(by::header(TENANT));
    for requests in 1..=300 {
        ask!(layer.clone(), None);
        eprintln!("{}", so_many(requests));
    }
}

fn so_many(requests: u64) -> String {
    format!("after {requests} requests")
}

// J7
#[tokio::test]
async fn if_one_of_them_had_one_nothing_is_told() {
    if let Some(said) = said_by("without_key::if_one_of_them_had_one_nothing_is_told") {
        assert_eq!(said, "");
        return;
    }
    let layer = registry().layer_by(by::header(TENANT));
    for request in 0..300 {
        ask!(layer, (request == 98).then_some("acme"));
    }
}
