//! N5: seats.

use tokio::time::sleep;
use tower_breaker::{CircuitBuilder, OpenFor, OwnedGuard as Probe, State, fleet::Memory};

use crate::fleet_support::{Instance, millis, quiet, secs};

fn instances(count: usize, configure: fn(CircuitBuilder) -> CircuitBuilder) -> Vec<Instance> {
    let store = Memory::new();
    (0..count)
        .map(|_| Instance::new(store.clone(), configure))
        .collect()
}

/// Open, and the break is over.
async fn after_the_break(all: &[Instance]) {
    while all[0].state() == State::Closed {
        all.iter().for_each(|it| drop(it.call(false)));
        sleep(millis(500)).await;
    }
    sleep(secs(7)).await;
    assert!(are(all, State::Open), "nobody has called");
}

/// All call, as fast as they can, and hold on to what they get.
async fn hammer(all: &[Instance], rounds: u32) -> Vec<(usize, Probe)> {
    let mut probes = Vec::new();
    for _ in 0..rounds {
        for (number, it) in all.iter().enumerate() {
            probes.extend(
                it.circuit
                    .clone()
                    .try_acquire_owned()
                    .ok()
                    .map(|guard| (number, guard)),
            );
        }
        sleep(millis(10)).await;
    }
    probes
}

fn ends(probes: Vec<(usize, Probe)>, well: bool) {
    for (_, guard) in probes {
        match well {
            true => drop(guard.success()),
            false => drop(guard.failure()),
        }
    }
}

fn are(all: &[Instance], state: State) -> bool {
    all.iter().all(|it| it.state() == state)
}

// N5: however many call, one probe is made; its result closes all.
#[tokio::test(start_paused = true)]
async fn one_probe_of_the_whole_fleet_decides() {
    let all = instances(8, quiet);
    after_the_break(&all).await;
    let probes = hammer(&all, 50).await;
    assert_eq!(probes.len(), 1);
    ends(probes, true);
    sleep(millis(300)).await;
    assert!(are(&all, State::Closed));
}

// N5: and opens all again, for longer.
#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_all_again_for_longer() {
    let all = instances(8, |builder| {
        quiet(builder).open_for(OpenFor::exponential(secs(5), 2.0, secs(60)))
    });
    after_the_break(&all).await;
    let probes = hammer(&all, 50).await;
    ends(probes, false);
    sleep(millis(300)).await;
    assert!(are(&all, State::Open));
    for it in &all {
        let left = it.circuit.snapshot().remaining.expect("open");
        assert!(left > secs(9) && left <= secs(10), "{left:?}");
    }
}

// N5, D1, D2: two at a time, of which two have to succeed, whoever makes them.
#[tokio::test(start_paused = true)]
async fn probes_of_several_instances_are_counted_together() {
    let all = instances(4, |builder| quiet(builder).permits(2).probes(2, 2));
    after_the_break(&all).await;
    let probes = hammer(&all, 50).await;
    assert_eq!(probes.len(), 2, "at a time");
    let (one, other): (Vec<_>, Vec<_>) = probes.into_iter().enumerate().partition(|it| it.0 == 0);
    ends(one.into_iter().map(|it| it.1).collect(), true);
    sleep(millis(300)).await;
    assert!(all.iter().all(|it| it.state() != State::Closed));
    ends(other.into_iter().map(|it| it.1).collect(), true);
    sleep(millis(300)).await;
    assert!(are(&all, State::Closed));
}

// N5: a single instance with few calls gets one seat after the other, without waiting for leases to end.
#[tokio::test(start_paused = true)]
async fn one_instance_alone_recovers_by_one_probe_after_the_other() {
    let all = instances(2, |builder| {
        quiet(builder)
            .success_threshold(3)
            .half_open_timeout(secs(60))
            .probe_timeout(secs(50))
    });
    after_the_break(&all).await;
    let mut made = 0;
    for _ in 0..30 {
        made += u32::from(all[0].call(true));
        sleep(millis(100)).await;
    }
    assert!(are(&all, State::Closed), "{made} probes");
}

// N5: a prober that dies delays recovery by its lease.
#[tokio::test(start_paused = true)]
async fn a_dead_prober_delays_recovery_by_its_lease() {
    let mut all = instances(3, quiet);
    after_the_break(&all).await;
    let mut probes = hammer(&all, 20).await;
    assert_eq!(probes.len(), 1);
    let (dead, guard) = probes.remove(0);
    std::mem::forget(guard);
    drop(all.remove(dead));
    // Probes may take a second, and a lease is one longer.
    let none = hammer(&all, 150).await;
    assert_eq!(none.len(), 0);
    let probes = hammer(&all, 100).await;
    assert_eq!(probes.len(), 1);
    ends(probes, true);
    sleep(millis(300)).await;
    assert!(are(&all, State::Closed));
}

// N5: an instance that has no calls has no seat.
#[tokio::test(start_paused = true)]
async fn who_has_no_calls_takes_no_seat() {
    let all = instances(3, quiet);
    after_the_break(&all).await;
    sleep(secs(60)).await;
    assert!(are(&all, State::Open), "nobody has called");
    assert!(!all[1].call(true), "held");
    sleep(millis(100)).await;
    assert_eq!(all[1].state(), State::HalfOpen);
    assert!(all[1].call(true));
    sleep(millis(300)).await;
    assert!(are(&all, State::Closed));
}

// N5: a result that comes after its lease counts nowhere.
#[tokio::test(start_paused = true)]
async fn a_result_after_its_lease_decides_nothing() {
    let all = instances(2, |builder| quiet(builder).half_open_timeout(secs(2)));
    after_the_break(&all).await;
    let late = hammer(&all[..1], 20).await;
    assert_eq!(late.len(), 1);
    assert_eq!(hammer(&all[1..], 100).await.len(), 0, "its lease");
    let second = hammer(&all[1..], 200).await;
    assert_eq!(second.len(), 1, "another one's turn");
    ends(late, true);
    sleep(millis(300)).await;
    assert!(all.iter().all(|it| it.state() != State::Closed));
    ends(second, false);
    sleep(millis(300)).await;
    assert!(are(&all, State::Open));
}
