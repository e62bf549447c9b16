//! Counts that belong to an era, on one stripe that several threads use (C4, F5).

use super::*;
use crate::machine::stripes::EraCount;

// F5
#[test]
fn two_threads_on_one_stripe_lose_no_count() {
    model(
        "stripes: two threads on one, and one of an older era",
        || {
            let count = Arc::new(EraCount::default());
            let add = |era| {
                let count = count.clone();
                move || count.add(era)
            };
            let (first, second, old) = (add(3), add(3), add(2));
            race!(
                move || assert!(first().is_some()),
                move || assert!(second().is_some()),
                move || assert!(old().is_none_or(|count| count == 1)),
            );
            assert_eq!((count.get(3), count.get(2)), (2, 0));
        },
    );
}
