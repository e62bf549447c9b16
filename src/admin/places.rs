//! How many streams there may be.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::util::size::size;

/// A client that has read nothing for so long gives its place to another, if there is no other.
const PATIENCE: Duration = Duration::from_secs(60);

/// The places of streams.
pub(super) struct Places {
    most: usize,
    taken: Mutex<All>,
}

/// By a number that each has for itself.
#[derive(Default)]
struct All {
    taken: BTreeMap<u64, Arc<Taken>>,
    next: u64,
}

struct Taken {
    read_at: Mutex<Instant>,
    lost: AtomicBool,
}

impl Taken {
    fn read_at(&self) -> MutexGuard<'_, Instant> {
        self.read_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one stream. It is given back when this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    taken: Arc<Taken>,
}

impl Places {
    pub(super) fn new(most: u32) -> Self {
        Self {
            most: size(most),
            taken: Mutex::default(),
        }
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more, if there is one, or a client that reads nothing has one.
    pub(super) fn take(this: &Arc<Self>, now: Instant) -> Option<Place> {
        let mut all = this.all();
        if all.taken.len() >= this.most {
            let (longest, taken) = all.taken.iter().min_by_key(|(_, it)| *it.read_at())?;
            if now.saturating_duration_since(*taken.read_at()) < PATIENCE {
                return None;
            }
            let longest = *longest;
            if let Some(taken) = all.taken.remove(&longest) {
                taken.lost.store(true, Ordering::Relaxed);
            }
        }
        let taken = Arc::new(Taken {
            read_at: Mutex::new(now),
            lost: AtomicBool::new(false),
        });
        let number = all.next;
        all.next += 1;
        all.taken.insert(number, taken.clone());
        Some(Place {
            places: this.clone(),
            number,
            taken,
        })
    }
}

impl Place {
    /// To be told whenever the client is ready for more. Whether the place is still its own.
    pub(super) fn keep(&self, now: Instant) -> bool {
        *self.taken.read_at() = now;
        !self.taken.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.all().taken.remove(&self.number);
    }
}
