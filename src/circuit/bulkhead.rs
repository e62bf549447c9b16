//! The bulkhead of a circuit (rule M2): at most so many calls at once, and at most a wait for a place among them.
//!
//! The places are a semaphore of tokio's, which hands them out in the order of those who wait and takes back what a
//! dropped wait was just given. What is ours is that their number changes while calls are under way. Where fewer are
//! left free than are to go, the rest is *owed*: who gives a place back settles that first, and so does who has got
//! one that came free just before.
//!
//! It is made when it is first needed, beside the circuit.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{
    error::Rejected,
    handle::Circuit,
    limit, nesting,
    parts::{BulkheadNow, PartCounters},
};
use crate::{
    machine::{
        Numbers, Refusal,
        sync::{AtomicU64, Mutex, Ordering, fence},
    },
    util::panic::catch_panic,
};

/// A place in the [bulkhead](crate::CircuitBuilder::bulkhead) of a circuit, for one call (rule M2). It is given back
/// when this is dropped. Made by [`Circuit::try_enter`] and [`Circuit::enter`].
///
/// If there is no bulkhead, it takes no place. Nor does it for a part of another call of the circuit (rule D8).
#[must_use = "a place that is dropped is given back"]
pub struct Place {
    /// Whose it is, if it counts. A circuit of a registry stays there for it (rule I5).
    circuit: Option<Circuit>,
}

impl Place {
    /// One that counts for nothing.
    fn for_nothing() -> Self {
        Self { circuit: None }
    }
}

impl Drop for Place {
    #[inline]
    fn drop(&mut self) {
        if let Some(circuit) = &self.circuit {
            circuit.places_made().give_back();
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place")
            .field("circuit", &self.circuit.as_ref().map(Circuit::name))
            .finish()
    }
}

/// Why a call has no place yet.
pub(crate) enum NotIn {
    /// It gets none.
    Rejected(Rejected),
    /// It may wait for one, for so long.
    MayWait(Duration),
}

/// A call waits for its place. It is boxed, because most calls never do.
pub(crate) type Waiting = Pin<Box<dyn Future<Output = Result<Place, Rejected>> + Send + Sync>>;

/// For calls without Tower. With it, a [`BulkheadLayer`](crate::BulkheadLayer) does this.
impl Circuit {
    /// Takes a place in the [bulkhead](crate::CircuitBuilder::bulkhead) without waiting for one (rule M2). Hold it
    /// while you make a call.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_breaker::{Circuit, Reason};
    /// # async fn query() -> Result<u32, std::io::Error> { Ok(1) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let circuit = Circuit::builder("database").bulkhead(1, Duration::ZERO).build()?;
    /// let place = circuit.try_enter()?;
    /// assert_eq!(circuit.try_enter().unwrap_err().reason(), Reason::BulkheadFull);
    ///
    /// let row = circuit.call(query()).await?;
    /// drop(place);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// **Watch out:** take the place before the call, and not within it. Within, it is part of the call (rule D8), and
    /// counts for nothing:
    ///
    /// ```text
    /// circuit.call(async { let _place = circuit.try_enter()?; query().await }).await      // wrong: no limit at all
    /// let _place = circuit.try_enter()?; circuit.call(query()).await                      // right
    /// ```
    ///
    /// # Errors
    ///
    /// [`Rejected`] if no place is free, or if there is a bulkhead and the circuit would reject the call. The rejection
    /// is counted, and you must not make the call.
    pub fn try_enter(&self) -> Result<Place, Rejected> {
        self.ask_in().map_err(|not_in| match not_in {
            NotIn::Rejected(rejected) => rejected,
            NotIn::MayWait(_) => self.reject_as_full(),
        })
    }

    /// Like [`try_enter`](Self::try_enter), but waits for a place, for as long as the
    /// [bulkhead](crate::CircuitBuilder::bulkhead) setting says. Those who wait get places in the order in which they
    /// came.
    ///
    /// Cancel safe: if it is dropped, at any time, it leaves nothing behind.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if there was no place in time, or if the circuit begins to reject meanwhile.
    ///
    /// # Panics
    ///
    /// If it has to wait and there is no tokio runtime with time enabled.
    pub async fn enter(&self) -> Result<Place, Rejected> {
        match self.ask_in() {
            Ok(place) => Ok(place),
            Err(NotIn::Rejected(rejected)) => Err(rejected),
            Err(NotIn::MayWait(at_most)) => self.clone().wait_for_place(at_most).await,
        }
    }
}

/// For the rest of the crate.
impl Circuit {
    /// A place, if there is one. A circuit that rejects has none: nobody is to be kept out by a call that goes nowhere.
    #[inline]
    pub(crate) fn ask_in(&self) -> Result<Place, NotIn> {
        let Some(places) = self.places() else {
            return Ok(Place::for_nothing());
        };
        if nesting::is_any() && nesting::is_called(self.identity()) {
            return Ok(Place::for_nothing());
        }
        if !self.is_rejecting() && places.try_take() {
            return Ok(self.place_taken());
        }
        self.not_in(places)
    }

