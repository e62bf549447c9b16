//! What the services of a layer, and their calls, have in common, and how they hold on to it.
//!
//! A call outlives its service, so it holds a reference that is counted. A count that all threads change is
//! all that they would contend for. So there are as many counts as the machine runs threads, and each thread
//! changes its own.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, Weak},
};

use super::{classify::HttpClassifier, reject::ServiceUnavailable, scope::HeadOnly};
use crate::{
    circuit::handle::Circuit,
    machine::sync::{stripe_count, thread_number},
};

/// What a layer makes of outcomes and of rejections.
pub(crate) struct Policies<C, R, X> {
    pub(crate) classifier: Arc<C>,
    pub(crate) rejection: Arc<R>,
    pub(crate) scope: Arc<X>,
}

impl Default for Policies<HttpClassifier, ServiceUnavailable, HeadOnly> {
    fn default() -> Self {
        Self {
            classifier: Arc::new(HttpClassifier::new()),
            rejection: Arc::new(ServiceUnavailable),
            scope: Arc::new(HeadOnly),
        }
    }
}

impl<C, R, X> Clone for Policies<C, R, X> {
    fn clone(&self) -> Self {
        Self {
            classifier: self.classifier.clone(),
            rejection: self.rejection.clone(),
            scope: self.scope.clone(),
        }
    }
}

/// One of the shares that the services of a layer have in common: all of it, and a count.
///
/// It begins two cache lines after the counts of its `Arc`. Those change with every call, and what every call only
/// reads must not lie beside them, nor the counts of another thread.
#[repr(align(128))]
struct Stripe<C, R, X> {
    circuit: Circuit,
    policies: Policies<C, R, X>,
    /// Which of the siblings this one is.
    number: usize,
    siblings: Siblings<C, R, X>,
}

/// All stripes of a family, of which each knows all. Weak, because they would keep each other for ever.
type Siblings<C, R, X> = Arc<[Weak<Stripe<C, R, X>>]>;

/// All stripes, kept: by a layer and by the services it makes, for their clones.
pub(crate) struct Family<C, R, X>(Arc<Stripes<C, R, X>>);

/// In a box, so that a service holds one word and not two.
type Stripes<C, R, X> = Box<[Arc<Stripe<C, R, X>>]>;

impl<C, R, X> Family<C, R, X> {
    /// One stripe for each thread that the machine runs at once.
    pub(crate) fn new(circuit: &Circuit, policies: &Policies<C, R, X>) -> Self {
        let mut stripes = Vec::with_capacity(stripe_count());
        make_stripes(circuit, policies, Vec::new(), &mut stripes);
        // The last was finished first.
        stripes.reverse();
        Self(Arc::new(stripes.into()))
    }

    pub(crate) fn circuit(&self) -> &Circuit {
        &self.0[0].circuit
    }

    pub(crate) fn policies(&self) -> &Policies<C, R, X> {
        &self.0[0].policies
    }

    /// The calling thread's share.
    pub(crate) fn share(&self) -> Shared<C, R, X> {
        Shared(self.0[own_number(self.0.len())].clone())
    }
}

impl<C, R, X> Clone for Family<C, R, X> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Makes the stripe that comes after those that are `begun`, and all after it. None is complete before the
/// last has begun, because each knows all.
fn make_stripes<C, R, X>(
    circuit: &Circuit,
    policies: &Policies<C, R, X>,
    mut begun: Vec<Weak<Stripe<C, R, X>>>,
    finished: &mut Vec<Arc<Stripe<C, R, X>>>,
) -> Siblings<C, R, X> {
    let number = begun.len();
    if number >= stripe_count() {
        return begun.into();
    }
    let stripe = Arc::new_cyclic(|own| {
        begun.push(own.clone());
        Stripe {
            circuit: circuit.clone(),
            policies: policies.clone(),
            number,
            siblings: make_stripes(circuit, policies, begun, finished),
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

/// A share: the circuit, and what its layer says of outcomes and rejections. A call takes one and gives it back;
/// whatever the last one to hold it lets go of is freed.
///
/// A clone is the calling thread's own, so that threads do not contend for its count, as long as there is one
/// for that thread: the layer keeps them, and so does each service that it has made. Where these are gone, clones
/// share a count with what they are clones of.
pub struct Shared<C, R, X>(Arc<Stripe<C, R, X>>);

#[cfg(test)]
impl<C, R, X> Shared<C, R, X> {
    /// Whether its count is the calling thread's own.
    pub(crate) fn is_own(&self) -> bool {
        self.0.number == own_number(self.0.siblings.len())
    }
}

impl<C, R, X> Clone for Shared<C, R, X> {
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

impl<C, R, X> Deref for Shared<C, R, X> {
    type Target = Circuit;

    fn deref(&self) -> &Circuit {
        &self.0.circuit
    }
}

impl<C, R, X> Shared<C, R, X> {
    pub(super) fn classifier(&self) -> &C {
        &self.0.policies.classifier
    }

    pub(super) fn rejection(&self) -> &R {
        &self.0.policies.rejection
    }

    #[cfg(feature = "body")]
    pub(crate) fn scope(&self) -> &X {
        &self.0.policies.scope
    }
}

impl<C, R, X> fmt::Debug for Shared<C, R, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&**self).finish()
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use std::thread;

    use super::*;

    type Usual = Family<HttpClassifier, ServiceUnavailable, HeadOnly>;

    fn family() -> Usual {
        let circuit = Circuit::builder("payments").build().expect("valid");
        Family::new(&circuit, &Policies::default())
    }

    /// What is asked on so many threads, of which each has a number of its own.
    fn on_threads<T: Send>(ask: impl Fn() -> T + Sync) -> Vec<T> {
        let ask = &ask;
        let asked = |_| thread::scope(|scope| scope.spawn(ask).join().expect("no panic"));
        (0..stripe_count()).map(asked).collect()
    }

    #[test]
    fn it_says_which_circuit_it_holds() {
        let family = family();
        let printed = format!("{:?}", family.share());
        assert_eq!(printed, format!("Shared({:?})", family.circuit()));
    }

    #[test]
    fn each_stripe_knows_its_number_and_all_others() {
        let family = family();
        for (number, stripe) in family.0.iter().enumerate() {
            assert_eq!(stripe.number, number);
            let known = stripe.siblings.iter().map(Weak::as_ptr);
            assert!(known.eq(family.0.iter().map(Arc::as_ptr)));
        }
    }

    #[test]
    fn a_clone_is_counted_by_the_thread_that_makes_it() {
        let family = family();
        let share = family.share();
        let own = on_threads(|| share.clone().is_own());
        assert!(own.iter().all(|own| *own));
    }

    #[test]
    fn where_the_family_is_gone_a_clone_shares_the_count_of_its_original() {
        let share = family().share();
        let clones = on_threads(|| share.clone());
        for clone in clones {
            assert!(Arc::ptr_eq(&clone.0, &share.0));
        }
    }
}
