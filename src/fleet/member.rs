//! A circuit as its fleet knows it, and all of them.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{
    fleet::{Common, Fleet, lock},
    follow::Follow,
    wire::{Key, Text, WHO_BYTES},
};
use crate::{
    circuit::{
        by::By,
        followed::{Act, FleetNow, Follows, Heard, Sharing, Why},
        handle::{Circuit, WeakCircuit},
        name::Name,
    },
    util::future::either,
};

/// Whether somebody takes part, and since when, in nanoseconds of the fleet's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Why not, if it does not.
    pub(super) why: Option<Why>,
    pub(super) since: u64,
}

impl Part {
    /// Nobody has asked yet.
    pub(super) fn new(now: u64) -> Self {
        Self {
            why: Some(Why::NotReached),
            since: now,
        }
    }

    /// What is said of it. `stopped`: why nobody takes part, whatever was known last.
    pub(super) fn sharing(&self, stopped: Option<Why>, now: u64) -> Sharing {
        let since = Duration::from_nanos(now.saturating_sub(self.since));
        match (self.why, stopped) {
            (None, None) => Sharing::Attached { since },
            // It has only just stopped.
            (None, Some(why)) => Sharing::Detached {
                since: Duration::ZERO,
                why,
            },
            (Some(why), stopped) => Sharing::Detached {
                since,
                why: stopped.unwrap_or(why),
            },
        }
    }
}

/// The circuits of this process that belong to the fleet.
///
/// Whoever holds the lock calls nobody: circuits are made and dropped under the locks of registries.
#[derive(Default)]
pub(super) struct Members {
    /// The newest of a name is the last one.
    by_key: Mutex<HashMap<Key, Vec<Arc<Member>>>>,
    /// One more with each that comes or goes.
    version: AtomicU64,
}

impl Members {
    pub(super) fn count(&self) -> u64 {
        u64::try_from(lock(&self.by_key).len()).unwrap_or(u64::MAX)
    }

    /// Changes with the [`list`](Self::list).
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Those that take part: of each name the newest.
    pub(super) fn list(&self) -> Vec<Arc<Member>> {
        let by_key = lock(&self.by_key);
        by_key
            .values()
            .filter_map(|same| same.last().cloned())
            .collect()
    }

    fn add(&self, member: &Arc<Member>) {
        let mut by_key = lock(&self.by_key);
        let same = by_key.entry(member.key.clone()).or_default();
        for other in &*same {
            other.replaced.store(true, Ordering::Release);
        }
        same.push(member.clone());
        self.version.fetch_add(1, Ordering::Release);
    }

    fn remove(&self, member: &Arc<Member>) {
        let mut by_key = lock(&self.by_key);
        if let Some(same) = by_key.get_mut(&member.key) {
            same.retain(|other| !Arc::ptr_eq(other, member));
            match same.last() {
                Some(newest) => newest.replaced.store(false, Ordering::Release),
                None => drop(by_key.remove(&member.key)),
            }
        }
        self.version.fetch_add(1, Ordering::Release);
    }
}

/// What the task and a circuit's [`Membership`] share.
pub(super) struct Member {
    pub(super) key: Key,
    circuit: OnceLock<WeakCircuit>,
    stirred: AtomicBool,
    replaced: AtomicBool,
    seen: Mutex<(Part, FleetNow)>,
    acts: Mutex<Acts>,
    /// What was known of its fleet when it took part last.
    kept: Mutex<Option<Follow>>,
    /// An act has been heard of, or never will.
    told: Notify,
}

/// What a person has done last, and what became of it.
#[derive(Debug, Default)]
struct Acts {
    /// What, who, and when by the fleet's clock.
    pending: Option<(Act, Text<WHO_BYTES>, u64)>,
    /// Until when somebody waits to hear of it.
    until: Option<Instant>,
    outcome: Option<Heard>,
}

impl Member {
    fn new(name: &Name, now: u64) -> Self {
        Self {
            key: Key::of(name),
            circuit: OnceLock::new(),
            stirred: AtomicBool::new(false),
            replaced: AtomicBool::new(false),
            seen: Mutex::new((Part::new(now), nothing_known())),
            acts: Mutex::default(),
            kept: Mutex::default(),
            told: Notify::new(),
        }
    }

    /// The circuit, unless it is gone.
    pub(super) fn circuit(&self) -> Option<Circuit> {
        self.circuit.get()?.upgrade()
    }

    pub(super) fn is_stirred(&self) -> bool {
        self.stirred.load(Ordering::Relaxed)
    }

    /// To be called before the look.
    pub(super) fn take_stirred(&self) {
        self.stirred.swap(false, Ordering::AcqRel);
    }