    /// No place was free, or the circuit rejects.
    #[cold]
    #[inline(never)]
    fn not_in(&self, places: &Places) -> Result<Place, NotIn> {
        if let Some(refusal) = self.refusal() {
            return Err(NotIn::Rejected(self.rejected(refusal)));
        }
        // It has just begun to admit, or a place has just come free.
        if places.try_take() {
            return Ok(self.place_taken());
        }
        let at_most = Duration::from_nanos(self.core().numbers().bulkhead_wait);
        Err(match at_most.is_zero() {
            true => NotIn::Rejected(self.reject_as_full()),
            false => NotIn::MayWait(at_most),
        })
    }

    /// Waits for a place: at most so long, and not while the circuit rejects. Its turn begins with its first poll.
    pub(crate) async fn wait_for_place(self, at_most: Duration) -> Result<Place, Rejected> {
        let rejected = {
            let places = self.places_made();
            let _waits = places.wait();
            let mut taken = pin!(places.take());
            let mut refused = pin!(self.refused());
            let mut over = pin!(limit::sleep(at_most));
            let step = |context: &mut Context<'_>| {
                if taken.as_mut().poll(context).is_ready() {
                    return Poll::Ready(None);
                }
                if let Poll::Ready(refusal) = refused.as_mut().poll(context) {
                    return Poll::Ready(Some(self.rejected(refusal)));
                }
                let over = over.as_mut().poll(context);
                over.map(|()| Some(self.reject_as_full()))
            };
            poll_fn(step).await
        };
        match rejected {
            Some(rejected) => Err(rejected),
            None => Ok(self.place_taken()),
        }
    }

    /// Waits in line for a place, for as long as it takes (rule M7). `None` once the circuit rejects, of which nobody
    /// is told: no call was made yet.
    #[cfg(feature = "degrade")]
    pub(crate) async fn wait_in_line(&self) -> Option<Place> {
        let Some(places) = self.places() else {
            return Some(Place::for_nothing());
        };
        if places.try_take() {
            return Some(self.place_taken());
        }
        let _waits = places.wait();
        let (mut taken, mut refused) = (pin!(places.take()), pin!(self.refused()));
        poll_fn(|context| match taken.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(self.place_taken())),
            Poll::Pending => refused.as_mut().poll(context).map(|_| None),
        })
        .await
    }

    /// Waits until a call would be rejected by the circuit itself.
    async fn refused(&self) -> Refusal {
        loop {
            // Before the look at the circuit, so that nothing that happens after it is missed.
            let rejecting = self.observers().rejecting();
            if let Some(refusal) = self.refusal() {
                return refusal;
            }
            rejecting.await;
        }
    }

    /// After its settings have changed: there are as many places as they say, before anybody hears of it.
    pub(super) fn resize_bulkhead(&self) {
        // Pairs with that of `make_places`: either these places are seen here, or these settings there.
        fence(Ordering::SeqCst);
        if let Some(places) = self.places_if_made() {
            places.resize(|| size(&self.core().numbers()));
        }
    }

    #[inline]
    fn place_taken(&self) -> Place {
        Place {
            circuit: Some(self.clone()),
        }
    }

    /// The places, while there is a bulkhead.
    #[inline]
    fn places(&self) -> Option<&Places> {
        match self.places_if_made() {
            Some(places) => (!places.is_off()).then_some(places),
            None => self.make_places(),
        }
    }

    #[inline]
    fn places_if_made(&self) -> Option<&Places> {
        self.parts_if_any().and_then(PartCounters::places)
    }

    #[inline]
    fn places_made(&self) -> &Places {
        self.places_if_made().expect("one was taken")
    }

    /// Makes them, if there is a bulkhead.
    #[cold]
    fn make_places(&self) -> Option<&Places> {
        let size = size(&self.core().numbers());
        if size == UNLIMITED {
            return None;
        }
        let places = self.parts().places_or_new(|| Places::new(size));
        self.resize_bulkhead();
        Some(places)
    }
}

/// While there is no bulkhead there are so many, and nobody takes one: who waited for one is let in.
const UNLIMITED: u64 = Semaphore::MAX_PERMITS as u64;

/// How many places the settings say.
fn size(numbers: &Numbers) -> u64 {
    match numbers.bulkhead {
        0 => UNLIMITED,
        places => places,
    }
}

/// What places are taken from. A model has one of its own.
pub(crate) trait Free {
    fn new(free: u64) -> Self;

    /// How many there are.
    fn count(&self) -> u64;

    fn try_take(&self) -> bool;

    /// There are so many more, for those who wait first of all.
    fn add(&self, more: u64);

