//! The default rejection needs an empty body, and this one has none. Kept in a field, and returned.

use std::convert::Infallible;

use http::{Request, Response};
use tower::{Service, service_fn, util::BoxCloneService};
use tower_breaker::{Circuit, CircuitBreaker};

struct Page(&'static str);

async fn page(_: Request<String>) -> Result<Response<Page>, Infallible> {
    Ok(Response::new(Page("the page")))
}

type Pages = BoxCloneService<Request<String>, Response<Page>, Infallible>;

struct Field {
    pages: CircuitBreaker<Pages>,
}

impl Field {
    async fn ask(&mut self) {
        let _ = self.pages.ready().await.unwrap().call(Request::default()).await;
    }
}

fn boxed(breaker: CircuitBreaker<Pages>) -> Pages {
    BoxCloneService::new(breaker)
}

fn returned(breaker: CircuitBreaker<Pages>) -> impl Service<Request<String>> {
    breaker
}

fn main() {
    let circuit = Circuit::builder("pages").build().unwrap();
    let pages = CircuitBreaker::new(BoxCloneService::new(service_fn(page)), circuit);
    let _ = (boxed(pages.clone()), returned(pages.clone()));
    let _ = Field { pages }.ask();
}
