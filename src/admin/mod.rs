//! Health, a look at every circuit, and control, as routers for axum.

mod answer;
mod boot;
mod control;
mod cross_site;
mod health;
mod history;
pub(crate) mod json;
mod order;
mod page;
mod places;
mod query;
mod readiness;
mod ring;
mod sampler;
mod stream;
mod view;

pub use self::{control::Control, health::Health, view::View};
