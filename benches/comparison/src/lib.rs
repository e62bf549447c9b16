//! tower-breaker beside its peers: the same work through each, and the same scenarios.
//!
//! A library, because two programs share it: `comparison` measures, and `allocations` counts under a
//! counting allocator, which would slow down the measured ones.

pub mod chart;
pub mod contenders;
pub mod forms;
pub mod machine;
pub mod measure;
pub mod results;
pub mod scenarios;
pub mod table;
pub mod work;
