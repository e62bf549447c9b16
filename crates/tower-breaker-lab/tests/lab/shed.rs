//! Refusing a share of the calls, held against what can be worked out: by the real circuit, from what it has let
//! through, and as in Google's book.

use std::{collections::VecDeque, time::Duration};

use tower_breaker::{Circuit, State};
use tower_breaker_lab::{
    Breaker, Contender, End, NoBreaker, Ours, Run, Scenario, Step, Throttle, Ticket,
    formulas::{overload_left_by_shedding, shedding_ends_after},
    run,
};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// The real circuit, which does nothing but shed.
fn shed(k: f64, floor: f64, window: u32) -> Ours {
    let circuit = Circuit::builder("shed").shed(k, floor);
    let circuit = circuit.count_window(window).failure_rate(None).build();
    Ours::new("shed", circuit.expect("valid").settings()).expect("valid")
}

/// 100 calls a second, of which so many fail from the first to the last of these seconds.
fn failing(errors: u32, from: u64, to: u64) -> Scenario {
    let text = format!(
        "callers = {{ rate = 100, even = true }}
        dependency = {{ latency = {{ mean = '1ms' }} }}
        phases = [
            {{ for = '{from}s' }}, {{ for = '{}s', errors = '{errors}%' }}, {{ for = '2m' }}
        ]",
        to - from
    );
    Scenario::from_toml(&text).unwrap_or_else(|error| panic!("{error}"))
}

fn throttle() -> Throttle {
    Throttle::new("throttle", 2.0, secs(10))
}

/// The share of calls that went through in the minute that begins then.
fn through(run: &Run, from: u64) -> f64 {
    let Step {
        admitted, offered, ..
    } = run.between(secs(from), secs(from + 60));
    admitted as f64 / offered as f64
}

/// What goes through at a failure rate of q is 1 − p = K · (1 − q) for ever. To the throttle, it is
/// 1 − p = K · (1 − q) · (1 − p), and nothing but p = 1 solves that.
#[test]
fn only_what_counts_its_own_refusals_refuses_more_and_more() {
    let scenario = failing(60, 60, 660);
    let shed = run(&scenario, &mut shed(2.0, 0.1, 100));
    let throttled = run(&scenario, &mut throttle());
    for minute in [2, 5, 10] {
        let found = through(&shed, 60 * minute);
        assert!((found - 0.8).abs() < 0.03, "minute {minute}: {found}");
    }
    let [first, second, tenth] = [1, 2, 10].map(|minute| through(&throttled, 60 * minute));
    assert!(
        first < 0.5 && second < 0.05 && tenth < 0.01,
        "{first} {second} {tenth}"
    );
    // All is well again since the eleventh minute.
    let (shed, throttled) = (through(&shed, 660), through(&throttled, 660));
    assert!(shed > 0.99 && throttled < 0.6, "{shed} and {throttled}");
}

#[test]
fn it_ends_after_an_outage_as_soon_as_worked_out() {
    for (k, floor, window) in [
        (2.0, 0.1, 100),
        (1.25, 0.1, 100),
        (2.0, 0.02, 100),
        (2.0, 0.1, 1_000),
    ] {
        let mut scenario = failing(100, 60, 120);
        scenario.step = Duration::from_millis(100);
        let run = run(&scenario, &mut shed(k, floor, window));
        let rejects = |from| run.between(from, Duration::MAX).rejected > 0;
        let ended = (0..)
            .map(|step| step * scenario.step)
            .find(|after| !rejects(secs(120) + *after));
        let found = ended.expect("a time").as_secs_f64();
        let expected = shedding_ends_after(window, 100.0, k, floor).as_secs_f64();
        assert!(
            (found / expected - 1.0).abs() < 0.25,
            "{k} {floor} {window}: {found} for {expected}"
        );
    }
}

/// A server that can do 200 calls a second, and refuses what it cannot do.
fn times_too_many(offered: f64, contender: &mut dyn Contender) -> f64 {
    let text = format!(
        "callers = {{ rate = {} }}
        dependency = {{ slots = 20, queue = 20, latency = {{ mean = '100ms' }} }}
        phases = [{{ for = '2m' }}]",
        200.0 * offered
    );
    let scenario = Scenario::from_toml(&text).unwrap_or_else(|error| panic!("{error}"));
    // Without its beginning.
    let run = run(&scenario, contender).between(secs(60), Duration::MAX);
    run.admitted as f64 / (60.0 * 200.0)
}

