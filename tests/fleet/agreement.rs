//! N3: alone, and by agreement.

use tokio::time::sleep;
use tower_breaker::{
    Agreement, Cause, CircuitBuilder, Mode, OpenFor, Outcome, State, fleet::Memory,
};

use crate::fleet_support::{Instance, millis, secs};

/// Trips by itself at five failures of ten.
fn busy(builder: CircuitBuilder) -> CircuitBuilder {
    builder
        .time_window(secs(10))
        .failure_rate(0.5)
        .minimum_calls(10)
        .open_for(secs(5))
        .probe_timeout(secs(1))
}

fn instances(count: usize, configure: fn(CircuitBuilder) -> CircuitBuilder) -> Vec<Instance> {
    let store = Memory::new();
    (0..count)
        .map(|_| Instance::new(store.clone(), configure))
        .collect()
}

/// Until everybody has said what there is to say, and has heard what comes of it.
async fn settle() {
    sleep(millis(1_500)).await;
}

fn calls(instance: &Instance, succeed: u32, fail: u32) {
    (0..succeed).for_each(|_| assert!(instance.call(true)));
    (0..fail).for_each(|_| assert!(instance.call(false)));
}

fn open(all: &[Instance]) -> usize {
    all.iter().filter(|it| it.state() == State::Open).count()
}

// N3: however many of the calls it draws.
#[tokio::test(start_paused = true)]
async fn one_bad_instance_opens_itself_and_no_other() {
    let all = instances(5, busy);
    settle().await;
    for well in &all[1..] {
        calls(well, 2, 0);
    }
    // More than half of all calls.
    for _ in 0..10 {
        calls(&all[0], 0, 1);
        sleep(millis(110)).await;
    }
    settle().await;
    assert_eq!(open(&all), 1);
    let bad = all[0].circuit.snapshot();
    assert_eq!(bad.state, State::Open);
    assert_eq!(
        bad.last_trip.map(|it| it.cause.label()),
        Some("failure_rate")
    );
    // It hears of it with its next report.
    calls(&all[1], 1, 1);
    settle().await;
    let fleet = all[1].circuit.snapshot().fleet.expect("a fleet");
    assert_eq!((fleet.state, fleet.agreeing), (State::Closed, 1));
    // Alone it makes a probe of its own, and asks nobody.
    sleep(secs(5)).await;
    assert!(all[0].call(true));
    assert_eq!(open(&all), 0);
}

// N3, B1 to B7: what all see together, and two of them see themselves.
#[tokio::test(start_paused = true)]
async fn two_that_see_it_open_all_with_calls_that_nobody_has_alone() {
    let all = instances(5, busy);
    settle().await;
    calls(&all[0], 0, 3);
    calls(&all[1], 0, 3);
    calls(&all[2], 3, 0);
    settle().await;
    assert_eq!(open(&all), 0, "nine calls");
    calls(&all[2], 1, 0);
    settle().await;
    assert_eq!(open(&all), 0, "a success opens nothing");
    calls(&all[1], 0, 1);
    settle().await;
    assert_eq!(open(&all), 5);
    for it in &all {
        let seen = it.circuit.snapshot();
        assert_eq!(seen.last_trip.map(|it| it.cause), Some(Cause::Shared));
        let fleet = seen.fleet.expect("a fleet");
        assert_eq!(fleet.cause.as_deref(), Some("7 of 11 calls failed"));
        assert_eq!(fleet.attempt, 1);
    }
}

// N3: of thirty that have calls, three have to see it.
#[tokio::test(start_paused = true)]
async fn a_share_of_those_that_have_calls_has_to_agree() {
    let all = instances(31, |builder| busy(builder).minimum_calls(20));
    settle().await;
    for well in &all[..27] {
        calls(well, 1, 0);
    }
    calls(&all[29], 5, 4);
    settle().await;
    for bad in &all[27..29] {
        calls(bad, 0, 19);
    }
    settle().await;
    // It hears of them with its next report.
    calls(&all[29], 1, 0);
    sleep(secs(3)).await;
    let fleet = all[29].circuit.snapshot().fleet.expect("a fleet");
    assert_eq!((fleet.contributors, fleet.agreeing), (30, 2));
    assert_eq!(open(&all), 0);
    calls(&all[29], 0, 2);
    settle().await;
    assert_eq!(open(&all), 31);
}

// N3: the windows of those that open one after the other are cleared, and what was in them counts all the same.
#[tokio::test(start_paused = true)]
async fn the_evidence_of_those_that_are_open_alone_counts() {
    let all = instances(4, |builder| {
        builder
            .consecutive_failures(5)
            .open_for(secs(30))
            .shared(Agreement::of(3))
    });
    settle().await;
    for bad in &all[..2] {
        calls(bad, 1, 5);
        settle().await;
    }
    assert_eq!(open(&all), 2);
    calls(&all[2], 0, 1);
    settle().await;
    assert_eq!(open(&all), 4);
}

