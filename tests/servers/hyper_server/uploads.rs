//! Uploads to a circuit that is open: the client hears why, however much it is still sending (rule H1).

use std::{net::SocketAddr, pin::Pin, time::Duration};

use axum::{Router, routing::post};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use tower_breaker::Circuit;

use super::*;
use crate::sockets::patiently;

const MIB: usize = 1024 * 1024;
const UPLOAD: usize = 10 * MIB;
/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

fn open() -> CircuitBreakerLayer {
    let circuit = Circuit::builder("uploads").build().expect("valid");
    circuit.force_open();
    CircuitBreakerLayer::new(circuit)
}

async fn draining(bytes: usize, time: Duration) -> Server {
    let layer = open().drain_rejected(bytes as u64, time);
    let upload = post(|upload: Bytes| async move { upload.len().to_string() });
    Server::axum(Router::new().route("/", upload).layer(layer)).await
}

/// A client that sends all, and only then reads.
struct Uploader(TcpStream);

impl Uploader {
    async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.expect("a server"))
    }

    async fn head(&mut self, headers: &str) {
        let head = format!("POST / HTTP/1.1\r\nhost: here\r\n{headers}\r\n");
        self.0.write_all(head.as_bytes()).await.expect("a server");
    }

    async fn body(&mut self, length: usize) -> std::io::Result<()> {
        patiently(self.0.write_all(&vec![b'x'; length])).await
    }

    /// The head of the answer.
    async fn answer(&mut self) -> std::io::Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(patiently(self.0.read_u8()).await?);
        }
        Ok(String::from_utf8(head).expect("text"))
    }

    async fn upload(&mut self) -> std::io::Result<String> {
        self.head(&format!("content-length: {UPLOAD}\r\n")).await;
        self.body(UPLOAD).await?;
        self.answer().await
    }
}

#[track_caller]
fn is_503(answer: std::io::Result<String>) {
    let head = answer.expect("an answer");
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
}

// H1: and the connection is as good as before.
#[tokio::test]
async fn who_sends_all_before_it_reads_gets_the_503() {
    let server = draining(UPLOAD, LONG).await;
    let mut client = Uploader::connect(server.address()).await;
    is_503(client.upload().await);
    is_503(client.upload().await);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn of_an_upload_without_a_length_too() {
    let server = draining(UPLOAD, LONG).await;
    let mut client = Uploader::connect(server.address()).await;
    client.head("transfer-encoding: chunked\r\n").await;
    for _ in 0..10 {
        client.0.write_all(b"100000\r\n").await.expect("it is read");
        client.body(MIB).await.expect("it is read");
        client.0.write_all(b"\r\n").await.expect("it is read");
    }
    client.0.write_all(b"0\r\n\r\n").await.expect("it is read");
    is_503(client.answer().await);
}

// What is said to be too much, and what has not been sent yet, is not waited for.
#[tokio::test]
async fn who_can_be_told_at_once_is() {
    let server = draining(UPLOAD - 1, LONG).await;
    for headers in [
        format!("content-length: {UPLOAD}\r\n"),
        "content-length: 5\r\nexpect: 100-continue\r\n".to_owned(),
        "content-length: 0\r\n".to_owned(),
    ] {
        let mut client = Uploader::connect(server.address()).await;
        client.head(&headers).await;
        is_503(client.answer().await);
    }
}

// Nobody holds a call by sending without end, or nothing.
#[tokio::test]
async fn it_is_bounded_in_bytes_and_in_time() {
    let server = draining(MIB, LONG).await;
    let mut client = Uploader::connect(server.address()).await;
    client.head("transfer-encoding: chunked\r\n").await;
    client.0.write_all(b"100001\r\n").await.expect("it is read");
    client.body(MIB + 1).await.expect("it is read");
    is_503(client.answer().await);

    let server = draining(MIB, Duration::from_millis(50)).await;
    let mut client = Uploader::connect(server.address()).await;
    let began = Instant::now();
    client.head("content-length: 5\r\n").await;
    is_503(client.answer().await);
    assert!(began.elapsed() >= Duration::from_millis(50));
}

/// What never has the reader wait, and never brings anything.
struct Empty {
    frames: u32,
}

impl http_body::Body for Empty {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        self.frames += 1;
        assert!(self.frames <= 1_000, "without end");
        Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::new()))))
    }
}

// H2: a thread would be held for ever.
#[tokio::test]
async fn frames_without_data_are_bounded_too() {
    let inner = service_fn(async |_: Request<Empty>| Ok::<_, Infallible>(Response::new(())));
    let layer = open().drain_rejected(999, LONG);
    let request = Request::new(Empty { frames: 0 });
    let answer = layer.layer(inner).oneshot(request).await;
    assert_eq!(answer.expect("infallible").status(), 503);
}

// Over HTTP/2 an answer does not end the connection, and nothing is drained.
#[tokio::test]
async fn over_http_2_the_503_comes_without_it() {
    let layer = open();
    let upload = post(|upload: Bytes| async move { upload.len().to_string() });
    let server = Server::axum(Router::new().route("/", upload).layer(layer)).await;
    let browser = Browser::new(Version::Http2, &server);
    for _ in 0..3 {
        let request = Request::post("/");
        let answer = patiently(browser.send(request, vec![b'x'; UPLOAD])).await;
        assert_eq!(answer.expect("an answer").status, 503);
    }
    assert_eq!(server.connections(), 1);
}
