//! The last events, in the order of their ids (rule L1), and those who read them (rule L3).

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, PoisonError},
    task::Waker,
};

use super::event::{self, Event};
use crate::{
    machine::sync::{Mutex, MutexGuard, Ordering, UnmodelledU64, fence},
    util::panic::catch_panic,
};

/// How many events are held for a reader who is late.
pub(crate) const HELD_FOR_READERS: usize = 256;

/// How many readers are woken for an event. More look by themselves.
const MOST_WAKERS: usize = 16;

/// The last events of one circuit, or of those of a registry.
pub(crate) struct Log {
    kept: Mutex<Kept>,
    /// Whether anything is kept: in one load, which takes no lock.
    wanted: UnmodelledU64,
}

/// What is kept. Whatever leaves it is dropped after the lock is given back: what an event has of the settings is
/// somebody else's code, and so is a waker.
struct Kept {
    /// The oldest first.
    events: VecDeque<Arc<Event>>,
    /// How many came before the oldest.
    before: u64,
    /// How many to keep for whoever asks.
    keep: usize,
    readers: usize,
    next_reader: u64,
    waiting: Vec<(u64, Waker)>,
    ended: bool,
}

impl Log {
    pub(crate) fn new(keep: usize) -> Self {
        let kept = Kept {
            events: VecDeque::new(),
            before: 0,
            keep,
            readers: 0,
            next_reader: 0,
            waiting: Vec::new(),
            ended: false,
        };
        Self {
            wanted: UnmodelledU64::new(u64::from(kept.is_wanted())),
            kept: Mutex::new(kept),
        }
    }

    /// Whether an event is kept that is told now.
    pub(super) fn is_wanted(&self) -> bool {
        // Relaxed: ordered by the fences of `want` and of whoever tells.
        self.wanted.load(Ordering::Relaxed) != 0
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing in here panics, so a poisoned lock is as good.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes who wants events. Whoever looks at the circuit after this either sees what an event tells, or the event
    /// is kept.
    fn want(&self, change: impl FnOnce(&mut Kept)) {
        let mut kept = self.lock();
        change(&mut kept);
        let left = kept.shrink();
        let wanted = u64::from(kept.is_wanted());
        self.wanted.store(wanted, Ordering::Relaxed);
        drop(kept);
        fence(Ordering::SeqCst);
        drop_each(left);
    }

    /// The last that are kept for whoever asks, the oldest first.
    pub(super) fn recent(&self) -> Vec<Arc<Event>> {
        let kept = self.lock();
        let others = kept.events.len().saturating_sub(kept.keep);
        kept.events.iter().skip(others).cloned().collect()
    }

    /// No more will be told.
    pub(super) fn end(&self) {
        let mut kept = self.lock();
        kept.ended = true;
        self.wanted.store(0, Ordering::Relaxed);
        let wakers = mem::take(&mut kept.waiting);
        drop(kept);
        wake(wakers);
    }
}

impl Kept {
    fn is_wanted(&self) -> bool {
        !self.ended && self.most() > 0
    }

    fn most(&self) -> usize {
        match self.readers {
            0 => self.keep,
            _ => self.keep.max(HELD_FOR_READERS),
        }
    }

    /// How many there have been.
    fn so_far(&self) -> u64 {
        self.before + self.events.len() as u64
    }

    /// What has no place any more.
    fn shrink(&mut self) -> Vec<Arc<Event>> {
        let most = self.most();
        let left = self.all_but_the_last(most);
        self.events.shrink_to(most);
        left
    }

    /// What has to make room for it.
    fn push(&mut self, event: &Arc<Event>) -> Vec<Arc<Event>> {
        if !self.is_wanted() {
            return Vec::new();
        }
        let left = self.all_but_the_last(self.most() - 1);
        self.events.push_back(event.clone());
        left
    }

    /// Takes out the oldest, so that no more than so many are left.
    fn all_but_the_last(&mut self, most: usize) -> Vec<Arc<Event>> {
        let over = self.events.len().saturating_sub(most);
        self.before += over as u64;
        self.events.drain(..over).collect()
    }

