//! [`Memory`]: a store in the memory of this process.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    future::{Future, ready},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::sync::Notify;

use super::{
    store::{Answer, Store, StoreError, Why},
    table::Table,
    wire::{Decide, Decided, Done, Exchange, Exchanged, Key, MOST_LOOKS, Odd, Place, Proposal},
};
use crate::circuit::clock::{CircuitClock, Clock};

/// The time of a store in memory begins here, in milliseconds: in 2039. No wall clock is read.
const BEGINNING: u64 = 1 << 41;

/// A store in memory: for tests, for examples, and for circuits of one name within one process. It does what the store
/// on Redis does, but its content is lost when the process ends.
///
/// Clones are the same store. Give each fleet a clone of its own. That is how the store counts who has heard of a
/// decision.
///
/// ```
/// use tower_breaker::fleet::{Memory, contract};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// contract::check(async || Memory::new(), tokio::time::sleep).await;
/// # }
/// ```
///
/// Its time is tokio's, which tests can pause, or that of [another clock](Self::with_clock). It counts since the store
/// was made.
pub struct Memory {
    shared: Arc<Shared>,
    ear: Arc<Ear>,
}

struct Shared {
    clock: CircuitClock,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    tables: Tables,
    ears: Vec<Weak<Ear>>,
}

type Tables = HashMap<Place, Table>;

/// Who listens for hints.
#[derive(Default)]
struct Ear {
    bell: Notify,
    hears: Mutex<Hears>,
}

#[derive(Default)]
struct Hears {
    places: HashSet<Place>,
    ever: bool,
}

/// What was in a [`Memory`]: [`Memory::save`].
#[derive(Clone)]
pub struct Saved(Tables);

impl Memory {
    /// Makes an empty store that goes by tokio's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with(CircuitClock::tokio())
    }

    /// Makes an empty store that goes by this clock. If the clock panics now, tokio's is taken instead.
    #[must_use]
    pub fn with_clock(clock: impl Clock) -> Self {
        let clock = CircuitClock::custom(Arc::new(clock));
        Self::with(clock.unwrap_or_else(CircuitClock::tokio))
    }

    fn with(clock: CircuitClock) -> Self {
        let kept = Mutex::default();
        Self::heard_by(Arc::new(Shared { clock, kept }))
    }

    fn heard_by(shared: Arc<Shared>) -> Self {
        let ear = Arc::default();
        shared.lock().ears.push(Arc::downgrade(&ear));
        Self { shared, ear }
    }

    /// Forgets everything, as a server does that was started anew.
    pub fn clear(&self) {
        self.shared.lock().tables.clear();
    }

    /// Copies what is in the store now.
    #[must_use]
    pub fn save(&self) -> Saved {
        Saved(self.shared.lock().tables.clone())
    }

    /// Forgets what was decided and said since, as happens if a replica takes over that had not heard of it yet.
    pub fn forget_since(&self, saved: &Saved) {
        self.shared.lock().tables.clone_from(&saved.0);
    }

    /// Makes what is known of a circuit unreadable, as somebody else could who writes into a store.
    pub fn garble(&self, place: &Place, name: &Key) {
        self.shared.lock().table(place).garble(name);
    }
}

impl Shared {
    /// A panic in here leaves no table half written that matters: each is numbers, and was looked at before.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        BEGINNING.saturating_add(self.clock.now() / 1_000_000)
    }
}

impl Kept {
    fn table(&mut self, place: &Place) -> &mut Table {
        if !self.tables.contains_key(place) {
            self.tables.insert(place.clone(), Table::default());
        }
        self.tables.get_mut(place).expect("it is there")
    }

    /// Tells all who have to do with this place. How many.
    fn ring(&mut self, place: &Place) -> u64 {
        let mut told = 0;
        self.ears.retain(|ear| {
            let ear = ear.upgrade();
            told += ear.as_ref().map_or(0, |ear| u64::from(ear.ring(place)));
            ear.is_some()
        });
        told
    }

    fn decide(&mut self, now: u64, ask: &Decide) -> Result<Decided, Odd> {
        let table = self.table(&ask.place);
        let before = table.log.newest();
        let mut decided = table.decide(now, ask)?;
        let turned = table.log.newest() != before;
        let freed = matches!(ask.what, Proposal::Results { .. });
        let done = decided.done == Done::Yes;
        if turned || (done && freed) {
            let heard = self.ring(&ask.place);
            decided.heard = (done && turned).then_some(heard);
        }
        Ok(decided)
    }

    fn exchange(&mut self, now: u64, ask: &Exchange) -> Exchanged {
        let table = self.table(&ask.place);
        let before = table.log.newest();
        let exchanged = table.exchange(now, ask);
        if table.log.newest() != before {
            self.ring(&ask.place);
        }
        exchanged
    }
}

impl Ear {
    fn lock(&self) -> MutexGuard<'_, Hears> {
        self.hears.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hears(&self, place: &Place) {
        let mut hears = self.lock();
        if !hears.places.contains(place) {
            hears.places.insert(place.clone());
        }
    }

    fn ring(&self, place: &Place) -> bool {
        let hears = self.lock();
        let is_told = hears.ever && hears.places.contains(place);
        if is_told {
            self.bell.notify_one();
        }
        is_told
    }
}

impl Store for Memory {
    fn exchange<'a>(&'a self, ask: &'a Exchange) -> Answer<'a, Exchanged> {
        self.ear.hears(&ask.place);
        let now = self.shared.now();
        let fits = ask.circuits.len() <= MOST_LOOKS;
        let exchanged = fits.then(|| self.shared.lock().exchange(now, ask));
        let too_many = || StoreError::new(Why::Nonsense, "too many circuits in one exchange");
        Box::pin(ready(exchanged.ok_or_else(too_many)))
    }

    fn decide<'a>(&'a self, ask: &'a Decide) -> Answer<'a, Decided> {
        self.ear.hears(&ask.place);
        let now = self.shared.now();
        let decided = self.shared.lock().decide(now, ask);
        let odd = |odd: Odd| StoreError::new(Why::Nonsense, odd.text.as_str());
        Box::pin(ready(decided.map_err(odd)))
    }

    fn hint(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.ear.lock().ever = true;
        // Two hints that nobody has waited for are one.
        Box::pin(self.ear.bell.notified())
    }
}

impl Clone for Memory {
    fn clone(&self) -> Self {
        Self::heard_by(Arc::clone(&self.shared))
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.shared.lock().tables.len();
        f.debug_struct("Memory").field("tables", &tables).finish()
    }
}

impl fmt::Debug for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saved").finish_non_exhaustive()
    }
}
