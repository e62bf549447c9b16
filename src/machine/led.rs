//! A circuit that its fleet leads: what the fleet has decided, and what this instance may do of it (rules C1, D1, N1,
//! N5).
//!
//! The fleet *opens* a circuit, and that open era is *led*. When its break is over, it is *held*: no call may end it,
//! unless this instance has been given *seats*. Then it is half-open, in a led era, too, and admits one probe for each
//! seat, for as long as their lease lasts. It never decides by itself how such an era ends.
//!
//! * **A hold lapses by itself**, at an instant that each answer of the store puts off. So does a lease. Nobody has to
//!   be there for it: each call looks at the clock. Once both are over, the circuit is what it would be alone.
//! * **Which eras are led is written before they begin**, beside the word: an open one in the cell of its parity, a
//!   half-open one with its seats. So nothing is overwritten while its era stands, and nobody who sees an era misses
//!   that it is led. Where another has begun that era instead, it looks led until the fleet opens anew, at once: it is
//!   held at most, and nobody is let in.
//! * **One task says all this of a circuit**, one thing at a time. Calls, probes and people come at any time.
#![cfg_attr(
    not(any(feature = "fleet", all(test, not(tower_breaker_loom)))),
    allow(dead_code, reason = "without the feature `fleet` nobody says it")
)]

use std::time::Duration;

use super::{
    Cause, Core, Mode, Nanos, ProbeCounts, Refusal, State, Transition, View,
    era::{BESIDE_MASK, Era},
    numbers::WindowKind,
    record::{EndedCall, Verdict},
    retry::Attempt::{self, Done, Lost},
    transition::Length,
    word::{BreakLength, Decision, MAX_SHARED_PROBES, Probes, StateMode, Word},
};
// One task writes, so that no twin is needed.
use crate::machine::sync::{Ordering, UnmodelledU64 as AtomicU64};
// By which no decision is torn. Models need not explore it.
use std::sync::atomic::AtomicU64 as PlainU64;

/// What its fleet says of a circuit. Instants are nanoseconds of the circuit's own time.
#[derive(Debug)]
pub(super) struct Lead {
    /// By parity: the number of the newest open era that the fleet has begun, or was about to, and one more.
    opened: [AtomicU64; 2],
    /// Until when a led break that is over is held.
    hold_until: AtomicU64,
    /// `era | seats` of the newest half-open era that is led: those that were given, without those that nobody has
    /// used.
    seats: AtomicU64,
    /// From when on and until when the seats hold that were given last.
    lease_from: AtomicU64,
    lease_until: AtomicU64,
    /// The longest time that a failed probe asked to be left alone for (A7).
    floor: PlainU64,
    /// How many calls were held since somebody asked.
    wanted: PlainU64,
    /// Of the circuit.
    pub(super) window: WindowKind,
}

impl Lead {
    pub(super) fn new(window: WindowKind) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            opened: [zero(), zero()],
            hold_until: zero(),
            seats: zero(),
            lease_from: zero(),
            lease_until: zero(),
            floor: PlainU64::new(0),
            wanted: PlainU64::new(0),
            window,
        }
    }

    /// The fleet is about to begin this open era. Release: with the swap that begins it.
    fn mark(&self, era: Era) {
        self.opened[era.parity()].store(era.number() + 1, Ordering::Release);
    }

    /// Whether the fleet has begun the open era of `word`.
    fn has_opened(&self, word: Word) -> bool {
        let marked = self.opened[word.era().parity()].load(Ordering::Acquire);
        matches!(word.state_mode(), StateMode::Open | StateMode::OpenShadow)
            && marked == word.era().number() + 1
    }

    /// The seats of the half-open era of `word`, if it is led.
    fn seats_of(&self, word: Word) -> Option<u64> {
        let cell = self.seats.load(Ordering::Acquire);
        let seats = cell & BESIDE_MASK;
        let is_it = word.state() == State::HalfOpen && Era::of_cell(cell) == word.era();
        // They were written before the era began. Should a call have begun it that saw the hold lapse, its accounts are
        // small.
        (is_it && word.probes().are_led()).then_some(seats)
    }

    fn hold_left(&self, now: u64) -> Nanos {
        Nanos::between(now, self.hold_until.load(Ordering::Acquire))
    }

    fn lease_left(&self, now: u64) -> Nanos {
        Nanos::between(now, self.lease_until.load(Ordering::Acquire))
    }

    /// How a call finds the led half-open era of `word`, in which so many seats were given.
    fn lease(&self, word: Word, seats: u64, now: u64) -> Lease {
        // Of seats that are spent nothing is to come: new ones may be there before their lease is over.
        let (lease, hold) = (self.lease_left(now), self.hold_left(now));
        let spent = word.probes().is_spent(seats) && !hold.is_zero();
        match () {
            () if !lease.is_zero() && !spent => Lease::Lasts(lease),
            () if !hold.is_zero() => Lease::Held(hold),
            () => Lease::Over,
        }
    }

    /// Whether the call took a seat of a lease before this one. That was over before this one began, and so the call
    /// has begun before it, too. Acquire: with the swap that gave the new seats.
    fn is_late(&self, call: &EndedCall) -> bool {
        call.ticket.started < self.lease_from.load(Ordering::Acquire)
    }

    /// A7: a probe has failed, and perhaps asked to be left alone for a while.
    fn raise_floor(&self, verdict: Verdict) {
        if let Verdict::Failure { floor, .. } = verdict {
            self.floor
                .fetch_max(Nanos::of(floor).get(), Ordering::AcqRel);
        }
    }

    fn tally(&self, word: Word) -> Option<Tally> {
        let granted = self.seats_of(word)?;
        let (ok, failed) = word.probes().led_results();
        let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Some(Tally {
            granted: small(granted),
            ok: small(ok),
            failed: small(failed),
            unused: small(word.probes().admissions_left),
            floor: self.floor(),
        })
    }

    fn floor(&self) -> Duration {
        Duration::from_nanos(self.floor.load(Ordering::Acquire))
    }
}

/// How long seats hold.
enum Lease {
    Lasts(Nanos),
    /// It is over, and the fleet has the say for so long.
    Held(Nanos),
    /// Nobody has: the circuit is alone.
    Over,
}

