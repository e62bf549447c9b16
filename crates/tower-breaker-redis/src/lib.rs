//! One circuit across instances: the store of [`tower_breaker`]'s fleets on Redis.
//!
//! Fifty instances learn of an outage one by one, fifty times, and one with few calls never does. With a store they add
//! up what they see. Enough of them open the circuit together, one probe is sent for all, and a person can force it
//! open everywhere. For what a fleet is, and when not to have one, see [`tower_breaker::fleet`] and its guide. This
//! page is about Redis.
//!
//! ```
//! use tower_breaker::{Agreement, Circuit, fleet::Fleet};
//! use tower_breaker_redis::Redis;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let fleet = Fleet::builder("shop").build()?;
//! tokio::spawn(fleet.run(Redis::new("redis://127.0.0.1:6379")?));
//!
//! let reviews = Circuit::builder("reviews")
//!     .shared(Agreement::default())
//!     .fleet(&fleet)
//!     .build()?;
//! // No call waits for Redis. Without one, each instance goes by what it sees itself.
//! let stars = reviews.call(async { Ok::<_, std::io::Error>(5) }).await;
//! assert_eq!(stars.expect("an answer"), 5);
//! # Ok(())
//! # }
//! ```
//!
//! With a user, with TLS and a root of your own, and with a cluster:
//!
#![cfg_attr(all(feature = "cluster", feature = "tls"), doc = "```no_run")]
#![cfg_attr(not(all(feature = "cluster", feature = "tls")), doc = "```ignore")]
//! use tower_breaker_redis::{Redis, Tls};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let roots = std::fs::read("roots.pem")?;
//! let one = Redis::new("rediss://breakers:secret@redis.internal:6380")?.tls(Tls::new().roots(roots));
//! let many = Redis::cluster(["redis://a.internal", "redis://b.internal"])?;
//! # let _ = (one, many);
//! # Ok(())
//! # }
//! ```
//!
//! # Which Redis
//!
//! | | |
//! |---|---|
//! | Redis 7, Valkey | tested with 7.0.15; Valkey has the same commands |
//! | Redis 6.2 | the oldest that has them all (`ZRANGE … BYSCORE`) |
//! | a cluster | feature `cluster`. The keys of a fleet are in one slot; more shards are in more. How many heard of a decision is not known |
//! | Sentinel | not looked up: name the primary, or what leads to it |
//! | Dragonfly | its keys are declared, as it wants it; not tested |
//! | KeyDB with two primaries | not to be used: the last write wins there, and two instances could have one seat |
//!
//! Nothing is installed in Redis: two scripts are sent along when it does not know them. Only the commands of [`ACL`]
//! are used. All keys begin with `{tb1:` and the namespace. Each has a time to live.
//!
//! # What it needs
//!
//! A user with the rights of [`ACL`], no persistence, and a few kilobytes a circuit. What is evicted or lost with a
//! restart is restored by the instance that speaks next.
//!
//! **Watch out:** everybody who has these rights can open your circuits.
//!
//! # The connection
//!
//! There is one, made when it is first needed. It is made anew when something is wrong with it: it ended, its login was
//! refused, it leads to a replica, something else than Redis answers, or it was silent three times in a row. Until
//! there is a good one, each circuit goes on alone.
//!
//! **Watch out:** a wrong host or port makes nothing fail. The reason, such as `Connection refused`, is in
//! `Fleet::status().last_error`.
//!
//! Nothing is retried here. The fleet does that, with pauses. With RESP3 (Redis 6) the same connection tells of changes
//! at once. Without it, instances look once a second.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `cluster` | `Redis::cluster` |
//! | `tls` | addresses with `rediss:`, and `Tls`; by rustls |
//!
//! Without any feature, it is one server, over TCP or a Unix socket. The oldest Rust is 1.88. The client is the crate
//! `redis`. None of its types is public here.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod connection;
mod error;
mod keys;
mod script;
#[cfg(feature = "tls")]
mod tls;
mod wire;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use redis::{ConnectionInfo, IntoConnectionInfo};
use tower_breaker::fleet::{
    Answer, Store, StoreError,
    store::Why,
    wire::{Decide, Decided, Exchange, Exchanged, Odd},
};

use self::connection::{Connection, Target};
#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
pub use self::tls::Tls;
pub use self::{error::RedisError, keys::ACL};

/// A store on Redis, for [`Fleet::run`](tower_breaker::fleet::Fleet::run). A clone is the same store, with the same
/// connection: keep one to see its [`usage`](Self::usage).
///
/// It does nothing before it is asked something. So it can be made outside of a runtime, and before there is a Redis.
/// Set everything before you clone it.
///
/// Its [`Debug`](fmt::Debug) shows addresses, and neither a user nor a password; nor does any error.
#[derive(Clone)]
pub struct Redis {
    connection: Arc<Connection>,
}

/// What a store has sent and received since it was made: [`Redis::usage`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Calls of scripts.
    pub commands: u64,
    /// Connections that were tried.
    pub connects: u64,
    /// Bytes of these calls, without those of TLS.
    pub bytes_out: u64,
    /// Bytes of the answers, within a few.
    pub bytes_in: u64,
    /// Messages that told of a change.
    pub hints: u64,
    /// Whether the present connection is told of changes at once. If not, the server speaks no RESP3, the user may not
    /// subscribe, or there is no connection. Then an instance looks once a second.
    pub is_told: bool,
}

