//! Refusing a share of the calls, held against what can be worked out: as evidence of what was let through, and as in
//! Google's book.

use std::time::Duration;

use tower_breaker_lab::{
    Contender, NoBreaker, Run, Scenario, Shed, Step, Throttle,
    formulas::{overload_left_by_shedding, shedding_ends_after},
    run,
};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
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
    let shed = run(&scenario, &mut Shed::new("shed", 2.0));
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
        let mut shed = Shed::new("shed", k).floor(floor).count_window(window);
        let run = run(&scenario, &mut shed);
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
            let shed = times_too_many(offered, &mut Shed::new("shed", k).floor(0.0));
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
