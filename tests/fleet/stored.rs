//! What is in a store (rule N8), with one in memory. What a Redis has of it is in the package for Redis.

use std::time::Duration;

use tower_breaker::{
    clock::ManualClock,
    fleet::{
        Fleet, Memory, Store, StoreError,
        wire::{
            Decide, Decided, Done, Exchange, Exchanged, How, InstanceId, Key, Look, Place,
            Proposal, Register, Report, Stamp, Text,
        },
    },
    observe::Why,
};

fn place() -> Place {
    Place {
        fleet: "tb1:shop:".into(),
        shard: 0,
    }
}

fn look(name: &str, stamp: Stamp, report: Option<Report>) -> Look {
    Look {
        name: Key::of(name),
        stamp,
        report,
    }
}

fn report(seq: u64, calls: u64) -> Report {
    Report {
        seq,
        keep_for: 10_000,
        settings: 7,
        revision: 0,
        register: Register {
            calls,
            ..Register::default()
        },
    }
}

async fn exchange(store: &Memory, me: u64, circuits: Vec<Look>) -> Exchanged {
    let ask = Exchange {
        place: place(),
        instance: InstanceId(me),
        seen: 0,
        circuits,
    };
    store.exchange(&ask).await.expect("an answer")
}

async fn decide(
    store: &Memory,
    seen: Stamp,
    nonce: u32,
    what: Proposal,
) -> Result<Decided, StoreError> {
    let ask = Decide {
        place: place(),
        instance: InstanceId(1),
        name: Key::of("it"),
        seen,
        nonce,
        what,
    };
    store.decide(&ask).await
}

fn open() -> Proposal {
    Proposal::Open {
        length: 5_000,
        attempt: 1,
        cause: Text::of("because"),
    }
}

// N8
#[tokio::test(start_paused = true)]
async fn one_unreadable_circuit_is_one_unreadable_circuit() {
    let store = Memory::new();
    store.garble(&place(), &Key::of("it"));
    let looks = ["before", "it", "after"];
    let looks = looks.map(|name| look(name, Stamp::default(), Some(report(1, 3))));
    let told = exchange(&store, 1, looks.to_vec()).await.circuits;
    let read: Vec<_> = told.iter().map(Result::is_ok).collect();
    assert_eq!(read, [true, false, true]);
    let refused = decide(&store, Stamp::default(), 1, open()).await;
    assert_eq!(refused.expect_err("refused").why, Why::Nonsense);
}

// N8, N7: what a restart, and a failover, leave of it.
#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_told_to_be_behind() {
    let store = Memory::new();
    exchange(
        &store,
        1,
        vec![look("it", Stamp::default(), Some(report(1, 9)))],
    )
    .await;
    let saved = store.save();
    let opened = decide(&store, Stamp::default(), 4, open())
        .await
        .expect("open");
    let stamp = opened.standing.stamp;

    store.forget_since(&saved);
    let told = exchange(&store, 1, vec![look("it", stamp, None)]).await;
    let told = told.circuits[0].as_ref().expect("told");
    assert_eq!((told.how, told.window.calls), (How::Behind, 9));

    let restored = decide(&store, stamp, 0, Proposal::Restore(opened.standing)).await;
    assert_eq!(restored.expect("restored").standing.stamp, stamp);
    store.clear();
    let told = exchange(&store, 1, vec![look("it", stamp, None)]).await;
    let told = told.circuits[0].as_ref().expect("told");
    assert_eq!((told.how, told.window.calls), (How::Behind, 0));
}

// N6: it counts who listens, each fleet with a clone of its own, and only those of the same place.
#[tokio::test(start_paused = true)]
async fn who_has_heard_is_counted() {
    let store = Memory::new();
    let reset = || Proposal::Reset {
        who: Text::of("ops"),
    };
    let heard = async || {
        let seen = Stamp::default();
        decide(&store, seen, 1, reset()).await.expect("reset").heard
    };
    assert_eq!(heard().await, Some(0), "nobody listens");

    let listeners = [store.clone(), store.clone()];
    for listener in &listeners {
        exchange(listener, 2, Vec::new()).await;
        drop(listener.hint());
    }
    assert_eq!(heard().await, Some(2));
    let elsewhere = store.clone();
    drop(elsewhere.hint());
    assert_eq!(heard().await, Some(2), "it has to do with another place");
    let [one, _other] = listeners;
    one.hint().await;
    drop(one);
    assert_eq!(heard().await, Some(1), "one has gone");
}

// N4: what comes in a row is one hint, and none is lost while nobody waits.
#[tokio::test(start_paused = true)]
async fn hints_are_put_together() {
    let store = Memory::new();
    exchange(&store, 1, Vec::new()).await;
    drop(store.hint());
    let reset = || Proposal::Reset {
        who: Text::default(),
    };
    for nonce in 1..=3 {
        decide(&store, Stamp::default(), nonce, reset())
            .await
            .expect("reset");
    }
    let soon = Duration::from_secs(1);
    let one = tokio::time::timeout(soon, store.hint()).await;
    assert!(one.is_ok(), "it was told while nobody waited");
    let other = tokio::time::timeout(soon, store.hint()).await;
    assert!(other.is_err(), "three are one");
}

