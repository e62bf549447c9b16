//! Routers for axum: health, a look at every circuit, and control. Needs the feature `admin`.
//!
//! | router | for | who may get at it |
//! |---|---|---|
//! | [`Health`] | orchestrators, load balancers, Prometheus | whoever asks such things of a service |
//! | [`View`] | people: a live page, and what it is made of | your own people: it changes nothing |
//! | [`Control`] | people on duty | those who may turn off this service's calls: put authentication in front |
//!
//! Each is a separate router, so that none is mounted by accident.
//!
//! ```
//! use axum::Router;
//! use tower_breaker::{admin::{Health, View}, registry::Registry};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::builder().circuit("database", |it| it).build()?;
//! // On a port that only your own people and machines reach.
//! let internal: Router = Router::new()
//!     .merge(Health::new(&registry).require("database").router())
//!     .nest_service("/breakers", View::new(&registry).router::<()>());
//! # Ok(())
//! # }
//! ```
//!
//! **Watch out:** no liveness probe may be tied to this: [why](crate::guide::operating).

mod answer;
mod boot;
mod control;
mod cross_site;
mod frame;
mod health;
mod history;
pub(crate) mod json;
mod known;
mod listing;
mod order;
mod page;
mod pass;
mod places;
mod query;
mod readiness;
mod ring;
mod sampler;
mod stream;
mod view;

pub use self::{control::Control, health::Health, view::View};
