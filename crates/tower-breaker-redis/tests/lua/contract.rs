//! What holds of every store, of the scripts: rule N9.

use std::{
    future::{Future, pending},
    pin::Pin,
    time::Duration,
};

use redis::{Value, aio::MultiplexedConnection};
use tower_breaker::fleet::{
    Answer, Store, StoreError, contract,
    store::Why,
    wire::{
        Decide, Decided, Done, Exchange, Exchanged, InstanceId, Key, Place, Proposal, Stamp, Text,
    },
};
use tower_breaker_redis::Redis;

use crate::{
    clock::{Scripts, SetClock, is_full},
    script::{Call, Script},
    server::RedisServer,
    wire,
};

/// The scripts, by the clock of a test.
struct Clocked {
    server: MultiplexedConnection,
    scripts: &'static Scripts,
    clock: SetClock,
}

impl Clocked {
    async fn run(&self, call: Call, with: &'static Script) -> Result<Value, StoreError> {
        let mut server = self.server.clone();
        let answer = self.clock.run(&mut server, &call, with).await;
        answer.map_err(|error| StoreError::new(Why::Nonsense, &error.to_string()))
    }
}

fn nonsense() -> StoreError {
    StoreError::new(Why::Nonsense, "no answer")
}

impl Store for Clocked {
    fn exchange<'a>(&'a self, ask: &'a Exchange) -> Answer<'a, Exchanged> {
        Box::pin(async move {
            let call = wire::exchange(ask).map_err(|_| nonsense())?;
            let answer = self.run(call, &self.scripts.exchange);
            wire::exchanged(&answer.await?, ask).ok_or_else(nonsense)
        })
    }

    fn decide<'a>(&'a self, ask: &'a Decide) -> Answer<'a, Decided> {
        Box::pin(async move {
            let call = wire::decide(ask).map_err(|_| nonsense())?;
            let answer = self.run(call, &self.scripts.decide);
            wire::decided(&answer.await?).ok_or_else(nonsense)
        })
    }

    fn hint(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(pending())
    }
}

// N9
#[tokio::test]
async fn it_holds_of_the_scripts() {
    let server = RedisServer::start(&[]).unwrap_or_else(|why| panic!("{why}"));
    let (scripts, connection) = Scripts::on(&server).await;
    let clock = SetClock::new();
    let make = async || Clocked {
        server: connection.clone(),
        scripts,
        clock: clock.clone(),
    };
    contract::check(make, async |time: Duration| clock.pass(time)).await;
}

// N9: by the clock of Redis, over the connection of the store. It takes three minutes.
#[tokio::test]
async fn it_holds_of_the_store() {
    if !is_full() {
        return;
    }
    let server = RedisServer::start(&[]).unwrap_or_else(|why| panic!("{why}"));
    let make = async || Redis::new(&server.url()).expect("a URL");
    contract::check(make, tokio::time::sleep).await;
}

/// What an instance of this number proposes.
fn proposal(by: u64, era: u64, what: Proposal) -> Decide {
    Decide {
        place: Place {
            fleet: "tb1:shop:".into(),
            shard: 0,
        },
        instance: InstanceId(by),
        name: Key::of("pay"),
        seen: Stamp { era, nonce: 0 },
        nonce: 0,
        what,
    }
}

fn open(length: u64) -> Proposal {
    Proposal::Open {
        length,
        attempt: 1,
        cause: Text::of("failure_rate"),
    }
}

// N4, N5: who listens is told of each decision, and of each seat that is free. What was said before it listened, and
// what changes nothing, is no hint.
#[tokio::test]
async fn who_listens_is_told() {
    let server = RedisServer::start(&[]).unwrap_or_else(|why| panic!("{why}"));
    let store = || Redis::new(&server.url()).expect("a URL");
    let (listens, decides) = (store(), store());
    let late = proposal(1, 7, open(0));
    // It listens from when it has asked something.
    assert_eq!(
        listens.decide(&late).await.expect("an answer").done,
        Done::Behind
    );
    assert!(hears_nothing(&listens).await);

    let result = |ok, unused| Proposal::Results {
        ok,
        failed: 0,
        unused,
        length: 0,
    };
    let lease = Proposal::Lease {
        permits: 2,
        need: 3,
        of: 3,
        life: 10_000,
        want: 2,
    };
    for (era, what, heard) in [
        (0, open(0), Some(2)),
        (1, lease, Some(2)),
        (2, result(1, 0), None),
        (2, result(1, 1), None),
    ] {
        let decided = decides
            .decide(&proposal(2, era, what))
            .await
            .expect("an answer");
        assert_eq!((decided.done, decided.heard), (Done::Yes, heard), "{era}");
        tokio::time::timeout(Duration::from_secs(10), listens.hint())
            .await
            .expect("a hint");
    }
    let again = decides
        .decide(&proposal(2, 1, open(0)))
        .await
        .expect("an answer");
    assert_eq!((again.done, again.heard), (Done::Late, None));
    assert!(hears_nothing(&listens).await);
}

async fn hears_nothing(store: &Redis) -> bool {
    let hint = tokio::time::timeout(Duration::from_millis(100), store.hint());
    hint.await.is_err()
}
