//! A clock that a test sets, for the scripts and for what is held against them.
//!
//! The scripts run as they are, but for their first line, which reads a key in place of the server's clock.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use redis::{RedisResult, Value, aio::MultiplexedConnection, cmd};
use tower_breaker::clock::Clock;

use crate::{
    script::{Call, DECIDE, EXCHANGE, Script},
    server::RedisServer,
};

/// How each script begins.
const CLOCK: &str = "local T = redis.call('TIME')\n";

/// What it has in place of that: the same two numbers, of a clock that a test sets.
const SET_CLOCK: &str = "local ms = tonumber(redis.call('GET', ARGV[1] .. ':now')); \
    local T = { math.floor(ms / 1000), ms % 1000 * 1000 }\n";

/// A memory's time begins here.
const BEGINNING: u64 = 1 << 41;

/// Whether there is time for all of it: minutes. `.ci/redis --full`
pub(crate) fn is_full() -> bool {
    env::var_os("TOWER_BREAKER_FULL").is_some()
}

/// Milliseconds that a test sets. Clones are the same clock.
#[derive(Clone)]
pub(crate) struct SetClock(Arc<AtomicU64>);

impl SetClock {
    /// No memory's clock goes back beyond its beginning.
    const START: u64 = 10_000_000_000;

    pub(crate) fn new() -> Self {
        Self(Arc::new(Self::START.into()))
    }

    pub(crate) fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).expect("a time of a test");
        self.0.fetch_add(millis, Relaxed);
    }

    pub(crate) fn back(&self, millis: u64) {
        let back = self.0.load(Relaxed).saturating_sub(millis);
        self.0.store(back.max(Self::START), Relaxed);
    }

    /// The time of a store that goes by it.
    fn store_now(&self) -> u64 {
        BEGINNING + self.0.load(Relaxed) - Self::START
    }

    /// Calls a script at this time.
    pub(crate) async fn run(
        &self,
        server: &mut MultiplexedConnection,
        call: &Call,
        with: &'static Script,
    ) -> RedisResult<Value> {
        let mut set = cmd("SET");
        set.arg(format!("{}:now", call.channel));
        set.arg(self.store_now()).exec_async(server).await?;
        let call = Call {
            script: with,
            channel: call.channel.clone(),
            keys: call.keys.clone(),
            args: call.args.clone(),
        };
        call.by_hash().query_async(server).await
    }
}

impl Clock for SetClock {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Relaxed))
    }
}

/// The two scripts with a clock that is set.
pub(crate) struct Scripts {
    pub(crate) exchange: Script,
    pub(crate) decide: Script,
}

impl Scripts {
    /// Loads them. The server has no other work, and all the time that it needs.
    pub(crate) async fn on(server: &RedisServer) -> (&'static Self, MultiplexedConnection) {
        let client = redis::Client::open(server.url()).expect("a URL");
        let connection = client.get_multiplexed_async_connection().await;
        let mut connection = connection.expect("a server");
        connection.set_response_timeout(Duration::from_secs(10));
        let scripts = Self {
            exchange: with_set_clock(&EXCHANGE, &mut connection).await,
            decide: with_set_clock(&DECIDE, &mut connection).await,
        };
        (Box::leak(Box::new(scripts)), connection)
    }
}

async fn with_set_clock(script: &Script, server: &mut MultiplexedConnection) -> Script {
    let text = script.text().replacen(CLOCK, SET_CLOCK, 1);
    let mut load = cmd("SCRIPT");
    load.arg("LOAD").arg(&text);
    load.exec_async(server).await.expect("a script");
    Script::new(text.leak())
}

// N8: that line is all that differs, and nothing else in them reads a clock.
#[test]
fn the_scripts_differ_in_their_first_line_only() {
    for script in [&EXCHANGE, &DECIDE] {
        let text = script.text();
        assert!(text.starts_with(CLOCK) && text.matches("'TIME'").count() == 1);
        assert_eq!(SET_CLOCK.lines().count(), 1);
    }
}
