//! A key that is chosen while the program runs.

use http::{HeaderName, Request};

use super::{Authority, GrpcMethod, GrpcService, Header, authority, grpc_method, grpc_service};
#[cfg(feature = "axum")]
use super::{MethodAndRoute, Route, method_and_route, route};
use crate::keyed::{Key, Scratch};

/// One of the usual keys, chosen while the program runs, such as by a configuration.
///
/// ```
/// use std::time::Duration;
///
/// use http::HeaderName;
/// use tower_breaker::{keyed::by, registry::Registry};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// # let by_host = true;
/// let registry = Registry::builder()
///     .defaults(|circuit| circuit.time_window(Duration::from_secs(60)))
///     .build()?;
/// let key = match by_host {
///     true => by::Chosen::authority(),
///     false => by::Chosen::header(HeaderName::from_static("x-shard")),
/// };
/// let layer = registry.layer_by(key);
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Chosen(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Authority(Authority),
    GrpcMethod(GrpcMethod),
    GrpcService(GrpcService),
    Header(Header),
    #[cfg(feature = "axum")]
    MethodAndRoute(MethodAndRoute),
    #[cfg(feature = "axum")]
    Route(Route),
}

impl Chosen {
    /// As [`authority`].
    #[must_use]
    pub fn authority() -> Self {
        Self(Kind::Authority(authority()))
    }

    /// As [`grpc_method`].
    #[must_use]
    pub fn grpc_method() -> Self {
        Self(Kind::GrpcMethod(grpc_method()))
    }

    /// As [`grpc_service`].
    #[must_use]
    pub fn grpc_service() -> Self {
        Self(Kind::GrpcService(grpc_service()))
    }

    /// As [`header`](super::header()).
    #[must_use]
    pub fn header(name: HeaderName) -> Self {
        Self(Kind::Header(super::header(name)))
    }

    /// As [`method_and_route`].
    #[cfg(feature = "axum")]
    #[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
    #[must_use]
    pub fn method_and_route() -> Self {
        Self(Kind::MethodAndRoute(method_and_route()))
    }

    /// As [`route`].
    #[cfg(feature = "axum")]
    #[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
    #[must_use]
    pub fn route() -> Self {
        Self(Kind::Route(route()))
    }
}

impl<B> Key<Request<B>> for Chosen {
    fn of<'a>(&'a self, request: &'a Request<B>, scratch: &'a mut Scratch) -> Option<&'a str> {
        match &self.0 {
            Kind::Authority(key) => key.of(request, scratch),
            Kind::GrpcMethod(key) => key.of(request, scratch),
            Kind::GrpcService(key) => key.of(request, scratch),
            Kind::Header(key) => key.of(request, scratch),
            #[cfg(feature = "axum")]
            Kind::MethodAndRoute(key) => key.of(request, scratch),
            #[cfg(feature = "axum")]
            Kind::Route(key) => key.of(request, scratch),
        }
    }
}
