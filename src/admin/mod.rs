//! Health, a look at every circuit, and control, as routers for axum.

mod answer;
mod boot;
mod health;
mod history;
pub(crate) mod json;
mod page;
mod places;
mod query;
mod readiness;
mod ring;
mod sampler;
mod stream;
mod view;

pub use self::{health::Health, view::View};