/// Whether a call that is held was held before. One that waits is one, however often it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    First,
    Again,
}

/// How often a shared open lets a call go first that is about to open the circuit, and may have the last place.
const PATIENCE: u32 = 100;

/// What has come of a break that the fleet has begun.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum OpenShared {
    Told(Transition),
    /// Too many of its set are open (G7): it is closed.
    Vetoed(Transition),
    /// It is forced open or disabled.
    ModeRefuses(Mode),
}

/// What has come of seats that the fleet has given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Led {
    /// It is half-open, with these seats.
    Told(Transition),
    /// It is half-open already, and has these seats now.
    Seated,
    /// The era for which they were is over, or has seats: nobody takes these.
    Refused,
}

/// What has become of the seats of a led half-open era, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Seats that were given, without those that nobody has used while their lease lasted.
    pub(crate) granted: u32,
    pub(crate) ok: u32,
    pub(crate) failed: u32,
    /// Of those that were given, no probe has taken so many yet. What is missing is in flight.
    pub(crate) unused: u32,
    /// The longest time that a failed probe asked to be left alone for (A7).
    pub(crate) floor: Duration,
}

/// What a led half-open circuit goes on with that is on its own from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alone {
    /// How many probes at a time.
    pub(crate) permits: u32,
    /// How many have to succeed, those of this era here included, which are taken off.
    pub(crate) need: u32,
    /// How many may fail, likewise.
    pub(crate) spare: u32,
}

/// What a call asks.
impl Core {
    /// C1: for how much longer the open circuit is held, whose break is over; `None` if a call may end it.
    #[inline]
    pub(super) fn held(&self, word: Word, now: u64) -> Attempt<Option<Nanos>> {
        match &self.lead {
            None => Done(None),
            Some(lead) => self.held_by(lead, word, now),
        }
    }

    #[cold]
    fn held_by(&self, lead: &Lead, word: Word, now: u64) -> Attempt<Option<Nanos>> {
        let left = lead.hold_left(now);
        // In shadow, nobody is turned away.
        let held = !left.is_zero() && !word.is_shadow() && lead.has_opened(word);
        self.read_in_era(word, held.then_some(left))
    }

    /// Whether half-open admits probes as far as their lease goes. The swap that admits one is made from exactly
    /// `word`, and seats change with it.
    #[inline]
    pub(super) fn is_leased(&self, word: Word, now: u64) -> bool {
        match &self.lead {
            None => true,
            Some(lead) => match lead.seats_of(word) {
                None => true,
                Some(seats) => matches!(lead.lease(word, seats, now), Lease::Lasts(_)),
            },
        }
    }

    /// D1, D4: why half-open admits no call; `None` if it does. Of probes that have timed out, or have no lease while
    /// nobody else has the say, nothing remains: the next call opens it again.
    pub(super) fn half_open_refusal(
        &self,
        word: Word,
        now: impl FnOnce() -> u64,
    ) -> Attempt<Option<Refusal>> {
        let lead = self.lead.as_deref();
        if let Some((lead, seats)) = lead.and_then(|lead| Some((lead, lead.seats_of(word)?))) {
            let refusal = match lead.lease(word, seats, now()) {
                Lease::Lasts(left) => word.is_full().then_some(Refusal::HalfOpenFull(left)),
                Lease::Held(left) => Some(Refusal::Held(left)),
                Lease::Over => Some(Refusal::HalfOpenFull(Nanos::ZERO)),
            };
            return self.read_in_era(word, refusal);
        }
        if !word.is_full() {
            return Done(None);
        }
        let remaining = self.probes_remaining(word, now());
        remaining.map(|left| Some(Refusal::HalfOpenFull(left)))
    }

    /// Whether half-open may have timed out by now: for one that is led, it may also where it is not full.
    #[inline]
    pub(super) fn may_time_out(&self, word: Word) -> bool {
        word.is_full() || self.lead.is_some() && word.state() == State::HalfOpen
    }

    /// For how long it opens at least, if its probes have timed out: as a failed one has asked.
    pub(super) fn led_floor(&self, word: Word) -> Length {
        let lead = self.lead.as_deref();
        let led = lead.filter(|lead| lead.seats_of(word).is_some());
        Length::AtLeast(led.map_or(Duration::ZERO, Lead::floor))
    }

    /// Applied apart, so that circuits that are not shared do not pay for it.
    #[cold]
    #[inline(never)]
    pub(super) fn apply_led_probe(
        &self,
        lead: &Lead,
        call: &EndedCall,
        verdict: Verdict,
    ) -> Option<Transition> {
        self.apply_decision(call, verdict, |word| {
            self.decide_led(lead, word, verdict, call)
        })
    }

    /// D2: what the result of a probe decides. Where the fleet leads, nothing by itself: it is counted, up to 62 of
    /// them.
    fn decide_led(&self, lead: &Lead, word: Word, verdict: Verdict, call: &EndedCall) -> Decision {
        let decision = self.decide(word, verdict, call);
        if lead.seats_of(word).is_none() {
            return decision;
        }
        match (verdict, decision) {
            (Verdict::Success { .. } | Verdict::Failure { .. }, decision) => {
                lead.raise_floor(verdict);
                match decision {
                    Decision::Undecided(probes) if probes.are_led() => decision,
                    _ => Decision::Undecided(word.probes().ended()),
                }
            }
            // Its seat is another's by now.
            (_, Decision::Undecided(_)) if lead.is_late(call) => Decision::Undecided(word.probes()),
            // One that was never there gives its seat back; and what opens this instance opens it (A7, D4).
            _ => decision,
        }
    }

    /// A call was held, or waits to be made. Returns whether it is the first since that was
    /// [taken](Self::take_wanted).
    pub(crate) fn want(&self, look: Look) -> bool {
        let Some(lead) = &self.lead else {
            return false;
        };
        let before = match look {
            Look::First => lead.wanted.fetch_add(1, Ordering::AcqRel),
            Look::Again => lead.wanted.fetch_max(1, Ordering::AcqRel),
        };
        before == 0
    }
}

