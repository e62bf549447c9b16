//! The helpers themselves: a test that believes a broken proxy proves nothing.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use tokio::task::spawn_blocking;

use crate::support::{
    proxy::{Link, Proxy},
    server::{Reply, Server, ask},
    upstream::{self, Answers, Upstream},
};

/// What a `PING` on this connection comes to, within so long.
fn ping(stream: &mut TcpStream, limit: Duration) -> Result<String, ErrorKind> {
    stream.set_read_timeout(Some(limit)).expect("a limit");
    stream
        .write_all(b"PING\r\n")
        .map_err(|error| error.kind())?;
    let mut answer = [0; 64];
    match stream.read(&mut answer) {
        Ok(0) => Err(ErrorKind::UnexpectedEof),
        Ok(read) => Ok(String::from_utf8_lossy(&answer[..read]).trim_end().into()),
        Err(error) => Err(error.kind()),
    }
}

const LONG: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(200);

#[test]
fn a_server_starts_is_killed_and_comes_back_empty() {
    let mut server = Server::start();
    server.tell(&["SET", "key", "value"]);
    assert_eq!(server.keys(), ["key"]);
    server.kill();
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
    server.restart();
    assert_eq!(server.ask(&["GET", "key"]), Reply::Nothing);
}

#[test]
fn a_stopped_server_takes_bytes_and_says_nothing_until_it_goes_on() {
    let server = Server::start();
    server.stop();
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("its kernel answers");
    assert_eq!(ping(&mut stream, SHORT), Err(ErrorKind::WouldBlock));
    server.go_on();
    let mut answer = [0; 7];
    stream.set_read_timeout(Some(LONG)).expect("a limit");
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"+PONG\r\n");
}

#[test]
fn what_commands_cost_is_read_of_the_server() {
    let server = Server::start();
    server.tell(&["CONFIG", "RESETSTAT"]);
    for _ in 0..3 {
        server.tell(&["SET", "key", "value"]);
    }
    assert_eq!(server.commands()["set"].0, 3);
}

#[tokio::test]
async fn a_proxy_passes_delays_goes_silent_and_cuts() {
    let server = Server::start();
    let proxy = Proxy::to(server.port()).await;
    let port: u16 = proxy
        .url()
        .rsplit_once(':')
        .expect("a port")
        .1
        .parse()
        .expect("one");
    let reaches = async |link: Link, limit: Duration| {
        proxy.set(link);
        spawn_blocking(move || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a proxy");
            ping(&mut stream, limit)
        })
        .await
        .expect("a thread")
    };
    assert_eq!(reaches(Link::Passes, LONG).await, Ok("+PONG".into()));

    let began = Instant::now();
    assert_eq!(reaches(Link::Delays(SHORT), LONG).await, Ok("+PONG".into()));
    assert!(
        began.elapsed() >= 2 * SHORT,
        "both ways: {:?}",
        began.elapsed()
    );

    assert_eq!(
        reaches(Link::Silent, SHORT).await,
        Err(ErrorKind::WouldBlock)
    );
    assert!(
        reaches(Link::Cuts, LONG)
            .await
            .is_err_and(|kind| kind != ErrorKind::WouldBlock)
    );
    let nonsense = reaches(
        Link::Answers("HTTP/1.1 503 Service Unavailable\r\n\r\n"),
        LONG,
    );
    assert!(
        nonsense
            .await
            .expect("an answer")
            .starts_with("HTTP/1.1 503")
    );
    assert_eq!(proxy.accepted(), 5);
}

#[tokio::test]
async fn a_connection_that_went_silent_stays_so_while_new_ones_pass() {
    let server = Server::start();
    let proxy = Proxy::to(server.port()).await;
    let port: u16 = proxy
        .url()
        .rsplit_once(':')
        .expect("a port")
        .1
        .parse()
        .expect("one");
    let connect = move || TcpStream::connect(("127.0.0.1", port)).expect("a proxy");
    let ping = async |mut stream: TcpStream, limit| {
        spawn_blocking(move || {
            let answer = ping(&mut stream, limit);
            (stream, answer)
        })
        .await
        .expect("a thread")
    };
    let (old, answer) = ping(connect(), LONG).await;
    assert_eq!(answer, Ok("+PONG".into()));
    proxy.silence_those_there_are();
    let (old, answer) = ping(old, SHORT).await;
    assert_eq!(answer, Err(ErrorKind::WouldBlock));
    assert_eq!(ping(connect(), LONG).await.1, Ok("+PONG".into()));
    proxy.set(Link::Passes);
    assert_eq!(ping(old, SHORT).await.1, Err(ErrorKind::WouldBlock));
}

#[tokio::test]
async fn the_upstream_answers_one_as_it_is_told_and_remembers_who_came() {
    let upstream = Upstream::start().await.expect("a port");
    let began = Instant::now();
    let call = |name: &'static str| upstream::call(upstream.address(), name);
    assert!(call("a").await.is_ok());
    upstream.set_for("a", Answers::Fails);
    assert!(call("a").await.is_err());
    assert!(call("b").await.is_ok());
    upstream.set(Answers::Fails);
    assert!(call("b").await.is_err());
    let seen: Vec<_> = upstream
        .since(began)
        .into_iter()
        .map(|arrival| (arrival.from, arrival.answered))
        .collect();
    let expected = [
        ("a", Answers::Ok),
        ("a", Answers::Fails),
        ("b", Answers::Ok),
        ("b", Answers::Fails),
    ];
    assert_eq!(
        seen,
        expected.map(|(from, answered)| (from.to_owned(), answered))
    );
}

#[test]
fn what_is_denied_is_read_of_the_server() {
    let server = Server::start();
    server.tell(&[
        "ACL", "SETUSER", "nobody", "on", ">secret", "-@all", "+auth",
    ]);
    assert!(server.denied().is_empty());
    let refused = ask(server.port(), &["AUTH", "nobody", "wrong"]);
    assert!(refused.text().starts_with("WRONGPASS"), "{refused:?}");
    assert_eq!(server.denied().len(), 1);
}
