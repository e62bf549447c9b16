//! What a log and a trace get (rule L7): transitions as events, and what became of a call on its span.

mod current_span;
mod fields;
mod log;
mod own_span;

use std::cell::Cell;

pub use self::own_span::{SpanLayer, Spanned, SpannedFuture};
#[cfg(feature = "registry")]
pub use self::{current_span::record_on_current_span, log::log_transitions};

/// The target of every event and span of this crate, for filters: `tower_breaker=info`.
const TARGET: &str = "tower_breaker";

/// Tells a subscriber something, unless this thread is doing so already.
///
/// A subscriber is somebody else's code, and may call the circuit. What it brings about is not told, or it would be
/// told of its own telling, and so on without an end.
fn tell_once(tell: impl FnOnce()) {
    thread_local! {
        static TELLING: Cell<bool> = const { Cell::new(false) };
    }
    struct Told;
    impl Drop for Told {
        fn drop(&mut self) {
            TELLING.set(false);
        }
    }
    if !TELLING.replace(true) {
        let _told = Told;
        tell();
    }
}
