//! What is printed of a cache: what it is made of, and how it is built where nothing is said.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::FutureExt;
use http::Response;
use http_body_util::Full;
use tower::{Layer, Service, service_fn};
use tower_breaker::{
    Circuit,
    degrade::cached::{Cached, CachedBody},
};

use super::stage::{Question, get};

// M4
#[test]
fn the_defaults_of_a_cache_are_those_that_are_promised() {
    let printed = format!("{:?}", Cached::builder());
    for said in [
        "entries: 1000",
        "bytes: 16777216",
        "shared: true",
        "keep_for: None",
        "keep_for: 3600s",
        "stale_if_error: None",
        "body_limit: 1048576",
        "methods: []",
        "also_key_by: []",
    ] {
        assert!(printed.contains(said), "{said}: {printed}");
    }
}

// M4
#[test]
fn what_a_cache_is_made_of_can_be_seen() {
    let circuit = Circuit::builder("reviews").build().expect("fine");
    let cached = Cached::builder().build().expect("fine");
    let layer = cached.layer(&circuit);
    let origin = service_fn(|_: Question| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("live"))))
    });
    let future = layer.layer(origin).call(get("/a", &[]));
    let printed_future = format!("{future:?}");
    let Ok(response) = future.now_or_never().expect("at once");
    let printed = [
        format!("{cached:?}"),
        format!("{layer:?}"),
        format!("{:?}", layer.layer(7)),
        printed_future,
        format!("{:?}", response.into_body()),
        format!("{:?}", CachedBody::from("other")),
    ];
    let names = printed
        .each_ref()
        .map(|it| it.split(' ').next().unwrap_or_default());
    assert_eq!(
        names,
        [
            "Cached",
            "CachedLayer",
            "CachedService",
            "CachedFuture",
            "CachedBody",
            "CachedBody"
        ]
    );
    let [_, layer, service, _, recorded, other] = printed;
    assert!(layer.contains(" classifier: HttpClassifier"), "{layer}");
    assert!(layer.contains(" counted_for: CountedFor"), "{layer}");
    assert_eq!(service, "CachedService { inner: 7, .. }");
    assert!(recorded.ends_with(", recorded: true }"), "{recorded}");
    assert_eq!(other, r#"CachedBody { inner: "other", recorded: false }"#);
}
