//! What is kept of a request, and what is not.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use tower_breaker::degrade::{
    Because,
    fallback::{FallbackLayer, from_fn, service, value},
};

/// A body that counts its clones.
struct Counting(Arc<AtomicUsize>);

impl Clone for Counting {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

/// Takes a request of any body, which need not be `Clone`.
fn dependency<B: Send + 'static>(
    circuit: &Circuit,
) -> impl Service<Request<B>, Response = Response<String>, Error = Infallible> + Clone {
    CircuitBreakerLayer::new(circuit.clone()).layer(service_fn(async |_: Request<B>| {
        Ok::<_, Infallible>(Response::new("live".to_owned()))
    }))
}

// M1: a request that is not `Clone` has fallbacks, too, as long as it is not kept.
#[test]
fn nothing_is_kept_unless_the_type_says_so() {
    struct NotClone;
    let circuit = open();
    let layer = FallbackLayer::on_rejection(&circuit, value(stand_in()));
    let answer = layer
        .layer(dependency(&circuit))
        .oneshot(Request::new(NotClone));
    let Ok(answer) = answer.now_or_never().unwrap();
    assert_eq!(answer.body(), "stand-in");

    // Nor is it cloned where it could be.
    let clones = Arc::new(AtomicUsize::new(0));
    let answer = layer
        .layer(dependency(&circuit))
        .oneshot(Request::new(Counting(clones.clone())));
    answer.now_or_never().unwrap().unwrap();
    let head = from_fn(|_: Request<()>, _: &Because<Infallible>| async { stand_in() });
    let layer = FallbackLayer::on_rejection(&circuit, head).keeping_head();
    let answer = layer
        .layer(dependency(&circuit))
        .oneshot(Request::new(Counting(clones.clone())));
    answer.now_or_never().unwrap().unwrap();
    assert_eq!(clones.load(Ordering::Relaxed), 0);
}

// M1
#[test]
fn the_head_is_kept_without_body_and_extensions() {
    let circuit = open();
    let answer = from_fn(|head: Request<()>, because: &Because<Infallible>| {
        let cause = because.cause().label();
        async move {
            assert!(head.extensions().is_empty());
            let language = head.headers()["accept-language"].to_str().unwrap();
            let (method, uri, version) = (head.method(), head.uri(), head.version());
            Response::new(format!("{method} {uri} {version:?} {language}: {cause}"))
        }
    });
    let layer = FallbackLayer::on_rejection(&circuit, answer).keeping_head();
    let request = Request::put("/reviews/7?page=2")
        .version(http::Version::HTTP_2)
        .header("accept-language", "fi")
        .extension("secret")
        .body("body".to_owned())
        .unwrap();
    let answer = layer.layer(behind(&circuit, 200)).oneshot(request);
    let Ok(answer) = answer.now_or_never().unwrap();
    assert_eq!(answer.body(), "PUT /reviews/7?page=2 HTTP/2.0 fi: open");
}

// M1: the whole request goes to another service; it is cloned once for a call, and never more.
#[test]
fn a_whole_request_is_cloned_once() {
    let circuit = open();
    let clones = Arc::new(AtomicUsize::new(0));
    let replica = service_fn(async |request: Request<Counting>| {
        let body = format!("replica of {}", request.uri());
        Ok::<_, Infallible>(Response::new(body))
    });
    let layer = FallbackLayer::on_rejection(&circuit, service(replica)).keeping_request();
    let request = Request::get("/reviews/7")
        .body(Counting(clones.clone()))
        .unwrap();
    let answer = layer.layer(dependency(&circuit)).oneshot(request);
    let answer = answer.now_or_never().unwrap().unwrap();
    assert_eq!(answer.body(), "replica of /reviews/7");
    assert_eq!(clones.load(Ordering::Relaxed), 1);
}

// M1
#[test]
fn a_closure_keeps_what_it_takes() {
    let circuit = open();
    let answer = from_fn(|length: usize, _: &Because<Infallible>| async move {
        Response::new(format!("{length} bytes"))
    });
    let layer = FallbackLayer::on_rejection(&circuit, answer)
        .keeping(|request: &Request<String>| request.body().len());
    let Ok(answer) = ask(layer.layer(behind(&circuit, 200)));
    assert_eq!(answer.body(), "8 bytes");
}
