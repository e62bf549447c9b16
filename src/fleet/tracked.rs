//! A circuit, what is known of its fleet, and when there is something to say of it (rules N2 to N7).

use std::sync::{Arc, atomic::Ordering};

use super::{
    fleet::Common,
    follow::{Follow, Left},
    leading::{SeenRules, apply, look},
    local::{Apply, Asks, Here, Local},
    member::{Member, Part},
    pace::{Chance, lease_wait, report_due},
    shard::Surroundings,
    wire::{Decided, Done, How, Key, Look, Odd, Proposal, Stamp, Stored, StoredMode, Told},
};
use crate::{
    circuit::{
        followed::{FleetNews, FleetNow, Heard, Why},
        handle::Circuit,
        name::Name,
    },
    machine::{State, nanos},
};

/// What was refused is told no more often: a minute.
const REFUSED_AGAIN: u64 = 60_000_000_000;

/// Others have so long to probe besides the time for two leases: 10 seconds.
const APART: u64 = 10_000_000_000;

pub(super) struct Tracked {
    member: Arc<Member>,
    follow: Follow,
    rules: SeenRules,
    began: u64,
    /// When it is looked at next, unless something happens.
    due_at: u64,
    /// What there was to say of it, and was not said yet.
    listed: Option<Wants>,
    /// The store was asked of it, and has not answered.
    under_way: bool,
    /// Since when a seat is wanted, and when it may be asked for.
    lease_at: Option<u64>,
    /// When the last report was sent that counts.
    reported: u64,
    /// When the store was asked of it, and has answered.
    looked: u64,
    /// The store is to be asked of it.
    unknown: bool,
    /// When the store was asked that has answered for all that have not changed.
    confirmed: u64,
    /// What the store said of it made no sense.
    odd: bool,
    /// The store is not asked of it before.
    not_before: u64,
    /// How often in a row the store could decide nothing of it.
    decided_in_vain: u32,
    refused_told: Option<u64>,
    /// What it was when there was nothing to say of it.
    quiet: Option<Quiet>,
    /// Since when it is closed here, and the fleet is not and has nobody to wait for.
    apart: Option<u64>,
    /// It was told that it takes part, or that it does not.
    part_told: bool,
    is_led: bool,
}

/// What a look at all circuits of a shard knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    pub(super) now: u64,
    /// When the store was asked what has changed, and has answered.
    pub(super) confirmed: Option<u64>,
    /// Why it does not answer.
    pub(super) why: Why,
    /// How many circuits have something to report.
    pub(super) reporting: u64,
}

/// A closed circuit without calls. Of most circuits that is all there is to see, so it is seen with little effort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Quiet {
    era: u64,
    /// Calls that have ended.
    ended: u64,
    settings: u64,
}

impl Quiet {
    fn of(circuit: &Circuit) -> Self {
        let totals = circuit.core().totals().unwrap_or_default();
        Self {
            era: circuit.core().era(),
            ended: totals.successful.wrapping_add(totals.failed),
            settings: circuit.settings_version(),
        }
    }
}

/// What there is to say of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Exchange,
    Decide,
}

impl Tracked {
    /// `left`: by an older circuit of its name.
    pub(super) fn new(
        (member, left): (Arc<Member>, Option<Left>),
        common: &Common,
        chance: &mut Chance,
        now: u64,
    ) -> Self {
        // So that not all instances are alone at the same instant.
        let alone_after = nanos(common.pace.detach_after);
        let alone_after = alone_after - chance.below(alone_after / 5);
        member.set_part(Part::new(now));
        let new = || Follow::new(alone_after);
        let follow = member.take_kept().unwrap_or_else(new);
        let follow = match left {
            Some(left) => follow.goes_on(left),
            None => follow,
        };
        Self {
            member,
            follow,
            rules: SeenRules::default(),
            began: now,
            due_at: now,
            listed: None,
            under_way: false,
            lease_at: None,
            reported: 0,
            looked: 0,
            unknown: true,
            confirmed: 0,
            odd: false,
            not_before: 0,
            decided_in_vain: 0,
            refused_told: None,
            quiet: None,
            apart: None,
            part_told: false,
            is_led: false,
        }
    }

