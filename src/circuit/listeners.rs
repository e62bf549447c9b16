//! Who is called in place, and until when.

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::util::panic::catch_panic;

/// A listener, and whether it still wants to be called.
struct Listener<F: ?Sized> {
    /// `None` once it is dropped.
    call: Option<Arc<F>>,
    ended: Arc<AtomicBool>,
}

/// It is somebody else's code, and so is its destructor. Whoever has it last may be in the middle of a call, or have
/// others to drop.
impl<F: ?Sized> Drop for Listener<F> {
    fn drop(&mut self) {
        let call = self.call.take();
        catch_panic(|| drop(call));
    }
}

impl<F: ?Sized> Clone for Listener<F> {
    fn clone(&self) -> Self {
        Self {
            call: self.call.clone(),
            ended: self.ended.clone(),
        }
    }
}

/// Listeners of one kind.
pub(crate) struct List<F: ?Sized> {
    /// Replaced as a whole, so that no lock is held while they run.
    all: RwLock<Arc<[Listener<F>]>>,
}

impl<F: ?Sized> Default for List<F> {
    fn default() -> Self {
        Self::new([])
    }
}

impl<F: ?Sized> List<F> {
    pub(crate) fn new(calls: impl IntoIterator<Item = Arc<F>>) -> Self {
        let all = calls.into_iter().map(|call| Listener {
            call: Some(call),
            ended: Arc::default(),
        });
        Self {
            all: RwLock::new(all.collect()),
        }
    }

    fn now(&self) -> Arc<[Listener<F>]> {
        let all = self.all.read();
        all.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn is_empty(&self) -> bool {
        let all = self.all.read();
        all.unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Calls those that have not ended, one after the other, as long as `goes_on`, which each may end. One that panics
    /// disturbs neither the others nor the caller.
    pub(crate) fn call(&self, goes_on: impl Fn() -> bool, call: impl Fn(&F)) {
        for listener in self.now().iter() {
            if goes_on() && !listener.ended.load(Ordering::Acquire) {
                catch_panic(|| listener.call.as_deref().map(&call));
            }
        }
    }
}

impl<F: ?Sized + Send + Sync + 'static> List<F> {
    pub(crate) fn subscribe(this: &Arc<Self>, call: Arc<F>) -> Subscription {
        let ended = Arc::<AtomicBool>::default();
        let new = Listener {
            call: Some(call),
            ended: ended.clone(),
        };
        this.replace(|all| all.iter().cloned().chain([new]).collect());
        let list = Arc::downgrade(this);
        Subscription::new(move || {
            ended.store(true, Ordering::Release);
            if let Some(list) = list.upgrade() {
                let others = |listener: &&Listener<F>| !Arc::ptr_eq(&listener.ended, &ended);
                list.replace(|all| all.iter().filter(others).cloned().collect());
            }
        })
    }

    fn replace(&self, change: impl FnOnce(&[Listener<F>]) -> Arc<[Listener<F>]>) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&all);
        // What is replaced is dropped after the lock is given back: listeners are somebody else's code.
        let old = std::mem::replace(&mut *all, changed);
        drop(all);
        drop(old);
    }
}

/// Keeps a listener: when this is dropped, the listener is called no more. Made by
/// [`Circuit::subscribe`](crate::Circuit::subscribe), [`Circuit::subscribe_calls`](crate::Circuit::subscribe_calls), or
/// their like on a registry.
///
/// A call of the listener that another thread has begun by then goes on to its end.
#[must_use = "the listener is called until this is dropped"]
pub struct Subscription {
    end: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Subscription {
    pub(crate) fn new(end: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self {
            end: Some(Box::new(end)),
        }
    }

    /// The same, and more that is done at its end.
    pub(crate) fn then(self, more: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self::new(move || {
            drop(self);
            more();
        })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end();
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}