    /// There are so many fewer, if there are so many. Says how many.
    fn forget(&self, fewer: u64) -> u64;
}

impl Free for Semaphore {
    fn new(free: u64) -> Self {
        Self::new(as_usize(free))
    }

    fn count(&self) -> u64 {
        self.available_permits() as u64
    }

    #[inline]
    fn try_take(&self) -> bool {
        self.try_acquire().map(|permit| permit.forget()).is_ok()
    }

    #[inline]
    fn add(&self, more: u64) {
        self.add_permits(as_usize(more));
    }

    fn forget(&self, fewer: u64) -> u64 {
        self.forget_permits(as_usize(fewer)) as u64
    }
}

/// It came from one.
fn as_usize(permits: u64) -> usize {
    usize::try_from(permits).expect("at most `MAX_PERMITS`")
}

/// The places of one circuit.
pub(crate) struct Places<F = Semaphore> {
    /// Those and the taken ones are as many as `size` and `owed` together.
    free: F,
    /// How many there are to be.
    size: AtomicU64,
    /// How many are to go as soon as they are given back.
    owed: AtomicU64,
    waiting: AtomicU64,
    /// Keeps apart those who resize. Calls never take it.
    resizing: Mutex<()>,
}

impl<F: Free> Places<F> {
    pub(super) fn new(size: u64) -> Self {
        Self {
            free: F::new(size),
            size: AtomicU64::new(size),
            owed: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            resizing: Mutex::new(()),
        }
    }

    /// Relaxed: whoever has turned it off or on lets in, or keeps out, by the places.
    #[inline]
    fn is_off(&self) -> bool {
        self.size.load(Ordering::Relaxed) == UNLIMITED
    }

    /// Takes one that is free. Who waits has got it before it was.
    #[inline]
    pub(super) fn try_take(&self) -> bool {
        while self.free.try_take() {
            if !self.settles_one() {
                return true;
            }
        }
        false
    }

    #[inline]
    pub(super) fn give_back(&self) {
        if !self.settles_one() {
            self.add(1);
        }
    }

    /// A waker is somebody else's code, and a place may be given back while a panic unwinds.
    #[inline]
    fn add(&self, more: u64) {
        catch_panic(|| self.free.add(more));
    }

    /// Whether a place is owed, which then goes, and is owed no more.
    #[inline]
    fn settles_one(&self) -> bool {
        self.owed.load(Ordering::Acquire) > 0 && self.settle(1) == 1
    }

    /// So many that were owed are not any more, or as many as there were.
    #[cold]
    fn settle(&self, at_most: u64) -> u64 {
        let mut owed = self.owed.load(Ordering::Acquire);
        loop {
            let settled = owed.min(at_most);
            if settled == 0 {
                return 0;
            }
            let left = owed - settled;
            let swap = self
                .owed
                .compare_exchange(owed, left, Ordering::AcqRel, Ordering::Acquire);
            match swap {
                Ok(_) => return settled,
                Err(now) => owed = now,
            }
        }
    }

    /// From now on there are as many as `size` says. It is asked while nobody else resizes, so that the last to do so
    /// has seen the last change.
    pub(super) fn resize(&self, size: impl FnOnce() -> u64) {
        let resizing = self.resizing.lock();
        // Nobody panics under it half-way, so a poisoned lock is as good.
        let _resizing = resizing.unwrap_or_else(std::sync::PoisonError::into_inner);
        let (old, new) = (self.size.load(Ordering::Relaxed), size());
        self.size.store(new, Ordering::Relaxed);
        if new >= old {
            let more = new - old;
            let not_owed = more - self.settle(more);
            self.add(not_owed);
        } else {
            let fewer = old - new;
            let owed = fewer - self.free.forget(fewer);
            self.owed.fetch_add(owed, Ordering::AcqRel);
        }
    }

    /// What there is to see. Places that change hands meanwhile may be counted on either side.
    pub(super) fn look(&self) -> BulkheadNow {
        let size = self.size.load(Ordering::Relaxed);
        let all = size.saturating_add(self.owed.load(Ordering::Relaxed));
        BulkheadNow {
            places: (size != UNLIMITED).then_some(size),
            taken: all.saturating_sub(self.free.count()),
            waiting: self.waiting.load(Ordering::Relaxed),
            rejected: 0,
        }
    }

    /// Counts one more who waits, until what this returns is dropped.
    fn wait(&self) -> Waits<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waits(&self.waiting)
    }
}

impl Places {
    /// Waits for one. It is taken in the poll that is ready, and in none before.
    async fn take(&self) {
        loop {
            let permit = self.free.acquire().await.expect("it is never closed");
            permit.forget();
            if !self.settles_one() {
                return;
            }
        }
    }
}

/// Somebody waits.
struct Waits<'a>(&'a AtomicU64);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