    pub(super) fn key(&self) -> &Key {
        &self.member.key
    }

    pub(super) fn is(&self, member: &Arc<Member>) -> bool {
        Arc::ptr_eq(&self.member, member)
    }

    pub(super) fn contributors(&self) -> u64 {
        self.follow.all.contributors
    }

    /// Whether the store counts something of it.
    pub(super) fn is_reporting(&self) -> bool {
        let counted = self.follow.speaks.counted.as_ref();
        counted.is_some_and(|register| register.calls > 0 || register.bad)
    }

    /// Whether its fleet has opened it: then it has to hear of it more often.
    pub(super) fn is_led(&self) -> bool {
        self.is_led
    }

    /// The fleet has decided something, or may have.
    pub(super) fn may_have_changed(&mut self) {
        self.unknown = true;
        self.due_at = 0;
    }

    pub(super) fn examine_soon(&mut self) {
        self.due_at = 0;
    }

    /// When it has to be looked at, whatever happens. It has been stirred: now.
    pub(super) fn due_at(&self) -> u64 {
        match (self.member.is_stirred(), self.listed) {
            (true, _) => 0,
            (false, None) => self.due_at,
            // It waits for its turn to be said.
            (false, Some(_)) => u64::MAX,
        }
    }

    pub(super) fn is_due(&self, now: u64) -> bool {
        self.due_at() <= now
    }

    /// The list on which it was is gone.
    pub(super) fn unlisted(&mut self) {
        self.listed = None;
        self.due_at = 0;
    }

    /// Looks at the circuit, and whether it is time to say something of it that it was not before.
    pub(super) fn examine(&mut self, around: &mut Surroundings, pass: &Pass) -> Option<Wants> {
        let circuit = self.member.circuit()?;
        if !self.is_due(pass.now) && self.is_quiet(&circuit, pass) {
            return None;
        }
        self.member.take_stirred();
        // Before the look.
        let seen = Quiet::of(&circuit);
        (self.due_at, self.quiet) = (u64::MAX, None);
        if self.is_off(&circuit) {
            self.leave_fleet(&circuit, around, Why::Off, pass.now);
            return None;
        }
        self.rules.see_calls(&circuit, pass.now);
        self.take_in(&circuit, around, pass);
        let local = look(&circuit, self.rules.of(&circuit));
        let is_closed = local.state == Here::Closed;
        self.is_led = local.is_led();
        self.note_apart(&local, pass.now);
        let asks = self.follow.asks(&local, pass.now);
        let at = self.when(&asks, around, pass);
        self.due_at = at.map_or(u64::MAX, |at| at.max(self.not_before));
        if at.is_none() && is_closed && matches!(asks, Asks::Look { .. }) {
            self.quiet = Some(seen);
        }
        let wants = (self.due_at <= pass.now).then_some(match asks {
            Asks::Decide(_) => Wants::Decide,
            Asks::Look { .. } | Asks::Report(_) => Wants::Exchange,
        });
        let was = std::mem::replace(&mut self.listed, wants);
        wants.filter(|_| was != wants)
    }

    /// Whether it is its turn, as it was listed last.
    fn takes_turn(&mut self, wants: Wants) -> bool {
        let takes = self.listed == Some(wants);
        if takes {
            self.listed = None;
        }
        takes
    }

    /// Whoever was closed here alone, by a person or a mode, asks for no seat. Where all are, nobody would, and the
    /// fleet would never decide anything again. So after a while it does what the fleet says as if it were new.
    fn note_apart(&mut self, local: &Local<'_>, now: u64) {
        if !self.follow.stands_apart(local, now) {
            self.apart = None;
            return;
        }
        let since = *self.apart.get_or_insert(now);
        let patience = local.rules.life.saturating_mul(2_000_000);
        if now.saturating_sub(since) >= patience.saturating_add(APART) {
            (self.apart, self.unknown) = (None, true);
            self.follow.applied = None;
        }
    }

    /// Whether there still is nothing to say of it, and the store answers.
    fn is_quiet(&mut self, circuit: &Circuit, pass: &Pass) -> bool {
        if self.quiet.is_none_or(|quiet| quiet != Quiet::of(circuit)) {
            return false;
        }
        if let Some(asked) = pass.confirmed.filter(|asked| *asked > self.confirmed) {
            self.confirmed = asked;
            self.follow.asked = self.follow.asked.map(|last| last.max(asked));
        }
        self.follow.is_attached(pass.now)
    }

