//! A connection that is replaced.
//!
//! redis-rs has a `ConnectionManager` for that. It never connects again after one refused login, and never leaves a
//! connection that has gone silent without a word (1.8.1, tried). So what is held here is a plain connection, and
//! whatever is wrong with it, the next call makes another one. Nothing is retried, and there is no pause in between:
//! who asks has both.

use std::{
    collections::HashSet,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, ProtocolVersion, PushInfo,
    PushKind, RedisResult, Value,
    aio::{MultiplexedConnection, SendError},
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};
use tokio::{sync::Notify, time::Instant};
use tower_breaker::fleet::store::StoreError;

#[cfg(feature = "tls")]
use crate::tls::Tls;
use crate::{error, script::Call};

/// Silent so many times in a row, a connection is left.
const MOST_SILENT: u32 = 3;

/// Connecting takes at most so long, login and all.
const CONNECT: Duration = Duration::from_secs(1);

/// A call that was given up sooner says nothing of the connection.
const SOON: Duration = Duration::from_millis(200);

/// Where to connect to, and how.
#[derive(Clone)]
pub(crate) struct Target {
    /// Of a server one, of a cluster each that was named.
    pub(crate) nodes: Vec<ConnectionInfo>,
    pub(crate) is_cluster: bool,
    pub(crate) response_timeout: Duration,
    pub(crate) hints: bool,
    /// Asked for each connection, in place of what the nodes say.
    pub(crate) credentials: Option<Credentials>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
}

/// The name of a user, and the password.
pub(crate) type Credentials = Arc<dyn Fn() -> (String, String) + Send + Sync>;

impl Target {
    /// The nodes with the credentials of now.
    fn nodes(&self) -> Vec<ConnectionInfo> {
        let Some(credentials) = &self.credentials else {
            return self.nodes.clone();
        };
        let (user, password) = credentials();
        let as_now = |node: &ConnectionInfo| {
            let redis = node.redis_settings().clone();
            let redis = redis.set_username(&user).set_password(&password);
            node.clone().set_redis_settings(redis)
        };
        self.nodes.iter().map(as_now).collect()
    }
}

// By hand: redis-rs hides the password, and here it is not asked to.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<_> = self.nodes.iter().map(|it| it.addr().to_string()).collect();
        f.debug_struct("Target")
            .field("nodes", &nodes)
            .field("is_cluster", &self.is_cluster)
            .field("response_timeout", &self.response_timeout)
            .field("hints", &self.hints)
            .finish_non_exhaustive()
    }
}

/// What is counted, and who is woken.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commands: AtomicU64,
    pub(crate) connects: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) hints: AtomicU64,
    /// The connection of now tells of changes.
    pub(crate) is_told: AtomicBool,
    pub(crate) hint: Notify,
}

/// How well one connection is.
#[derive(Debug, Default)]
struct Health {
    is_lost: AtomicBool,
    silent: AtomicU32,
}

impl Health {
    fn is_well(&self) -> bool {
        !self.is_lost.load(Relaxed) && self.silent.load(Relaxed) < MOST_SILENT
    }

    fn has_answered(&self) {
        self.silent.store(0, Relaxed);
    }

    fn is_lost(&self) {
        self.is_lost.store(true, Relaxed);
    }

    /// Calls that were under way at the same time are silent once.
    fn was_silent(&self, before: u32) {
        let next = before.saturating_add(1);
        let _ = self.silent.compare_exchange(before, next, Relaxed, Relaxed);
    }

    fn after(&self, error: &redis::RedisError, before: u32) {
        match error::then(error) {
            error::Then::Keep => self.has_answered(),
            error::Then::Silent => self.was_silent(before),
            error::Then::Replace => self.is_lost(),
        }
    }
}

/// Waits for one answer. Who asks may not wait as long as we do: what is dropped was silent, too.
struct Awaited<'a> {
    health: &'a Health,
    before: u32,
    since: Instant,
}

impl<'a> Awaited<'a> {
    fn of(health: &'a Health) -> Self {
        Self {
            health,
            before: health.silent.load(Relaxed),
            since: Instant::now(),
        }
    }

    fn end<T>(self, result: &RedisResult<T>) {
        match result {
            Ok(_) => self.health.has_answered(),
            Err(error) => self.health.after(error, self.before),
        }
        std::mem::forget(self);
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        if self.since.elapsed() >= SOON {
            self.health.was_silent(self.before);
        }
    }
}

/// To a server, or to those of a cluster.
#[derive(Clone)]
enum Wire {
    One(MultiplexedConnection),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

impl Wire {
    async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::One(it) => command.query_async(it).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(it) => command.query_async(it).await,
        }
    }

    async fn subscribe(&mut self, channel: &str) -> RedisResult<()> {
        match self {
            Self::One(it) => it.subscribe(channel).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(it) => it.subscribe(channel).await,
        }
    }
}

