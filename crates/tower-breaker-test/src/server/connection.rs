//! Connections: they are accepted, and each request takes the next line.

use std::{
    future::{pending, poll_fn},
    io,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use http::{Request, Response, StatusCode};
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

use super::{Shared, script::Act};

/// More wait in the queue of the socket.
const MAX_CONNECTIONS: usize = 1_024;
/// What is refused with a 431, without a line of the script.
const MAX_HEADERS: usize = 100;
const MAX_HEAD: usize = 16 * 1_024;
/// Who connects and says nothing does not keep a place for ever.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Where the system has no room for a connection, it has none a moment later either.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(10);

/// Serves until it is cut off. Its connections end with it.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MAX_CONNECTIONS {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((socket, _)) => {
                connections.spawn(serve(socket, Arc::clone(&shared)));
            }
            Err(_) => sleep(PAUSE_AFTER_ERROR).await,
        }
    }
}

async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    let answer = service_fn(|request| answer(request, &shared));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(socket), answer);
    // An error is a client that went away, a head that was refused, or a line that closes the connection.
    let _ = connection.await;
}

async fn answer(request: Request<Incoming>, shared: &Shared) -> io::Result<Response<String>> {
    let number = shared.count();
    let act = shared.script.act(number);
    // It begins now, and not when the body has come.
    let wait = act.and_then(Act::wait).map(sleep);
    read_to_its_end(request.into_body()).await?;
    match act {
        Some(Act::Hang) => pending().await,
        Some(Act::Close) => return Err(io::ErrorKind::ConnectionAborted.into()),
        Some(Act::Slow(_) | Act::Answer(_)) | None => {}
    }
    if let Some(wait) = wait {
        wait.await;
    }
    Ok(match act.and_then(Act::status) {
        Some(status) => respond(status, String::new()),
        None => respond(StatusCode::INTERNAL_SERVER_ERROR, ended(number)),
    })
}

impl Shared {
    /// Counts a request, and returns how many came before it.
    fn count(&self) -> u64 {
        let mut before = 0;
        self.received.send_modify(|received| {
            before = *received;
            *received += 1;
        });
        before
    }
}

fn ended(number: u64) -> String {
    format!(
        "The script of this flaky server has ended: it has no line for request {}.\n",
        number + 1
    )
}

fn respond(status: StatusCode, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// So that the client can send all of it, the connection can be used again, and it is noticed when the client goes
/// away. An error if it has gone away before the end, or sends what is no body.
async fn read_to_its_end(mut body: Incoming) -> io::Result<()> {
    while let Some(part) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        part.map_err(io::Error::other)?;
    }
    Ok(())
}