/// What somebody sees.
impl Core {
    /// Whether the era that stands is one that the fleet leads: an open one that it has begun, or the half-open one
    /// after it.
    pub(crate) fn is_led(&self) -> bool {
        let Some(lead) = &self.lead else {
            return false;
        };
        self.retry(|word| {
            self.read_in_era(word, lead.has_opened(word) || lead.seats_of(word).is_some())
        })
    }

    /// How many calls were held since this was last asked. Those that still wait are one, at least.
    pub(crate) fn take_wanted(&self) -> u64 {
        let lead = self.lead.as_ref();
        lead.map_or(0, |lead| lead.wanted.swap(0, Ordering::AcqRel))
    }

    /// What has become of the seats of the led half-open era, if it stands.
    pub(crate) fn tally(&self) -> Option<Tally> {
        let lead = self.lead.as_ref()?;
        self.retry(|word| self.read_in_era(word, lead.tally(word)))
    }

    /// How many probes there may be now, on seats that the fleet has given.
    #[cfg(feature = "fleet")]
    pub(crate) fn seats_now(&self, now: u64) -> u64 {
        let Some(lead) = &self.lead else {
            return 0;
        };
        self.retry(|word| {
            let seats = lead.seats_of(word);
            let lasts = |seats: &u64| matches!(lead.lease(word, *seats, now), Lease::Lasts(_));
            let left = seats.filter(lasts).map(|_| word.probes().admissions_left);
            self.read_in_era(word, left.unwrap_or(0))
        })
    }

    /// What a snapshot shows of the probes of a led era, whose accounts in the word are large, so that they never
    /// decide: the seats, and what the settings ask for beside the results of this instance.
    pub(super) fn show_led(&self, word: Word, view: View) -> View {
        let lead = self.lead.as_deref();
        let Some(tally) = lead.and_then(|lead| lead.tally(word)) else {
            return view;
        };
        let [granted, ok, failed, unused] =
            [tally.granted, tally.ok, tally.failed, tally.unused].map(u64::from);
        let numbers = self.tunable.read();
        let probes = ProbeCounts {
            in_flight: granted.saturating_sub(ok + failed + unused),
            permits: granted.saturating_sub(ok + failed),
            successes_needed: numbers.successes.saturating_sub(ok).max(1),
            failures_allowed: (numbers.of - numbers.successes).saturating_sub(failed),
        };
        View {
            probes: Some(probes),
            ..view
        }
    }
}

/// What the fleet says.
impl Core {
    /// The fleet has opened: open here, too, for as long as is `left`, and led.
    pub(crate) fn open_shared(&self, left: Duration, now: u64) -> OpenShared {
        let Some(lead) = &self.lead else {
            return OpenShared::ModeRefuses(self.mode());
        };
        let (mut hand, mut patience) = (None, PATIENCE);
        let opened = self.retry(|word| {
            if let mode @ (Mode::ForcedOpen | Mode::Disabled) = word.mode() {
                return Done(OpenShared::ModeRefuses(mode));
            }
            let next = word.open_next(word.mode(), BreakLength::at_least(left));
            lead.mark(next.era());
            let opened = self.open_as_told(word, next, (&mut hand, &mut patience), now);
            opened.map(|told| match told.vetoed {
                None => OpenShared::Told(told),
                Some(_) => OpenShared::Vetoed(told),
            })
        });
        self.put_back(hand);
        opened
    }

    /// The fleet has closed: closed here, too. `clear`: a person has reset it, so that it is cleared where it is closed
    /// already, and does not ramp. `None` if it was closed, or is forced open or disabled.
    pub(crate) fn close_shared(&self, clear: bool, now: u64) -> Option<Transition> {
        self.retry(|word| {
            let is_closed = word.state() == State::Closed && !clear;
            if is_closed || matches!(word.mode(), Mode::ForcedOpen | Mode::Disabled) {
                return Done(None);
            }
            let ramping = !clear && self.tunable.read().ramp > 0;
            let next = word.closed_next(word.mode(), ramping);
            self.transition(word, next, Cause::Shared, now).map(Some)
        })
    }

    /// A person has forced the fleet open. `None` if that is what holds already, or the circuit is disabled.
    pub(crate) fn force_shared(&self, at_most: Option<Duration>, now: u64) -> Option<Transition> {
        if self.mode() == Mode::Disabled {
            return None;
        }
        self.force_open_because(Cause::Shared, at_most, now)
    }

    /// A person has released the fleet. `None` if it is not forced open.
    pub(crate) fn release_shared(&self, now: u64) -> Option<Transition> {
        self.release_because(Cause::Shared, now)
    }

    /// A led break that is over is held until then, at least. To be said before it [opens](Self::open_shared): else a
    /// break of no length is over before it is held.
    pub(crate) fn hold(&self, until: u64) {
        if let Some(lead) = &self.lead {
            let until = until.max(lead.hold_until.load(Ordering::Relaxed));
            lead.hold_until.store(until, Ordering::Release);
        }
    }

    /// This instance has so many seats, at most 31, until `lease_until`: it is half-open. `life`: how long a lease is
    /// as a whole.
    pub(crate) fn lead(&self, seats: u32, lease_until: u64, life: Duration, now: u64) -> Led {
        let seats = u64::from(seats).min(MAX_SHARED_PROBES);
        let Some(lead) = self.lead.as_deref().filter(|_| seats > 0) else {
            return Led::Refused;
        };
        self.retry(|word| {
            if word.state_mode() == StateMode::Open && lead.has_opened(word) {
                let led = self.begin_led(lead, word, (seats, lease_until), life, now);
                return led.map(Led::Told);
            }
            match lead.seats_of(word) {
                Some(given) if !word.is_shadow() => {
                    self.seat_anew(lead, word, given, (seats, lease_until), now)
                }
                _ => Done(Led::Refused),
            }
        })
    }

