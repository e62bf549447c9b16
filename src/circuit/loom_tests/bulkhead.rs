//! The number of places changes while they are taken and given back (M2). Those that are free are our own here:
//! tokio's semaphore is not loom's.

use std::{sync::Arc, time::Duration};

use crate::{
    circuit::{
        bulkhead::{Free, Places},
        clock::ManualClock,
        handle::Circuit,
    },
    machine::{
        loom_tests::{model, race},
        sync::{AtomicU64, Ordering},
    },
};

struct Counted(AtomicU64);

impl Counted {
    /// Makes so many go, of those that there are. Says how many.
    fn take(&self, fewer: impl Fn(u64) -> u64) -> u64 {
        loop {
            let free = self.0.load(Ordering::Acquire);
            let left = free - fewer(free);
            let swap = self
                .0
                .compare_exchange(free, left, Ordering::AcqRel, Ordering::Acquire);
            if swap.is_ok() {
                return free - left;
            }
        }
    }
}

impl Free for Counted {
    fn new(free: u64) -> Self {
        Self(AtomicU64::new(free))
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn try_take(&self) -> bool {
        self.take(|free| free.min(1)) == 1
    }

    fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::AcqRel);
    }

    fn forget(&self, fewer: u64) -> u64 {
        self.take(|free| free.min(fewer))
    }
}

/// So many places, all of which are taken.
fn full(size: u64) -> Arc<Places<Counted>> {
    let places = Arc::new(Places::new(size));
    assert!((0..size).all(|_| places.try_take()));
    places
}

fn giving_back(places: &Arc<Places<Counted>>) -> impl FnOnce() + Send + 'static {
    let places = places.clone();
    move || places.give_back()
}

/// How many there are when all are free.
fn all(places: &Places<Counted>) -> u64 {
    let mut taken = 0;
    while places.try_take() {
        taken += 1;
    }
    taken
}

// M2, E5
#[test]
fn what_is_owed_is_forgotten_once() {
    model("places: fewer and more, as all are given back", || {
        let places = full(2);
        let resizes = places.clone();
        race!(giving_back(&places), giving_back(&places), move || {
            resizes.resize(|| 1);
            resizes.resize(|| 3);
        },);
        assert_eq!(all(&places), 3);
        assert_eq!(places.look().taken, 3);
    });
}

// M2, E5, E3: whoever comes after there are fewer finds no more than those.
#[test]
fn who_comes_after_there_are_fewer_finds_no_more() {
    model("places: fewer, and one who comes, as others leave", || {
        let places = full(2);
        let inside = Arc::new(AtomicU64::new(2));
        let leaving = || {
            let (places, inside) = (places.clone(), inside.clone());
            move || {
                inside.fetch_sub(1, Ordering::AcqRel);
                places.give_back();
            }
        };
        let (resizes, counts) = (places.clone(), inside.clone());
        race!(leaving(), leaving(), move || {
            resizes.resize(|| 1);
            if resizes.try_take() {
                let others = counts.load(Ordering::Acquire);
                assert_eq!(others, 0, "more than one is inside");
                resizes.give_back();
            }
        });
        assert_eq!(all(&places), 1);
    });
}

// M2, E5
#[test]
fn places_that_are_made_while_their_number_changes_are_as_many_as_it_says() {
    model("places: made, as their number changes", || {
        let circuit = Circuit::builder("modelled")
            .consecutive_failures(1)
            .totals(false)
            .clock(ManualClock::new())
            .bulkhead(1, Duration::ZERO)
            .build()
            .expect("valid");
        let (enters, changes) = (circuit.clone(), circuit.clone());
        race!(
            move || drop(enters.try_enter().expect("there is one")),
            move || {
                let change =
                    changes.reconfigure(|settings| settings.set_bulkhead((2, Duration::ZERO)));
                change.expect("valid");
            },
        );
        let _places = [(); 2].map(|()| circuit.try_enter().expect("there are two"));
        circuit.try_enter().expect_err("there are no more");
    });
}