impl Redis {
    /// Makes a store on one server: `redis://USER:PASSWORD@HOST:PORT/DATABASE`. All but the host is optional. Write
    /// `rediss:` for TLS, or `unix:///PATH` for a socket. In a user or a password, write what is no letter or digit as
    /// `%40`.
    ///
    /// This does not connect, so the server need not be there yet.
    ///
    /// # Errors
    ///
    /// [`RedisError`] if `url` is no such address, or if it needs TLS and the feature `tls` is off.
    ///
    /// ```
    /// use tower_breaker_redis::Redis;
    ///
    /// let redis = Redis::new("redis://breakers:p%40ss@redis.internal/3").expect("an address");
    /// assert!(!format!("{redis:?}").contains("p@ss"));
    /// assert!(Redis::new("http://redis.internal").is_err());
    /// ```
    pub fn new(url: &str) -> Result<Self, RedisError> {
        Ok(Self::to(Target::of(vec![node(url)?], false)))
    }

    /// Makes a store on a cluster, of which these are some nodes. It finds the others, and follows where slots move.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new), and if there is no address, or if they differ in user, password, or TLS.
    #[cfg(feature = "cluster")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cluster")))]
    pub fn cluster<'a>(urls: impl IntoIterator<Item = &'a str>) -> Result<Self, RedisError> {
        let nodes: Vec<_> = urls.into_iter().map(node).collect::<Result<_, _>>()?;
        // It looks at them, and connects to none.
        redis::cluster::ClusterClient::new(nodes.clone())
            .map_err(|error| RedisError::of_address(&error))?;
        Ok(Self::to(Target::of(nodes, true)))
    }

    fn to(target: Target) -> Self {
        let connection = Arc::new(Connection::to(target));
        Self { connection }
    }

    fn with(self, change: impl FnOnce(&mut Target)) -> Self {
        let mut target = self.connection.target().clone();
        change(&mut target);
        Self::to(target)
    }

    /// Sets how long an answer may take. Default: a second. A fleet waits four times its interval, from 250 ms to a
    /// second. So more than that changes nothing.
    #[must_use]
    pub fn response_timeout(self, response_timeout: Duration) -> Self {
        self.with(|target| target.response_timeout = response_timeout)
    }

    /// Sets user and password by a closure, in place of those of the address. For passwords that change. It is called
    /// each time that the store connects, within the task of the fleet, and must not block.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use tower_breaker_redis::Redis;
    ///
    /// let secret = Arc::new(Mutex::new(String::from("of today")));
    /// # let of_store = secret.clone();
    /// let redis = Redis::new("redis://redis.internal")
    ///     .expect("an address")
    ///     .credentials(move || ("breakers".into(), of_store.lock().expect("a secret").clone()));
    /// # let _ = redis;
    /// ```
    #[must_use]
    pub fn credentials(
        self,
        credentials: impl Fn() -> (String, String) + Send + Sync + 'static,
    ) -> Self {
        self.with(|target| target.credentials = Some(Arc::new(credentials)))
    }

    /// Turns off the subscription to changes. Then each instance looks once a second. Default: it subscribes.
    ///
    /// Beyond a thousand instances, it costs Redis more to tell of a change than to be asked for it.
    #[must_use]
    pub fn without_hints(self) -> Self {
        self.with(|target| target.hints = false)
    }

    /// Sets whom to trust, for an address that begins with `rediss:`, and the certificate of this client. Default:
    /// Mozilla's roots, and no certificate.
    ///
    /// Certificates that cannot be read show when the store connects: the fleet is alone, and says why.
    ///
    /// **Watch out:** rustls needs a provider of cryptography. If the process has one, that is taken. If there is none
    /// at the first connection, `ring` is installed for the whole process. So install yours before.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[must_use]
    pub fn tls(self, tls: Tls) -> Self {
        self.with(|target| target.tls = Some(tls))
    }

    /// How much was sent and received so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let counters = self.connection.counters();
        Usage {
            commands: counters.commands.load(Relaxed),
            connects: counters.connects.load(Relaxed),
            bytes_out: counters.bytes_out.load(Relaxed),
            bytes_in: counters.bytes_in.load(Relaxed),
            hints: counters.hints.load(Relaxed),
            is_told: counters.is_told.load(Relaxed),
        }
    }
}

fn node(url: &str) -> Result<ConnectionInfo, RedisError> {
    url.into_connection_info()
        .map_err(|error| RedisError::of_address(&error))
}

impl Target {
    fn of(nodes: Vec<ConnectionInfo>, is_cluster: bool) -> Self {
        Self {
            nodes,
            is_cluster,
            response_timeout: Duration::from_secs(1),
            hints: true,
            credentials: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("target", self.connection.target())
            .field("usage", &self.usage())
            .finish()
    }
}

fn refused(odd: Odd) -> StoreError {
    StoreError::new(Why::Nonsense, odd.text.as_str())
}

fn nonsense() -> StoreError {
    StoreError::new(Why::Nonsense, "an answer that no script of ours gives")
}

impl Store for Redis {
    fn exchange<'a>(&'a self, ask: &'a Exchange) -> Answer<'a, Exchanged> {
        Box::pin(async move {
            let call = wire::exchange(ask).map_err(refused)?;
            let answer = self.connection.call(&call).await?;
            wire::exchanged(&answer, ask).ok_or_else(nonsense)
        })
    }

    fn decide<'a>(&'a self, ask: &'a Decide) -> Answer<'a, Decided> {
        Box::pin(async move {
            let call = wire::decide(ask).map_err(refused)?;
            let answer = self.connection.call(&call).await?;
            let decided = wire::decided(&answer).ok_or_else(nonsense)?;
            Ok(self.counted(decided))
        })
    }

    fn hint(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.connection.counters().hint.notified())
    }
}

impl Redis {
    /// A node of a cluster counts only those who listen to it.
    fn counted(&self, decided: Decided) -> Decided {
        let heard = decided
            .heard
            .filter(|_| !self.connection.target().is_cluster);
        Decided { heard, ..decided }
    }
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
