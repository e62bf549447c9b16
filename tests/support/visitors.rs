//! Clients that vanish, one for each stage of a call: while they send its head, while they send its
//! body, before the head of the response has come, in the middle of its body.

#![allow(dead_code, reason = "no test file uses all of it")]

use std::{
    future::Future,
    io,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{
    BodyExt, Empty,
    channel::{Channel, Sender},
    combinators::BoxBody,
};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
    rt::Executor,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{JoinHandle, JoinSet},
};

use crate::sockets::{Server, Version, patiently};

type Body = BoxBody<Bytes, io::Error>;

/// The rest of a request's body, to be sent, or to be given up.
pub(crate) type Rest = Sender<Bytes, io::Error>;

/// A connection of a client that will not stay.
pub(crate) struct Visitor {
    sender: SendRequest,
    connection: Tasks,
}

/// Whatever holds on to the socket. Over HTTP/2 that is more than one task.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F> Executor<F> for Tasks
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        let mut tasks = self.0.lock().expect("no panic");
        tasks.spawn(async { drop(task.await) });
    }
}

enum SendRequest {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

/// A request that was sent, and its answer when there is one.
pub(crate) type Asked = JoinHandle<hyper::Result<Response<Incoming>>>;

impl Visitor {
    pub(crate) async fn come(version: Version, server: &Server) -> Self {
        let io = TokioIo::new(connect(server).await);
        let tasks = Tasks::default();
        let sender = match version {
            Version::Http1 => {
                let (sender, connection) = http1::handshake(io).await.expect("HTTP/1");
                tasks.execute(connection);
                SendRequest::Http1(sender)
            }
            Version::Http2 => {
                let handshake = http2::handshake(tasks.clone(), io).await;
                let (sender, connection) = handshake.expect("HTTP/2");
                tasks.execute(connection);
                SendRequest::Http2(sender)
            }
        };
        Self {
            sender,
            connection: tasks,
        }
    }

    /// Sends a request, and does not wait for the answer.
    pub(crate) fn ask(&mut self, path: &str) -> Asked {
        let body = Empty::new().map_err(|never| match never {});
        self.send(Request::get(path), body.boxed())
    }

    /// Sends half of what it says it will send.
    pub(crate) async fn ask_half(&mut self, path: &str) -> (Rest, Asked) {
        let (mut rest, body) = Channel::new(1);
        let request = Request::post(path).header("content-length", 8);
        let asked = self.send(request, body.boxed());
        let half = Bytes::from_static(b"half");
        patiently(rest.send_data(half))
            .await
            .expect("somebody listens");
        (rest, asked)
    }

    /// Waits for the head of the answer and the first of its body, and leaves the rest unread.
    pub(crate) async fn taste(&mut self, path: &str) -> (u16, Incoming) {
        let response = patiently(self.ask(path)).await.expect("no panic");
        let mut response = response.expect("a response");
        let frame = patiently(response.body_mut().frame()).await;
        frame.expect("a frame").expect("no error");
        (response.status().as_u16(), response.into_body())
    }

    fn send(&mut self, request: http::request::Builder, body: Body) -> Asked {
        let request = request.header("host", "localhost").body(body);
        let request = request.expect("a request");
        match &mut self.sender {
            SendRequest::Http1(sender) => tokio::spawn(sender.send_request(request)),
            SendRequest::Http2(sender) => tokio::spawn(sender.send_request(request)),
        }
    }

    /// Is gone, with the whole connection.
    pub(crate) fn vanish(self) {
        self.connection.0.lock().expect("no panic").abort_all();
    }
}

/// Connects, sends the beginning of a head, and is gone. Returns when the server has noticed.
pub(crate) async fn vanish_in_the_head(version: Version, server: &Server) {
    let mut stream = connect(server).await;
    patiently(stream.write_all(beginning(version)))
        .await
        .expect("sent");
    patiently(stream.shutdown()).await.expect("sent");
    // A server that closes a connection in the middle of something may reset it.
    drop(patiently(stream.read_to_end(&mut Vec::new())).await);
}

/// Over HTTP/2 the preface, empty settings, and a head of which nothing but its length has come.
fn beginning(version: Version) -> &'static [u8] {
    match version {
        Version::Http1 => b"GET /ok HTTP/1.1\r\nHost: loc",
        Version::Http2 => {
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
              \0\0\0\x04\0\0\0\0\0\
              \0\0\x20\x01\x05\0\0\0\x01"
        }
    }
}

async fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).await;
    stream.expect("a connection")
}
