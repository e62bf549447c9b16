//! The scripts in a real Redis against their twin in memory, which has no Lua.

#[allow(dead_code, reason = "the example uses the rest")]
#[path = "../examples/fleet/redis.rs"]
mod server;

use tower_breaker::fleet::{
    Store as _,
    wire::{
        Decide, Exchange, InstanceId, Key, Look, Place, Proposal, Register, Report, Stamp, Text,
    },
};
use tower_breaker_redis::Redis;

fn place() -> Place {
    Place {
        fleet: "tb1:shop:".into(),
        shard: 0,
    }
}

#[tokio::test]
async fn smoke() {
    let server = server::RedisServer::start(&[]).expect("a server");
    let redis = Redis::new(&server.url()).expect("a URL");
    let mut look = Look {
        name: Key::of("pay ments"),
        stamp: Stamp::default(),
        report: Some(Report {
            seq: 1,
            keep_for: 10_000,
            settings: u64::MAX,
            revision: 0,
            register: Register {
                calls: 10,
                failed: 5,
                slow: 0,
                streak: 2,
                ok: false,
                bad: true,
            },
        }),
    };
    let mut ask = Exchange {
        place: place(),
        instance: InstanceId(7),
        seen: 0,
        circuits: vec![look.clone()],
    };
    println!("{:#?}", redis.exchange(&ask).await);
    let mut decide = Decide {
        place: place(),
        instance: InstanceId(7),
        name: look.name.clone(),
        seen: Stamp::default(),
        nonce: 9,
        what: Proposal::Open {
            length: 10,
            attempt: 3,
            cause: Text::of("failure rate"),
        },
    };
    println!("{:#?}", redis.decide(&decide).await);
    redis.hint().await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    decide.seen = Stamp { era: 1, nonce: 9 };
    decide.nonce = 11;
    decide.what = Proposal::Lease {
        permits: 2,
        need: 2,
        of: 3,
        life: 1000,
        want: 2,
    };
    println!("{:#?}", redis.decide(&decide).await);
    decide.seen = Stamp { era: 2, nonce: 11 };
    decide.what = Proposal::Result {
        ok: 1,
        failed: 0,
        unused: 0,
        length: 10,
    };
    println!("{:#?}", redis.decide(&decide).await);
    decide.what = Proposal::Result {
        ok: 2,
        failed: 0,
        unused: 0,
        length: 10,
    };
    println!("{:#?}", redis.decide(&decide).await);
    look.report = None;
    look.stamp = Stamp { era: 3, nonce: 11 };
    ask.circuits = vec![look];
    println!("{:#?}", redis.exchange(&ask).await);
    println!("{redis:#?}");
}
