//! The flaky server, over real sockets. No time decides: what has come is waited for, and what hangs ends with the
//! server.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tower_breaker::State;
use tower_breaker_test::{
    assert_transitions, circuits,
    server::{FlakyServer, Script},
};

use crate::support::{panic_of, reviews, secs};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";

/// So that a test that waits in vain fails.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(secs(20), future).await.expect("within 20 seconds")
}

/// All that comes back on a connection of its own.
async fn ask(address: SocketAddr, request: &[u8]) -> io::Result<String> {
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(request).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// The status of each of so many requests, one after the other.
async fn statuses(server: &FlakyServer, requests: usize) -> Vec<Option<u16>> {
    let mut all = Vec::new();
    for _ in 0..requests {
        let answer = soon(ask(server.address(), GET)).await.expect("connected");
        all.push(status(&answer));
    }
    all
}

async fn start(script: Script) -> FlakyServer {
    FlakyServer::start(script).await.expect("a free port")
}

#[tokio::test]
async fn each_request_takes_the_next_line() {
    let script = Script::new()
        .ok(2)
        .status(503)
        .close()
        .then_repeat()
        .status(429)
        .ok(1);
    let server = start(script).await;
    let expected = [
        Some(200),
        Some(200),
        Some(503),
        None,
        Some(429),
        Some(200),
        Some(429),
    ];
    assert_eq!(statuses(&server, 7).await, expected);
    assert_eq!((server.received(), server.unscripted()), (7, 0));
}

#[tokio::test]
async fn requests_of_one_connection_take_the_lines_too() {
    let server = start(Script::new().ok(1).status(503).ok(1)).await;
    // More than the server takes in without reading it.
    let body = "x".repeat(1_000_000);
    let post = format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\n{body}");
    let posts = post.repeat(2);
    let request = [posts.as_bytes(), GET].concat();
    let answers = soon(ask(server.address(), &request))
        .await
        .expect("connected");
    let statuses: Vec<_> = answers
        .split_inclusive("\r\n\r\n")
        .filter_map(status)
        .collect();
    assert_eq!(statuses, [200, 503, 200]);
}

#[tokio::test]
async fn after_the_end_of_the_script_a_500_says_so() {
    let server = start(Script::new().ok(1)).await;
    assert_eq!(statuses(&server, 1).await, [Some(200)]);
    assert_eq!(server.unscripted(), 0);
    let answer = soon(ask(server.address(), GET)).await.expect("connected");
    assert_eq!(status(&answer), Some(500));
    assert!(
        answer.contains("has ended: it has no line for request 2.\n"),
        "{answer}"
    );
    assert_eq!(server.unscripted(), 1);
}

#[tokio::test]
async fn what_hangs_gets_no_answer_until_the_server_stops() {
    let server = start(Script::new().hang()).await;
    let mut socket = TcpStream::connect(server.address())
        .await
        .expect("connected");
    socket.write_all(GET).await.expect("sent");
    soon(server.wait_for(1)).await;
    soon(server.stop()).await;
    let mut answer = Vec::new();
    soon(socket.read_to_end(&mut answer)).await.expect("closed");
    assert_eq!(answer, b"");
}

#[tokio::test]
async fn a_slow_answer_takes_at_least_its_time() {
    let server = start(Script::new().slow(Duration::from_millis(30))).await;
    let began = Instant::now();
    assert_eq!(statuses(&server, 1).await, [Some(200)]);
    assert!(began.elapsed() >= Duration::from_millis(30));
}

/// More than sockets take in without anybody who reads: systems allow some 40 MB.
const BIG: usize = 64_000_000;

fn head_of_big() -> String {
    format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {BIG}\r\n\r\n")
}

#[tokio::test]
async fn a_body_is_read_whatever_becomes_of_its_request() {
    let hour = Duration::from_secs(3_600);
    for script in [Script::new().hang(), Script::new().slow(hour)] {
        let server = start(script).await;
        let mut socket = TcpStream::connect(server.address())
            .await
            .expect("connected");
        let request = [head_of_big().as_bytes(), &vec![b'x'; BIG]].concat();
        soon(socket.write_all(&request)).await.expect("sent");
    }
    // Who closes with something unread resets the connection.
    let server = start(Script::new().close()).await;
    let request = [head_of_big().as_bytes(), &vec![b'x'; BIG]].concat();
    let answer = soon(ask(server.address(), &request)).await;
    assert_eq!(answer.expect("no reset"), "");
}

#[tokio::test]
async fn a_connection_that_hangs_ends_when_its_client_goes_away() {
    let head = head_of_big();
    let whole = [head.as_bytes(), &vec![b'x'; BIG]].concat();
    let half = &whole[..BIG / 2];
    for request in [GET, &whole, half] {
        let server = start(Script::new().hang()).await;
        let mut socket = TcpStream::connect(server.address())
            .await
            .expect("connected");
        soon(socket.write_all(request)).await.expect("sent");
        soon(server.wait_for(1)).await;
        // To the server this is as if it had gone. It is here still, and sees the other end close.
        socket.shutdown().await.expect("open");
        let mut answer = Vec::new();
        soon(socket.read_to_end(&mut answer)).await.expect("closed");
        assert_eq!(answer, b"");
    }
}

#[tokio::test]
async fn who_waits_is_told_when_so_many_have_come() {
    let server = start(Script::new().then_repeat().ok(1)).await;
    soon(server.wait_for(0)).await;
    let (seen, _) = soon(async { tokio::join!(server.wait_for(3), statuses(&server, 3)) }).await;
    assert_eq!((seen, server.received()), ((), 3));
}

#[tokio::test]
async fn a_head_that_is_too_long_takes_no_line() {
    let server = start(Script::new().ok(1)).await;
    let long = format!(
        "GET / HTTP/1.1\r\nhost: test\r\nx-long: {}\r\n\r\n",
        "x".repeat(17_000)
    );
    // The answer may be lost, because the server closes with bytes unread.
    if let Ok(answer) = soon(ask(server.address(), long.as_bytes())).await {
        assert_eq!(status(&answer), Some(431), "{answer}");
    }
    assert_eq!(server.received(), 0);
    assert_eq!(
        statuses(&server, 1).await,
        [Some(200)],
        "the line is still there"
    );
}

#[tokio::test]
async fn a_server_that_has_stopped_is_not_reached() {
    let server = start(Script::new().ok(1)).await;
    let address = server.address();
    soon(server.stop()).await;
    // Without giving anything else a turn.
    assert!(std::net::TcpStream::connect(address).is_err());

    let server = start(Script::new().ok(1)).await;
    let address = server.address();
    drop(server);
    soon(async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_script_that_makes_no_sense_starts_no_server() {
    let error = FlakyServer::start(Script::new().status(42))
        .await
        .expect_err("refused");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(
        error.to_string(),
        "`status` is 42, but must be in 200..=599"
    );
}

#[tokio::test]
async fn times_that_would_change_another_line_than_it_seems_to_starts_no_server() {
    for script in [
        Script::new().ok(1).then_repeat().times(3).status(503),
        Script::new().ok(3).times(2),
        Script::new().status(503).times(2).times(3),
    ] {
        let error = FlakyServer::start(script).await.expect_err("refused");
        assert!(error.to_string().starts_with("`times` is "), "{error}");
    }
    let server = start(Script::new().ok(1).then_repeat().close().times(2).ok(1)).await;
    let expected = [Some(200), None, None, Some(200), None];
    assert_eq!(statuses(&server, 5).await, expected);
}

#[tokio::test]
async fn a_circuit_in_front_of_it_opens_and_recovers_by_its_own_clock() {
    let server = start(Script::new().status(503).times(3).ok(1)).await;
    let test = circuits::closed(reviews());
    let call = async || {
        let answer = test.circuit.call(async {
            let answer = ask(server.address(), GET).await?;
            match status(&answer) {
                Some(200) => Ok(()),
                _ => Err(io::Error::other(answer)),
            }
        });
        soon(answer).await.is_ok()
    };
    for _ in 0..5 {
        assert!(!call().await);
    }
    assert_eq!(server.received(), 3, "an open circuit asks nobody");
    test.end_break();
    assert!(call().await);
    assert_transitions(&test, &[State::Open, State::HalfOpen, State::Closed]);
}

#[test]
fn the_url_of_a_path_has_the_port() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("one");
    let server = runtime.block_on(start(Script::new()));
    let port = server.address().port();
    assert_eq!(server.url("/a?b"), format!("http://127.0.0.1:{port}/a?b"));
    // And not those of another port.
    assert_eq!(server.url("5"), format!("http://127.0.0.1:{port}/5"));
    assert_eq!(server.url("?b"), format!("http://127.0.0.1:{port}/?b"));
    assert_eq!(server.url(""), format!("http://127.0.0.1:{port}"));
}

#[test]
fn without_timers_it_does_not_start() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("one");
    // In place of a server whose connections all fail.
    let told = panic_of(|| runtime.block_on(start(Script::new().ok(1))));
    assert!(told.contains("enable_time"), "{told}");
}
