//! What many threads hold and let go of with every call, without contending for its count.
//!
//! A call outlives its service, so it holds a reference that is counted. A count that all threads change is
//! all that they would contend for. So there are as many counts as the machine runs threads, and each thread
//! changes its own.

#[cfg(feature = "registry")]
use std::sync::OnceLock;
use std::{
    ops::Deref,
    sync::{Arc, Weak},
};

use crate::machine::sync::{stripe_count, thread_number};

/// One of the shares: all that is held, and a count.
///
/// It begins two cache lines after the counts of its `Arc`. Those change with every call, and what every call only
/// reads must not lie beside them, nor the counts of another thread.
#[repr(align(128))]
struct Stripe<T> {
    held: T,
    /// Which of the siblings this one is.
    number: usize,
    siblings: Siblings<T>,
}

/// All stripes of a family, of which each knows all. Weak, because they would keep each other for ever.
type Siblings<T> = Arc<[Weak<Stripe<T>>]>;

/// All stripes, kept: by a layer and by the services it makes, for their clones.
///
/// In a box, so that a service holds one word and not two.
pub(crate) struct Family<T>(Arc<Box<[Arc<Stripe<T>>]>>);

impl<T> Family<T> {
    /// One stripe for each thread that the machine runs at once. Each holds what `hold` makes for it.
    pub(crate) fn new(mut hold: impl FnMut() -> T) -> Self {
        let mut stripes = Vec::with_capacity(stripe_count());
        make_stripes(&mut hold, Vec::new(), &mut stripes);
        // The last was finished first.
        stripes.reverse();
        Self(Arc::new(stripes.into()))
    }

    /// What is held.
    pub(crate) fn held(&self) -> &T {
        &self.0[0].held
    }

    /// The calling thread's share.
    pub(crate) fn share(&self) -> Share<T> {
        Share(self.0[own_number(self.0.len())].clone())
    }
}

impl<T> Clone for Family<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Makes the stripe that comes after those that are `begun`, and all after it. None is complete before the
/// last has begun, because each knows all.
fn make_stripes<T>(
    hold: &mut dyn FnMut() -> T,
    mut begun: Vec<Weak<Stripe<T>>>,
    finished: &mut Vec<Arc<Stripe<T>>>,
) -> Siblings<T> {
    let number = begun.len();
    if number >= stripe_count() {
        return begun.into();
    }
    let held = hold();
    let stripe = Arc::new_cyclic(|own| {
        begun.push(own.clone());
        Stripe {
            held,
            number,
            siblings: make_stripes(hold, begun, finished),
        }
    });
    let siblings = stripe.siblings.clone();
    finished.push(stripe);
    siblings
}

/// Which of so many stripes is the calling thread's: a power of two of them.
#[inline]
fn own_number(stripes: usize) -> usize {
    thread_number() & (stripes - 1)
}

/// A share. A call takes one and gives it back; whatever the last one to hold it lets go of is freed.
///
/// A clone is the calling thread's own, so that threads do not contend for its count, as long as there is one
/// for that thread: the layer keeps them, and so does each service that it has made. Where these are gone, clones
/// share a count with what they are clones of.
pub(crate) struct Share<T>(Arc<Stripe<T>>);

#[cfg(feature = "registry")]
impl<T> Share<T> {
    /// One that shares its count with all its clones.
    pub(crate) fn alone(held: T) -> Self {
        Self(Arc::new_cyclic(|own| Stripe {
            held,
            number: 0,
            siblings: Arc::new([own.clone()]),
        }))
    }

    /// Whether nobody else holds it.
    pub(crate) fn is_only(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    pub(crate) fn downgrade(&self) -> WeakShare<T> {
        WeakShare(Arc::downgrade(&self.0))
    }
}

/// A share that does not keep what it holds.
#[cfg(feature = "registry")]
pub(crate) struct WeakShare<T>(Weak<Stripe<T>>);

#[cfg(feature = "registry")]
impl<T> WeakShare<T> {
    pub(crate) fn upgrade(&self) -> Option<Share<T>> {
        self.0.upgrade().map(Share)
    }
}

/// One for each thread that the machine runs at once, made by the thread that needs it.
#[cfg(feature = "registry")]
pub(crate) struct ByThread<T>(Box<[OnceLock<T>]>);

#[cfg(feature = "registry")]
impl<T> ByThread<T> {
    pub(crate) fn new() -> Self {
        Self((0..stripe_count()).map(|_| OnceLock::new()).collect())
    }

    /// The calling thread's.
    pub(crate) fn own(&self) -> &OnceLock<T> {
        &self.0[own_number(self.0.len())]
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
impl<T> Share<T> {
    /// Whether its count is the calling thread's own.
    pub(crate) fn is_own(&self) -> bool {
        self.0.number == own_number(self.0.siblings.len())
    }
}

impl<T> Clone for Share<T> {
    #[inline]
    fn clone(&self) -> Self {
        let own = &self.0;
        let number = own_number(own.siblings.len());
        if number == own.number {
            return Self(own.clone());
        }
        let sibling = own.siblings[number].upgrade();
        Self(sibling.unwrap_or_else(|| own.clone()))
    }
}

impl<T> Deref for Share<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0.held
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use std::thread;

    use super::*;

    /// What is asked on so many threads, of which each has a number of its own.
    fn on_threads<T: Send>(ask: impl Fn() -> T + Sync) -> Vec<T> {
        let ask = &ask;
        let asked = |_| thread::scope(|scope| scope.spawn(ask).join().expect("no panic"));
        (0..stripe_count()).map(asked).collect()
    }

    #[test]
    fn each_stripe_knows_its_number_and_all_others() {
        let family = Family::new(|| ());
        for (number, stripe) in family.0.iter().enumerate() {
            assert_eq!(stripe.number, number);
            let known = stripe.siblings.iter().map(Weak::as_ptr);
            assert!(known.eq(family.0.iter().map(Arc::as_ptr)));
        }
    }

    #[test]
    fn a_clone_is_counted_by_the_thread_that_makes_it() {
        let family = Family::new(|| ());
        let share = family.share();
        let own = on_threads(|| share.clone().is_own());
        assert!(own.iter().all(|own| *own));
    }

    #[test]
    fn where_the_family_is_gone_a_clone_shares_the_count_of_its_original() {
        let share = Family::new(|| ()).share();
        let clones = on_threads(|| share.clone());
        for clone in clones {
            assert!(Arc::ptr_eq(&clone.0, &share.0));
        }
    }
}
