//! Fallbacks: an answer that is good enough, when the dependency has none.
//!
//! A circuit breaker says no, at once. What the caller then gets is decided here: a fixed value, the last good answer,
//! a place in a queue, or an error of your own. So is what comes before that: how many calls a dependency may hold at
//! once, how long each may take, and which of them are repeated.
//!
//! The guide `degrading` (with the features `cached` and `retries`) begins with what a visitor of a page should see.

mod because;
#[cfg(feature = "cached")]
#[cfg_attr(docsrs, doc(cfg(feature = "cached")))]
pub mod cached;
pub mod fallback;
pub mod queue;
#[cfg(feature = "retries")]
#[cfg_attr(docsrs, doc(cfg(feature = "retries")))]
pub mod retries;
mod stack;

#[cfg(feature = "retries")]
#[cfg_attr(docsrs, doc(cfg(feature = "retries")))]
pub use self::stack::StackedRetries;
pub use self::{
    because::{Because, Degraded},
    stack::{StackLayer, Stacked, StackedBreaker},
};
pub use crate::circuit::parts::{FallbackCause, FallbackKind};