    /// Whether a newer circuit of this name takes part in its place.
    pub(super) fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::Acquire)
    }

    pub(super) fn part(&self) -> Part {
        lock(&self.seen).0
    }

    pub(super) fn set_part(&self, part: Part) {
        lock(&self.seen).0 = part;
    }

    pub(super) fn keep(&self, follow: Follow) {
        *lock(&self.kept) = Some(follow);
    }

    pub(super) fn take_kept(&self) -> Option<Follow> {
        lock(&self.kept).take()
    }

    /// For snapshots.
    pub(super) fn show(&self, change: impl FnOnce(&mut FleetNow)) {
        change(&mut lock(&self.seen).1);
    }

    /// What a person has done that the store is to be told.
    pub(super) fn take_act(&self) -> Option<(Act, Text<WHO_BYTES>, u64)> {
        lock(&self.acts).pending.take()
    }

    pub(super) fn has_act(&self) -> bool {
        lock(&self.acts).pending.is_some()
    }

    /// What has become of the last act that was [taken](Self::take_act). If another was said since, that one is still
    /// to be told.
    pub(super) fn answer_act(&self, outcome: Heard) {
        {
            let mut acts = lock(&self.acts);
            if acts.pending.is_some() {
                return;
            }
            acts.outcome.get_or_insert(outcome);
        }
        self.told.notify_waiters();
    }

    /// What has become of the last act, unless that is known.
    pub(super) fn settle_act(&self, outcome: Heard) {
        {
            let mut acts = lock(&self.acts);
            acts.pending = None;
            acts.outcome.get_or_insert(outcome);
        }
        self.told.notify_waiters();
    }

    fn act(&self, said: (Act, Text<WHO_BYTES>, u64), until: Instant) {
        *lock(&self.acts) = Acts {
            pending: Some(said),
            until: Some(until),
            outcome: None,
        };
        // Who waits for the last one waits for this one now.
        self.told.notify_waiters();
    }

    /// `why`: what is in the way, if nobody answers.
    async fn heard(&self, why: impl Fn() -> Why) -> Heard {
        loop {
            let told = self.told.notified();
            let (outcome, until) = {
                let acts = lock(&self.acts);
                (acts.outcome, acts.until)
            };
            let Some(until) = until else {
                // Nobody has done anything.
                return Heard::Unknown;
            };
            if let Some(outcome) = outcome {
                return outcome;
            }
            if until <= Instant::now() {
                self.settle_act(Heard::OnlyHere(why()));
                continue;
            }
            either(told, sleep_until(until)).await;
        }
    }
}

fn nothing_known() -> FleetNow {
    FleetNow::unknown(Sharing::Detached {
        since: Duration::ZERO,
        why: Why::NotRunning,
    })
}

/// What a circuit has of its fleet. It goes with the circuit.
pub(super) struct Membership {
    member: Arc<Member>,
    fleet: Fleet,
}

impl Membership {
    pub(super) fn new(fleet: &Fleet, name: &Name) -> Self {
        Self {
            member: Arc::new(Member::new(name, fleet.common().clock.now())),
            fleet: fleet.clone(),
        }
    }

    fn common(&self) -> &Common {
        self.fleet.common()
    }

    /// Why the circuit takes no part, whatever the store does.
    fn stopped(&self) -> Option<Why> {
        let replaced = self.member.is_replaced().then_some(Why::Replaced);
        self.common().stopped().or(replaced)
    }

    /// Why nobody has heard of an act.
    fn silent(&self) -> Why {
        let part = self.member.part();
        self.stopped().or(part.why).unwrap_or(Why::TimedOut)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.common().members.remove(&self.member);
        self.stir();
    }
}

impl Follows for Membership {
    fn began(&self, circuit: WeakCircuit) {
        // Told once.
        let _ = self.member.circuit.set(circuit);
        self.common().members.add(&self.member);
        self.stir();
    }

    fn stir(&self) {
        if !self.member.stirred.swap(true, Ordering::AcqRel) {
            self.common().wake.notify_one();
        }
    }

    fn act(&self, act: Act, by: &By) {
        let who = by.get_who().or(self.common().label.as_deref());
        let until = Instant::now() + self.common().pace.detach_after;
        let who = Text::of(who.unwrap_or_default());
        self.member
            .act((act, who, self.common().clock.now()), until);
        match self.stopped() {
            // What is kept would fall on the fleet later.
            Some(why) => self.member.settle_act(Heard::OnlyHere(why)),
            None => self.stir(),
        }
    }

    fn now(&self) -> FleetNow {
        let now = self.common().clock.now();
        let (part, seen) = lock(&self.member.seen).clone();
        let seats = |circuit: Circuit| circuit.core().seats_now(circuit.now());
        FleetNow {
            seats: self.member.circuit().map_or(0, seats),
            sharing: part.sharing(self.stopped(), now),
            ..seen
        }
    }

    fn heard(&self) -> Pin<Box<dyn Future<Output = Heard> + Send + '_>> {
        Box::pin(self.member.heard(|| self.silent()))
    }
}