    /// What has happened since the last look.
    fn take_in(&mut self, circuit: &Circuit, around: &mut Surroundings, pass: &Pass) {
        self.take_act();
        // Each call that is held after they were taken wakes the task.
        if self.follow.looks_for_calls(pass.now) {
            self.take_wanted(circuit);
        }
        let local = look(circuit, self.rules.of(circuit));
        let news = pass.confirmed.filter(|asked| *asked > self.confirmed);
        let out = match news.filter(|_| !self.unknown) {
            Some(asked) => {
                self.confirmed = asked;
                self.follow.still(asked, pass.now, &local)
            }
            None => self.follow.lost(self.why(pass.why), pass.now, &local),
        };
        self.apply(circuit, out, around, pass.now);
        let detach_after = nanos(around.common.pace.detach_after);
        self.note_why(circuit, detach_after, pass);
    }

    fn take_act(&mut self) {
        if let Some((act, who, at)) = self.member.take_act() {
            self.follow.act(act, who, at);
        }
    }

    fn take_wanted(&mut self, circuit: &Circuit) {
        match circuit.core().take_wanted() {
            0 => {}
            wanted => self.follow.wants(wanted),
        }
    }

    fn why(&self, of_the_store: Why) -> Why {
        match self.odd {
            true => Why::Nonsense,
            false => of_the_store,
        }
    }

    /// When what it wants may be said.
    fn when(&mut self, asks: &Asks, around: &mut Surroundings, pass: &Pass) -> Option<u64> {
        if !matches!(asks, Asks::Decide(Proposal::Lease { .. })) {
            self.lease_at = None;
        }
        match asks {
            Asks::Decide(Proposal::Lease { .. }) => {
                let contributors = self.contributors();
                let mut wait = || lease_wait(contributors, &mut around.chance);
                Some(
                    *self
                        .lease_at
                        .get_or_insert_with(|| pass.now.saturating_add(wait())),
                )
            }
            Asks::Decide(_) => Some(pass.now),
            _ if self.unknown => Some(pass.now),
            Asks::Look { now: true } => Some(pass.now),
            // What was told of others is not shown for longer than it counts.
            Asks::Look { now: false } if self.contributors() > 0 => {
                let keep_for = self.rules.keep_for().saturating_mul(1_000_000);
                Some(self.looked.saturating_add(keep_for))
            }
            Asks::Look { now: false } => None,
            Asks::Report(register) => {
                let news = around.common.pace.news(self.contributors(), pass.reporting);
                let keep_for = self.rules.keep_for();
                let old = self.follow.speaks.counted.as_ref();
                let wait = report_due(register, old, (news, keep_for))?;
                Some(self.reported.saturating_add(wait))
            }
        }
    }

    /// What is to be decided now, if anything is, and on top of which decision.
    pub(super) fn propose(&mut self, now: u64) -> Option<(Stamp, Proposal)> {
        let circuit = self.member.circuit()?;
        if !self.takes_turn(Wants::Decide) {
            return None;
        }
        let local = look(&circuit, self.rules.of(&circuit));
        if self.follow.seats.wanted > 0 {
            // As many seats as there are calls by now.
            self.take_wanted(&circuit);
        }
        match self.follow.asks(&local, now) {
            Asks::Decide(proposal) => {
                self.due_at = u64::MAX;
                self.lease_at = None;
                self.under_way = true;
                Some((self.follow.known(), proposal))
            }
            _ => {
                self.due_at = now;
                None
            }
        }
    }

    /// What is to be asked of it, and said.
    ///
    /// `seq`: of the last report of this instance, of whatever circuit. A circuit that is made anew under an old name
    /// goes on from there.
    pub(super) fn ask(&mut self, seq: &mut u64, now: u64) -> Option<Look> {
        let circuit = self.member.circuit()?;
        if !self.takes_turn(Wants::Exchange) {
            return None;
        }
        let local = look(&circuit, self.rules.of(&circuit));
        self.due_at = u64::MAX;
        let report = match self.follow.asks(&local, now) {
            Asks::Report(register) => {
                self.follow.speaks.seq = *seq;
                let report = self.follow.say(register, &local);
                *seq = report.seq;
                Some(report)
            }
            Asks::Look { .. } => None,
            Asks::Decide(_) => {
                self.due_at = now;
                None
            }
        };
        self.under_way = true;
        Some(Look {
            name: self.key().clone(),
            stamp: self.follow.known(),
            report,
        })
    }

