//! Any history of several circuits, held against a model that is too plain to be wrong: each member has a
//! twin with the same settings and no cap, which lives through the same calls. Where the twin trips, the
//! member must trip if a naive list of places says that there is one, and else be vetoed, and the twin is
//! reset. After a veto that is not told the member has a past that the twin cannot have; then it is *alone*,
//! until its next transition, and what it does is held against what it shows of its window.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tower_breaker::{
    Guard, Transition, WindowCounts,
    clock::{Clock, ManualClock},
};

use super::*;
use crate::{explore::explore, support::millis};

type Tally = BTreeMap<&'static str, u64>;

#[derive(Clone, Copy, Debug)]
enum Policy {
    Consecutive,
    FailureRate,
    SlowRate,
    Custom,
}

#[derive(Clone, Copy, Debug)]
enum Control {
    Trip,
    Reset,
    Release,
    Mode(Mode),
}

#[derive(Clone, Debug)]
enum Step {
    Call(usize, Outcome),
    SlowCall(usize, Outcome),
    Abandon(usize),
    Control(usize, Control),
    /// A call that a person interferes with.
    Straddle(usize, Control, Outcome),
    Join(Policy),
    Drop(usize),
    Wait(u64),
}

fn any_policy() -> impl Strategy<Value = Policy> {
    use Policy::{Consecutive, Custom, FailureRate, SlowRate};
    prop::sample::select(vec![Consecutive, FailureRate, SlowRate, Custom])
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        3 => Just(Outcome::Success),
        8 => Just(Outcome::Failure),
        1 => Just(Outcome::Ignored),
        1 => Just(Outcome::TripNow),
        1 => Just(Outcome::TripFor(secs(2))),
    ]
}

fn any_control() -> impl Strategy<Value = Control> {
    prop_oneof![
        1 => Just(Control::Trip),
        2 => Just(Control::Reset),
        2 => Just(Control::Release),
        3 => Just(Control::Mode(Mode::Normal)),
        1 => Just(Control::Mode(Mode::Shadow)),
        1 => Just(Control::Mode(Mode::ForcedOpen)),
        1 => Just(Control::Mode(Mode::Disabled)),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let who = || 0..16_usize;
    prop_oneof![
        40 => (who(), any_outcome()).prop_map(|(who, outcome)| Step::Call(who, outcome)),
        8 => (who(), any_outcome()).prop_map(|(who, outcome)| Step::SlowCall(who, outcome)),
        2 => who().prop_map(Step::Abandon),
        5 => (who(), any_control()).prop_map(|(who, control)| Step::Control(who, control)),
        2 => (who(), any_control(), any_outcome())
            .prop_map(|(who, control, outcome)| Step::Straddle(who, control, outcome)),
        1 => any_policy().prop_map(Step::Join),
        1 => who().prop_map(Step::Drop),
        8 => (1..4_000_u64).prop_map(Step::Wait),
    ]
}

/// What share, as people say it: so many of so many, and at least so many.
fn any_share() -> impl Strategy<Value = ((u64, u64), u64)> {
    let shares = prop::sample::select(vec![
        (1, 3),
        (1, 2),
        (2, 3),
        (3, 4),
        (1, 1),
        (1, 10),
        (1, 4),
    ]);
    (shares, 0..2_u64)
}

/// A circuit that keeps what it tells.
struct Told {
    circuit: Circuit,
    log: Arc<Mutex<Vec<Transition>>>,
}

impl Told {
    fn build(builder: CircuitBuilder) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let heard = log.clone();
        let circuit = builder
            .on_transition(move |_, told| heard.lock().expect("a log").push(*told))
            .build()
            .expect("valid");
        Self { circuit, log }
    }

    fn take(&self) -> Vec<Transition> {
        std::mem::take(&mut *self.log.lock().expect("a log"))
    }

    fn control(&self, control: Control) {
        match control {
            Control::Trip => drop(self.circuit.trip(secs(3))),
            Control::Reset => self.circuit.reset(),
            Control::Release => drop(self.circuit.release()),
            Control::Mode(mode) => drop(self.circuit.set_mode(mode)),
        }
    }
}

struct Member {
    policy: Policy,
    member: Told,
    twin: Told,
    /// The lowest number that nobody had.
    slot: usize,
    /// When its break ends or ended, if one does.
    ends: Duration,
    /// The place it holds, and until when.
    place: Option<Duration>,
    vetoes: u64,
    vetoed_at: Duration,
    /// Its era began with a veto.
    outage: bool,
    alone: bool,
}