/// Whether there is a hint that nobody has taken.
fn is_hinted(store: &Memory) -> bool {
    tokio_test::task::spawn(store.hint()).poll().is_ready()
}

// N4, N5: each hint is a look of each instance. So there is one for a decision and for a free seat, and else none.
#[tokio::test(start_paused = true)]
async fn what_is_nothing_to_others_is_not_hinted() {
    let store = Memory::new();
    exchange(&store, 1, Vec::new()).await;
    assert!(!is_hinted(&store));
    let (closed, open, half_open) = (stamp(0, 0), stamp(1, 1), stamp(2, 2));
    let back = || Proposal::Results {
        ok: 0,
        failed: 0,
        unused: 1,
        length: 0,
    };
    let opens = Proposal::Open {
        length: 0,
        attempt: 1,
        cause: Text::of("because"),
    };
    let lease = || Proposal::Lease {
        permits: 1,
        need: 1,
        of: 1,
        life: 1_000,
        want: 1,
    };
    for (seen, nonce, what, done, hinted) in [
        (closed, 9, back(), Done::No, false),
        (closed, 1, opens, Done::Yes, true),
        (open, 2, lease(), Done::Yes, true),
        (half_open, 3, lease(), Done::Yes, false),
        (half_open, 4, back(), Done::Yes, true),
    ] {
        let told = decide(&store, seen, nonce, what.clone()).await;
        assert_eq!(told.expect("decided").done, done, "{what:?}");
        assert_eq!(is_hinted(&store), hinted, "{what:?}");
    }
}

fn stamp(era: u64, nonce: u32) -> Stamp {
    Stamp { era, nonce }
}

// N6, N4: a forced mode ends when somebody looks, and that is a decision.
#[tokio::test(start_paused = true)]
async fn a_look_is_hinted_if_it_decides() {
    let store = Memory::new();
    let forces = Proposal::Force {
        at_most: Some(1_000),
        who: Text::of("ops"),
    };
    let forced = decide(&store, Stamp::default(), 1, forces).await;
    let seen = forced.expect("forced").standing.stamp;
    let looks = async || {
        exchange(&store, 1, vec![look("it", seen, None)]).await;
        is_hinted(&store)
    };
    assert!(!looks().await);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(looks().await, "it is over");
    assert!(!looks().await);
}

// N8: what is printed to find a fault says what it is of.
#[tokio::test(start_paused = true)]
async fn what_is_printed_says_of_what_it_is() {
    let (text, key) = (Text::<64>::of("ada"), Key::of("a b"));
    assert_eq!(format!("{text:?} {key:?}"), r#""ada" "a%20b""#);
    let builder = Fleet::builder("shop");
    assert!(format!("{builder:?}").contains("shop"));
    let fleet = builder.build().expect("a fleet");
    assert!(format!("{fleet:?}").contains("shop"));
    let store = Memory::new();
    exchange(&store, 1, Vec::new()).await;
    assert_eq!(format!("{store:?}"), "Memory { tables: 1 }");
    assert_eq!(format!("{:?}", store.save()), "Saved { .. }");
}

// N4: a store goes by its own clock.
#[tokio::test(start_paused = true)]
async fn its_time_is_its_own() {
    let clock = ManualClock::new();
    let store = Memory::with_clock(clock.clone());
    let before = exchange(&store, 1, Vec::new()).await.now;
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(exchange(&store, 1, Vec::new()).await.now, before);
    clock.advance(Duration::from_millis(1_500));
    assert_eq!(exchange(&store, 1, Vec::new()).await.now, before + 1_500);
}

// N8: a deploy. Each judges by its own settings; whose are the fleet's is told to all.
#[tokio::test(start_paused = true)]
async fn two_settings_are_seen() {
    let store = Memory::new();
    let with = |settings, revision| Report {
        settings,
        revision,
        ..report(1, 1)
    };
    let told = async |me, report| {
        let told = exchange(&store, me, vec![look("it", Stamp::default(), Some(report))]).await;
        let told = told.circuits[0].as_ref().expect("told").clone();
        (told.settings, told.revision)
    };
    assert_eq!(told(1, with(10, 0)).await, (10, 0), "the first who says");
    assert_eq!(told(2, with(20, 0)).await, (10, 0), "and not the last");
    assert_eq!(
        told(3, with(30, 1)).await,
        (30, 1),
        "but a greater revision"
    );
    let opened = decide(&store, Stamp::default(), 1, open())
        .await
        .expect("open");
    assert_eq!(opened.done, Done::Yes);
    let later = look("it", opened.standing.stamp, None);
    let told = exchange(&store, 1, vec![later]).await;
    let told = told.circuits[0].as_ref().expect("told");
    assert_eq!(told.settings, 30, "also after a decision");
}
