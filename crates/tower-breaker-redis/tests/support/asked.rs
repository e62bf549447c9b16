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
        Register, Report, Stamp,
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
    ask(redis, Vec::new()).await
}

/// Reports ten calls of which five failed, which the store has to write.
pub(crate) async fn report(
    redis: &Redis,
    instance: u64,
    name: &Key,
    stamp: Stamp,
    keep_for: Duration,
) -> Result<Exchanged, StoreError> {
    let register = Register {
        calls: 10,
        failed: 5,
        ok: true,
        ..Register::default()
    };
    // The same once more would be a copy, which is not written.
    static SEQ: AtomicU64 = AtomicU64::new(1);
    let report = Report {
        seq: SEQ.fetch_add(1, Relaxed),
        keep_for: u64::try_from(keep_for.as_millis()).expect("not for ever"),
        settings: 7,
        revision: 0,
        register,
    };
    let look = Look {
        name: name.clone(),
        stamp,
        report: Some(report),
    };
    let ask = Exchange {
        place: place(),
        instance: InstanceId(instance),
        seen: 0,
        circuits: vec![look],
    };
    redis.exchange(&ask).await
}

async fn ask(redis: &Redis, circuits: Vec<Look>) -> Result<Exchanged, StoreError> {
    let ask = Exchange {
        place: place(),
        instance: InstanceId(1),
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
    let ask = Decide {
        place: place(),
        instance: InstanceId(instance),
        name: name.clone(),
        seen,
        nonce: 1,
        what,
    };
    let decided = redis.decide(&ask).await.expect("an answer");
    assert_eq!(decided.done, Done::Yes, "{ask:?}: {decided:?}");
    decided
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
