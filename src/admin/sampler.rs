//! Looks at all circuits, once a second, for all who watch (rule L3).
//!
//! No task runs. Whoever watches comes by four times a second, and the first who finds that a second is over makes the
//! pass. What it finds is written once, and all send the same bytes. A pass is made in pieces, so that a thousand
//! circuits hold up nobody's calls: whoever comes by while one is under way makes the next piece. Where nobody watches,
//! nothing is done.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    time::Duration,
    vec,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    answer::PIECE, history::SECONDS, known::AllKnown, listing::Listing, pass::Pass, ring::Ring,
};
use crate::{
    circuit::{listeners::Subscription, name::Name},
    registry::{Registry, WeakRegistry},
};

const SECOND: Duration = Duration::from_secs(1);

/// After so long without a pass, nobody has watched: what has come since is of no second.
const GAP: Duration = Duration::from_secs(3);

/// So many passes are kept for those who come late.
const KEPT: usize = 8;

pub(super) struct Sampler {
    registry: WeakRegistry,
    pub(super) ring: Arc<Ring>,
    /// Who holds it makes a piece of a pass, or of a list.
    sampling: Mutex<Sampling>,
    /// The last passes.
    passes: Mutex<VecDeque<Arc<Pass>>>,
    /// Here, because a stream goes on when its router is gone.
    _events: Subscription,
}

/// What there is for a stream that knows one pass.
pub(super) enum Next {
    Pass(Arc<Pass>),
    /// The one after it is kept no more.
    Missed,
    Nothing,
}

/// What came of a piece of work.
pub(super) enum Looked<T> {
    Done(T),
    /// There is more to do, after others have had their turn.
    More,
    /// Somebody else is at it.
    Busy,
    /// There is no registry any more.
    Gone,
}

impl Sampler {
    pub(super) fn new(registry: &Registry) -> Self {
        let ring = Arc::<Ring>::default();
        let told = ring.clone();
        Self {
            registry: registry.downgrade(),
            ring,
            sampling: Mutex::default(),
            passes: Mutex::default(),
            _events: registry.subscribe_events(move |_, event| told.push(event)),
        }
    }

    /// Makes a piece of what is to be done by now, if nobody does.
    pub(super) fn tick(&self, now: Instant) -> Looked<()> {
        self.work(now, |_, _| Some(()))
    }

    /// Every circuit with its history, or one, and the pass after which that was so.
    pub(super) fn list(&self, only: Option<&Name>, now: Instant) -> Looked<(Arc<Pass>, Bytes)> {
        self.work(now, |sampling, registry| {
            let pass = self.passes().back()?.clone();
            let list = match only {
                None => sampling.list_after(&pass, registry)?,
                Some(name) => {
                    let mut list = Listing::new(&pass, vec![name.clone()], &sampling.watched);
                    list.piece(&sampling.known, registry);
                    list.end()
                }
            };
            Some((pass, list))
        })
    }

    /// Goes on with what is under way, and then with what is due, until `then` has what it needs or others have to have
    /// their turn. It is asked once there has been a pass, and begins what it lacks.
    fn work<T>(
        &self,
        now: Instant,
        mut then: impl FnMut(&mut Sampling, &Registry) -> Option<T>,
    ) -> Looked<T> {
        let Some(registry) = self.registry.upgrade() else {
            return Looked::Gone;
        };
        let Some(mut sampling) = self.try_sampling() else {
            return Looked::Busy;
        };
        loop {
            if let Some(pass) = sampling.go_on(&registry) {
                self.keep(pass);
            }
            if sampling.is_at_work() {
                return Looked::More;
            }
            if sampling.is_due(now) {
                sampling.begin_pass(&registry, self.ring.end(), now);
                continue;
            }
            if let Some(done) = then(&mut sampling, &registry) {
                return Looked::Done(done);
            }
        }
    }

    /// The pass after this one.
    pub(super) fn after(&self, number: u64) -> Next {
        let passes = self.passes();
        let oldest = passes.front().map_or(0, |pass| pass.number);
        match passes.iter().find(|pass| pass.number > number) {
            Some(_) if oldest > number + 1 => Next::Missed,
            Some(pass) => Next::Pass(pass.clone()),
            None => Next::Nothing,
        }
    }

    fn keep(&self, pass: Pass) {
        let mut passes = self.passes();
        let oldest = match passes.len() {
            KEPT => passes.pop_front(),
            _ => None,
        };
        passes.push_back(Arc::new(pass));
        drop(passes);
        drop(oldest);
    }

    fn try_sampling(&self) -> Option<MutexGuard<'_, Sampling>> {
        match self.sampling.try_lock() {
            Ok(sampling) => Some(sampling),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn passes(&self) -> MutexGuard<'_, VecDeque<Arc<Pass>>> {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Sampling {
    number: u64,
    times: Option<Times>,
    /// The seconds in which somebody watched, from and to, oldest first.
    watched: VecDeque<(u64, u64)>,
    known: AllKnown,
    work: Work,
    /// The last list of all circuits, and the number of the pass that it is of.
    listed: Option<(u64, Bytes)>,
}

/// What is under way. No list is made while a pass is: it would have seconds in it that the pass has yet to tell.
#[derive(Default)]
enum Work {
    #[default]
    Nothing,
    Pass(Passing),
    List(Listing),
}

/// A pass that is under way.
struct Passing {
    pass: Pass,
    /// Those that it has yet to look at.
    names: vec::IntoIter<Name>,
    counts_go_on: bool,
}

#[derive(Clone, Copy)]
struct Times {
    first: Instant,
    last: Instant,
    due: Instant,
}

impl Sampling {
    fn is_due(&self, now: Instant) -> bool {
        self.times.is_none_or(|times| now >= times.due)
    }

