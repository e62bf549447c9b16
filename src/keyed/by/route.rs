//! The route that axum has matched.

use axum::extract::MatchedPath;
use http::Request;

use crate::keyed::{Key, Scratch};

/// The route that axum has matched, such as `/users/{id}`: its pattern, never the path, since anybody can ask for any
/// number of paths. In a registry and in a file, spell it as in `.route(…)`, with its braces. A route of a nested
/// router has the prefix before it.
///
/// axum tells it to a layer that is put on with `Router::layer`, `Router::route_layer` or `MethodRouter::layer`:
///
/// | the request is for | the key |
/// |---|---|
/// | a route, also with a method that it does not have | its pattern |
/// | a route of a router in `nest` or `nest_service`, with the layer on that router | the prefix and the pattern: `/api/users/{id}` |
/// | the same, with the layer on the router outside | for `nest` the same; for `nest_service` none |
/// | a service in `nest_service` | none, except for the bare prefix itself: `/assets` and `/assets/` |
/// | a fallback | none; with `route_layer`, the layer is not asked |
///
/// **Watch out:** around a router as a whole, nothing is matched yet, and no request has a key:
///
/// ```
/// # use axum::{Router, routing::get};
/// # use tower::Layer;
/// # use tower_breaker::{keyed::by, registry::Registry};
/// # let registry = Registry::builder().build().unwrap();
/// # let routes: Router = Router::new().route("/search", get(async || "found"));
/// // Wrong: before the router knows the route.
/// let app = registry.layer_by(by::route()).layer(routes.clone());
///
/// // Right: after.
/// let app = routes.layer(registry.layer_by(by::route()));
/// # let _: Router = app;
/// ```
///
/// **Watch out:** `Router::layer` is for the routes that are there. Routes that are added after it have no circuit:
///
/// ```
/// # use axum::{Router, routing::get};
/// # use tower_breaker::{keyed::by, registry::Registry};
/// # let registry = Registry::builder().build().unwrap();
/// # let routes: Router = Router::new();
/// # let by_route = registry.layer_by(by::route());
/// // Wrong: `/search` is unguarded.
/// let app = routes.clone().layer(by_route.clone()).route("/search", get(async || "found"));
///
/// // Right.
/// let app = routes.route("/search", get(async || "found")).layer(by_route);
/// # let _: Router = app;
/// ```
///
/// **Watch out:** this needs axum 0.8. Another version of axum has a `MatchedPath` of its own, which this does not
/// find. That compiles, and then no request has a key:
///
/// ```toml
/// axum = "0.7" # wrong
/// axum = "0.8" # right
/// ```
///
/// Whether requests have keys is counted: [`without_key`](crate::keyed::KeyedLayer::without_key). In builds with debug
/// assertions, a line is written to standard error if none of the first hundred had one.
///
/// Right, with a threshold for each route in one place:
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
/// `GET` and `HEAD` of a route are two circuits, also if axum answers both by the same handler. A method that HTTP does
/// not define has no key, because anybody can invent one.
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