#[test]
fn too_many_calls_are_fewer_as_worked_out() {
    assert!((times_too_many(3.0, &mut NoBreaker::new()) - 3.0).abs() < 0.05);
    for k in [2.0, 1.25] {
        for offered in [1.5, 3.0, 10.0] {
            let shed = times_too_many(offered, &mut shed(k, 0.01, 100));
            let expected = overload_left_by_shedding(offered, k);
            assert!(
                (shed / expected - 1.0).abs() < 0.05,
                "{k} {offered}: {shed} for {expected}"
            );
        }
    }
    // The throttle lets twice as many through as succeed, also of ten times as many.
    let throttled = times_too_many(10.0, &mut throttle());
    assert!((throttled - 2.0).abs() < 0.1, "{throttled}");
}

/// Rule B9 in a few lines, with a window of a hundred calls. Once it is full, the minimum of 20 calls does not matter.
#[derive(Debug)]
struct Plain {
    k: f64,
    floor: f64,
    /// Whether each failed.
    window: VecDeque<bool>,
    turn: u64,
}

impl Plain {
    fn new(k: f64, floor: f64) -> Self {
        Self {
            k,
            floor,
            window: VecDeque::new(),
            turn: 0,
        }
    }

    fn share(&self) -> f64 {
        if self.window.len() < 20 {
            return 0.0;
        }
        let calls = self.window.len() as f64;
        let accepted = self.window.iter().filter(|failed| !**failed).count() as f64;
        let share = (calls - self.k * accepted) / (calls + 1.0);
        share.clamp(0.0, 1.0 - self.floor)
    }
}

impl Breaker for Plain {
    /// Multiples of the golden ratio fill 0 to 1 evenly.
    fn ask(&mut self, _now: Duration) -> Option<Ticket> {
        let share = self.share();
        let part = self.turn.wrapping_mul(0x9e37_79b9_7f4a_7c15) as f64 / 2.0_f64.powi(64);
        self.turn += u64::from(share > 0.0);
        (share == 0.0 || part < 1.0 - share).then_some(Ticket::Number(0))
    }

    fn ended(&mut self, _ticket: Ticket, end: End, _now: Duration) {
        self.window.push_back(end == End::Failure);
        if self.window.len() > 100 {
            self.window.pop_front();
        }
    }

    fn state(&self) -> State {
        State::Closed
    }
}

/// Which calls go through, of a thousand in each stage, of which so many fail, whoever asks. One comes in a
/// millisecond.
fn let_through(breaker: &mut dyn Breaker, tell: &dyn Fn(Duration), stages: &[u64]) -> Vec<bool> {
    let calls = stages.iter().flat_map(|failing| [*failing; 1_000]);
    let one = |(call, failing): (u64, u64)| {
        let now = Duration::from_millis(call);
        tell(now);
        let Some(ticket) = breaker.ask(now) else {
            return false;
        };
        let end = match call * 7_919 % 1_000 < failing {
            true => End::Failure,
            false => End::Success,
        };
        breaker.ended(ticket, end, now);
        true
    };
    (0..).zip(calls).map(one).collect()
}

/// Also within a total outage and after it.
#[test]
fn the_circuit_lets_the_same_calls_through_as_the_rule_says() {
    let stages = [20, 600, 800, 1_000, 950, 700, 400, 0, 550, 1_000, 0];
    for (k, floor) in [(2.0, 0.1), (1.25, 0.1), (1.1, 0.05), (5.0, 0.3)] {
        let ours = shed(k, floor, 100);
        let tell = |now| ours.time_is(now);
        let found = let_through(&mut *ours.breaker(0, 1), &tell, &stages);
        let expected = let_through(&mut Plain::new(k, floor), &|_| {}, &stages);
        let first = (0..found.len()).find(|call| found[*call] != expected[*call]);
        assert_eq!(first, None, "K {k}, floor {floor}: the first that differs");
        let refused = found.iter().filter(|through| !**through).count();
        assert!(refused > 1_000, "K {k}, floor {floor}: {refused} refused");
    }
}
