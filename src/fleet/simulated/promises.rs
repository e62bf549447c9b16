//! What a fleet promises (rules N2 to N7), held against what happens.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::{
    super::{
        table::{Entry, record::State},
        wire::{Decide, Decided, Done, InstanceId, Odd, Proposal, Stamp},
    },
    MILLI, SECOND,
    instance::LIFE,
};
use crate::machine::nanos;

#[derive(Default)]
pub(super) struct Promises {
    /// What was broken first.
    pub(super) broken: Option<String>,
    /// Each stamp names one decision.
    decisions: HashMap<Stamp, Decision>,
    grants: Vec<Grant>,
    /// When probes on seats began.
    begun: VecDeque<u64>,
    /// When the store heard what became of a seat, or what the seats were for was over.
    answered: VecDeque<u64>,
    /// When the store forgot what it had given, or two of them gave it: from, to.
    forgot: Vec<(u64, u64)>,
    /// When the store last counted an instance as one that agrees.
    agreed: BTreeMap<InstanceId, u64>,
    /// What has come about.
    pub(super) reached: BTreeMap<&'static str, u64>,
}

/// What does not change of a decision. Half-open comes back from an instance as a break that is over.
#[derive(Clone, Debug, PartialEq)]
struct Decision {
    closed: bool,
    forced: bool,
    length: u64,
    cause: String,
    who: String,
}

struct Grant {
    to: InstanceId,
    at: u64,
    /// How long the seats are kept, in milliseconds.
    life: u64,
    seats: u32,
    /// Of these, no probe has taken so many yet.
    left: u32,
}