    /// One attempt to make the led open era of `word` a led half-open one.
    fn begin_led(
        &self,
        lead: &Lead,
        word: Word,
        (seats, lease_until): (u64, u64),
        life: Duration,
        now: u64,
    ) -> Attempt<Transition> {
        let next = word.half_open_next(word.mode(), Probes::led(seats));
        let open_for = self.facts.whole_break(word);
        self.facts.freeze_half_open_timeout(next, life);
        self.facts.begin_half_open(next, open_for);
        lead.floor.store(0, Ordering::Release);
        lead.lease_from.store(now, Ordering::Release);
        lead.lease_until.store(lease_until, Ordering::Release);
        lead.seats
            .store(next.era().beside(seats), Ordering::Release);
        self.transition(word, next, Cause::WaitOver, now)
    }

    /// One attempt to give new seats in the led half-open era of `word`, once those that were `given` are over or
    /// spent.
    fn seat_anew(
        &self,
        lead: &Lead,
        word: Word,
        given: u64,
        (seats, lease_until): (u64, u64),
        now: u64,
    ) -> Attempt<Led> {
        let probes = word.probes();
        if !lead.lease_left(now).is_zero() {
            if !probes.is_spent(given) {
                return self.read_in_era(word, Led::Refused);
            }
            lead.lease_until.store(0, Ordering::Release);
        }
        lead.lease_from.store(now, Ordering::Release);
        // The new seats, then their lease: the other way round, for an instant it would be one of the old seats, too,
        // which nobody has used, and which are another's by now.
        let Done(()) = self.swap(word, word.with_probes(probes.led_anew(seats))) else {
            return Lost;
        };
        let all = given - probes.admissions_left.min(given) + seats;
        lead.seats
            .store(word.era().beside(all.min(BESIDE_MASK)), Ordering::Release);
        lead.lease_until.store(lease_until, Ordering::Release);
        Done(Led::Seated)
    }

    /// The fleet is out of reach: a break is held no longer, and led half-open goes on by itself, with what its probes
    /// have come to so far (N7). Those that are in flight belong to the era before.
    pub(crate) fn go_alone(&self, plan: Alone, now: u64) -> Option<Transition> {
        let lead = self.lead.as_deref()?;
        let went = self.retry(|word| match lead.seats_of(word) {
            None => Done(None),
            Some(_) => self.try_alone(lead, word, plan, now).map(Some),
        });
        lead.hold_until.store(0, Ordering::Release);
        went
    }

