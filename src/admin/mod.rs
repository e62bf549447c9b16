//! Health, a look at every circuit, and control, as routers for axum.

mod answer;
mod boot;
mod health;
pub(crate) mod json;
mod query;
mod readiness;
mod view;

pub use self::{health::Health, view::View};