/// A connection that was made.
struct Link {
    wire: Wire,
    health: Arc<Health>,
    /// On these it listens, or was refused to.
    channels: HashSet<String>,
    /// Whether it can listen at all.
    listens: bool,
}

type Connecting = Pin<Box<dyn Future<Output = RedisResult<Link>> + Send>>;

enum State {
    Idle,
    /// It goes on where it was when who asked had enough of waiting.
    Connecting(Connecting),
    Up(Link),
}

/// The connection of a store: none at first, and again after whatever is wrong with it.
pub(crate) struct Connection {
    target: Arc<Target>,
    counters: Arc<Counters>,
    state: tokio::sync::Mutex<State>,
    /// The one that was sent last: no text has it.
    password: Mutex<Option<String>>,
}

impl Connection {
    pub(crate) fn to(target: Target) -> Self {
        Self {
            target: Arc::new(target),
            counters: Arc::default(),
            state: tokio::sync::Mutex::new(State::Idle),
            password: Mutex::default(),
        }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Calls a script, on a new connection if there is none that is well.
    pub(crate) async fn call(&self, call: &Call) -> Result<Value, StoreError> {
        let told = |error| self.told(&error);
        let (mut wire, health) = self.link(&call.channel).await.map_err(told)?;
        let answer = match self.send(&mut wire, &health, &call.by_hash()).await {
            Err(error) if error.code() == Some("NOSCRIPT") => {
                self.send(&mut wire, &health, &call.by_text()).await
            }
            answer => answer,
        };
        answer.map_err(told)
    }

    fn told(&self, error: &redis::RedisError) -> StoreError {
        let password = self.password.lock().unwrap_or_else(PoisonError::into_inner);
        error::store_error(error, password.as_deref())
    }

    async fn send(&self, wire: &mut Wire, health: &Health, command: &Cmd) -> RedisResult<Value> {
        self.counters.commands.fetch_add(1, Relaxed);
        let bytes = command.get_packed_command().len();
        self.counters.bytes_out.fetch_add(bytes as u64, Relaxed);
        let awaited = Awaited::of(health);
        let answer = wire.send(command).await.and_then(Value::extract_error);
        awaited.end(&answer);
        let bytes = answer.as_ref().map_or(0, bytes_of);
        self.counters.bytes_in.fetch_add(bytes, Relaxed);
        answer
    }

    /// A connection that listens on the channel, if it may.
    async fn link(&self, channel: &str) -> RedisResult<(Wire, Arc<Health>)> {
        let mut state = self.state.lock().await;
        let link = self.up(&mut state).await?;
        if link.listens && !link.channels.contains(channel) {
            self.listen(link, channel).await?;
        }
        Ok((link.wire.clone(), link.health.clone()))
    }

    async fn up<'a>(&self, state: &'a mut State) -> RedisResult<&'a mut Link> {
        if matches!(state, State::Up(link) if !link.health.is_well()) {
            *state = State::Idle;
        }
        // One that went wrong while nobody waited says nothing of now.
        if matches!(state, State::Connecting(_)) {
            let _ = connected(state).await;
        }
        if matches!(state, State::Idle) {
            *state = State::Connecting(self.connect());
            connected(state).await?;
        }
        match state {
            State::Up(link) => Ok(link),
            _ => unreachable!("it was made, or it is an error"),
        }
    }

    /// Who may not listen looks once a second.
    async fn listen(&self, link: &mut Link, channel: &str) -> RedisResult<()> {
        let awaited = Awaited::of(&link.health);
        let result = link.wire.subscribe(channel).await;
        awaited.end(&result);
        match result {
            Ok(()) => self.counters.is_told.store(true, Relaxed),
            Err(error) if error::then(&error) == error::Then::Keep => {}
            Err(error) => return Err(error),
        }
        link.channels.insert(channel.to_owned());
        Ok(())
    }

    fn connect(&self) -> Connecting {
        self.counters.connects.fetch_add(1, Relaxed);
        self.counters.is_told.store(false, Relaxed);
        let nodes = self.target.nodes();
        let password = nodes.first().and_then(|it| it.redis_settings().password());
        *self.password.lock().unwrap_or_else(PoisonError::into_inner) = password.map(Into::into);
        Box::pin(connect(self.target.clone(), nodes, self.counters.clone()))
    }
}

/// Waits until what is under way is up, or is no more.
async fn connected(state: &mut State) -> RedisResult<()> {
    if let State::Connecting(connecting) = state {
        let made = connecting.as_mut().await;
        *state = State::Idle;
        *state = State::Up(made?);
    }
    Ok(())
}

// ---- making one ---------------------------------------------------------------------------------

