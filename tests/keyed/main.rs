//! One layer, one circuit for each key (rules J1 to J4).
#![cfg(feature = "registry")]

mod calls;
mod keys;
