//! One circuit across instances: the store of `tower-breaker`'s fleets on Redis.

mod connection;
mod error;
mod keys;
mod script;
#[cfg(feature = "tls")]
mod tls;
mod wire;

use std::{
    fmt, future::Future, pin::Pin, sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration,
};

use connection::{Connection, Target};
use redis::{ConnectionInfo, IntoConnectionInfo};
use tower_breaker::fleet::{
    Answer, Store, StoreError,
    store::Why,
    wire::{Decide, Decided, Exchange, Exchanged, Odd},
};

#[cfg(feature = "tls")]
pub use self::tls::Tls;
pub use self::{error::RedisError, keys::ACL};

/// A store on Redis. A clone is the same store, with the same connection.
#[derive(Clone)]
pub struct Redis {
    connection: Arc<Connection>,
}

/// What a store has sent and received since it was made.
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
    /// The connection of now is told of changes at once. If not, an instance looks once a second: the server speaks no
    /// RESP3, the user may not subscribe, or there is no connection.
    pub is_told: bool,
}

impl Redis {
    /// A store on one server. It is connected to when it is asked something for the first time, so the server need not
    /// be there yet.
    ///
    /// # Errors
    ///
    /// If it is no address, or one with TLS without the feature `tls`.
    pub fn new(url: &str) -> Result<Self, RedisError> {
        Ok(Self::to(Target::of(vec![node(url)?], false)))
    }

    /// A store on a cluster, some of whose nodes these are.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and if there is none, or they differ in user, password, or TLS.
    #[cfg(feature = "cluster")]
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

    /// How long an answer may take. Default: 500 ms. A fleet may not wait as long.
    #[must_use]
    pub fn response_timeout(self, response_timeout: Duration) -> Self {
        self.with(|target| target.response_timeout = response_timeout)
    }

    /// Is not told of changes, and looks once a second.
    #[must_use]
    pub fn without_hints(self) -> Self {
        self.with(|target| target.hints = false)
    }

    /// Certificates for an address that begins with `rediss:`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(self, tls: Tls) -> Self {
        self.with(|target| target.tls = Some(tls))
    }

    /// What was sent and received so far.
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
            response_timeout: Duration::from_millis(500),
            hints: true,
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
