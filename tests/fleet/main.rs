//! One circuit for a fleet (rules N1 to N9).
#![cfg(feature = "fleet")]

#[path = "../support/mod.rs"]
mod support;

mod contract;
