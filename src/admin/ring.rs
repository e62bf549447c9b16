//! The last events of all circuits of a registry, for streams to read at their own pace (rule L3).

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use bytes::Bytes;

use super::{boot::boot, json};
use crate::circuit::event::Event;

/// So many are kept.
pub(super) const KEPT: usize = 512;

/// One event, as a stream tells it. It is written by the first that does, for all.
pub(super) struct Kept {
    pub(super) event: Arc<Event>,
    frame: OnceLock<Bytes>,
}

impl Kept {
    pub(super) fn frame(&self) -> Bytes {
        let write = || {
            let (boot, id) = (boot(), self.event.id);
            format!(
                "event: event\nid: {boot}.{id}\ndata: {}\n\n",
                json::event(&self.event)
            )
            .into()
        };
        self.frame.get_or_init(write).clone()
    }
}

/// Who tells an event puts it in and goes on. Nobody is woken.
#[derive(Default)]
pub(super) struct Ring(Mutex<Events>);

#[derive(Default)]
struct Events {
    kept: VecDeque<Arc<Kept>>,
    /// How many there were before those.
    lost: u64,
}

impl Events {
    fn end(&self) -> u64 {
        self.lost + self.kept.len() as u64
    }
}

/// What a reader finds at its place.
pub(super) enum Next {
    Event(Arc<Kept>),
    /// So many that it has not read are gone.
    Lost(u64),
    Nothing,
}

impl Ring {
    fn lock(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, event: &Arc<Event>) {
        let kept = Arc::new(Kept {
            event: event.clone(),
            frame: OnceLock::new(),
        });
        let mut events = self.lock();
        let oldest = match events.kept.len() {
            KEPT => events.kept.pop_front(),
            _ => None,
        };
        events.lost += u64::from(oldest.is_some());
        events.kept.push_back(kept);
        // What an event holds may be somebody else's: it goes after the lock.
        drop(events);
        drop(oldest);
    }

    /// The place behind the newest.
    pub(super) fn end(&self) -> u64 {
        self.lock().end()
    }

    pub(super) fn at(&self, place: u64) -> Next {
        let events = self.lock();
        match place.checked_sub(events.lost) {
            None => Next::Lost(events.lost - place),
            Some(index) => {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                let found = events.kept.get(index).cloned();
                found.map_or(Next::Nothing, Next::Event)
            }
        }
    }

    /// The place behind the event that was told with this id, if it is still there. Two threads that tell at once may
    /// put in the later id first, so this is not the place of the next larger one.
    pub(super) fn behind(&self, last_event_id: &str) -> Option<u64> {
        let (of_boot, id) = last_event_id.split_once('.')?;
        let id: u64 = id.parse().ok().filter(|_| of_boot == boot())?;
        self.find(|event| event.id == id).map(|place| place + 1)
    }

    /// The place of the first of these that is still there.
    pub(super) fn find(&self, is_it: impl Fn(&Event) -> bool) -> Option<u64> {
        let events = self.lock();
        let index = events.kept.iter().position(|kept| is_it(&kept.event))?;
        Some(events.lost + index as u64)
    }

    /// All that are there, oldest first.
    pub(super) fn all(&self) -> Vec<Arc<Kept>> {
        self.lock().kept.iter().cloned().collect()
    }
}
