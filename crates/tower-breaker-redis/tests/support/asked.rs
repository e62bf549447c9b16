//! A store that is asked by hand, without any instance.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tower_breaker::fleet::{
    Store as _, StoreError,
    store::Why,
    wire::{
        Decide, Decided, Done, Exchange, Exchanged, InstanceId, Key, Look, Place, Proposal,
        Register, Report, Stamp, Text,
    },
};
use tower_breaker_redis::Redis;

use super::instances::{SOON, within};

/// Where all tests are.
pub(crate) fn place() -> Place {
    Place {
        fleet: "tb1:shop:".into(),
        shard: 0,
    }
}

/// Asks what has changed.
pub(crate) async fn poll(redis: &Redis) -> Result<Exchanged, StoreError> {
    exchange(redis, 1, Vec::new()).await
}

/// Reports ten calls of which five failed, which the store has to write.
pub(crate) async fn report(
    redis: &Redis,
    instance: u64,
    name: &Key,
    stamp: Stamp,
    keep_for: Duration,
) -> Result<Exchanged, StoreError> {
    let look = Look {
        name: name.clone(),
        stamp,
        report: Some(half_failed(keep_for)),
    };
    exchange(redis, instance, vec![look]).await
}

/// Of ten calls, five. It is another one each time.
pub(crate) fn half_failed(keep_for: Duration) -> Report {
    // The same once more would be a copy, which is not written.
    static SEQ: AtomicU64 = AtomicU64::new(1);
    Report {
        seq: SEQ.fetch_add(1, Relaxed),
        keep_for: u64::try_from(keep_for.as_millis()).expect("not for ever"),
        settings: 7,
        revision: 0,
        register: Register {
            calls: 10,
            failed: 5,
            ok: true,
            ..Register::default()
        },
    }
}

pub(crate) async fn exchange(
    redis: &Redis,
    instance: u64,
    circuits: Vec<Look>,
) -> Result<Exchanged, StoreError> {
    let ask = Exchange {
        place: place(),
        instance: InstanceId(instance),
        seen: 0,
        circuits,
    };
    redis.exchange(&ask).await
}

/// A decision that has to hold.
pub(crate) async fn decide(
    redis: &Redis,
    instance: u64,
    name: &Key,
    seen: Stamp,
    what: Proposal,
) -> Decided {
    let told = format!("{what:?}");
    let decided = propose(redis, instance, name, seen, what).await;
    let decided = decided.expect("an answer");
    assert_eq!(decided.done, Done::Yes, "{told}: {decided:?}");
    decided
}

/// A decision that may not come about.
pub(crate) async fn propose(
    redis: &Redis,
    instance: u64,
    name: &Key,
    seen: Stamp,
    what: Proposal,
) -> Result<Decided, StoreError> {
    let ask = Decide {
        place: place(),
        instance: InstanceId(instance),
        name: name.clone(),
        seen,
        nonce: 1,
        what,
    };
    redis.decide(&ask).await
}

/// What an outage is made of: it opens at once, one probe is let in, and that succeeds.
pub(crate) fn outage() -> [Proposal; 3] {
    let open = Proposal::Open {
        length: 0,
        attempt: 1,
        cause: Text::of("5 of 10 calls failed"),
    };
    let lease = Proposal::Lease {
        permits: 1,
        need: 1,
        of: 1,
        life: 1_000,
        want: 1,
    };
    let result = Proposal::Results {
        ok: 1,
        failed: 0,
        unused: 0,
        length: 0,
    };
    [open, lease, result]
}

/// Until it answers. A fleet asks again and again, too.
pub(crate) async fn answers(redis: &Redis, what: &str) {
    within(SOON, what, async || {
        let polled = poll(redis).await;
        polled.map(drop).map_err(|error| error.to_string())
    })
    .await;
}

/// Until it says so.
pub(crate) async fn is_refused_for(redis: &Redis, why: Why) {
    within(SOON, why.label(), async || match poll(redis).await {
        Err(error) if error.why == why => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}