const FOR_EVER: Duration = Duration::MAX;

struct World {
    cap: EjectionCap,
    share: (u64, u64),
    least: u64,
    clock: ManualClock,
    members: Vec<Member>,
    tally: Tally,
}

impl World {
    fn new((share, least): ((u64, u64), u64), policies: &[Policy]) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let part = share.0 as f64 / share.1 as f64;
        let mut world = Self {
            cap: match least {
                0 => cap(part),
                _ => EjectionCap::at_least_one(part).expect("a share"),
            },
            share,
            least,
            clock: ManualClock::new(),
            members: Vec::new(),
            tally: Tally::new(),
        };
        policies.iter().for_each(|policy| world.join(*policy));
        world
    }

    fn builder(&self, policy: Policy) -> CircuitBuilder {
        let builder = Circuit::builder("member")
            .clock(self.clock.clone())
            .open_for(secs(3));
        match policy {
            Policy::Consecutive => builder.consecutive_failures(2).probes(2, 3),
            Policy::FailureRate => builder.count_window(4).failure_rate(0.5).minimum_calls(2),
            Policy::SlowRate => builder
                .time_window(secs(10))
                .slow_call_duration(secs(1))
                .slow_call_rate(0.5)
                .failure_rate(1.0)
                .minimum_calls(2),
            Policy::Custom => builder
                .minimum_calls(1)
                .trip_when(|counts| counts.failed > 1),
        }
    }

    fn join(&mut self, policy: Policy) {
        let builder = self.builder(policy);
        let is_free = |slot: &usize| self.members.iter().all(|one| one.slot != *slot);
        let slot = (0..).find(is_free).expect("endless");
        self.members.push(Member {
            policy,
            twin: Told::build(builder.clone()),
            member: Told::build(builder.ejection_cap(&self.cap)),
            slot,
            ends: Duration::ZERO,
            place: None,
            vetoes: 0,
            vetoed_at: Duration::ZERO,
            outage: false,
            alone: false,
        });
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// The naive count of places: look at everybody.
    fn taken(&self) -> u64 {
        let taken = self.members.iter().filter(|one| one.place.is_some());
        taken.count() as u64
    }

    fn places(&self) -> u64 {
        let (part, whole) = self.share;
        let members = self.members.len() as u64;
        (members * part / whole).max(self.least.min(members))
    }

    /// Whether there is a place, if need be of a break that is over.
    fn finds_place(&mut self) -> bool {
        let now = self.clock.now();
        while self.taken() >= self.places() {
            let over = self.members.iter_mut();
            let over = over.filter(|one| one.place.is_some_and(|ends| ends <= now));
            let Some(first) = over.min_by_key(|one| (one.place, one.slot)) else {
                return false;
            };
            first.place = None;
            self.count("taken over");
        }
        true
    }

    fn live(&mut self, step: &Step) {
        if let Step::Join(policy) = step {
            return self.join(*policy);
        }
        if let Step::Wait(time) = step {
            return self.clock.advance(millis(*time));
        }
        if self.members.is_empty() {
            return;
        }
        let who = |who: usize| who % self.members.len();
        match step {
            Step::Call(one, outcome) => self.call(who(*one), None, false, Some(*outcome)),
            Step::SlowCall(one, outcome) => self.call(who(*one), None, true, Some(*outcome)),
            Step::Abandon(one) => self.call(who(*one), None, false, None),
            Step::Straddle(one, control, outcome) => {
                self.call(who(*one), Some(*control), false, Some(*outcome));
            }
            Step::Control(one, control) => self.control(who(*one), *control),
            Step::Drop(one) => self.drop_one(who(*one)),
            Step::Join(_) | Step::Wait(_) => {}
        }
    }

    fn control(&mut self, who: usize, control: Control) {
        let now = self.clock.now();
        let one = &mut self.members[who];
        let had = one.place.is_some();
        one.member.control(control);
        one.twin.control(control);
        let told = one.member.take();
        assert_eq!(facts(&told), facts(&one.twin.take()));
        told.iter().for_each(|told| one.note(told, now));
        let made_to_count = told.iter().any(|told| told.mode_before == Mode::Shadow);
        if made_to_count && !had && one.place.is_some() {
            self.count("shadow made to count");
        }
        if self.taken() > self.places() {
            self.count("beyond the cap by hand");
        }
    }

    fn drop_one(&mut self, who: usize) {
        if self.members.swap_remove(who).place.is_some() {
            self.count("dropped while ejected");
        }
    }

    /// One call of a member, and of its twin, if it is not alone.
    fn call(&mut self, who: usize, meanwhile: Option<Control>, slow: bool, end: Option<Outcome>) {
        let one = &mut self.members[who];
        let (circuit, twin) = (one.member.circuit.clone(), one.twin.circuit.clone());
        let alone = one.alone;
        let admission = circuit.try_acquire();
        let twin = (!alone).then(|| twin.try_acquire());
        if let Some(twin) = &twin {
            assert_eq!(admission.is_ok(), twin.is_ok());
        }
        let told = one.member.take();
        assert_eq!(facts(&told), facts(&one.twin.take()));
        let now = self.clock.now();
        told.iter().for_each(|told| one.note(told, now));
        let Ok(call) = admission else {
            return;
        };
        if slow {
            self.clock.advance(secs(2));
        }
        let before = circuit.snapshot();
        if let Some(control) = meanwhile {
            self.control(who, control);
        }
        finish(call, end);
        if let Some(Ok(twin)) = twin {
            finish(twin, end);
            return self.compare(who);
        }
        if self.members[who].alone {
            return self.judge(who, before.consecutive_failures, slow, end);
        }
        // A person has begun another era, and the call is stale.
        assert_eq!(self.members[who].member.take(), []);
    }

    /// What the call came to: the twin's transition, or a veto in its place.
    fn compare(&mut self, who: usize) {
        let one = &mut self.members[who];
        let (told, twin) = (one.member.take(), one.twin.take());
        let now = self.clock.now();
        let trips = |told: &&Transition| {
            told.from != State::Open && told.to == State::Open && told.mode != Mode::Shadow
        };
        let Some(trip) = twin.iter().find(trips) else {
            assert_eq!(facts(&told), facts(&twin));
            return told.iter().for_each(|told| one.note(told, now));
        };
        let keeps = trip.from == State::HalfOpen && one.place.is_some();
        if keeps || self.finds_place() {
            assert_eq!(facts(&told), facts(&twin));
            let one = &mut self.members[who];
            told.iter().for_each(|told| one.note(told, now));
            one.place = Some(one.ends);
            return self.count(match trip.from {
                State::HalfOpen if keeps => "reopened",
                State::HalfOpen => "reopened with another's place",
                _ => name(trip.cause),
            });
        }
        self.members[who].twin.circuit.reset();
        self.members[who].twin.take();
        let told = told.first();
        self.veto(who, trip.open_for.expect("a break"), told);
        let Some(told) = told else {
            self.members[who].alone = true;
            return;
        };
        assert_eq!((told.from, told.vetoed), (trip.from, Some(trip.cause)));
        if trip.from == State::HalfOpen {
            self.count("vetoed half-open");
        }
    }

    /// The member's trip was vetoed, and that was told, or not.
    fn veto(&mut self, who: usize, open_for: Duration, told: Option<&Transition>) {
        let now = self.clock.now();
        let one = &mut self.members[who];
        let goes_on = one.outage && now - one.vetoed_at < open_for;
        let in_half_open = told.is_some_and(|told| told.from == State::HalfOpen);
        assert_eq!(told.is_none(), goes_on && !in_half_open);
        one.vetoes += 1;
        one.vetoed_at = now;
        let what = match told {
            None => "vetoed, not told",
            Some(_) if one.outage => "vetoed, told again",
            Some(_) => "vetoed",
        };
        if let Some(told) = told {
            assert_eq!((told.to, told.cause), (State::Closed, Cause::TripVetoed));
            one.note(told, now);
            one.outage = true;
        }
        self.count(what);
    }

    /// What the call of a member that is alone came to.
    fn judge(&mut self, who: usize, streak: u64, slow: bool, end: Option<Outcome>) {
        let now = self.clock.now();
        let one = &self.members[who];
        let told = one.member.take().first().copied();
        let shadow = one.member.circuit.mode() == Mode::Shadow;
        let open_for = match end {
            Some(Outcome::TripFor(time)) => time,
            _ => secs(3),
        };
        let Some(told) = told else {
            if one.trips(streak, slow, end) {
                assert!(!shadow && !self.finds_place());
                self.veto(who, open_for, None);
            }
            return;
        };
        if told.cause == Cause::TripVetoed {
            assert!(!shadow && !self.finds_place());
            return self.veto(who, open_for, Some(&told));
        }
        assert_eq!((told.to, told.open_for), (State::Open, Some(open_for)));
        assert!(shadow || self.finds_place());
        let one = &mut self.members[who];
        one.note(&told, now);
        one.place = (!shadow).then_some(one.ends);
        one.twin.circuit.trip(open_for).expect("a mode to trip in");
        one.twin.take();
        self.count("opened after a veto that was not told");
    }

    fn check(&self) {
        assert_eq!(self.cap.members(), self.members.len() as u64);
        assert_eq!(self.cap.ejected(), self.taken());
        for one in &self.members {
            let (member, twin) = (&one.member.circuit, &one.twin.circuit);
            assert_eq!((member.state(), member.mode()), (twin.state(), twin.mode()));
            let (member, twin) = (member.snapshot(), twin.snapshot());
            assert_eq!(member.totals.expect("counted").vetoed, one.vetoes);
            assert_eq!(member.remaining, twin.remaining);
            assert!(one.alone || member.window == twin.window);
        }
    }
}

