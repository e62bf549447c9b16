//! N6: what a person does to a shared circuit.

use tokio::time::{Instant, sleep};
use tower_breaker::{
    Agreement, By, Cause, Circuit, Mode, State,
    fleet::{Fleet, Memory},
    observe::{Heard, Why},
};

use crate::fleet_support::{Fault, Faulty, Instance, calls_for, millis, quiet, secs};

async fn three(store: &Faulty) -> Vec<Instance> {
    let new = |_| {
        // Each is told for itself: the memory counts who listens.
        let store = Faulty::of(store.memory.clone());
        Instance::new(store, |builder| quiet(builder).event_log(16))
    };
    let all = (0..3).map(new).collect();
    sleep(secs(2)).await;
    all
}

fn modes(all: &[Instance]) -> Vec<Mode> {
    all.iter().map(|it| it.circuit.mode()).collect()
}

// N6: once for all, and it is known by how many it was heard.
#[tokio::test(start_paused = true)]
async fn what_a_person_does_to_one_is_done_to_all() {
    let all = three(&Faulty::new()).await;
    all[0]
        .circuit
        .force_open_as(By::who("ops").because("INC-123"));
    assert_eq!(all[0].circuit.mode(), Mode::ForcedOpen, "here at once");
    assert_eq!(all[0].circuit.heard().await, Heard::By(3));
    sleep(millis(300)).await;
    assert_eq!(modes(&all), [Mode::ForcedOpen; 3]);
    for instance in &all {
        let snapshot = instance.circuit.snapshot();
        let fleet = snapshot.fleet.expect("a fleet");
        assert!(fleet.forced);
        assert_eq!(fleet.who.as_deref(), Some("ops"));
        assert_eq!(
            snapshot.by.and_then(|by| by.get_who().map(str::to_owned)),
            Some("ops".into())
        );
    }
    // Anybody may end it.
    assert!(all[2].circuit.release());
    assert_eq!(all[2].circuit.heard().await, Heard::By(3));
    sleep(millis(300)).await;
    assert_eq!(modes(&all), [Mode::Normal; 3]);
    assert!(all.iter().all(|it| it.state() == State::Closed));
}

// N6: its end is the store's, and comes for all.
#[tokio::test(start_paused = true)]
async fn a_forced_mode_ends_everywhere() {
    let all = three(&Faulty::new()).await;
    let forced = all[1].circuit.force_open_for(By::who("ops"), secs(20));
    assert_eq!(forced, Ok(true));
    sleep(secs(1)).await;
    assert_eq!(modes(&all), [Mode::ForcedOpen; 3]);
    let late = Instance::new(Faulty::new(), quiet);
    assert!(late.call(true), "of another store");
    sleep(secs(20)).await;
    for instance in &all {
        assert!(instance.call(true));
        assert_eq!(instance.circuit.mode(), Mode::Normal);
    }
    // From then on it is as if nothing had been.
    let refs: Vec<_> = all.iter().collect();
    calls_for(&refs, secs(4), || false).await;
    assert!(all.iter().all(|it| it.state() == State::Open));
    let trip = all[0].circuit.snapshot().last_trip.expect("a trip");
    assert_eq!(trip.cause, Cause::Shared);
}

// N6: a reset closes what the fleet has opened, and clears what has opened it.
#[tokio::test(start_paused = true)]
async fn a_reset_is_the_fleets() {
    let all = three(&Faulty::new()).await;
    let refs: Vec<_> = all.iter().collect();
    calls_for(&refs, secs(7), || false).await;
    assert!(all.iter().all(|it| it.state() == State::Open));
    all[0].circuit.reset_as(By::who("ops"));
    assert_eq!(all[0].circuit.heard().await, Heard::By(3));
    sleep(millis(300)).await;
    for instance in &all {
        assert_eq!(instance.state(), State::Closed);
        let snapshot = instance.circuit.snapshot();
        assert_eq!(snapshot.window.map(|window| window.calls), Some(0));
        assert_eq!(snapshot.fleet.expect("a fleet").window.calls, 0);
    }
}

