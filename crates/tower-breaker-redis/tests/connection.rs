//! The connection, against peers that are not well: rule N9. What they are asked is an exchange about no circuit.
//!
//! Sockets know no paused time; what is waited for here are milliseconds, and what must come is awaited.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tower_breaker::fleet::{
    Store as _, StoreError,
    store::Why,
    wire::{Exchange, Exchanged, InstanceId, Place},
};
use tower_breaker_redis::Redis;

/// What a peer does with a connection.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// As a server of Redis 7 does.
    Well,
    /// Takes what it is sent, and answers only the login.
    Silent,
    /// Answers everything so.
    Says(&'static str),
    /// Answers commands that begin with it so, the rest well.
    Refuses(&'static str, &'static str),
    /// Knows no RESP3.
    Old,
    /// Answers the login so, and not at once.
    Hesitates(&'static str),
    /// Logs in, subscribes, and closes.
    Leaves,
}

/// A peer. Its first connection has the first manner, and so on; the last one stays.
struct Peer {
    url: String,
    connections: Arc<AtomicUsize>,
    commands: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Peer {
    async fn with(manners: &[Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let peer = Self {
            url: format!("redis://tb:hush@{address}"),
            connections: Arc::default(),
            commands: Arc::default(),
        };
        let (connections, commands) = (peer.connections.clone(), peer.commands.clone());
        let mut manners: VecDeque<_> = manners.iter().copied().collect();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Relaxed);
                let manner = match manners.len() {
                    1 => manners[0],
                    _ => manners.pop_front().expect("a manner"),
                };
                tokio::spawn(serve(stream, manner, commands.clone()));
            }
        });
        peer
    }

    fn store(&self) -> Redis {
        let redis = Redis::new(&self.url).expect("a URL");
        redis.response_timeout(Duration::from_millis(50))
    }

    fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// Their names.
    fn commands(&self) -> Vec<String> {
        let commands = self.commands.lock().expect("nobody has panicked");
        commands.iter().map(|command| command[0].clone()).collect()
    }

    /// What was said with each `HELLO`.
    fn logins(&self) -> Vec<String> {
        let commands = self.commands.lock().expect("nobody has panicked");
        let logins = commands.iter().filter(|command| command[0] == "HELLO");
        logins.map(|command| command[1..].join(" ")).collect()
    }
}

/// The next command, in words.
async fn command(stream: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let mut line = String::new();
    stream
        .read_line(&mut line)
        .await
        .ok()
        .filter(|&read| read > 0)?;
    let words: usize = line.trim().strip_prefix('*')?.parse().ok()?;
    let mut command = Vec::new();
    for _ in 0..words {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let length: usize = line.trim().strip_prefix('$')?.parse().ok()?;
        let mut word = vec![0; length + 2];
        stream.read_exact(&mut word).await.ok()?;
        word.truncate(length);
        command.push(String::from_utf8_lossy(&word).into_owned());
    }
    Some(command)
}

/// What a script answers about no circuit.
const ANSWER: &str = "*5\r\n$13\r\n1800000000000\r\n$1\r\n0\r\n:0\r\n*0\r\n*0\r\n";

fn well(command: &[String]) -> String {
    match command[0].as_str() {
        "HELLO" => "%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n".into(),
        "SUBSCRIBE" => {
            let channel = &command[1];
            format!(
                ">3\r\n$9\r\nsubscribe\r\n${}\r\n{channel}\r\n:1\r\n",
                channel.len()
            )
        }
        "AUTH" | "SELECT" => "+OK\r\n".into(),
        "EVALSHA" | "EVAL" => ANSWER.into(),
        other => format!("-ERR unknown command '{other}'\r\n"),
    }
}

