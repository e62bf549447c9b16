//! A rejection as an error needs no body.

use std::convert::Infallible;

use http::{Request, Response};
use tower::{Layer, Service, service_fn, util::BoxCloneService};
use tower_breaker::{
    Circuit, CircuitBreaker, CircuitBreakerLayer, CircuitError, classify::HttpClassifier, reject::RejectAsError,
};

#[expect(dead_code)]
struct Page(&'static str);

async fn page(_: Request<String>) -> Result<Response<Page>, Infallible> {
    Ok(Response::new(Page("the page")))
}

type Inner = BoxCloneService<Request<String>, Response<Page>, Infallible>;
type Pages = BoxCloneService<Request<String>, Response<Page>, CircuitError<Infallible>>;
type Breaker = CircuitBreaker<Inner, HttpClassifier, RejectAsError>;

struct Field {
    pages: Breaker,
}

impl Field {
    async fn ask(&mut self) {
        let _ = self.pages.ready().await.unwrap().call(Request::default()).await;
    }
}

fn boxed(breaker: Breaker) -> Pages {
    BoxCloneService::new(breaker)
}

fn returned(breaker: Breaker) -> impl Service<Request<String>> {
    breaker
}

fn main() {
    let circuit = Circuit::builder("pages").build().unwrap();
    let layer = CircuitBreakerLayer::new(circuit).reject_as_error();
    let pages = layer.layer(BoxCloneService::new(service_fn(page)));
    let _ = (boxed(pages.clone()), returned(pages.clone()));
    let _ = Field { pages }.ask();
}
