//! Guides: what is promised, and how to live with it.

#[doc = include_str!("guide/contract.md")]
pub mod contract {}