    fn take_waker(&mut self, reader: u64) -> Option<Waker> {
        let at = self.waiting.iter().position(|(it, _)| *it == reader)?;
        Some(self.waiting.swap_remove(at).1)
    }
}

/// Gives an event its id, and keeps it in these logs: first a circuit's own, then that of its registry.
///
/// The id is taken under the locks of both, so each log is in the order of its ids. Nobody else's code runs meanwhile.
pub(super) fn keep(event: Event, logs: [Option<&Log>; 2]) -> Arc<Event> {
    let mut event = Arc::new(event);
    let mut locked = logs.map(|log| log.map(Log::lock));
    if let Some(event) = Arc::get_mut(&mut event) {
        event.id = event::next_id();
    }
    let left = locked.each_mut().map(|log| {
        let log = log.as_mut()?;
        Some((log.push(&event), mem::take(&mut log.waiting)))
    });
    drop(locked);
    for (left, wakers) in left.into_iter().flatten() {
        wake(wakers);
        drop_each(left);
    }
    event
}

fn wake(wakers: Vec<(u64, Waker)>) {
    for (_, waker) in wakers {
        catch_panic(|| waker.wake());
    }
}

fn drop_each<T>(left: impl IntoIterator<Item = T>) {
    for one in left {
        catch_panic(|| drop(one));
    }
}

/// One who reads a log from some point on.
pub(super) struct Reader {
    log: Arc<Log>,
    number: u64,
    /// How many came before the next one that it reads.
    next: u64,
}

/// What a reader finds.
pub(super) enum Found {
    Event(Arc<Event>),
    /// So many are gone.
    Lost(u64),
    Nothing,
    End,
}

impl Reader {
    pub(super) fn new(log: &Arc<Log>) -> Self {
        let (mut number, mut next) = (0, 0);
        log.want(|kept| {
            kept.readers += 1;
            (number, next) = (kept.next_reader, kept.so_far());
            kept.next_reader += 1;
        });
        Self {
            log: log.clone(),
            number,
            next,
        }
    }

    pub(super) fn read(&mut self) -> Found {
        let kept = self.log.lock();
        let found = self.find(&kept);
        drop(kept);
        match &found {
            Found::Event(_) => self.next += 1,
            Found::Lost(lost) => self.next += lost,
            Found::Nothing | Found::End => {}
        }
        found
    }

    fn find(&self, kept: &Kept) -> Found {
        let Some(at) = self.next.checked_sub(kept.before) else {
            return Found::Lost(kept.before - self.next);
        };
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        match kept.events.get(at) {
            Some(event) => Found::Event(event.clone()),
            None if kept.ended => Found::End,
            None => Found::Nothing,
        }
    }

    /// Has `waker` woken for the next event, unless that is there, or there is no place.
    pub(super) fn wait(&self, waker: &Waker) -> Wait {
        // Somebody else's code, as its drop is.
        let waker = waker.clone();
        let mut kept = self.log.lock();
        let old = kept.take_waker(self.number);
        let wait = match self.find(&kept) {
            Found::Nothing if kept.waiting.len() < MOST_WAKERS => {
                kept.waiting.push((self.number, waker));
                Wait::Placed
            }
            Found::Nothing => Wait::NoPlace,
            _ => Wait::Missed,
        };
        drop(kept);
        drop_each(old);
        wait
    }

    /// It waits no more.
    pub(super) fn wait_no_more(&self) {
        let mut kept = self.log.lock();
        let left = kept.take_waker(self.number);
        drop(kept);
        drop_each(left);
    }
}

/// What comes of wanting to wait.
pub(super) enum Wait {
    /// The waker is woken.
    Placed,
    /// It is not: so many are already.
    NoPlace,
    /// There is something by now.
    Missed,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.wait_no_more();
        self.log.want(|kept| kept.readers -= 1);
    }
}
