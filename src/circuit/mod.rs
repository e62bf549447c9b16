//! What people hold: a circuit, what makes it, what comes of a call through it, and what it shows.
//!
//! Below it is the [`machine`](crate::machine), which decides. Nothing here knows of Tower or of HTTP.

pub(crate) mod builder;
pub(crate) mod bulkhead;
pub(crate) mod by;
pub(crate) mod call;
pub(crate) mod call_event;
mod calls;
mod calls_heard;
pub(crate) mod classify;
pub(crate) mod clock;
mod control;
mod describe;
mod driver;
pub(crate) mod ejection;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod events;
pub(crate) mod followed;
pub(crate) mod guard;
pub(crate) mod handle;
mod latest;
pub(crate) mod limit;
pub(crate) mod listeners;
pub(crate) mod log;
#[cfg(all(test, tower_breaker_loom))]
mod loom_tests;
pub(crate) mod name;
pub(crate) mod nesting;
pub mod observe;
pub(crate) mod parts;
#[cfg(feature = "retries")]
pub(crate) mod retry_budget;
mod saved;
pub(crate) mod settings;
mod short_lived;
pub(crate) mod snapshot;
pub(crate) mod subscribers;
pub(crate) mod tags;
mod when_to_retry;
