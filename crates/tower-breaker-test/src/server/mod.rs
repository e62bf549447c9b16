//! A server on a real socket that answers by a script: statuses, silence, closed connections, slow answers.
//!
//! For what no stub shows: how your client, its pool and its timeouts get on with a dependency that is not well.
//!
//! ```
//! use tower_breaker_test::server::{FlakyServer, Script};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let script = Script::new().ok(3).status(503).times(5).hang().close().then_repeat().ok(1);
//! let server = FlakyServer::start(script).await?;
//!
//! // Your client, and your code around it.
//! let url = server.url("/reviews/7");
//! # assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/reviews/7"));
//! # async fn ask(url: &str) {
//! #     use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! #     let address = url.split('/').nth(2).unwrap();
//! #     let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
//! #     socket.write_all(b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await.unwrap();
//! #     socket.read_to_end(&mut Vec::new()).await.unwrap();
//! # }
//! ask(&url).await;
//!
//! server.wait_for(1).await;
//! assert_eq!(server.received(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! **Watch out:** do not pause tokio's time in a test with real sockets. Time then jumps to the next timer while a
//! packet is on its way. Give the circuit a clock of its own, as each [`TestCircuit`](crate::TestCircuit) has.

mod connection;
mod script;

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::watch,
    task::{self, JoinHandle},
    time,
};

pub use self::script::Script;

/// A server that answers by a [`Script`], over HTTP/1.1 on a free port of 127.0.0.1. It stops when it is dropped.
///
/// Each request takes the next line of the script, on whatever connection and for whatever path it comes. Its body is
/// read to its end and thrown away, and only then does the request get its answer, hang or see its connection closed.
/// If the body breaks off, the connection is closed without an answer. A client that closes its half of a connection is
/// taken to have gone.
///
/// It holds at most 1,024 connections; more wait until one is free. The head of a request may have 100 headers and
/// 16 kB, and takes no line if it has more.
#[must_use = "it stops when it is dropped"]
pub struct FlakyServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// What its connections share.
struct Shared {
    script: Script,
    /// How many requests have come.
    received: watch::Sender<u64>,
}

impl FlakyServer {
    /// Starts a server. When this returns, it can be connected to.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a script that makes no sense, with the line and what is
    /// allowed. Any other error is of the socket.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime that has IO and time enabled.
    pub async fn start(script: Script) -> io::Result<Self> {
        script.check()?;
        // Without timers this panics, and not each connection, where nobody sees it.
        drop(time::sleep(Duration::ZERO));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            script,
            received: watch::Sender::new(0),
        });
        let accepting = task::spawn(connection::accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            accepting,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a path: `http://127.0.0.1:` with the port, and the path. Between them is a slash, whether the
    /// path begins with one or not. Of the empty path it is the address without a slash, for what adds paths itself.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let slash = if path.is_empty() || path.starts_with('/') {
            ""
        } else {
            "/"
        };
        format!("http://{}{slash}{path}", self.address)
    }

    /// How many requests have come, whatever became of them. A request counts once its head is there.
    #[must_use]
    pub fn received(&self) -> u64 {
        *self.shared.received.borrow()
    }

    /// Waits until so many requests have come since the start. If they are there already, it does not wait. If they
    /// never come, it waits for ever: put a timeout around it where that may be.
    pub async fn wait_for(&self, requests: u64) {
        let mut received = self.shared.received.subscribe();
        // Never an error: the sender is here.
        let _ = received.wait_for(|received| *received >= requests).await;
    }

    /// How many requests came after the end of the script. They were answered by a 500 with a text that says so. It is
    /// 0 if the script [repeats](Script::then_repeat) something.
    #[must_use]
    pub fn unscripted(&self) -> u64 {
        self.shared.script.after_its_end(self.received())
    }

    /// Stops, and returns when the port is closed. Connections are closed soon after.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // An error only says that it was cut off.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for FlakyServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for FlakyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlakyServer")
            .field("address", &self.address)
            .field("received", &self.received())
            .field("script", &self.shared.script)
            .finish_non_exhaustive()
    }
}
