//! Small things that every room may use, and that use none.

pub(crate) mod digits;
pub(crate) mod future;
pub(crate) mod panic;
pub(crate) mod size;