// N3, B7: a custom policy sees the fleet's calls, and an instance's own to tell whether it sees it.
#[tokio::test(start_paused = true)]
async fn a_policy_of_ones_own_judges_what_all_see() {
    let all = instances(3, |builder| {
        builder
            .time_window(secs(10))
            .minimum_calls(6)
            .trip_when(|counts| counts.failed * 3 >= counts.calls)
    });
    settle().await;
    calls(&all[0], 2, 1);
    calls(&all[1], 1, 1);
    settle().await;
    assert_eq!(open(&all), 0);
    calls(&all[1], 0, 1);
    settle().await;
    assert_eq!(open(&all), 3);
    let fleet = all[2].circuit.snapshot().fleet.expect("a fleet");
    assert_eq!(fleet.cause.as_deref(), Some("a custom policy"));
}

// N3, B1: failures in a row, in whichever instance; one success anywhere ends them.
#[tokio::test(start_paused = true)]
async fn failures_in_a_row_are_those_of_all_instances() {
    let row = |builder: CircuitBuilder| builder.consecutive_failures(5);
    let all = instances(3, row);
    settle().await;
    calls(&all[0], 0, 2);
    settle().await;
    calls(&all[1], 0, 2);
    settle().await;
    calls(&all[2], 1, 0);
    settle().await;
    calls(&all[1], 0, 1);
    settle().await;
    assert_eq!(open(&all), 0, "one has succeeded");
    calls(&all[0], 0, 2);
    settle().await;
    calls(&all[1], 0, 1);
    settle().await;
    calls(&all[0], 0, 1);
    settle().await;
    assert_eq!(open(&all), 3);
}

// N3, A7
#[tokio::test(start_paused = true)]
async fn a_result_that_trips_at_once_opens_all_only_if_that_is_said() {
    for (says, opened) in [(false, 1), (true, 3)] {
        let store = Memory::new();
        let all: Vec<_> = (0..3)
            .map(|_| {
                let agreement = Agreement::default().trip_now(says);
                Instance::new(store.clone(), |it| busy(it).shared(agreement))
            })
            .collect();
        settle().await;
        calls(&all[1], 1, 0);
        let guard = all[0].circuit.try_acquire().expect("closed");
        guard.finish(Outcome::TripFor(secs(60)));
        settle().await;
        assert_eq!(open(&all), opened, "{says}");
    }
}

// N3, A2.19: what a program opens by hand is open alone, and a vote.
#[tokio::test(start_paused = true)]
async fn a_trip_by_hand_is_one_that_sees_it() {
    let all = instances(3, busy);
    settle().await;
    all[0].circuit.trip(secs(60)).expect("normal");
    calls(&all[1], 4, 4);
    settle().await;
    assert_eq!(open(&all), 1);
    calls(&all[1], 0, 2);
    settle().await;
    assert_eq!(open(&all), 3);
}

// N3, E1: in shadow it follows, and neither reports nor agrees.
#[tokio::test(start_paused = true)]
async fn in_shadow_an_instance_follows_and_has_no_vote() {
    let store = Memory::new();
    let well = Instance::new(store.clone(), busy);
    let bad = Instance::new(store.clone(), busy);
    let shadow = Instance::new(store, busy);
    shadow.circuit.set_mode(Mode::Shadow);
    settle().await;
    calls(&shadow, 0, 9);
    calls(&bad, 0, 6);
    settle().await;
    let fleet = bad.circuit.snapshot().fleet.expect("a fleet");
    assert_eq!((fleet.contributors, fleet.agreeing), (1, 1));
    calls(&well, 0, 4);
    settle().await;
    assert_eq!(well.state(), State::Open);
    assert_eq!(shadow.state(), State::Open);
    assert!(shadow.call(true), "nobody is turned away");
}

// N3, C2: the fleet counts its breaks in a row itself.
#[tokio::test(start_paused = true)]
async fn breaks_of_the_fleet_grow_by_its_own_row() {
    let all = instances(2, |builder| {
        busy(builder).open_for(OpenFor::exponential(secs(5), 2.0, secs(60)))
    });
    settle().await;
    let mut lengths = Vec::new();
    for _ in 0..3 {
        calls(&all[0], 0, 6);
        calls(&all[1], 0, 6);
        sleep(millis(300)).await;
        let left = all[0].circuit.snapshot().remaining.expect("open");
        assert!(left < secs(60) && all[1].state() == State::Open);
        lengths.push(left.as_secs_f64().round());
        sleep(left).await;
        // Somebody makes the probe, and it is well.
        while open(&all) > 0 {
            for it in &all {
                it.call(true);
            }
            sleep(millis(100)).await;
        }
    }
    assert_eq!(lengths, [5.0, 10.0, 20.0]);
}
