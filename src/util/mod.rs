//! Small things that every room may use, and that use none.

#[cfg(any(feature = "body", feature = "retry-after"))]
pub(crate) mod digits;
pub(crate) mod future;
pub(crate) mod panic;
