//! Which calls are under way on this thread right now, so that one that meets its own circuit again is known for
//! a part of itself (rule D8).
//!
//! While somebody else's code runs on behalf of a call (its future is polled, its service called), a table of
//! the thread says whose call that is, below those that enclose it. It is taken out when that code returns or
//! panics, so it never outlives a poll: a call that waits marks nobody, and may go on on another thread.

use std::cell::Cell;

/// Of more calls than this within each other, the innermost are not known.
const DEPTHS: usize = 32;

/// Set while a service is only asked whether it is ready.
const ASKED: usize = 1;

/// Depth by depth, from the outermost in.
struct Nest {
    depth: Cell<usize>,
    /// What circuits are told apart by is even.
    entered: [Cell<usize>; DEPTHS],
}

thread_local! {
    // Without a destructor, so that it is there as long as the thread is, and is reached without a check.
    static NEST: Nest = const {
        Nest {
            depth: Cell::new(0),
            entered: [const { Cell::new(0) }; DEPTHS],
        }
    };
}

/// Somebody else's code runs as a part of a call. To be [left](Self::leave) when that is over.
#[must_use = "what is entered is left again"]
pub(crate) struct Inside(());

impl Inside {
    /// A call of `circuit` goes on from here.
    #[inline(always)]
    pub(crate) fn enter(circuit: usize) -> Self {
        NEST.with(|nest| {
            let depth = nest.depth.get();
            if let Some(innermost) = nest.entered.get(depth) {
                innermost.set(circuit);
            }
            nest.depth.set(depth + 1);
        });
        Self(())
    }

    #[inline(always)]
    pub(crate) fn leave(&self) {
        NEST.with(|nest| nest.depth.set(nest.depth.get() - 1));
    }
}

/// Leaves, on unwinding as well.
struct Leave(Inside);

impl Drop for Leave {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Runs `code` as a part of a call of `circuit`.
pub(crate) fn within<T>(circuit: usize, code: impl FnOnce() -> T) -> T {
    let _leave = Leave(Inside::enter(circuit));
    code()
}

/// Runs `code`, which is no part any more of the innermost call.
#[cfg(feature = "body")]
pub(crate) fn outside<T>(innermost: usize, code: impl FnOnce() -> T) -> T {
    struct Back(usize);
    impl Drop for Back {
        fn drop(&mut self) {
            // Entered anew, because `code` may have entered others in its place.
            let _: Inside = Inside::enter(self.0);
        }
    }
    NEST.with(|nest| nest.depth.set(nest.depth.get() - 1));
    let _back = Back(innermost);
    code()
}

/// Runs `code`, in which a service of `circuit` asks its inner one whether it is ready.
#[inline(always)]
pub(crate) fn asking<T>(circuit: usize, code: impl FnOnce() -> T) -> T {
    let _leave = Leave(Inside::enter(circuit | ASKED));
    code()
}

/// Whether any call is under way on this thread, or any service asked.
#[inline(always)]
pub(crate) fn is_any() -> bool {
    NEST.with(|nest| nest.depth.get() != 0)
}

/// Whether a call of `circuit` is under way on this thread.
#[cold]
pub(crate) fn is_called(circuit: usize) -> bool {
    any(|entered| entered == circuit)
}

/// Whether one is, or a service of `circuit` is asking its inner one whether it is ready.
#[cold]
pub(crate) fn is_called_or_asked(circuit: usize) -> bool {
    any(|entered| entered & !ASKED == circuit)
}

fn any(is_it: impl Fn(usize) -> bool) -> bool {
    NEST.with(|nest| {
        let known = nest.entered.iter().take(nest.depth.get());
        known.map(Cell::get).any(is_it)
    })
}