    fn try_alone(&self, lead: &Lead, word: Word, plan: Alone, now: u64) -> Attempt<Transition> {
        let [permits, need, spare] = [plan.permits, plan.need, plan.spare].map(u64::from);
        let (ok, failed) = word.probes().led_results();
        let numbers = self.tunable.read();
        let Some(spare) = spare.checked_sub(failed) else {
            let length = Length::AtLeast(lead.floor());
            return self.reopen(word, Cause::ProbeFailed, length, &numbers, now);
        };
        let need = need.saturating_sub(ok).min(MAX_SHARED_PROBES);
        if need == 0 {
            let next = word.closed_next(word.mode(), numbers.ramp > 0);
            return self.transition(word, next, Cause::Recovered, now);
        }
        let of = need + spare.min(MAX_SHARED_PROBES);
        let probes = Probes::new(permits.clamp(1, MAX_SHARED_PROBES), need, of);
        let next = word.half_open_next(word.mode(), probes);
        let open_for = self.facts.break_before(word);
        let timeout = numbers.half_open_timeout_after(open_for);
        self.facts
            .freeze_half_open_timeout(next, timeout.max(self.facts.learnt_timeout()));
        self.facts.begin_half_open(next, open_for);
        self.transition(word, next, Cause::WaitOver, now)
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::machine::{Answer, Cap, CoreParts, Joining, Numbers, Outcome, Plan, Ticket};

    const SECOND: u64 = 1_000_000_000;
    const LIFE: Duration = Duration::from_secs(2);
    /// The fleet's break.
    const BREAK: Duration = Duration::from_secs(5);
    /// When that is over.
    const OVER: u64 = 5 * SECOND;
    const HELD: u64 = 100 * SECOND;

    fn numbers() -> Numbers {
        Numbers {
            consecutive_failures: 3,
            open_first: 7 * SECOND,
            half_open_timeout: 30 * SECOND,
            permits: 2,
            successes: 2,
            of: 5,
            ..Numbers::default()
        }
    }

    fn core_with(numbers: Numbers, cap: Option<Arc<Cap>>) -> Core {
        let parts = CoreParts {
            totals: true,
            cap: cap.map(|cap| Joining { cap, zero: 1 }),
            shared: true,
            ..CoreParts::none()
        };
        Core::new(Plan::from(numbers), parts, 0)
    }

    fn core() -> Core {
        core_with(numbers(), None)
    }

    /// Opened by the fleet at 0 for five seconds, and held.
    fn opened() -> Core {
        let core = core();
        core.hold(HELD);
        told(core.open_shared(BREAK, 0));
        core
    }

    /// Half-open since the break was over, with so many seats for two seconds.
    fn led(seats: u32) -> Core {
        let core = opened();
        let led = core.lead(seats, OVER + 2 * SECOND, LIFE, OVER);
        let Led::Told(told) = led else {
            panic!("{led:?}");
        };
        assert_eq!((told.to, told.cause), (State::HalfOpen, Cause::WaitOver));
        core
    }

    fn told(opened: OpenShared) -> Transition {
        match opened {
            OpenShared::Told(told) => told,
            other => panic!("{other:?}"),
        }
    }

    fn admit(core: &Core, now: u64) -> Result<Ticket, Refusal> {
        core.admit_any(now).answer
    }

    fn probe(core: &Core, now: u64) -> Ticket {
        let ticket = admit(core, now).expect("a seat");
        assert!(ticket.is_probe());
        ticket
    }

    fn end(core: &Core, ticket: Ticket, outcome: Outcome, now: u64) -> Option<Transition> {
        core.record(ticket, outcome, || now)
    }

    fn tally(core: &Core) -> (u32, u32, u32, u32) {
        let tally = core.tally().expect("led");
        (tally.granted, tally.ok, tally.failed, tally.unused)
    }

    fn refusal(core: &Core, now: u64) -> Option<Refusal> {
        core.refusal(core.seen(), || now)
    }

    fn held(until: u64, now: u64) -> Refusal {
        Refusal::Held(Nanos::new(until - now))
    }

    // N1, C1: to the instant.
    #[test]
    fn a_break_that_is_over_is_held_and_the_hold_lapses_by_itself() {
        let core = opened();
        assert!(core.is_led());
        let open = Refusal::Open(Nanos::new(1));
        for (now, expected) in [
            (OVER - 1, open),
            (OVER, held(HELD, OVER)),
            (HELD - 1, held(HELD, HELD - 1)),
        ] {
            assert_eq!(refusal(&core, now), Some(expected));
            assert_eq!(admit(&core, now), Err(expected));
        }
        assert_eq!(refusal(&core, HELD), None);
        probe(&core, HELD);
        assert!(!core.is_led());
        assert_eq!(core.tally(), None);
    }

    // N1: an answer that comes late takes nothing away.
    #[test]
    fn a_hold_is_only_put_off() {
        let core = opened();
        core.hold(OVER);
        assert_eq!(refusal(&core, OVER), Some(held(HELD, OVER)));
    }

    // N1, N3: whatever the fleet has said before, and a circuit that is not shared, too.
    #[test]
    fn what_the_fleet_has_not_begun_is_never_held() {
        let solo = core();
        solo.hold(HELD);
        assert!(solo.trip(BREAK, 0).is_ok());
        assert_eq!(refusal(&solo, OVER), None);
        // A long break has bits where half-open has its accounts.
        assert!(solo.trip(Duration::MAX, 0).is_ok());
        assert!(!solo.is_led() && solo.tally().is_none());

        // The same era, but for the wrap of its parity.
        let again = opened();
        assert!(again.trip(BREAK, 0).is_ok() && again.trip(BREAK, 0).is_ok());
        assert_eq!((refusal(&again, OVER), again.is_led()), (None, false));
    }

    // N1, E1
    #[test]
    fn nobody_is_held_in_shadow() {
        let core = core();
        core.set_mode(Mode::Shadow, 0);
        core.hold(HELD);
        assert_eq!(told(core.open_shared(BREAK, 0)).mode, Mode::Shadow);
        assert_eq!(core.lead(1, HELD, LIFE, OVER), Led::Refused);
        probe(&core, OVER);
        assert_eq!(core.totals().expect("on").shadowed, 0);
    }

    // N5: nothing that comes of them decides.
    #[test]
    fn so_many_seats_admit_so_many_probes() {
        let core = led(2);
        let probes = [(); 2].map(|()| probe(&core, OVER));
        let full = Refusal::HalfOpenFull(Nanos::new(2 * SECOND));
        assert_eq!(admit(&core, OVER), Err(full));
        assert_eq!(refusal(&core, OVER), Some(full));
        assert_eq!(tally(&core), (2, 0, 0, 0));
        for (ticket, outcome) in probes
            .into_iter()
            .zip([Outcome::Success, Outcome::FailureRetryAfter(BREAK)])
        {
            assert_eq!(end(&core, ticket, outcome, OVER), None);
        }
        assert_eq!(tally(&core), (2, 1, 1, 0));
        assert_eq!(core.tally().map(|tally| tally.floor), Some(BREAK));
        // They are spent: new ones may come at once.
        assert_eq!(refusal(&core, OVER), Some(held(HELD, OVER)));
        assert_eq!(core.lead(1, OVER + SECOND, LIFE, OVER), Led::Seated);
        assert_eq!(tally(&core), (3, 1, 1, 1));
    }

    // N5, D2: however many there are, and however they end.
    #[test]
    fn no_number_of_results_decides() {
        for outcome in [Outcome::Success, Outcome::Failure, Outcome::Ignored] {
            let core = led(31);
            let mut now = OVER;
            for _ in 0..9 {
                let tickets: Vec<_> = (0..31).map(|_| probe(&core, now)).collect();
                for ticket in tickets {
                    assert_eq!(end(&core, ticket, outcome, now), None);
                }
                now += 2 * SECOND;
                let seated = core.lead(31, now + 2 * SECOND, LIFE, now);
                assert_eq!(seated, Led::Seated);
            }
            assert_eq!(core.state(), State::HalfOpen);
        }
    }

    // N5
    #[test]
    fn a_lease_of_no_seats_is_refused() {
        let core = opened();
        assert_eq!(core.lead(0, HELD, LIFE, OVER), Led::Refused);
        assert_eq!(core.state(), State::Open);
    }

    // N5: as far as nobody has taken them, while their lease lasts.
    #[cfg(feature = "fleet")]
    #[test]
    fn the_seats_of_now_are_those_that_a_call_would_find() {
        assert_eq!(opened().seats_now(OVER), 0);
        let core = led(3);
        assert_eq!(core.seats_now(OVER), 3);
        probe(&core, OVER);
        let end_of_lease = OVER + 2 * SECOND;
        let seats = [OVER, end_of_lease - 1, end_of_lease].map(|now| core.seats_now(now));
        assert_eq!(seats, [2, 2, 0]);
    }

    // N5: a probe of the lease before that is still under way takes nothing of the next.
    #[test]
    fn a_new_lease_has_all_its_seats() {
        let core = led(1);
        probe(&core, OVER);
        let end_of_lease = OVER + 2 * SECOND;
        let until = end_of_lease + 2 * SECOND;
        assert_eq!(core.lead(2, until, LIFE, end_of_lease), Led::Seated);
        probe(&core, end_of_lease);
        probe(&core, end_of_lease);
        assert!(admit(&core, end_of_lease).is_err());
    }

    // N5: the same clock looks at both.
    #[test]
    fn after_its_lease_no_probe_begins() {
        let core = led(2);
        let end_of_lease = OVER + 2 * SECOND;
        probe(&core, end_of_lease - 1);
        for now in [end_of_lease, HELD - 1] {
            assert_eq!(admit(&core, now), Err(held(HELD, now)));
            assert_eq!(refusal(&core, now), Some(held(HELD, now)));
        }
        // Nobody has the say any more, and nobody waits for it.
        let lapsed = Refusal::HalfOpenFull(Nanos::ZERO);
        assert_eq!(refusal(&core, HELD), Some(lapsed));
        let opened = core.admit_any(HELD).transition.expect("opened by itself");
        assert_eq!(opened.cause, Cause::ProbesTimedOut);
        assert_eq!(opened.open_for, Some(Duration::from_secs(7)));
        assert!(!core.is_led());
    }

    // N5, G1, G7: whoever notices it, and for as long as a failed probe has asked.
    #[test]
    fn whoever_comes_first_finds_the_lease_over() {
        let lapsed = || {
            let core = led(2);
            let ticket = probe(&core, OVER);
            let asks = Outcome::FailureRetryAfter(Duration::from_secs(60));
            assert_eq!(end(&core, ticket, asks, OVER), None);
            core
        };
        let by_readiness = lapsed();
        let found = refusal(&by_readiness, HELD).expect("over");
        let told = by_readiness.renew_refusal(found, by_readiness.seen(), || HELD);
        let by_waiting = lapsed();
        let mut waited = None;
        by_waiting.refusal_or_time_out(|| HELD, |told| waited = Some(told));
        let by_driver = lapsed().admit_driven(HELD);
        for told in [told.transition, waited, by_driver.transition] {
            let told = told.expect("opened by itself");
            assert_eq!(told.open_for, Some(Duration::from_secs(60)));
        }
    }

    // N5
    #[test]
    fn unused_seats_end_with_their_lease() {
        let core = led(3);
        let old = probe(&core, OVER);
        let end_of_lease = OVER + 2 * SECOND;
        assert_eq!(core.lead(1, HELD, LIFE, end_of_lease - 1), Led::Refused);
        let until = end_of_lease + SECOND;
        assert_eq!(core.lead(1, until, LIFE, end_of_lease), Led::Seated);
        assert_eq!(tally(&core), (2, 0, 0, 1));
        // Nor does an old probe that is neutral make a seat of this lease; but its result would count.
        assert_eq!(end(&core, old, Outcome::Ignored, end_of_lease), None);
        let new = probe(&core, end_of_lease);
        assert!(admit(&core, end_of_lease).is_err());
        // A new one does.
        assert_eq!(end(&core, new, Outcome::Ignored, end_of_lease), None);
        let new = probe(&core, end_of_lease);
        assert_eq!(end(&core, new, Outcome::Success, end_of_lease), None);
        assert_eq!(tally(&core), (2, 1, 0, 0));
    }

    // N5: it is tallied, once, whatever it says.
    #[test]
    fn a_late_probe_of_an_older_lease_is_counted() {
        for (outcome, counted) in [
            (Outcome::Success, (2, 1, 0, 1)),
            (Outcome::Failure, (2, 0, 1, 1)),
        ] {
            let core = led(1);
            let old = probe(&core, OVER);
            let later = OVER + 3 * SECOND;
            assert_eq!(core.lead(1, later + SECOND, LIFE, later), Led::Seated);
            assert_eq!(end(&core, old, outcome, later), None);
            assert_eq!(tally(&core), counted);
        }
    }

    // A7: here alone, for its length.
    #[test]
    fn a_result_that_trips_opens_this_instance() {
        let core = led(2);
        let ticket = probe(&core, OVER);
        let opened = end(&core, ticket, Outcome::TripFor(BREAK), OVER).expect("opened");
        assert_eq!(opened.cause, Cause::TripNow);
        assert_eq!(opened.open_for, Some(BREAK));
        assert!(!core.is_led() && core.tally().is_none());
        assert_eq!(core.lead(1, HELD, LIFE, 2 * OVER), Led::Refused);
        assert_eq!(refusal(&core, 2 * OVER), None);
    }

    // N5, A6: one that was never asked says nothing.
    #[test]
    fn readiness_that_fails_while_held_is_neutral() {
        let core = opened();
        assert!(!core.fail_ready(core.seen(), OVER, |told| panic!("{told:?}")));
        assert_eq!(core.totals().expect("on").failed, 0);
        let led = led(1);
        assert!(led.fail_ready(led.seen(), OVER, |told| panic!("{told:?}")));
        assert_eq!(tally(&led), (1, 0, 1, 0));
    }

    // N6, E2: whatever comes first.
    #[test]
    fn nothing_of_the_fleet_undoes_a_person() {
        for act in [
            |core: &Core| core.force_open(None, OVER).is_some(),
            |core: &Core| core.set_mode(Mode::Disabled, OVER).is_some(),
        ] {
            let core = led(1);
            assert!(act(&core));
            let mode = core.mode();
            assert_eq!(core.open_shared(BREAK, OVER), OpenShared::ModeRefuses(mode));
            assert_eq!(core.close_shared(false, OVER), None);
            assert_eq!(core.lead(1, HELD, LIFE, OVER), Led::Refused);
            assert_eq!(core.mode(), mode);
            assert!(!core.is_led());
        }
        let disabled = core();
        disabled.set_mode(Mode::Disabled, 0);
        assert_eq!(disabled.force_shared(None, 0), None);

        let reset = led(1);
        reset.reset(OVER);
        assert_eq!(reset.lead(1, HELD, LIFE, OVER), Led::Refused);
        assert_eq!(reset.state(), State::Closed);

        let shadow = led(2);
        shadow.set_mode(Mode::Shadow, OVER);
        assert_eq!(tally(&shadow), (2, 0, 0, 2));
        assert_eq!(shadow.lead(1, HELD, LIFE, HELD - 1), Led::Refused);
    }

    // N6, E2
    #[test]
    fn a_person_forces_and_releases_the_fleet() {
        let core = opened();
        let forced = core.force_shared(Some(BREAK), 1).expect("forced");
        assert_eq!(
            (forced.cause, forced.mode, forced.open_for),
            (Cause::Shared, Mode::ForcedOpen, Some(BREAK))
        );
        assert_eq!(core.force_shared(Some(BREAK), 1), None);
        let released = core.release_shared(2).expect("forced open");
        assert_eq!(
            (released.cause, released.to),
            (Cause::Shared, State::Closed)
        );
        assert_eq!(core.release_shared(2), None);
    }

    // N4, D6, C2: attempts of before are forgotten.
    #[test]
    fn a_close_of_the_fleet_ramps_as_one_of_ones_own() {
        let ramping = Numbers {
            ramp: SECOND,
            ramp_from: 1,
            ..numbers()
        };
        for (clear, share) in [(false, 1), (true, 1_000_000)] {
            let core = core_with(ramping, None);
            told(core.open_shared(BREAK, 0));
            let closed = core.close_shared(clear, 1).expect("open");
            assert_eq!((closed.cause, closed.to), (Cause::Shared, State::Closed));
            assert_eq!(core.view(|| 1).ramp_share, share);
            assert_eq!(core.close_shared(false, 1), None);
            assert_eq!(core.close_shared(true, 1).is_some(), clear || share == 1);
            assert_eq!(told(core.open_shared(BREAK, 1)).attempt, 1);
        }
    }

    // N4: open already, for the whole of the new break; no further attempt.
    #[test]
    fn the_fleet_begins_a_break_anew() {
        let core = opened();
        let again = told(core.open_shared(BREAK, OVER));
        assert_eq!((again.from, again.attempt), (State::Open, 1));
        assert!(core.is_led());
        assert_eq!(
            refusal(&core, 2 * OVER - 1),
            Some(Refusal::Open(Nanos::new(1)))
        );
        assert_eq!(refusal(&core, 2 * OVER), Some(held(HELD, 2 * OVER)));
        // Also one of no length.
        told(core.open_shared(Duration::ZERO, 2 * OVER));
        assert_eq!(admit(&core, 2 * OVER), Err(held(HELD, 2 * OVER)));
    }

    // N7: what has been learnt is kept.
    #[test]
    fn who_goes_alone_goes_on_from_where_it_was() {
        let plan = |need, spare| Alone {
            permits: 1,
            need,
            spare,
        };
        let core = opened();
        assert_eq!(core.go_alone(plan(2, 1), OVER), None);
        probe(&core, OVER);

        let ended = |outcomes: [Outcome; 2]| {
            let core = led(3);
            let tickets = outcomes.map(|outcome| (probe(&core, OVER), outcome));
            for (ticket, outcome) in tickets {
                assert_eq!(end(&core, ticket, outcome, OVER), None);
            }
            core
        };
        let both = [Outcome::Success, Outcome::Failure];
        let half = ended(both);
        let told = half.go_alone(plan(2, 1), OVER).expect("led");
        assert_eq!((told.from, told.to), (State::HalfOpen, State::HalfOpen));
        assert_eq!((told.cause, told.attempt), (Cause::WaitOver, 1));
        assert!(!half.is_led());
        let shown = half.view(|| OVER).probes.expect("half-open");
        assert_eq!(
            (
                shown.permits,
                shown.successes_needed,
                shown.failures_allowed
            ),
            (1, 1, 0)
        );
        let last = probe(&half, OVER);
        assert!(admit(&half, OVER).is_err());
        let closed = end(&half, last, Outcome::Success, OVER).expect("decides");
        assert_eq!(closed.to, State::Closed);
        // C2: it counts that it had opened.
        let again = half.trip(BREAK, OVER).expect("normal mode");
        assert_eq!(again.attempt, 2);

        let more = ended(both);
        assert!(more.go_alone(plan(3, 2), OVER).is_some());
        let shown = more.view(|| OVER).probes.expect("half-open");
        assert_eq!((shown.successes_needed, shown.failures_allowed), (2, 1));

        let told = ended(both).go_alone(plan(1, 1), OVER).expect("led");
        assert_eq!((told.to, told.cause), (State::Closed, Cause::Recovered));
        let told = ended(both).go_alone(plan(2, 0), OVER).expect("led");
        assert_eq!((told.to, told.cause), (State::Open, Cause::ProbeFailed));
    }

    // D4: a probe of before it was alone is stale, and half-open waits for it no longer.
    #[test]
    fn probes_in_flight_are_of_the_era_before() {
        let core = led(1);
        let old = probe(&core, OVER);
        let alone = Alone {
            permits: 1,
            need: 1,
            spare: 0,
        };
        assert!(core.go_alone(alone, OVER).is_some());
        assert_eq!(end(&core, old, Outcome::Failure, OVER), None);
        assert_eq!(core.state(), State::HalfOpen);
        probe(&core, OVER);
    }

    // G7
    #[test]
    fn a_break_of_the_fleet_needs_a_place_as_any_other() {
        let cap = Arc::new(Cap::new(WHOLE_OF_TWO, 1));
        let [first, second] = [(); 2].map(|()| core_with(numbers(), Some(cap.clone())));
        assert!(first.trip(BREAK, 0).is_ok());
        let vetoed = second.open_shared(BREAK, 0);
        let OpenShared::Vetoed(vetoed) = vetoed else {
            panic!("{vetoed:?}");
        };
        assert_eq!(
            (vetoed.cause, vetoed.vetoed, vetoed.to),
            (Cause::TripVetoed, Some(Cause::Shared), State::Closed)
        );
        assert_eq!((second.close_shared(false, 0), cap.taken()), (None, 1));
        // It has one already, however long.
        for left in [BREAK, Duration::ZERO, BREAK] {
            told(first.open_shared(left, 1));
            assert_eq!(cap.taken(), 1);
        }
        assert!(matches!(first.lead(1, HELD, LIFE, OVER + 1), Led::Told(_)));
        told(first.open_shared(Duration::ZERO, OVER + 1));
        // Its break is over, so another may take the place over; then it has none to open with.
        told(second.open_shared(BREAK, OVER + 2));
        assert_eq!(cap.taken(), 1);
        let vetoed = first.open_shared(BREAK, OVER + 2);
        assert!(matches!(vetoed, OpenShared::Vetoed(_)), "{vetoed:?}");
        assert_eq!((first.state(), cap.taken()), (State::Closed, 1));
        // A person needs none (E2).
        assert!(first.force_shared(None, OVER + 3).is_some());
        assert_eq!(cap.taken(), 2);
        assert!(first.release_shared(OVER + 3).is_some());
        assert_eq!(cap.taken(), 1);
        assert!(second.close_shared(false, OVER + 3).is_some());
        assert_eq!(cap.taken(), 0);
    }

    /// One of two.
    const WHOLE_OF_TWO: u64 = 500_000;

    fn ramping(ramp: u64, cap: Option<Arc<Cap>>) -> Core {
        core_with(Numbers { ramp, ..numbers() }, cap)
    }

    /// One whose place another has taken over, and that one.
    fn displaced(ramp: u64) -> [Core; 2] {
        let cap = Arc::new(Cap::new(WHOLE_OF_TWO, 1));
        let cores = [(); 2].map(|()| ramping(ramp, Some(cap.clone())));
        assert!(cores[0].trip(BREAK, 0).is_ok());
        told(cores[1].open_shared(BREAK, OVER));
        cores
    }

    fn closed_by_its_fleet(ramp: u64) -> bool {
        let core = ramping(ramp, None);
        told(core.open_shared(BREAK, 0));
        assert!(core.close_shared(false, 1).is_some());
        core.load().is_ramping()
    }

    fn closed_alone(ramp: u64) -> bool {
        let core = ramping(ramp, None);
        told(core.open_shared(BREAK, 0));
        assert!(matches!(core.lead(1, HELD, LIFE, OVER), Led::Told(_)));
        let alone = Alone {
            permits: 1,
            need: 0,
            spare: 0,
        };
        assert!(core.go_alone(alone, OVER).is_some());
        core.load().is_ramping()
    }

    fn closed_by_a_veto_in_open(ramp: u64) -> bool {
        let [core, _] = &displaced(ramp);
        let opened = core.open_shared(BREAK, OVER);
        assert!(matches!(opened, OpenShared::Vetoed(_)), "{opened:?}");
        core.load().is_ramping()
    }

    fn closed_by_a_veto_in_half_open(ramp: u64) -> bool {
        let [core, _] = &displaced(ramp);
        let probe = probe(core, OVER);
        let closed = end(core, probe, Outcome::TripNow, OVER).expect("vetoed");
        assert_eq!(closed.vetoed, Some(Cause::TripNow));
        core.load().is_ramping()
    }

    // D6, E5: what closes where there is no ramp knows of none that is set later.
    #[test]
    fn whatever_closes_it_ramps_if_there_is_a_ramp() {
        let closes = [
            closed_by_its_fleet,
            closed_alone,
            closed_by_a_veto_in_open,
            closed_by_a_veto_in_half_open,
        ];
        for ramp in [0, SECOND] {
            assert_eq!(closes.map(|close| close(ramp)), [ramp > 0; 4]);
        }
    }

    // E6: another process has no seats.
    #[test]
    fn a_led_era_is_saved_as_an_open_one() {
        for (core, remaining) in [
            (opened(), BREAK - Duration::from_secs(1)),
            (led(1), Duration::ZERO),
        ] {
            let now = if remaining.is_zero() { OVER } else { SECOND };
            let saved = core.save(|| now);
            assert_eq!(
                (saved.state, saved.remaining, saved.open_for),
                (State::Open, Some(remaining), Some(BREAK))
            );
        }
    }

    // I5: whoever is held has not been forgotten.
    #[cfg(feature = "registry")]
    #[test]
    fn a_held_circuit_is_not_forgotten() {
        let core = opened();
        told(core.open_shared(Duration::ZERO, 0));
        assert!(!core.is_forgotten(HELD - 1) && core.is_forgotten(HELD));
        core.close_shared(false, HELD);
        assert!(core.is_like_new(Mode::Normal, HELD));
    }

    // C5
    #[test]
    fn the_accounts_of_a_led_era_are_never_shown() {
        let core = led(3);
        let ticket = probe(&core, OVER);
        probe(&core, OVER);
        assert_eq!(end(&core, ticket, Outcome::Success, OVER), None);
        let shown = core.view(|| OVER).probes.expect("half-open");
        assert_eq!((shown.in_flight, shown.permits), (1, 2));
        assert_eq!((shown.successes_needed, shown.failures_allowed), (1, 3));
    }

    // F4
    #[test]
    fn a_held_call_is_one_that_found_the_circuit_open() {
        let core = opened();
        core.count_rejection(admit(&core, OVER).expect_err("held"));
        let rejected = core.totals().expect("on").rejected_by;
        assert_eq!((rejected.open, rejected.half_open_full), (1, 0));
        assert_eq!(core.usual_rejection(held(HELD, OVER)), None);
        let cause = core.cause_of_rejection(held(HELD, OVER)).cause();
        assert_eq!(cause, Some(Cause::Shared));
    }

    // N5: a driver's probe takes a seat, and is stopped when its lease is over (D7); one that is abandoned gives back.
    #[test]
    fn a_driver_waits_for_a_seat() {
        let core = opened();
        assert!(core.admit_driven(OVER).answer.is_err());
        let core = led(1);
        let ticket = core.admit_driven(OVER).answer.expect("a seat");
        assert_eq!(
            core.driven_remaining(ticket, OVER).answer,
            Some(Nanos::of(LIFE))
        );
        assert_eq!(core.abandon(ticket, Answer::None, || OVER + 1), None);
        assert_eq!(tally(&core), (1, 0, 0, 1));
    }

    // N5, D7: a lease is over for those who come; it cuts off none that has begun.
    #[test]
    fn a_driver_s_probe_has_its_own_time() {
        let core = core();
        core.hold(OVER);
        told(core.open_shared(BREAK, 0));
        let end_of_lease = OVER + 2 * SECOND;
        assert!(matches!(
            core.lead(1, end_of_lease, LIFE, OVER),
            Led::Told(_)
        ));
        let ticket = core.admit_driven(OVER + SECOND).answer.expect("a seat");
        let left = core.driven_remaining(ticket, end_of_lease);
        assert_eq!(
            (left.answer, left.transition),
            (Some(Nanos::new(SECOND)), None)
        );
    }

    // N1
    #[test]
    fn the_first_who_wants_a_seat_is_told_from_the_others() {
        let core = core();
        for _ in 0..2 {
            let all = [Look::First, Look::Again, Look::First];
            assert_eq!(all.map(|look| core.want(look)), [true, false, false]);
            assert_eq!([(); 2].map(|()| core.take_wanted()), [2, 0]);
            let again = [Look::Again, Look::Again, Look::First];
            assert_eq!(again.map(|look| core.want(look)), [true, false, false]);
            assert_eq!([(); 2].map(|()| core.take_wanted()), [2, 0]);
        }
    }
}