async fn serve(stream: TcpStream, manner: Manner, commands: Arc<Mutex<Vec<Vec<String>>>>) {
    let mut stream = BufReader::new(stream);
    while let Some(command) = command(&mut stream).await {
        let name = command[0].clone();
        commands
            .lock()
            .expect("nobody has panicked")
            .push(command.clone());
        let is_login = matches!(name.as_str(), "HELLO" | "AUTH" | "SELECT" | "SUBSCRIBE");
        let answer = match manner {
            Manner::Says(answer) => answer.into(),
            Manner::Silent if !is_login => return pending().await,
            Manner::Leaves if !is_login => return,
            Manner::Refuses(refused, answer) if name == refused => answer.into(),
            Manner::Hesitates(answer) if is_login => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                answer.into()
            }
            Manner::Old if name == "HELLO" => {
                let words = command[1..].join("` `");
                format!("-ERR unknown command `HELLO`, with args beginning with: `{words}`\r\n")
            }
            _ => well(&command),
        };
        if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn ask(store: &Redis) -> Result<Exchanged, StoreError> {
    let ask = Exchange {
        place: Place {
            fleet: "tb1:shop:".into(),
            shard: 0,
        },
        instance: InstanceId(7),
        seen: 0,
        circuits: Vec::new(),
    };
    store.exchange(&ask).await
}

async fn why(store: &Redis) -> Why {
    ask(store).await.expect_err("an error").why
}

// N9
#[tokio::test]
async fn nothing_is_connected_before_it_is_needed() {
    let peer = Peer::with(&[Manner::Well]).await;
    let store = peer.store();
    assert_eq!(peer.connections(), 0);
    ask(&store).await.expect("an answer");
    ask(&store).await.expect("an answer");
    assert_eq!(peer.connections(), 1);
    assert_eq!(
        peer.commands(),
        ["HELLO", "SUBSCRIBE", "EVALSHA", "EVALSHA"]
    );
    assert!(store.usage().is_told);
}

// N9: redis-rs' own manager never connects again after a login that was refused once.
#[tokio::test]
async fn a_refused_login_does_not_stick() {
    const WRONG: &str = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    let peer = Peer::with(&[Manner::Refuses("HELLO", WRONG), Manner::Well]).await;
    let store = peer.store();
    assert_eq!(why(&store).await, Why::Refused);
    ask(&store).await.expect("the user is there by now");
}

// N9: a proxy whose server is gone.
#[tokio::test]
async fn a_peer_that_speaks_something_else_does_not_stick() {
    const HTTP: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    let peer = Peer::with(&[Manner::Says(HTTP), Manner::Well]).await;
    let store = peer.store();
    assert_eq!(why(&store).await, Why::Nonsense);
    ask(&store).await.expect("the server is there by now");
}

// N9: a connection can die without a word: its peer's host is gone, or a proxy in between.
#[tokio::test]
async fn a_silent_connection_is_left_after_three_times() {
    let peer = Peer::with(&[Manner::Silent, Manner::Well]).await;
    let store = peer.store();
    for _ in 0..3 {
        assert_eq!(why(&store).await, Why::TimedOut);
        assert_eq!(peer.connections(), 1);
    }
    ask(&store).await.expect("the next connection is well");
    assert_eq!(peer.connections(), 2);
}

// N9: a fleet has less patience than the connection.
#[tokio::test]
async fn a_silent_connection_is_left_also_if_nobody_waits_for_it() {
    let peer = Peer::with(&[Manner::Silent, Manner::Well]).await;
    let store = peer.store().response_timeout(Duration::from_secs(60));
    for _ in 0..3 {
        let answer = timeout(Duration::from_millis(250), ask(&store)).await;
        assert!(answer.is_err() && peer.connections() == 1);
    }
    ask(&store).await.expect("the next connection is well");
}

// N9: a moment's silence of several shards is one.
#[tokio::test]
async fn calls_at_the_same_time_are_silent_once() {
    let peer = Peer::with(&[Manner::Silent, Manner::Well]).await;
    let store = peer.store();
    assert_eq!(why(&store).await, Why::TimedOut);
    for _ in 0..2 {
        let _ = tokio::join!(ask(&store), ask(&store), ask(&store));
        assert_eq!(peer.connections(), 1);
    }
    ask(&store).await.expect("the next connection is well");
}

// N9
#[tokio::test]
async fn a_connection_that_ends_is_replaced() {
    let peer = Peer::with(&[Manner::Leaves, Manner::Well]).await;
    let store = peer.store();
    assert_eq!(why(&store).await, Why::NotReached);
    ask(&store).await.expect("the next connection is well");
}

// N9: it leads to a server that has become a replica; its name may lead to another one by now.
#[tokio::test]
async fn a_replica_is_left_and_a_full_server_is_not() {
    const REPLICA: &str = "-READONLY You can't write against a read only replica.\r\n";
    const FULL: &str = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    let peer = Peer::with(&[
        Manner::Refuses("EVALSHA", REPLICA),
        Manner::Refuses("EVALSHA", FULL),
    ])
    .await;
    let store = peer.store();
    assert_eq!(why(&store).await, Why::ReadOnly);
    for _ in 0..5 {
        assert_eq!(why(&store).await, Why::Full);
    }
    assert_eq!(peer.connections(), 2);
}

// N9: a script that the server does not know is sent along, at once.
#[tokio::test]
async fn a_script_that_is_not_known_is_sent() {
    const UNKNOWN: &str = "-NOSCRIPT No matching script. Please use EVAL.\r\n";
    let peer = Peer::with(&[Manner::Refuses("EVALSHA", UNKNOWN)]).await;
    ask(&peer.store()).await.expect("an answer");
    assert_eq!(peer.commands(), ["HELLO", "SUBSCRIBE", "EVALSHA", "EVAL"]);
}

// N9: without RESP3, or without the right to subscribe, an instance looks once a second.
#[tokio::test]
async fn it_does_without_hints() {
    const REFUSED: &str = "-NOPERM this user has no permissions to access one of the channels\r\n";
    for (manner, commands) in [
        (Manner::Old, &["HELLO", "AUTH", "EVALSHA"][..]),
        (
            Manner::Refuses("SUBSCRIBE", REFUSED),
            &["HELLO", "SUBSCRIBE", "EVALSHA"],
        ),
        (
            Manner::Refuses("HELLO", REFUSED),
            &["HELLO", "AUTH", "EVALSHA"],
        ),
    ] {
        let peer = Peer::with(&[manner]).await;
        let store = peer.store();
        ask(&store).await.expect("an answer");
        assert_eq!(peer.commands(), commands, "{manner:?}");
        assert!(!store.usage().is_told);
    }
    let peer = Peer::with(&[Manner::Well]).await;
    ask(&peer.store().without_hints()).await.expect("an answer");
    assert_eq!(peer.commands(), ["AUTH", "EVALSHA"]);
}

// N9
#[tokio::test]
async fn the_password_is_nowhere_to_be_seen() {
    const REPEATED: &str = "-ERR hush is what you have said\r\n";
    let peer = Peer::with(&[Manner::Refuses("EVALSHA", REPEATED)]).await;
    let store = peer.store();
    let error = ask(&store).await.expect_err("an error");
    let seen = format!("{error} {error:?} {store:?} {:?}", store.usage());
    assert!(
        !seen.contains("hush") && seen.contains("127.0.0.1") && seen.contains("***"),
        "{seen}"
    );
    for url in [
        "redis://tb:hush@[",
        "http://tb:hush@a",
        "redis://tb:hush@a/hush",
        "redis://tb:hush@a?protocol=hush",
    ] {
        let error = Redis::new(url).expect_err("no URL of Redis");
        assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
    }
}

// N9: who asks has the patience; connecting goes on where it was.
#[tokio::test]
async fn a_slow_login_succeeds_in_pieces() {
    // Nobody answers at this address before the third try.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!(
        "redis://:hush@{}",
        listener.local_addr().expect("an address")
    );
    let store = Redis::new(&url).expect("a URL").without_hints();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        tokio::time::sleep(Duration::from_millis(300)).await;
        serve(stream, Manner::Well, Arc::default()).await;
        pending::<()>().await;
    });
    let mut tries = 0;
    while timeout(Duration::from_millis(100), ask(&store))
        .await
        .is_err()
    {
        tries += 1;
        assert!(tries < 50);
    }
    assert_eq!(store.usage().connects, 1);
}

// N9: a password that is changed is asked for when it is needed.
#[tokio::test]
async fn credentials_are_those_of_now() {
    const WRONG: &str = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    let peer = Peer::with(&[Manner::Refuses("HELLO", WRONG), Manner::Well]).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let store = peer.store().credentials(move || {
        let day = counted.fetch_add(1, Relaxed);
        ("breakers".into(), format!("hush-{day}"))
    });
    assert_eq!(why(&store).await, Why::Refused);
    ask(&store).await.expect("the password of now");
    ask(&store).await.expect("the same connection");
    let logins = peer.logins();
    assert_eq!(logins, ["3 AUTH breakers hush-0", "3 AUTH breakers hush-1"]);
    assert_eq!(asked.load(Relaxed), 2);
}

// N9: what was refused while nobody waited is tried again, and not told as if it were so now.
#[tokio::test]
async fn a_refusal_that_nobody_waited_for_is_none() {
    const WRONG: &str = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    let peer = Peer::with(&[Manner::Hesitates(WRONG), Manner::Well]).await;
    let store = peer.store();
    let answer = timeout(Duration::from_millis(100), ask(&store)).await;
    assert!(answer.is_err() && peer.connections() == 1);
    ask(&store).await.expect("the user is there by now");
}
