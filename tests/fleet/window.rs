//! What the fleet's window is (rule N2): each kind of window, and each policy. How sums add up is in `contract`.

use std::time::Duration;

use tokio::time::sleep;
use tower_breaker::{By, CircuitBuilder, State, WindowCounts, fleet::Memory};

use crate::fleet_support::{Instance, millis, secs};

fn instances<const N: usize>(
    configure: impl Fn(CircuitBuilder) -> CircuitBuilder,
) -> [Instance; N] {
    let store = Memory::new();
    [(); N].map(|()| Instance::new(store.clone(), &configure))
}

/// Until everybody has said what there is to say, and has heard what comes of it.
async fn settle() {
    sleep(secs(3)).await;
}

fn calls(instance: &Instance, succeed: u32, fail: u32) {
    (0..succeed).for_each(|_| assert!(instance.call(true)));
    (0..fail).for_each(|_| assert!(instance.call(false)));
}

/// What all see together, as this one has last heard.
fn seen(instance: &Instance) -> WindowCounts {
    let fleet = instance.circuit.snapshot().fleet;
    fleet.expect("it is shared").window
}

fn open(all: &[Instance]) -> usize {
    all.iter().filter(|it| it.state() == State::Open).count()
}

fn common(builder: CircuitBuilder) -> CircuitBuilder {
    builder.open_for(secs(5)).probe_timeout(secs(1))
}

fn by_time(builder: CircuitBuilder) -> CircuitBuilder {
    let builder = common(builder).time_window(secs(12));
    builder.failure_rate(0.5).minimum_calls(10)
}

// N2: of each instance what its window holds now, and of nobody what is older.
#[tokio::test(start_paused = true)]
async fn a_time_window_is_of_all_and_of_now() {
    let [one, other] = instances(by_time);
    settle().await;
    calls(&one, 3, 1);
    settle().await;
    calls(&other, 1, 1);
    settle().await;
    let now = seen(&other);
    assert_eq!((now.calls, now.failed), (6, 2));

    sleep(secs(12)).await;
    calls(&other, 1, 0);
    settle().await;
    let now = seen(&other);
    assert_eq!((now.calls, now.failed), (1, 0), "the others are too old");
}

// N2: what failed together reaches a rate that nobody reaches alone.
#[tokio::test(start_paused = true)]
async fn minimum_calls_and_rates_go_by_the_sums() {
    let all: [_; 3] = instances(by_time);
    settle().await;
    for instance in &all {
        calls(instance, 1, 2);
    }
    settle().await;
    assert_eq!(open(&all), 0, "nine calls");
    calls(&all[0], 0, 1);
    settle().await;
    assert_eq!(open(&all), 3, "ten, seven of them failed");
}

// N2: a dead one leaves after one to two generations, here of twelve seconds.
#[tokio::test(start_paused = true)]
async fn an_instance_that_dies_leaves() {
    let [one, other] = instances(by_time);
    settle().await;
    calls(&one, 4, 3);
    settle().await;
    assert_eq!(seen(&other).calls, 0, "it has not asked");
    drop(one);
    for _ in 0..4 {
        calls(&other, 1, 0);
        sleep(secs(6)).await;
    }
    settle().await;
    let now = seen(&other);
    assert_eq!(now.failed, 0, "{now:?}");
}

// N2: the last calls of each instance, and not of all together.
#[tokio::test(start_paused = true)]
async fn a_count_window_holds_the_last_calls_of_each() {
    let by_count = |builder| common(builder).count_window(10).failure_rate(0.9);
    let [one, other] = instances(by_count);
    settle().await;
    calls(&one, 30, 2);
    settle().await;
    calls(&other, 25, 0);
    settle().await;
    let now = seen(&other);
    assert_eq!((now.calls, now.failed), (20, 2));

    // Without a call for a minute, those of yesterday have no vote.
    for _ in 0..30 {
        calls(&one, 1, 0);
        sleep(secs(5)).await;
    }
    settle().await;
    assert_eq!(seen(&one).calls, 10);
}

fn by_streak(builder: CircuitBuilder) -> CircuitBuilder {
    common(builder).consecutive_failures(4)
}

// N2: failures since anybody's last success.
#[tokio::test(start_paused = true)]
async fn failures_in_a_row_are_those_of_all() {
    let all: [_; 2] = instances(by_streak);
    settle().await;
    calls(&all[0], 0, 2);
    settle().await;
    calls(&all[1], 0, 1);
    settle().await;
    assert_eq!(open(&all), 0);
    calls(&all[1], 0, 1);
    settle().await;
    assert_eq!(open(&all), 2);
}

// N2
#[tokio::test(start_paused = true)]
async fn one_success_anywhere_ends_a_streak() {
    let all: [_; 2] = instances(by_streak);
    settle().await;
    calls(&all[0], 0, 3);
    settle().await;
    calls(&all[1], 1, 0);
    settle().await;
    calls(&all[1], 0, 3);
    settle().await;
    assert_eq!(open(&all), 0, "three since a success");
    calls(&all[0], 0, 1);
    settle().await;
    assert_eq!(open(&all), 2, "the fourth; and its own fourth in a row");
}

async fn slow_call(instance: &Instance, takes: Duration) {
    let guard = instance.circuit.try_acquire().expect("closed");
    sleep(takes).await;
    guard.success();
}

// N2: slow calls of all.
#[tokio::test(start_paused = true)]
async fn slow_calls_go_by_the_sums() {
    let slow = |builder: CircuitBuilder| {
        let builder = common(builder).time_window(secs(30)).minimum_calls(6);
        builder.slow_call_duration(millis(500)).slow_call_rate(0.5)
    };
    let all: [_; 3] = instances(slow);
    settle().await;
    for instance in &all {
        slow_call(instance, millis(100)).await;
        slow_call(instance, millis(600)).await;
    }
    settle().await;
    assert_eq!(open(&all), 3);
}

// N2: a policy of one's own is asked in the instance that has reported, of the sums.
#[tokio::test(start_paused = true)]
async fn a_policy_gets_the_sums() {
    let own = |builder: CircuitBuilder| {
        let builder = common(builder).time_window(secs(12)).minimum_calls(1);
        builder.trip_when(|counts| counts.failed >= 3)
    };
    let all: [_; 2] = instances(own);
    settle().await;
    calls(&all[0], 3, 2);
    settle().await;
    assert_eq!(open(&all), 0);
    calls(&all[1], 0, 1);
    settle().await;
    assert_eq!(
        open(&all),
        0,
        "three of all, but no instance agrees that has fewer"
    );
    calls(&all[1], 0, 2);
    settle().await;
    assert_eq!(open(&all), 1, "its own");
    calls(&all[0], 0, 1);
    settle().await;
    assert_eq!(open(&all), 2);
}

// N2, N6: what nobody decides, somebody has to look at: or nothing would count from then on.
#[tokio::test(start_paused = true)]
async fn once_a_forced_time_is_over_calls_count_again() {
    let [one, other] = instances(by_time);
    settle().await;
    let forced = one.circuit.force_open_for(By::who("ada"), secs(2));
    forced.expect("a time");
    settle().await;
    settle().await;
    calls(&one, 2, 1);
    settle().await;
    calls(&other, 1, 1);
    settle().await;
    assert_eq!(seen(&other).calls, 5);
}
