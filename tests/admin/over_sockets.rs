//! The stream over real sockets.

use std::{
    future::IntoFuture,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::Router;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tower_breaker::admin::View;

use crate::{
    fail,
    listening::Message,
    registry,
    sockets::{BOTH, Server, Version},
};

/// Only a test that hangs waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The messages of a response as they come.
struct Messages(Incoming, String);

impl Messages {
    async fn until(&mut self, event: &str) -> Message {
        loop {
            while let Some((message, rest)) = self.1.split_once("\n\n") {
                let message = Message::parse(message);
                self.1 = rest.to_owned();
                if message.event == event {
                    return message;
                }
            }
            let frame = timeout(PATIENCE, self.0.frame()).await.expect("in time");
            let data = frame.expect("no end").expect("a frame").into_data();
            let data = data.expect("data");
            self.1.push_str(std::str::from_utf8(&data).expect("text"));
        }
    }
}

// L3: whichever HTTP is spoken. Nothing in between holds it back until there is more.
#[tokio::test]
async fn a_trip_is_told_over_http_1_and_http_2() {
    for version in BOTH {
        let (registry, _) = registry(&["db"]);
        let app = Router::new().nest("/admin", View::new(&registry).router());
        let server = Server::axum(app).await;
        let client = Client::builder(TokioExecutor::new())
            .http2_only(version == Version::Http2)
            .build_http::<Empty<Bytes>>();
        let uri = format!("http://{}/admin/stream", server.address());
        let response = client.get(uri.parse().expect("a URI")).await;
        let response = response.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        let mut messages = Messages(response.into_body(), String::new());
        messages.until("circuits").await;
        fail(&registry, "db");
        assert_eq!(messages.until("event").await.data["to"], "open");
        let update = messages.until("update").await;
        assert_eq!(update.circuit("db").expect("changed")["state"], "open");
    }
}

// L3: its place is for somebody else.
#[tokio::test]
async fn a_client_that_is_gone_gives_its_place_back() {
    let (registry, _) = registry(&["db"]);
    let router: Router = View::new(&registry).max_streams(1).router();
    let server = Server::axum(router).await;
    let ask = async || {
        let mut stream = TcpStream::connect(server.address())
            .await
            .expect("a connection");
        let request = b"GET /stream HTTP/1.1\r\nhost: localhost\r\n\r\n";
        stream.write_all(request).await.expect("sent");
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.expect("an answer");
        (stream, status)
    };
    let (first, status) = ask().await;
    assert_eq!(&status, b"HTTP/1.1 200");
    let (_, status) = ask().await;
    assert_eq!(&status, b"HTTP/1.1 503");
    drop(first);
    // When the server hears of that is up to the system. After a minute another gets the place whatever has become of
    // the first.
    let place = async || while &ask().await.1 != b"HTTP/1.1 200" {};
    timeout(PATIENCE / 2, place()).await.expect("in time");
}

// L3
#[tokio::test]
async fn a_server_that_shuts_down_does_not_wait_for_open_pages() {
    let (registry, _) = registry(&["db"]);
    let stopping = Arc::new(AtomicBool::new(false));
    let stops = stopping.clone();
    let view = View::new(&registry).streams_end_when(move || stops.load(Ordering::SeqCst));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = axum::serve(listener, view.router()).with_graceful_shutdown(async move {
        stopped.await.expect("told");
        stopping.store(true, Ordering::SeqCst);
    });
    let server = tokio::spawn(server.into_future());

    let io = TokioIo::new(TcpStream::connect(address).await.expect("a connection"));
    let (mut sender, connection) = http1::handshake(io).await.expect("HTTP/1");
    tokio::spawn(connection);
    let request = Request::get("/stream").header("host", "localhost");
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    let mut messages = Messages(response.into_body(), String::new());
    messages.until("circuits").await;
    stop.send(()).expect("it listens");
    let served = timeout(PATIENCE, server).await.expect("in time");
    served.expect("no panic").expect("served");
}