impl Member {
    /// What a transition does to the place, but for a trip, which has to find one first.
    fn note(&mut self, told: &Transition, now: Duration) {
        let watching = [Mode::Normal, Mode::Shadow];
        let flips = told.mode != told.mode_before;
        let goes_on =
            flips && watching.contains(&told.mode) && watching.contains(&told.mode_before);
        if !goes_on {
            self.outage = false;
            self.alone = false;
            self.ends = told.open_for.map_or(FOR_EVER, |open_for| now + open_for);
        }
        let ejected = told.to != State::Closed && told.mode != Mode::Shadow;
        let needs = self.place.is_some() || told.cause == Cause::Manual;
        self.place = (ejected && needs).then_some(self.ends);
    }

    /// Whether the policy says so of the call that has just ended, after which the window is what it shows.
    fn trips(&self, streak: u64, slow: bool, end: Option<Outcome>) -> bool {
        let failed = matches!(end, Some(Outcome::Failure));
        if matches!(end, Some(Outcome::TripNow | Outcome::TripFor(_))) {
            return true;
        }
        let window = self.member.circuit.snapshot().window.unwrap_or_default();
        let WindowCounts { calls, .. } = window;
        match self.policy {
            Policy::Consecutive => failed && streak > 0,
            Policy::FailureRate => failed && calls >= 2 && 2 * window.failed >= calls,
            Policy::Custom => failed && window.failed > 1,
            Policy::SlowRate => {
                let marked = failed || slow && matches!(end, Some(Outcome::Success));
                marked && calls >= 2 && (window.failed == calls || 2 * window.slow >= calls)
            }
        }
    }
}

