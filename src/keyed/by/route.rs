//! The route that axum has matched.

use axum::extract::MatchedPath;
use http::Request;

use crate::keyed::{Key, Scratch};

/// The route that axum has matched, such as `/users/{id}`: its pattern, and never the path, of which there are as many
/// as anybody cares to ask for.
///
/// axum tells it to a layer that is put on with `Router::layer` or `Router::route_layer`, also around a router that
/// routers are nested in (`nest`, then with the prefix). A request that no route matches has no key, and one for a
/// service that is nested with `nest_service` has none but `{prefix}/{*…}`.
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_breaker::{keyed::by, registry::Registry};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let registry = Registry::builder()
///     .defaults(|circuit| circuit.failure_rate(0.5))
///     .circuit("/search", |circuit| circuit.consecutive_failures(3))
///     .build()?;
///
/// let app: Router = Router::new()
///     .route("/search", get(async || "found"))
///     .route("/users/{id}", get(async || "a user"))
///     .layer(registry.layer_by(by::route()));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn route() -> Route {
    Route(())
}

/// The route that axum has matched. Made by [`route`].
#[derive(Clone, Copy, Debug)]
pub struct Route(());

impl<B> Key<Request<B>> for Route {
    fn of<'a>(&'a self, request: &'a Request<B>, _: &'a mut Scratch) -> Option<&'a str> {
        matched(request)
    }
}

/// The method and the route that axum has matched, such as `GET /users/{id}`. See [`route`].
///
/// A method that HTTP does not define is anybody's invention, and has no key.
#[must_use]
pub fn method_and_route() -> MethodAndRoute {
    MethodAndRoute(())
}

/// The method and the route that axum has matched. Made by [`method_and_route`].
#[derive(Clone, Copy, Debug)]
pub struct MethodAndRoute(());

impl<B> Key<Request<B>> for MethodAndRoute {
    fn of<'a>(&'a self, request: &'a Request<B>, scratch: &'a mut Scratch) -> Option<&'a str> {
        let method = request.method().as_str();
        let route = matched(request)?;
        is_defined(method).then_some(())?;
        scratch.write(format_args!("{method} {route}"))
    }
}

fn matched<B>(request: &Request<B>) -> Option<&str> {
    let matched = request.extensions().get::<MatchedPath>()?;
    Some(matched.as_str())
}

fn is_defined(method: &str) -> bool {
    const DEFINED: [&str; 9] = [
        "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
    ];
    DEFINED.contains(&method)
}