impl Promises {
    pub(super) fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds && self.broken.is_none() {
            self.broken = Some(what());
        }
    }

    pub(super) fn reach(&mut self, what: &'static str) {
        *self.reached.entry(what).or_default() += 1;
    }

    /// Until then, the store may give once more what it has given before: it does not know it, or not what became of
    /// it.
    pub(super) fn forgets(&mut self, now: u64, until: u64) {
        self.forgot.push((now, until));
        self.grants.iter_mut().for_each(|it| it.left = it.seats);
    }

    /// What a store has made of a proposal, at `now` in truth and `millis` by its clock.
    pub(super) fn decided(
        &mut self,
        (now, millis): (u64, u64),
        ask: &Decide,
        (before, after): (&Entry, &Entry),
        told: &Result<Decided, Odd>,
    ) {
        self.reached_by(ask, told);
        self.turned(before, after);
        self.one_decision(after);
        self.opened_by_two(now, ask, told);
        self.follows(ask, before, told);
        self.no_more_than_permits(millis, after);
        self.persons_only(millis, ask, before, after);
        self.note_grant(now, ask, before, after);
        self.note_answers(now, before, after);
    }

    fn reached_by(&mut self, ask: &Decide, told: &Result<Decided, Odd>) {
        let done = told.as_ref().map(|told| told.done);
        self.check(done.is_ok(), || format!("refused: {told:?} to {ask:?}"));
        let name = match (&ask.what, done) {
            (_, Ok(Done::Late)) => "late",
            (_, Ok(Done::Behind)) => "behind",
            (_, Ok(Done::Full { .. })) => "full",
            (Proposal::Open { .. }, Ok(Done::Yes)) => "open",
            (Proposal::Lease { .. }, Ok(Done::Yes)) => "lease",
            (Proposal::Results { .. }, Ok(Done::Yes)) => "result",
            (Proposal::Restore(_), Ok(Done::Yes)) => "restore",
            (Proposal::Force { .. }, Ok(Done::Yes)) => "force",
            _ => return,
        };
        self.reach(name);
    }

    /// N4: a store goes on, and never back.
    pub(super) fn turned(&mut self, before: &Entry, after: &Entry) {
        let (before, after) = (&before.record, &after.record);
        self.check(after.stamp >= before.stamp, || {
            format!("from {:?} back to {:?}", before.stamp, after.stamp)
        });
        if after.stamp == before.stamp {
            return;
        }
        match after.cause.as_str() {
            "probe_failed" => self.reach("opened anew"),
            "recovered" => self.reach("recovered"),
            "force_expired" => self.reach("force expired"),
            _ => {}
        }
    }

    /// N4: one stamp, one decision, in whatever store.
    pub(super) fn one_decision(&mut self, after: &Entry) {
        let record = &after.record;
        let decision = Decision {
            closed: record.state == State::Closed,
            forced: record.forced,
            length: record.length,
            cause: record.cause.to_string(),
            who: record.who.to_string(),
        };
        let first = self.decisions.entry(record.stamp);
        let first = first.or_insert_with(|| decision.clone()).clone();
        self.check(first == decision, || {
            format!("{:?} is {first:?}, and {decision:?}", record.stamp)
        });
    }

    /// What is reported.
    pub(super) fn counted(&mut self, now: u64, after: &Entry) {
        let bad = after.registers.iter().filter(|it| it.1.part.bad > 0);
        self.agreed
            .extend(bad.map(|(instance, _)| (*instance, now)));
    }

    /// N3: no instance opens the fleet alone. It was judged by an answer, and whoever hears none for three seconds is
    /// alone.
    fn opened_by_two(&mut self, now: u64, ask: &Decide, told: &Result<Decided, Odd>) {
        let opened = matches!(ask.what, Proposal::Open { .. })
            && told.as_ref().is_ok_and(|told| told.done == Done::Yes);
        if !opened {
            return;
        }
        // A store that has forgotten is restored first, and asked again.
        let late = |&&(from, to): &&(u64, u64)| now <= to + 6 * SECOND && from <= now;
        let forgot = self.forgot.iter().filter(late).map(|it| it.0).min();
        let since = forgot.unwrap_or(now).min(now).saturating_sub(3 * SECOND);
        let recent = |at: &&u64| **at >= since;
        let agree = self.agreed.values().filter(recent).count();
        self.check(agree >= 2, || {
            format!("opened, and {agree} instances agree")
        });
    }

    /// N4: a decision follows the one that was known to whoever proposed it.
    fn follows(&mut self, ask: &Decide, before: &Entry, told: &Result<Decided, Odd>) {
        let done = told.as_ref().is_ok_and(|told| told.done == Done::Yes);
        let fenced = matches!(
            ask.what,
            Proposal::Open { .. } | Proposal::Lease { .. } | Proposal::Results { .. }
        );
        let stamp = before.record.stamp;
        self.check(!done || !fenced || ask.seen == stamp, || {
            format!(
                "{:?} was decided after {stamp:?}, and {:?} was known",
                ask.what, ask.seen
            )
        });
    }

    /// N5: seats that are out are never more than permits.
    fn no_more_than_permits(&mut self, millis: u64, after: &Entry) {
        let State::HalfOpen(left) = after.record.state else {
            return;
        };
        let live = after.leases.values().filter(|lease| lease.ends > millis);
        let seats: u32 = live.map(|lease| lease.seats()).sum();
        self.check(seats <= left.permits, || {
            format!("{seats} seats, and {} permits", left.permits)
        });
    }

    /// N6: what a person has forced, nobody else ends.
    fn persons_only(&mut self, millis: u64, ask: &Decide, before: &Entry, after: &Entry) {
        let ended = before.record.forced && !after.record.forced;
        let is_over = before.record.until > 0 && before.record.until <= millis;
        let allowed = matches!(
            ask.what,
            Proposal::Release { .. } | Proposal::Reset { .. } | Proposal::Restore(_)
        );
        self.check(!ended || is_over || allowed, || {
            format!("forced, and ended by {ask:?}")
        });
    }

    fn note_grant(&mut self, now: u64, ask: &Decide, before: &Entry, after: &Entry) {
        let given = |entry: &Entry| entry.leases.get(&ask.instance).map_or(0, |it| it.given);
        let was = match before.record.stamp == after.record.stamp {
            true => given(before),
            false => 0,
        };
        let seats = given(after).saturating_sub(was);
        let &Proposal::Lease { life, .. } = &ask.what else {
            return;
        };
        if seats > 0 {
            self.grants.push(Grant {
                to: ask.instance,
                at: now,
                life,
                seats,
                left: seats,
            });
        }
    }

    fn note_answers(&mut self, now: u64, before: &Entry, after: &Entry) {
        let known = |entry: &Entry| -> u32 {
            let leases = entry.leases.values();
            leases.map(|it| it.ok + it.failed + it.back).sum()
        };
        let turned = before.record.stamp != after.record.stamp;
        let news = match turned {
            true => before.leases.values().map(|lease| lease.seats()).sum(),
            false => known(after).saturating_sub(known(before)),
        };
        for _ in 0..news {
            self.answered.push_back(now);
        }
    }

    /// N5: a probe of the fleet's begins. `lasts`: how long so many milliseconds of the instance's clock are in truth.
    pub(super) fn probe(
        &mut self,
        now: u64,
        instances: &[InstanceId],
        lasts: impl Fn(u64) -> u64,
        permits: usize,
    ) {
        self.reach("probe");
        self.grants.retain(|it| now - it.at <= 120 * SECOND);
        let forgot = &self.forgot;
        let good = |it: &&mut Grant| {
            // By a clock that has gone back it may last longer.
            let lasts = now - it.at <= lasts(it.life) || forgot.iter().any(|one| one.1 >= it.at);
            instances.contains(&it.to) && it.left > 0 && lasts
        };
        let Some(grant) = self.grants.iter_mut().find(good) else {
            self.check(false, || "a probe without a seat".to_owned());
            return;
        };
        grant.left -= 1;
        self.begun.push_back(now);
        self.begun_within(now, permits);
    }

    /// In the shortest time that a seat is kept, no more begin than there are permits, but for those that were answered
    /// in between.
    fn begun_within(&mut self, now: u64, permits: usize) {
        // Clocks may be off by one in a hundred.
        let within = nanos(LIFE) / 100 * 98;
        let longest = self.grants.iter().map(|it| it.life).max().unwrap_or(0) * MILLI;
        // Who has not heard yet that a seat is of no use any more, since another probe has decided, may use it still.
        for (times, within) in [
            (&mut self.begun, within),
            (&mut self.answered, within + longest),
        ] {
            while times.front().is_some_and(|at| now - at >= within) {
                times.pop_front();
            }
        }
        let touches = |&&(from, to): &&(u64, u64)| from <= now && now <= to + 2 * longest;
        let forgot = self.forgot.iter().filter(touches).count();
        let most = (1 + forgot) * permits + self.answered.len();
        let begun = self.begun.len();
        self.check(begun <= most, || {
            format!("{begun} probes have begun, and at most {most} may")
        });
    }
}
