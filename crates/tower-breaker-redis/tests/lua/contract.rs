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
    wire::{Decide, Decided, Exchange, Exchanged},
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
