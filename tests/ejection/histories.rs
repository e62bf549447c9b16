//! Any history of several circuits, held against a model that is too plain to be wrong: each member has a
//! twin with the same settings and no cap, which lives through the same calls. Where the twin trips, the
//! member must trip if the naive count says that there is a place, and else be vetoed, and the twin is
//! reset.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::{
    prelude::*,
    test_runner::{Config as RunnerConfig, TestRunner},
};
use tower_breaker::{CircuitBuilder, Outcome, Transition, clock::ManualClock};

use super::*;
use support::millis;

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

/// What share, as people say it: so many of so many.
fn any_share() -> impl Strategy<Value = (u64, u64)> {
    prop::sample::select(vec![
        (1, 3),
        (1, 2),
        (2, 3),
        (3, 4),
        (1, 1),
        (1, 10),
        (1, 4),
    ])
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

    /// As the promise has it, from what everybody can see.
    fn is_ejected(&self) -> bool {
        self.circuit.state() != State::Closed && self.circuit.mode() != Mode::Shadow
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
    member: Told,
    twin: Told,
}

struct World {
    cap: EjectionCap,
    share: (u64, u64),
    clock: ManualClock,
    members: Vec<Member>,
    tally: Tally,
}

impl World {
    fn new(share: (u64, u64), policies: &[Policy]) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let cap = cap(share.0 as f64 / share.1 as f64);
        let mut world = Self {
            cap,
            share,
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
        self.members.push(Member {
            twin: Told::build(builder.clone()),
            member: Told::build(builder.ejection_cap(&self.cap)),
        });
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// The naive count of places: look at everybody.
    fn ejected(&self) -> u64 {
        let ejected = self.members.iter().filter(|one| one.member.is_ejected());
        ejected.count() as u64
    }

    fn has_place(&self) -> bool {
        let (part, whole) = self.share;
        self.ejected() < self.members.len() as u64 * part / whole
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
        match step {
            Step::Call(who, outcome) => self.call(*who, |_| {}, Some(*outcome)),
            Step::SlowCall(who, outcome) => {
                let clock = self.clock.clone();
                self.call(*who, |_| clock.advance(secs(2)), Some(*outcome));
            }
            Step::Abandon(who) => self.call(*who, |_| {}, None),
            Step::Straddle(who, control, outcome) => {
                let interfere = |one: &Member| one.control(*control);
                self.call(*who, interfere, Some(*outcome));
            }
            Step::Control(who, control) => self.control(*who, *control),
            Step::Drop(who) => self.drop_one(*who),
            Step::Join(_) | Step::Wait(_) => {}
        }
    }

    fn control(&mut self, who: usize, control: Control) {
        let one = &self.members[who % self.members.len()];
        let shadow_open = one.member.circuit.mode() == Mode::Shadow && !one.member.is_ejected();
        one.control(control);
        if shadow_open && matches!(control, Control::Mode(Mode::Normal)) && one.member.is_ejected()
        {
            self.count("shadow made to count");
        }
        let (part, whole) = self.share;
        if self.ejected() > self.members.len() as u64 * part / whole {
            self.count("beyond the cap by hand");
        }
    }

    fn drop_one(&mut self, who: usize) {
        let gone = self.members.swap_remove(who % self.members.len());
        if gone.member.is_ejected() {
            self.count("dropped while ejected");
        }
    }

    /// One call of a member and of its twin. The member's end comes with what the twin made of the same.
    fn call(&mut self, who: usize, meanwhile: impl Fn(&Member), outcome: Option<Outcome>) {
        let one = &self.members[who % self.members.len()];
        let admission = one.member.circuit.try_acquire();
        let twin = one.twin.circuit.try_acquire();
        assert_eq!(admission.is_ok(), twin.is_ok());
        let (Ok(call), Ok(twin)) = (admission, twin) else {
            return;
        };
        meanwhile(one);
        assert_eq!(facts(&one.member.take()), facts(&one.twin.take()));
        let has_place = self.has_place();
        match outcome {
            Some(outcome) => (call.finish(outcome), twin.finish(outcome)),
            None => (drop(call), drop(twin)),
        };
        let verdict = one.compare(has_place);
        verdict.into_iter().for_each(|what| self.count(what));
    }

    fn check(&self) {
        assert_eq!(self.cap.members(), self.members.len() as u64);
        assert_eq!(self.cap.ejected(), self.ejected());
        for one in &self.members {
            let (member, twin) = (&one.member.circuit, &one.twin.circuit);
            assert_eq!((member.state(), member.mode()), (twin.state(), twin.mode()));
            let (member, twin) = (member.snapshot(), twin.snapshot());
            assert_eq!(member.window, twin.window);
            assert_eq!(member.remaining, twin.remaining);
        }
    }
}

impl Member {
    fn control(&self, control: Control) {
        self.member.control(control);
        self.twin.control(control);
        assert_eq!(facts(&self.member.take()), facts(&self.twin.take()));
    }

    /// What the call came to: the twin's transition, or a veto in its place.
    fn compare(&self, has_place: bool) -> Option<&'static str> {
        let (member, twin) = (self.member.take(), self.twin.take());
        let trips = |told: &Transition| {
            told.from == State::Closed && told.to == State::Open && told.mode != Mode::Shadow
        };
        let Some(trip) = twin.iter().find(|told| trips(told)) else {
            assert_eq!(facts(&member), facts(&twin));
            return None;
        };
        if has_place {
            assert_eq!(facts(&member), facts(&twin));
            return Some(name(trip.cause));
        }
        let vetoed = (State::Closed, State::Closed, trip.mode, Cause::TripVetoed);
        assert_eq!(facts(&member), [vetoed]);
        self.twin.circuit.reset();
        self.twin.take();
        Some("vetoed")
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
    let cases = std::env::var("TOWER_BREAKER_CASES")
        .map_or(100, |cases| cases.parse().expect("a number of cases"));
    let mut runner = TestRunner::new(RunnerConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        max_shrink_time: 60_000,
        ..RunnerConfig::default()
    });
    let policies = prop::collection::vec(any_policy(), 0..6);
    let steps = prop::collection::vec(any_step(), 400);
    let tally = RefCell::new(Tally::new());
    let lives = (any_share(), policies, steps);
    let outcome = runner.run(&lives, |(share, policies, steps)| {
        let mut world = World::new(share, &policies);
        for step in &steps {
            world.live(step);
            world.check();
        }
        for (what, number) in world.tally {
            *tally.borrow_mut().entry(what).or_default() += number;
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let tally = tally.into_inner();
    for what in [
        "consecutive failures",
        "failure rate",
        "slow-call rate",
        "custom policy",
        "trip now",
        "vetoed",
        "beyond the cap by hand",
        "shadow made to count",
        "dropped while ejected",
    ] {
        assert!(
            tally.contains_key(what),
            "never happened: {what}: {tally:?}"
        );
    }
}
