//! [`Recordings`]: the places for bodies that are being recorded.

use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::shared::Shared;

/// As many bodies may be recorded at once.
const PLACES: usize = 64;
/// In nanoseconds. A body that takes longer loses its place to another, if all are taken: or who reads slowly could
/// keep anything from being kept.
const LONG: u64 = 10_000_000_000;

/// A lock for each place, which nobody waits for but who takes a place of somebody slow.
#[derive(Debug)]
pub(super) struct Recordings {
    places: [Mutex<Option<Taken>>; PLACES],
    last: AtomicU64,
}

#[derive(Debug)]
struct Taken {
    number: u64,
    since: u64,
    body: Vec<u8>,
}

impl Recordings {
    pub(super) fn new() -> Self {
        Self {
            places: [const { Mutex::new(None) }; PLACES],
            last: AtomicU64::new(0),
        }
    }

    /// How many places are taken.
    pub(super) fn count(&self) -> usize {
        self.places
            .iter()
            .filter(|place| lock(place).is_some())
            .count()
    }

    /// Puts it into a place that is free, or else of somebody slow. What was in it is returned, to be dropped after.
    fn put(&self, taken: Taken) -> Option<(usize, Option<Taken>)> {
        let now = taken.since;
        let free = self.find(|there| there.is_none());
        let slow = |there: &Option<Taken>| {
            there
                .as_ref()
                .is_none_or(|there| now.saturating_sub(there.since) > LONG)
        };
        let (at, mut place) = free.or_else(|| self.find(slow))?;
        Some((at, place.replace(taken)))
    }

    /// A place that somebody is just writing into is neither free nor slow.
    fn find(
        &self,
        fits: impl Fn(&Option<Taken>) -> bool,
    ) -> Option<(usize, MutexGuard<'_, Option<Taken>>)> {
        let mut places = self.places.iter().enumerate();
        places.find_map(|(at, place)| Some((at, place.try_lock().ok().filter(|it| fits(it))?)))
    }
}

/// Nothing that could panic is done under the lock.
fn lock(place: &Mutex<Option<Taken>>) -> MutexGuard<'_, Option<Taken>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Leave to record a body, until somebody else gets the place.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    at: usize,
    number: u64,
}

impl Place {
    /// With room for so much, from the start. `None` if all are taken.
    pub(super) fn take(shared: &Arc<Shared>, now: u64, room: usize) -> Option<Self> {
        let recordings = &shared.recordings;
        // Relaxed: only that no two are the same matters.
        let number = recordings.last.fetch_add(1, Ordering::Relaxed);
        let (at, before) = recordings.put(Taken {
            number,
            since: now,
            body: Vec::with_capacity(room),
        })?;
        drop(before);
        Some(Self {
            shared: shared.clone(),
            at,
            number,
        })
    }

    /// Records some more. False if that is too much, or somebody else has the place.
    pub(super) fn add(&self, data: &[u8]) -> bool {
        let limit = self.shared.rules.body_limit;
        self.with(|taken| add(&mut taken.body, data, limit))
            .unwrap_or(false)
    }

    /// How much there is. `None` if somebody else has the place.
    pub(super) fn length(&self) -> Option<u64> {
        self.with(|taken| taken.body.len() as u64)
    }

    /// What was recorded. `None` if somebody else has the place.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        self.with(|taken| mem::take(&mut taken.body))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Taken) -> T) -> Option<T> {
        let mut place = lock(&self.shared.recordings.places[self.at]);
        place
            .as_mut()
            .filter(|taken| taken.number == self.number)
            .map(work)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut place = lock(&self.shared.recordings.places[self.at]);
        let own = place.take_if(|taken| taken.number == self.number);
        drop(place);
        drop(own);
    }
}

/// Whether there is room for it.
fn add(body: &mut Vec<u8>, data: &[u8], limit: u64) -> bool {
    let length = body.len() + data.len();
    if length as u64 > limit {
        return false;
    }
    if length > body.capacity() {
        // Twice as much, as ever, but no more than there may be.
        let twice = (body.capacity() * 2).max(length);
        let room = usize::try_from(limit).map_or(twice, |limit| twice.min(limit));
        body.reserve_exact(room - body.len());
    }
    body.extend_from_slice(data);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    // M4
    #[test]
    fn a_body_gets_twice_the_room_each_time_and_never_more_than_there_may_be() {
        let mut body = Vec::with_capacity(10);
        // What was announced fits without another copy.
        let pieces = [
            (4, 10),
            (6, 10),
            (1, 20),
            (10, 40),
            (20, 80),
            (39, 80),
            (1, 100),
            (19, 100),
        ];
        for (length, room) in pieces {
            assert!(add(&mut body, &vec![0; length], 100));
            assert_eq!(body.capacity(), room, "of {}", body.len());
        }
        assert!(!add(&mut body, &[0], 100));
        assert_eq!((body.len(), body.capacity()), (100, 100));
    }
}