    /// Whether an answer is one to what was asked of this circuit, and not of an older one of its name.
    pub(super) fn takes_answer(&mut self) -> bool {
        std::mem::take(&mut self.under_way)
    }

    /// The answer to that.
    pub(super) fn heard(
        &mut self,
        told: Result<Told, Odd>,
        around: &mut Surroundings,
        (asked, now): (u64, u64),
    ) {
        let Some(circuit) = self.takes_part() else {
            return;
        };
        let Ok(told) = told else {
            self.refused(&circuit, around, now);
            return;
        };
        (self.unknown, self.odd) = (false, false);
        (self.confirmed, self.looked) = (asked, asked);
        let local = look(&circuit, self.rules.of(&circuit));
        let out = self.follow.heard(&told, (asked, now), &local);
        if told.how == How::Counted {
            self.reported = asked;
        }
        self.apply(&circuit, out, around, now);
        self.show();
    }

    /// The answer to a proposal.
    pub(super) fn decided(
        &mut self,
        proposal: &Proposal,
        told: &Decided,
        around: &mut Surroundings,
        (asked, now): (u64, u64),
    ) {
        let Some(circuit) = self.takes_part() else {
            return;
        };
        if told.done == Done::Yes {
            self.decided_in_vain = 0;
        }
        let local = look(&circuit, self.rules.of(&circuit));
        let out = self.follow.decided(proposal, told, (asked, now), &local);
        self.apply(&circuit, out, around, now);
        self.due_at = 0;
        self.show();
    }

    /// It takes no part any more.
    pub(super) fn leave(&mut self, around: &mut Surroundings, why: Why, now: u64) {
        if let Some(circuit) = self.member.circuit() {
            self.leave_fleet(&circuit, around, why, now);
        }
    }

    fn leave_fleet(&mut self, circuit: &Circuit, around: &mut Surroundings, why: Why, now: u64) {
        // Nobody is held any more. Seats for calls that are gone would be asked for when it is back.
        let _ = circuit.core().take_wanted();
        let local = look(circuit, self.rules.of(circuit));
        let out = self.follow.leaves_fleet(why, &local);
        self.apply(circuit, out, around, now);
        self.unknown = true;
        self.set_why(why, now);
        self.member.settle_act(Heard::OnlyHere(why));
    }

    /// What the next circuit of its name has to know. What this one knows is kept, should its turn come again.
    pub(super) fn left(self) -> Option<Left> {
        let follow = self.follow.without_part();
        self.member.keep(follow.clone());
        follow.left()
    }

    /// Nobody speaks for it any more: the circuit goes on alone when its hold lapses.
    pub(super) fn end(&mut self, why: Why, now: u64) {
        // For the next future that runs.
        self.member.keep(self.follow.clone().without_part());
        let told = self.member.part().why.is_none();
        self.set_why(why, now);
        self.member.settle_act(Heard::OnlyHere(why));
        if let Some(circuit) = self.member.circuit().filter(|_| told) {
            tell(&circuit, FleetNews::Detached(why));
        }
    }

    /// The circuit, unless it is gone or was turned off since the store was asked.
    fn takes_part(&mut self) -> Option<Circuit> {
        let circuit = self.member.circuit()?;
        (!self.is_off(&circuit)).then_some(circuit)
    }

    fn is_off(&mut self, circuit: &Circuit) -> bool {
        self.rules.of(circuit).agreement.instances == 0
    }

