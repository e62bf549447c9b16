//! What somebody else may have written where the scripts read: rule N8.

use redis::{Cmd, Value, aio::MultiplexedConnection, cmd};
use tower_breaker::fleet::{
    Store as _,
    store::Why,
    wire::{
        Decide, Exchange, How, InstanceId, Key, Look, Odd, Place, Proposal, Register, Report,
        Stamp, Told,
    },
};
use tower_breaker_redis::Redis;

use crate::{keys::Keys, server::RedisServer};

/// A record that is well, closed after three decisions.
const WELL: &str = "3 9 c n 0 5000 1 1700000000000 0 0 0 0 0 77";

struct Shared {
    _server: RedisServer,
    raw: MultiplexedConnection,
    store: Redis,
    keys: Keys,
}

fn place() -> Place {
    Place {
        fleet: "tb1:shop:".into(),
        shard: 0,
    }
}

fn pay() -> Key {
    Key::of("pay")
}

fn look(name: &str, stamp: Stamp) -> Look {
    Look {
        name: Key::of(name),
        stamp,
        report: Some(Report {
            seq: 1,
            keep_for: 10_000,
            settings: 1,
            revision: 0,
            register: Register {
                calls: 10,
                failed: 2,
                ..Register::default()
            },
        }),
    }
}

const STAMP: Stamp = Stamp { era: 3, nonce: 9 };

impl Shared {
    async fn start() -> Self {
        let server = RedisServer::start(&[]).unwrap_or_else(|why| panic!("{why}"));
        let client = redis::Client::open(server.url()).expect("a URL");
        let raw = client.get_multiplexed_async_connection().await;
        Self {
            store: Redis::new(&server.url()).expect("a URL"),
            raw: raw.expect("a server"),
            _server: server,
            keys: Keys::of(&place()),
        }
    }

    async fn run(&mut self, command: &Cmd) -> Value {
        let answer = command.query_async(&mut self.raw).await;
        answer.expect("the server answers")
    }

    async fn write(&mut self, verb: &str, words: &[&str]) {
        let mut command = cmd(verb);
        command.arg(words);
        self.run(&command).await;
    }

    async fn record(&mut self) -> Value {
        let mut command = cmd("DUMP");
        command.arg(self.keys.state(&pay()));
        self.run(&command).await
    }

    /// Of the circuit that somebody has written into, and of another one.
    async fn ask(&self) -> [Result<Told, Odd>; 2] {
        let ask = Exchange {
            place: place(),
            instance: InstanceId(7),
            seen: 0,
            circuits: vec![look("pay", STAMP), look("other", Stamp::default())],
        };
        let told = self.store.exchange(&ask).await.expect("an answer").circuits;
        told.try_into().expect("as many as were asked for")
    }

    async fn propose(&self, what: Proposal) -> Result<(), Why> {
        let ask = Decide {
            place: place(),
            instance: InstanceId(7),
            name: pay(),
            seen: STAMP,
            nonce: 1,
            what,
        };
        let decided = self.store.decide(&ask).await;
        decided.map(|_| ()).map_err(|error| error.why)
    }
}

fn reset() -> Proposal {
    let who = Default::default();
    Proposal::Reset { who }
}

/// Each number of a line out of its range, and lines of other shapes.
fn spoilt(line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut spoilt: Vec<String> = ["", " ", "x", "\0", "0", "-1", "nan"]
        .map(String::from)
        .into();
    spoilt.push(format!("{line} 0"));
    spoilt.push(words[1..].join(" "));
    spoilt.push("9".repeat(10_000));
    for place in 0..words.len() {
        for other in [
            "",
            "x",
            "-1",
            "1e3",
            "1.5",
            "99999999999999999999999",
            "inf",
        ] {
            let mut words = words.clone();
            words[place] = other;
            spoilt.push(words.join(" "));
        }
    }
    spoilt
}

