//! Calls to somebody else's code whose panics harm nobody.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What `code` returns, unless it panics.
///
/// The payload of a panic is somebody else's, too, and so is its drop. A payload that panics when it is
/// dropped is left at that: its own payload is not dropped any more.
pub(crate) fn catch_panic<T>(code: impl FnOnce() -> T) -> Option<T> {
    let payload = match catch_unwind(AssertUnwindSafe(code)) {
        Ok(result) => return Some(result),
        Err(payload) => payload,
    };
    if let Err(of_its_drop) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(of_its_drop);
    }
    None
}
