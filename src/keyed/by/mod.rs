//! The usual keys.
//!
//! | key | the name of a request's circuit | for |
//! |---|---|---|
//! | [`authority`] | `api.example.com`, `10.0.0.1:8080`: no scheme, no default port | clients: one circuit per host |
//! | `route`, with the feature `axum` | `/users/{id}`, as in `.route(…)`: the pattern, never the path | servers |
//! | `method_and_route`, with the feature `axum` | `GET /users/{id}` | servers |
//! | [`grpc_service`] | `helloworld.Greeter` | gRPC, both sides |
//! | [`grpc_method`] | `helloworld.Greeter/SayHello` | gRPC, both sides |
//! | [`header`] | the value of a header | tenants, shards |
//! | [`Chosen`] | one of these, chosen while the program runs | configurations |
//! | [`closure`] | what a closure finds in the request | everything else |
//! | [`composed`] | what a closure writes, such as `format_args!(…)` | the same |

mod authority;
mod chosen;
mod closure;
mod grpc;
mod header;
#[cfg(feature = "axum")]
mod route;

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use self::route::{MethodAndRoute, Route, method_and_route, route};
pub use self::{
    authority::{Authority, authority},
    chosen::Chosen,
    closure::{Closure, Composed, closure, composed},
    grpc::{GrpcMethod, GrpcService, grpc_method, grpc_service},
    header::{Header, header},
};