// N8: what cannot be read is refused for that circuit alone, and left as it is.
#[tokio::test]
async fn a_record_that_cannot_be_read_is_left_alone() {
    let mut shared = Shared::start().await;
    let state = shared.keys.state(&pay());
    let window = "170000000 10000 1 2 3 1 1 0 0 0 0 0 5 1700000000000";
    let mut fields: Vec<(&str, String)> = Vec::new();
    fields.extend(spoilt(WELL).into_iter().map(|line| ("S", line)));
    let empty = |line: &String| line.is_empty();
    let windows = spoilt(window).into_iter().filter(|line| !empty(line));
    fields.extend(windows.map(|line| ("W", line)));
    fields.push(("k", "x".repeat(121)));
    fields.push(("w", "x".repeat(65)));
    for (field, value) in fields {
        shared.write("DEL", &[&state]).await;
        shared.write("HSET", &[&state, "S", WELL]).await;
        shared.write("HSET", &[&state, field, &value]).await;
        let before = shared.record().await;
        let [pay, other] = shared.ask().await;
        let value = value.get(..60).unwrap_or(&value);
        assert!(pay.is_err(), "{field} is {value:?}: {pay:?}");
        assert_eq!(other.map(|told| told.how), Ok(How::Counted), "{field}");
        assert_eq!(
            shared.propose(reset()).await,
            Err(Why::Nonsense),
            "{value:?}"
        );
        assert_eq!(shared.record().await, before, "{field} is {value:?}");
    }
    // It is not all odd that is looked at here.
    shared.write("DEL", &[&state]).await;
    shared
        .write("HSET", &[&state, "S", WELL, "W", window])
        .await;
    let [pay, _] = shared.ask().await;
    assert_eq!(
        pay.map(|told| (told.how, told.window.calls)),
        Ok((How::Counted, 10))
    );
}

// N8: what an instance has said cannot be read: it has said nothing.
#[tokio::test]
async fn a_register_that_cannot_be_read_is_none() {
    let mut shared = Shared::start().await;
    let (state, registers) = (shared.keys.state(&pay()), shared.keys.registers(&pay()));
    for register in spoilt("170000000 1 10 2 0 0 1 0") {
        shared.write("DEL", &[&state, &registers]).await;
        shared.write("HSET", &[&state, "S", WELL]).await;
        shared
            .write("HSET", &[&registers, "0000000000000007", &register])
            .await;
        let [pay, _] = shared.ask().await;
        let told = pay.map(|told| (told.how, told.window.calls, told.my_seq));
        assert_eq!(told, Ok((How::Counted, 10, 1)), "{register:?}");
    }
}

// N8: keys of another kind.
#[tokio::test]
async fn keys_of_another_kind_are_refused() {
    let mut shared = Shared::start().await;
    let (state, registers) = (shared.keys.state(&pay()), shared.keys.registers(&pay()));
    shared.write("SET", &[&state, "a string"]).await;
    assert!(shared.ask().await[0].is_err());
    assert_eq!(shared.propose(reset()).await, Err(Why::Nonsense));

    shared.write("DEL", &[&state]).await;
    shared.write("HSET", &[&state, "S", WELL]).await;
    shared.write("SET", &[&registers, "a string"]).await;
    let before = shared.record().await;
    assert!(shared.ask().await[0].is_err());
    assert_eq!(shared.record().await, before);
    // The next decision begins anew.
    assert_eq!(shared.propose(reset()).await, Ok(()));

    let log = shared.keys.log();
    shared.write("DEL", &[&log]).await;
    shared.write("SET", &[&log, "a string"]).await;
    let before = shared.record().await;
    let mut forced = Decide {
        place: place(),
        instance: InstanceId(7),
        name: pay(),
        seen: Stamp { era: 4, nonce: 1 },
        nonce: 2,
        what: reset(),
    };
    assert!(shared.store.decide(&forced).await.is_err());
    forced.name = Key::of("other");
    assert!(
        shared.store.decide(&forced).await.is_ok(),
        "it knows more, and nothing is written"
    );
    assert_eq!(shared.record().await, before);
}
