//! The same with services that can be cloned.

use std::convert::Infallible;

use axum::Router;
use http::{Request, Response};
use tower::{ServiceBuilder, util::BoxCloneSyncService};
use tower_breaker::{BulkheadLayer, CircuitBreakerLayer, keyed::by, registry::Registry};

type Client = BoxCloneSyncService<Request<String>, Response<String>, Infallible>;
type Page = BoxCloneSyncService<axum::extract::Request, axum::response::Response, Infallible>;

fn keyed(registry: &Registry, client: Client) {
    let _ = ServiceBuilder::new()
        .layer(registry.layer_by(by::authority()))
        .service(client);
}

fn bulkhead(layer: CircuitBreakerLayer, client: Client) {
    let service = ServiceBuilder::new()
        .layer(BulkheadLayer::new())
        .layer(layer)
        .service(client);
    let _ = service.oneshot(Request::default());
}

fn router(layer: CircuitBreakerLayer, page: Page) -> Router {
    Router::new().route_service("/page", ServiceBuilder::new().layer(layer).service(page))
}

fn main() {
    let _ = (keyed, bulkhead, router);
}