/// Servers before Redis 6 and some proxies know no RESP3: then there are no hints.
async fn connect(
    target: Arc<Target>,
    nodes: Vec<ConnectionInfo>,
    counters: Arc<Counters>,
) -> RedisResult<Link> {
    #[cfg(feature = "tls")]
    crate::tls::install_provider(&nodes);
    if target.hints {
        match connect_by(&target, &nodes, &counters, true).await {
            Err(error) if is_of_protocol(&error) => {}
            made => return made,
        }
    }
    connect_by(&target, &nodes, &counters, false).await
}

fn is_of_protocol(error: &redis::RedisError) -> bool {
    error.kind() == ErrorKind::RESP3NotSupported
        || matches!(error.code(), Some("ERR" | "NOPROTO" | "NOPERM"))
}

async fn connect_by(
    target: &Target,
    nodes: &[ConnectionInfo],
    counters: &Arc<Counters>,
    listens: bool,
) -> RedisResult<Link> {
    let health = Arc::<Health>::default();
    let pushed = listens.then(|| pushed(counters.clone(), health.clone()));
    let nodes = nodes.iter().map(|node| info(node, listens));
    let wire = match target.is_cluster {
        false => Wire::One(connect_to_one(target, nodes, pushed).await?),
        #[cfg(feature = "cluster")]
        true => Wire::Cluster(connect_to_cluster(target, nodes, pushed).await?),
        #[cfg(not(feature = "cluster"))]
        true => unreachable!("without the feature there are no clusters"),
    };
    Ok(Link {
        wire,
        health,
        channels: HashSet::new(),
        listens,
    })
}

type Pushed = Box<dyn Fn(PushInfo) -> Result<(), SendError> + Send + Sync>;

/// A message is a hint, whatever is in it. Nothing else is.
fn pushed(counters: Arc<Counters>, health: Arc<Health>) -> Pushed {
    Box::new(move |push| {
        match push.kind {
            PushKind::Message => {
                counters.hints.fetch_add(1, Relaxed);
                counters.hint.notify_one();
            }
            PushKind::Disconnection => health.is_lost(),
            _ => {}
        }
        Ok(())
    })
}

fn info(node: &ConnectionInfo, listens: bool) -> ConnectionInfo {
    let protocol = match listens {
        true => ProtocolVersion::RESP3,
        false => ProtocolVersion::RESP2,
    };
    // Else it says who it is by a command that Redis 7.0 does not know and that a user may not have.
    let redis = node.redis_settings().clone().set_skip_set_lib_name();
    node.clone()
        .set_redis_settings(redis.set_protocol(protocol))
        .set_tcp_settings(tcp())
}

/// A peer whose host is gone says nothing for a quarter of an hour otherwise.
fn tcp() -> TcpSettings {
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(TcpKeepalive::new().with_time(Duration::from_secs(5)));
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(Duration::from_secs(3));
    settings
}

async fn connect_to_one(
    target: &Target,
    mut nodes: impl Iterator<Item = ConnectionInfo>,
    pushed: Option<Pushed>,
) -> RedisResult<MultiplexedConnection> {
    let Some(node) = nodes.next() else {
        return Err((ErrorKind::InvalidClientConfig, "no address").into());
    };
    let mut config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(target.response_timeout));
    if let Some(pushed) = pushed {
        config = config.set_push_sender(pushed);
    }
    client(target, node)?
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

fn client(target: &Target, info: ConnectionInfo) -> RedisResult<Client> {
    #[cfg(feature = "tls")]
    if let Some(tls) = &target.tls {
        return Client::build_with_tls(info, tls.certificates());
    }
    let _ = target;
    Client::open(info)
}

#[cfg(feature = "cluster")]
async fn connect_to_cluster(
    target: &Target,
    nodes: impl Iterator<Item = ConnectionInfo>,
    pushed: Option<Pushed>,
) -> RedisResult<redis::cluster_async::ClusterConnection> {
    let mut builder = redis::cluster::ClusterClient::builder(nodes)
        .connection_timeout(CONNECT)
        .response_timeout(target.response_timeout)
        // A moved slot is asked for where it is now. More than that is up to who asks.
        .retries(2)
        .tcp_settings(tcp());
    if let Some(pushed) = pushed {
        builder = builder.push_sender(pushed);
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = &target.tls {
        builder = builder.certs(tls.certificates());
    }
    // It has a time for each node, and none for all of them.
    let connecting = builder.build()?;
    match tokio::time::timeout(2 * CONNECT, connecting.get_async_connection()).await {
        Ok(made) => made,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}

/// As it was on the wire, or a few bytes more or less.
fn bytes_of(value: &Value) -> u64 {
    let of_bytes = |length: usize| 5 + length.to_string().len() as u64 + length as u64;
    match value {
        Value::BulkString(bytes) => of_bytes(bytes.len()),
        Value::SimpleString(text) => 3 + text.len() as u64,
        Value::Int(number) => 3 + number.to_string().len() as u64,
        Value::Array(items) => 4 + items.iter().map(bytes_of).sum::<u64>(),
        _ => 4,
    }
}
