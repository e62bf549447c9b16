//! Whether the models look at what they are meant to look at.

use std::{collections::BTreeSet, sync::Mutex};

use super::*;

/// What a decision does: a load, and a swap of what was loaded.
fn raise(cell: &AtomicU64) {
    let seen = cell.load(Ordering::Acquire);
    cell.compare_exchange(seen, seen + 1, Ordering::AcqRel, Ordering::Relaxed)
        .expect("nobody else swaps");
}

// loom's blind spot: without the twin of `crate::machine::sync`, a load that came first is never tried after
// another thread's load and swap. (The `Arc`s are not loom's, and this thread takes part itself:
// whatever else is shared makes loom branch, too, and hides it.)
#[test]
fn a_load_is_explored_on_both_sides_of_a_load_and_a_swap() {
    let seen = StdArc::new(Mutex::new(BTreeSet::new()));
    let all = seen.clone();
    model("a load against a load and a swap", move || {
        let cell = StdArc::new(AtomicU64::new(0));
        let (raised, seen) = (cell.clone(), seen.clone());
        let raising = thread::spawn(move || raise(&raised));
        let found = cell.load(Ordering::Acquire);
        seen.lock().expect("not poisoned").insert(found);
        raising.join().expect("no panic");
    });
    assert_eq!(*all.lock().expect("not poisoned"), BTreeSet::from([0, 1]));
}