    /// Whether those that were counted before this have been counted lately.
    fn advance(&mut self, now: Instant) -> bool {
        let old = self.times;
        let on_time = old.filter(|old| now < old.due + SECOND);
        self.times = Some(Times {
            first: old.map_or(now, |old| old.first),
            last: now,
            due: on_time.map_or(now, |old| old.due) + SECOND,
        });
        self.number += 1;
        old.is_some_and(|old| now.saturating_duration_since(old.last) < GAP)
    }

    fn second(&self, now: Instant) -> u64 {
        let since = |times: Times| now.saturating_duration_since(times.first);
        self.times.map_or(0, |times| since(times).as_secs())
    }

    /// Where nobody watched there were no calls to be seen, which is not the same as no calls.
    fn watch(&mut self, goes_on: bool, second: u64) {
        match self.watched.back_mut().filter(|_| goes_on) {
            Some((_, to)) => *to = second,
            None => self.watched.push_back((second, second)),
        }
        while self
            .watched
            .front()
            .is_some_and(|(_, to)| to + SECONDS < second)
        {
            self.watched.pop_front();
        }
    }

    fn is_at_work(&self) -> bool {
        !matches!(self.work, Work::Nothing)
    }

    fn begin_pass(&mut self, registry: &Registry, events: u64, now: Instant) {
        let counts_go_on = self.advance(now);
        self.watch(counts_go_on, self.second(now));
        let pass = Pass::new(self.number, self.second(now), events);
        self.work = Work::Pass(Passing {
            pass,
            names: registry.names().into_iter(),
            counts_go_on,
        });
    }

    /// Makes a piece of what is under way. The pass, if that was the last of one.
    fn go_on(&mut self, registry: &Registry) -> Option<Pass> {
        let is_whole = match &mut self.work {
            Work::Nothing => return None,
            Work::Pass(passing) => passing.piece(&mut self.known, registry),
            Work::List(listing) => listing.piece(&self.known, registry),
        };
        if !is_whole {
            return None;
        }
        match mem::take(&mut self.work) {
            Work::Pass(mut passing) => {
                self.known.forget(&mut passing.pass);
                return Some(passing.pass);
            }
            Work::List(listing) => self.listed = Some((listing.of_pass, listing.end())),
            Work::Nothing => {}
        }
        None
    }

    /// The list of all circuits after this pass, if there is one. Else it is begun.
    fn list_after(&mut self, pass: &Pass, registry: &Registry) -> Option<Bytes> {
        match &self.listed {
            Some((number, list)) if *number == pass.number => Some(list.clone()),
            _ => {
                self.work = Work::List(Listing::new(pass, registry.names(), &self.watched));
                None
            }
        }
    }
}

impl Passing {
    /// Looks at some more circuits. Whether that were the last.
    fn piece(&mut self, known: &mut AllKnown, registry: &Registry) -> bool {
        for name in self.names.by_ref().take(PIECE) {
            if let Some(circuit) = registry.get(&name) {
                known.look(&mut self.pass, registry, &circuit, self.counts_go_on);
            }
        }
        self.names.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After looks at these times, in milliseconds since the first.
    fn sampled<T>(looks: &[u64], seen: impl Fn(&Sampling) -> T) -> Vec<T> {
        let registry = Registry::builder().build().expect("valid");
        let sampler = Sampler::new(&registry);
        let began = Instant::now();
        let look = |at: &u64| {
            let looked = sampler.tick(began + Duration::from_millis(*at));
            assert!(matches!(looked, Looked::Done(())));
            seen(&sampler.try_sampling().expect("nobody is at it"))
        };
        looks.iter().map(look).collect()
    }

    // L3
    #[test]
    fn a_pass_that_is_late_puts_off_the_next_only_if_a_second_was_left_out() {
        let passes = |looks: &[u64]| sampled(looks, |it| it.number);
        assert_eq!(passes(&[0, 999, 1_000, 1_999, 2_000]), [1, 1, 2, 2, 3]);
        assert_eq!(passes(&[0, 1_400, 1_999, 2_000]), [1, 2, 2, 3]);
        assert_eq!(passes(&[0, 1_999, 2_000, 2_999]), [1, 2, 3, 3]);
        assert_eq!(passes(&[0, 2_000, 2_999, 3_000]), [1, 2, 2, 3]);
        assert_eq!(passes(&[0, 2_500, 3_000, 3_500]), [1, 2, 2, 3]);
    }

    // L3: at most so long may be between two looks of who watches.
    #[test]
    fn after_three_seconds_without_a_look_nobody_has_watched() {
        let watched = sampled(&[0, 2_999, 5_999], |it| it.watched.clone());
        let expected: [&[_]; 3] = [&[(0, 0)], &[(0, 2)], &[(0, 2), (5, 5)]];
        assert_eq!(watched, expected);
    }

    // L3
    #[test]
    fn who_watched_is_forgotten_after_five_minutes() {
        let looks = [0, 1_000, 301_000, 302_000];
        let watched = sampled(&looks, |it| it.watched.clone());
        assert_eq!(watched[2], [(0, 1), (301, 301)]);
        assert_eq!(watched[3], [(301, 302)]);
    }
}