    fn apply(&mut self, circuit: &Circuit, out: Vec<Apply>, around: &mut Surroundings, now: u64) {
        for what in out {
            // What a person has done here meanwhile is newer than anything that was heard.
            if what.is_a_decision() && self.member.has_act() {
                self.follow.applied = None;
                continue;
            }
            match apply(
                circuit,
                what,
                &self.follow.standing.who,
                &around.common.clock,
            ) {
                Some(Apply::Heard(heard)) => self.member.answer_act(heard),
                Some(Apply::News(news)) => self.news(circuit, news, now),
                Some(Apply::NewInstance) => {
                    around.renew();
                    self.count_refused(around);
                }
                Some(Apply::Again) => self.due_at = 0,
                _ => {}
            }
        }
    }

    fn news(&mut self, circuit: &Circuit, news: FleetNews, now: u64) {
        match news {
            FleetNews::Attached => {
                self.part_told = true;
                self.member.set_part(Part {
                    why: None,
                    since: now,
                });
            }
            FleetNews::Detached(why) => {
                self.unknown = true;
                self.set_why(why, now);
            }
            FleetNews::Mismatch | FleetNews::Refused => {}
        }
        tell(circuit, news);
    }

    /// Since when does not change with why.
    fn set_why(&self, why: Why, now: u64) {
        let part = self.member.part();
        let since = if part.why.is_some() { part.since } else { now };
        self.member.set_part(Part {
            why: Some(why),
            since,
        });
    }

    /// Whoever is alone is told by what; also whoever never was anything else.
    fn note_why(&mut self, circuit: &Circuit, detach_after: u64, pass: &Pass) {
        let Some(known) = self.member.part().why else {
            return;
        };
        let why = self.why(pass.why);
        if known != why {
            self.set_why(why, pass.now);
        }
        let silent = pass.now.saturating_sub(self.began) >= detach_after;
        if silent && !std::mem::replace(&mut self.part_told, true) {
            tell(circuit, FleetNews::Detached(why));
        }
    }

    /// What the store says of it makes no sense.
    fn refused(&mut self, circuit: &Circuit, around: &mut Surroundings, now: u64) {
        self.odd = true;
        self.unknown = true;
        // Not at once: it will hardly be better then.
        let pace = &around.common.pace;
        let wait = match self.decided_in_vain {
            0 => nanos(pace.poll),
            again => pace.patience(again - 1),
        };
        self.not_before = now.saturating_add(wait);
        self.due_at = self.not_before;
        self.count_refused(around);
        let again = |told: u64| now.saturating_sub(told) >= REFUSED_AGAIN;
        if self.refused_told.is_none_or(again) {
            self.refused_told = Some(now);
            tell(circuit, FleetNews::Refused);
        }
    }

    /// The store could decide nothing of it, whatever it says of it: nobody would ever be given a seat.
    pub(super) fn cannot_decide(&mut self, around: &mut Surroundings, now: u64) {
        self.decided_in_vain = self.decided_in_vain.saturating_add(1);
        if let Some(circuit) = self.member.circuit() {
            self.refused(&circuit, around, now);
        }
    }

    fn count_refused(&self, around: &Surroundings) {
        around
            .common
            .counted
            .refused
            .fetch_add(1, Ordering::Relaxed);
        self.member.show(|seen| seen.refused += 1);
    }

    /// For snapshots.
    fn show(&self) {
        self.member.show(|seen| show(seen, &self.follow));
    }
}

fn show(seen: &mut FleetNow, follow: &Follow) {
    let standing = &follow.standing;
    let name = |text: &str| (!text.is_empty()).then(|| Name::from(text));
    seen.stamp = (standing.stamp.era, standing.stamp.nonce);
    seen.state = match standing.state {
        Stored::Closed { .. } => State::Closed,
        Stored::Open { .. } => State::Open,
        Stored::HalfOpen { .. } => State::HalfOpen,
    };
    seen.forced = matches!(standing.mode, StoredMode::Forced { .. });
    seen.cause = name(standing.cause.as_str());
    seen.who = name(standing.who.as_str());
    seen.attempt = standing.attempt;
    let all = &follow.all;
    seen.window.calls = all.calls;
    seen.window.failed = all.failed;
    seen.window.slow = all.slow;
    seen.consecutive_failures = all.streak;
    seen.contributors = all.contributors;
    seen.agreeing = all.agreeing;
    seen.mismatch = follow.differs.is_some();
}

fn tell(circuit: &Circuit, news: FleetNews) {
    circuit.observers().tell_fleet(circuit, news);
}