fn finish(call: Guard<'_>, end: Option<Outcome>) {
    match end {
        Some(outcome) => call.finish(outcome),
        None => drop(call),
    }
}

fn facts(told: &[Transition]) -> Vec<(State, State, Mode, Cause)> {
    let facts = told
        .iter()
        .map(|told| (told.from, told.to, told.mode, told.cause));
    facts.collect()
}

fn name(cause: Cause) -> &'static str {
    match cause {
        Cause::ConsecutiveFailures(_) => "consecutive failures",
        Cause::FailureRate { .. } => "failure rate",
        Cause::SlowCallRate { .. } => "slow-call rate",
        Cause::CustomPolicy(_) => "custom policy",
        Cause::TripNow => "trip now",
        other => panic!("no policy: {other}"),
    }
}

// G7
#[test]
fn any_history_is_that_of_the_twins_but_for_the_vetoes() {
    let must_happen = [
        "consecutive failures",
        "failure rate",
        "slow-call rate",
        "custom policy",
        "trip now",
        "reopened",
        "reopened with another's place",
        "taken over",
        "vetoed",
        "vetoed, not told",
        "vetoed, told again",
        "vetoed half-open",
        "opened after a veto that was not told",
        "beyond the cap by hand",
        "shadow made to count",
        "dropped while ejected",
    ];
    let policies = prop::collection::vec(any_policy(), 0..6);
    let steps = prop::collection::vec(any_step(), 400);
    let lives = (any_share(), policies, steps);
    explore(100, lives, &must_happen, |(share, policies, steps)| {
        let mut world = World::new(share, &policies);
        for step in &steps {
            world.live(step);
            world.check();
        }
        Vec::from_iter(world.tally)
    });
}
