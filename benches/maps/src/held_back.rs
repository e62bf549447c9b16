//! What a map holds back of what was taken out of it: each circuit that is held back is memory that is not given back.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// How many are in the map at a time.
pub const PLACES: usize = 1_000;
/// How many go through it.
pub const TURNS: usize = 100_000;

/// Counts those of its kind that were not dropped.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Relaxed);
        Self(all.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// One comes and the oldest leaves, over and over, with a look at one between: the most that were held back at once.
fn churn(insert: impl Fn(usize, Alive), remove: impl Fn(&usize), look: impl Fn(&usize)) -> usize {
    let all = Arc::new(AtomicUsize::new(0));
    let mut most = 0;
    for turn in 0..TURNS {
        insert(turn, Alive::new(&all));
        if let Some(oldest) = turn.checked_sub(PLACES) {
            remove(&oldest);
            most = most.max(all.load(Relaxed) - PLACES);
        }
        look(&turn);
    }
    most
}

/// Of papaya.
pub fn by_papaya() -> usize {
    let map = papaya::HashMap::<usize, Alive>::new();
    churn(
        |turn, alive| assert!(map.pin().insert(turn, alive).is_none()),
        |turn| assert!(map.pin().remove(turn).is_some()),
        |turn| assert!(map.pin().get(turn).is_some()),
    )
}

/// Of scc's index.
pub fn by_scc_index() -> usize {
    let map = scc::HashIndex::<usize, Alive>::new();
    churn(
        |turn, alive| assert!(map.insert_sync(turn, alive).is_ok()),
        |turn| assert!(map.remove_sync(turn)),
        |turn| assert!(map.peek_with(turn, |_, _| ()).is_some()),
    )
}
