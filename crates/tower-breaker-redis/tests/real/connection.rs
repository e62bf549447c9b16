//! N9: the connection, which is ours to replace. It is asked by hand here, so what is seen is the connection's doing,
//! and not that of a fleet that asks again.

use std::time::{Duration, Instant};

use tower_breaker::fleet::{
    StoreError,
    store::Why,
    wire::{Key, Stamp},
};
use tower_breaker_redis::{ACL, Redis};

use crate::support::{
    asked::{answers, is_refused_for, poll, report},
    proxy::{Link, Proxy},
    server::Server,
};

fn store(url: &str) -> Redis {
    Redis::new(url).expect("a URL")
}

/// Something that the store has to write.
async fn write(redis: &Redis) -> Result<(), StoreError> {
    let name = Key::of("payments");
    let said = report(redis, 1, &name, Stamp::default(), Duration::from_secs(10)).await;
    said.map(drop)
}

async fn why(redis: &Redis) -> Option<Why> {
    write(redis).await.err().map(|error| error.why)
}

fn grant(server: &Server, rights: &str) {
    let mut words = vec!["ACL", "SETUSER", "breaker", "reset", "on", ">secret"];
    words.extend(rights.split_whitespace());
    server.tell(&words);
}

#[tokio::test]
async fn a_login_that_was_refused_is_tried_again() {
    let server = Server::start();
    let redis = store(&server.url_of("breaker", "secret"));
    for _ in 0..30 {
        assert_eq!(why(&redis).await, Some(Why::Refused));
    }
    grant(&server, ACL);
    assert_eq!(why(&redis).await, None);
}

#[tokio::test]
async fn a_connection_that_goes_silent_is_left_after_three_time_outs() {
    let server = Server::start();
    let proxy = Proxy::to(server.port()).await;
    let redis = store(&proxy.url()).response_timeout(Duration::from_millis(100));
    answers(&redis, "an answer").await;
    assert_eq!(proxy.accepted(), 1);
    proxy.silence_those_there_are();
    for _ in 0..3 {
        assert_eq!(why(&redis).await, Some(Why::TimedOut));
    }
    assert_eq!(why(&redis).await, None);
    assert_eq!(proxy.accepted(), 2);
}

// Else a server that is merely slow now and then would see a storm of connections.
#[tokio::test]
async fn one_time_out_leaves_no_connection() {
    let server = Server::start();
    let redis = store(&server.url()).response_timeout(Duration::from_millis(200));
    answers(&redis, "an answer").await;
    for _ in 0..3 {
        server.stop();
        assert_eq!(why(&redis).await, Some(Why::TimedOut));
        server.go_on();
        answers(&redis, "an answer again").await;
    }
    assert_eq!(redis.usage().connects, 1);
}

#[tokio::test]
async fn a_connection_that_is_cut_or_killed_is_made_anew() {
    let mut server = Server::start();
    let proxy = Proxy::to(server.port()).await;
    let redis = store(&proxy.url());
    answers(&redis, "an answer").await;
    proxy.set(Link::Cuts);
    is_refused_for(&redis, Why::NotReached).await;
    proxy.set(Link::Passes);
    answers(&redis, "an answer after a cut").await;
    server.tell(&["CLIENT", "KILL", "TYPE", "normal"]);
    answers(&redis, "an answer after a kill of clients").await;
    server.kill();
    is_refused_for(&redis, Why::NotReached).await;
    server.restart();
    answers(&redis, "an answer of a new server").await;
}

#[tokio::test]
async fn whoever_speaks_http_is_asked_again_until_it_is_a_server() {
    let server = Server::start();
    let proxy = Proxy::to(server.port()).await;
    proxy.set(Link::Answers("HTTP/1.1 503 Service Unavailable\r\n\r\n"));
    let redis = store(&proxy.url());
    for _ in 0..10 {
        assert!(poll(&redis).await.is_err());
    }
    proxy.set(Link::Passes);
    answers(&redis, "an answer").await;
}

// Also to whoever only asks what has changed: an instance that took part there would be held in a break for ever.
#[tokio::test]
async fn what_is_wrong_is_told_by_its_name() {
    let server = Server::start();
    let redis = store(&server.url());
    assert_eq!(why(&redis).await, None);
    server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(why(&redis).await, Some(Why::Full));
    is_refused_for(&redis, Why::Full).await;
    server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(why(&redis).await, None);

    server.tell(&["REPLICAOF", "127.0.0.1", "1"]);
    assert_eq!(why(&redis).await, Some(Why::ReadOnly));
    is_refused_for(&redis, Why::ReadOnly).await;
    server.tell(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(why(&redis).await, None);

    server.tell(&["ACL", "SETUSER", "default", "-hset"]);
    assert_eq!(why(&redis).await, Some(Why::Refused));
    server.tell(&["ACL", "SETUSER", "default", "+hset"]);
    assert_eq!(why(&redis).await, None);
}

#[tokio::test]
async fn a_script_that_was_forgotten_is_sent_again() {
    let server = Server::start();
    let redis = store(&server.url());
    assert_eq!(why(&redis).await, None);
    server.tell(&["SCRIPT", "FLUSH"]);
    assert_eq!(why(&redis).await, None, "within the same call");
    assert_eq!(redis.usage().connects, 1);
}

// N7: nothing waits for longer than the limit, whatever the server does.
#[tokio::test]
async fn nothing_takes_longer_than_its_limit() {
    let server = Server::start();
    let proxy = Proxy::to(server.port()).await;
    let redis = store(&proxy.url()).response_timeout(Duration::from_millis(100));
    for link in [
        Link::Silent,
        Link::Delays(Duration::from_secs(5)),
        Link::Cuts,
    ] {
        proxy.set(link);
        let began = Instant::now();
        for _ in 0..4 {
            assert!(poll(&redis).await.is_err());
        }
        // To connect may take a second, each time. Without limits it is twenty, or no end.
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "{link:?}: {:?}",
            began.elapsed()
        );
    }
}