// N6: an instance can be taken out of it by itself.
#[tokio::test(start_paused = true)]
async fn here_is_here_alone() {
    let all = three(&Faulty::new()).await;
    assert!(all[0].circuit.here().force_open_as(By::who("ops")));
    sleep(secs(60)).await;
    assert_eq!(modes(&all), [Mode::ForcedOpen, Mode::Normal, Mode::Normal]);
    // What the fleet decides leaves it as it is, for it was not the fleet that forced it.
    let refs: Vec<_> = all[1..].iter().collect();
    calls_for(&refs, secs(8), || false).await;
    assert_eq!(all[1].state(), State::Open);
    assert_eq!(all[0].circuit.mode(), Mode::ForcedOpen);
    assert!(all[0].circuit.here().release());
    assert_eq!(all[0].circuit.mode(), Mode::Normal);
}

// E1: nobody has forced the fleet open.
#[tokio::test(start_paused = true)]
async fn an_instance_that_is_built_forced_open_is_so_alone() {
    let store = Faulty::new();
    let new = |mode| {
        let store = Faulty::of(store.memory.clone());
        Instance::new(store, |builder| quiet(builder).mode(mode))
    };
    let all = [Mode::ForcedOpen, Mode::Normal, Mode::Normal].map(new);
    sleep(secs(60)).await;
    assert_eq!(modes(&all), [Mode::ForcedOpen, Mode::Normal, Mode::Normal]);
    assert!(all[0].circuit.release());
    sleep(secs(1)).await;
    assert_eq!(modes(&all), [Mode::Normal; 3]);
}

// N6, N7: what cannot be told holds here alone, says so in time, and does not fall on the fleet later.
#[tokio::test(start_paused = true)]
async fn what_nobody_hears_is_not_kept() {
    for fault in [
        Fault::Error(Why::NotReached),
        Fault::Error(Why::Full),
        Fault::Silent,
        Fault::Odd,
        Fault::TakesNothing(Why::ReadOnly),
    ] {
        let store = Faulty::new();
        let instance = Instance::new(store.clone(), quiet);
        let other = Instance::new(Faulty::of(store.memory.clone()), quiet);
        sleep(secs(2)).await;
        store.is(fault);
        let begun = Instant::now();
        instance.circuit.force_open();
        let heard = instance.circuit.heard().await;
        assert!(matches!(heard, Heard::OnlyHere(_)), "{fault:?}: {heard:?}");
        assert!(
            begun.elapsed() <= secs(3),
            "{fault:?}: {:?}",
            begun.elapsed()
        );
        sleep(secs(60)).await;
        let known = instance.circuit.heard().await;
        assert_eq!(known, heard, "it stays as it was told");
        store.is(Fault::None);
        sleep(secs(400)).await;
        assert_eq!(instance.circuit.mode(), Mode::ForcedOpen, "{fault:?}");
        assert_eq!(other.circuit.mode(), Mode::Normal, "{fault:?}");
    }
}

// N6
#[tokio::test(start_paused = true)]
async fn who_takes_no_part_says_so_at_once() {
    let unshared = Circuit::builder("payments").build().expect("a circuit");
    unshared.force_open();
    assert_eq!(unshared.heard().await, Heard::NotShared);

    let fleet = Fleet::builder("shop").build().expect("a fleet");
    let builder = quiet(Circuit::builder("payments")).shared(Agreement::default());
    let circuit = builder.fleet(&fleet).build().expect("a circuit");
    assert_eq!(
        circuit.heard().await,
        Heard::Unknown,
        "nobody has done anything"
    );
    let begun = Instant::now();
    circuit.force_open();
    assert_eq!(circuit.heard().await, Heard::OnlyHere(Why::NotRunning));
    tokio::spawn(fleet.run(Memory::new()));
    sleep(secs(1)).await;
    fleet.pause();
    circuit.release();
    assert_eq!(circuit.heard().await, Heard::OnlyHere(Why::Off));
    assert_eq!(begun.elapsed(), secs(1), "nobody waits");
    fleet.resume();
    sleep(secs(1)).await;
    circuit.force_open();
    assert_eq!(circuit.heard().await, Heard::By(1));
}
