//! A server that misbehaves as told: raw TCP, because no HTTP library would send what it sends.
//!
//! It plays [`Turn`]s, one for each request, whichever connection that comes on. The last one is
//! played for ever.
//!
//! ```ignore
//! let server = Misbehaving::start(vec![Turn::garbage(), Turn::slow_head(), Turn::ok()]);
//! // … one request, that gets garbage, and another, that waits …
//! server.until(|seen| seen.held == 1).await;
//! server.let_go();
//! assert_eq!(server.seen().requests, 2);
//! ```
//!
//! What is to happen between two pieces of an answer waits to be let go, so that nothing here depends
//! on time: a turn that resets a connection after a piece of an answer would race with whoever reads
//! that piece.

#![allow(dead_code, reason = "no test file uses all of it")]

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use http::Uri;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    select,
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

/// Only a test that hangs waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the server does about one request.
///
/// One that ends without closing the connection keeps it for the next request.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// Or it does not wait for a request, and a new connection is enough.
    reads: bool,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Send(Bytes),
    Hold,
    Close,
    Reset,
}

// ---- what turns are made of --------------------------------------------------------------------

impl Turn {
    /// Begins when a connection is there.
    pub(crate) fn at_once() -> Self {
        Self {
            reads: false,
            steps: Vec::new(),
        }
    }

    /// Begins when a request has been read.
    pub(crate) fn on_request() -> Self {
        Self {
            reads: true,
            steps: Vec::new(),
        }
    }

    /// Sends these bytes, whatever they are.
    pub(crate) fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(Step::Send(Bytes::copy_from_slice(bytes.as_ref())))
    }

    /// Sends the head of a response: these lines, and no other.
    pub(crate) fn head<L: AsRef<[u8]>>(self, status: u16, lines: &[L]) -> Self {
        let mut head = format!("HTTP/1.1 {status} \r\n").into_bytes();
        for line in lines {
            head.extend_from_slice(line.as_ref());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        self.send(head)
    }

    /// Waits until it is [let go](Misbehaving::let_go).
    pub(crate) fn hold(self) -> Self {
        self.then(Step::Hold)
    }

    /// Closes the connection as one should: all that was sent arrives.
    pub(crate) fn close(self) -> Self {
        self.then(Step::Close)
    }

    /// Resets the connection. What was sent just before may get lost.
    pub(crate) fn reset(self) -> Self {
        self.then(Step::Reset)
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

// ---- good answers, and those that say that the server is in trouble ----------------------------

impl Turn {
    /// A complete response. The connection is kept.
    pub(crate) fn respond<L: AsRef<[u8]>>(status: u16, lines: &[L], body: &str) -> Self {
        let length = format!("content-length: {}", body.len());
        let mut all: Vec<&[u8]> = vec![length.as_bytes()];
        all.extend(lines.iter().map(AsRef::as_ref));
        Self::on_request().head(status, &all).send(body)
    }

    /// A 200. The connection is kept.
    pub(crate) fn ok() -> Self {
        Self::respond::<&str>(200, &[], "ok")
    }

    /// A 503 with these header lines, such as a `Retry-After` that is none.
    pub(crate) fn unavailable<L: AsRef<[u8]>>(lines: &[L]) -> Self {
        Self::respond(503, lines, "")
    }
}

// ---- no head -----------------------------------------------------------------------------------

impl Turn {
    pub(crate) fn close_at_once() -> Self {
        Self::at_once().close()
    }

    pub(crate) fn reset_at_once() -> Self {
        Self::at_once().reset()
    }

    pub(crate) fn close_before_head() -> Self {
        Self::on_request().close()
    }

    pub(crate) fn reset_before_head() -> Self {
        Self::on_request().reset()
    }

    /// Half a head, and the end.
    pub(crate) fn close_mid_head() -> Self {
        Self::half_head().close()
    }

    /// Half a head; when it is let go, a reset.
    pub(crate) fn reset_mid_head() -> Self {
        Self::half_head().hold().reset()
    }

    /// Nothing; when it is let go, a 200.
    pub(crate) fn slow_head() -> Self {
        let mut turn = Self::ok();
        turn.steps.insert(0, Step::Hold);
        turn
    }

    /// `100 Continue` and nothing more; when it is let go, the end.
    pub(crate) fn continue_then_nothing() -> Self {
        Self::on_request().head::<&str>(100, &[]).hold().close()
    }

    /// What is no HTTP at all.
    pub(crate) fn garbage() -> Self {
        Self::on_request()
            .send(b"\x16\x03\x01 \0 this is not HTTP\r\n\r\n")
            .close()
    }

    /// A head with one header of `length` bytes.
    pub(crate) fn huge_head(length: usize) -> Self {
        let header = format!("x-huge: {}", "x".repeat(length));
        Self::respond(200, &[header], "ok")
    }

    /// A head with this many headers.
    pub(crate) fn many_headers(number: usize) -> Self {
        let headers: Vec<String> = (0..number).map(|i| format!("x-{i}: {i}")).collect();
        Self::respond(200, &headers, "ok")
    }

    /// A head that announces two lengths.
    pub(crate) fn two_lengths() -> Self {
        let lines = ["content-length: 2", "content-length: 3"];
        Self::on_request().head(200, &lines).send("ok")
    }

    fn half_head() -> Self {
        Self::on_request().send("HTTP/1.1 200 OK\r\ncontent-le")
    }

    /// Every way to be left without a head, but for being left waiting.
    pub(crate) fn without_head() -> Vec<(&'static str, Self)> {
        vec![
            ("close at once", Self::close_at_once()),
            ("reset at once", Self::reset_at_once()),
            ("close before the head", Self::close_before_head()),
            ("reset before the head", Self::reset_before_head()),
            ("close in the head", Self::close_mid_head()),
            ("reset in the head", Self::reset_mid_head()),
            ("garbage", Self::garbage()),
            ("a header of a megabyte", Self::huge_head(1 << 20)),
            ("a thousand headers", Self::many_headers(1_000)),
            ("two lengths", Self::two_lengths()),
            ("nothing after 100 Continue", Self::continue_then_nothing()),
        ]
    }
}

// ---- a head, and then trouble ------------------------------------------------------------------

impl Turn {
    /// Half of the announced body, and the end.
    pub(crate) fn short_body() -> Self {
        Self::half_body().close()
    }

    /// More than the announced body.
    pub(crate) fn long_body() -> Self {
        let head = Self::on_request().head(200, &["content-length: 2"]);
        head.send("ok, and more than was announced")
    }

    /// Half of the announced body; when it is let go, a reset.
    pub(crate) fn reset_mid_body() -> Self {
        Self::half_body().hold().reset()
    }

    /// Half of the announced body; when it is let go, the other half.
    pub(crate) fn hold_mid_body() -> Self {
        Self::half_body().hold().send("half")
    }

    /// A chunk, and the end where another one should be.
    pub(crate) fn cut_chunked() -> Self {
        Self::one_chunk().close()
    }

    /// A chunk, and a second one whose size is no number.
    pub(crate) fn malformed_chunk() -> Self {
        Self::one_chunk().send("many\r\nhalf\r\n").close()
    }

    fn half_body() -> Self {
        let head = Self::on_request().head(200, &["content-length: 8"]);
        head.send("half")
    }

    fn one_chunk() -> Self {
        let head = Self::on_request().head(200, &["transfer-encoding: chunked"]);
        head.send("4\r\nhalf\r\n")
    }
}

// ---- the server --------------------------------------------------------------------------------

/// A port that refuses connections. It is bound, so that nobody else gets it, but nobody listens.
pub(crate) struct Port {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Port {
    pub(crate) fn reserve() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(free).expect("a free port");
        let address = socket.local_addr().expect("an address");
        Self { socket, address }
    }

    pub(crate) fn uri(&self) -> Uri {
        uri(self.address)
    }

    /// From now on it accepts them.
    pub(crate) fn open(self, turns: Vec<Turn>) -> Misbehaving {
        let script = Arc::new(Script::new(turns));
        let listener = self.socket.listen(1024).expect("a listener");
        Misbehaving {
            address: self.address,
            task: tokio::spawn(accept(listener, script.clone())),
            script,
        }
    }
}

/// The server, on a free port. It stops when dropped, and closes its connections.
pub(crate) struct Misbehaving {
    address: SocketAddr,
    script: Arc<Script>,
    task: JoinHandle<()>,
}

/// What the server has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) connections: u64,
    /// Those whose head (and body, if its length was announced) has come.
    pub(crate) requests: u64,
    /// How often a turn has come to a hold.
    pub(crate) held: u64,
    /// How many connections the server has closed or reset.
    pub(crate) closed: u64,
    /// How many clients went away in the middle of a turn.
    pub(crate) vanished: u64,
}

impl Misbehaving {
    pub(crate) fn start(turns: Vec<Turn>) -> Self {
        Port::reserve().open(turns)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn uri(&self) -> Uri {
        uri(self.address)
    }

    /// Forgets the turns that are left, and plays these.
    pub(crate) fn play(&self, turns: Vec<Turn>) {
        assert!(!turns.is_empty(), "a script is not empty");
        *self.script.turns() = turns.into();
    }

    /// One hold goes on: one that is reached already, or the next one.
    pub(crate) fn let_go(&self) {
        self.script.gate.add_permits(1);
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.script.seen.borrow()
    }

    /// Waits until the server has seen that.
    pub(crate) async fn until(&self, condition: impl FnMut(&Seen) -> bool) {
        let mut condition = condition;
        let mut seen = self.script.seen.subscribe();
        let reached = timeout(PATIENCE, seen.wait_for(|seen| condition(seen))).await;
        let reached = reached.map(|seen| drop(seen.expect("a server")));
        reached.unwrap_or_else(|_| panic!("the server has only seen {:?}", self.seen()));
    }
}

impl Drop for Misbehaving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn uri(address: SocketAddr) -> Uri {
    format!("http://{address}/").parse().expect("a URI")
}

/// What all connections share.
struct Script {
    turns: Mutex<VecDeque<Turn>>,
    gate: Semaphore,
    seen: watch::Sender<Seen>,
}

impl Script {
    fn new(turns: Vec<Turn>) -> Self {
        assert!(!turns.is_empty(), "a script is not empty");
        Self {
            turns: Mutex::new(turns.into()),
            gate: Semaphore::new(0),
            seen: watch::Sender::default(),
        }
    }

    fn turns(&self) -> MutexGuard<'_, VecDeque<Turn>> {
        self.turns.lock().expect("turns")
    }

    fn next(&self) -> Turn {
        let mut turns = self.turns();
        let last = turns.len() == 1;
        let next = if last {
            turns.front().cloned()
        } else {
            turns.pop_front()
        };
        next.expect("a turn")
    }

    /// The next turn, if it needs no request.
    fn next_at_once(&self) -> Option<Turn> {
        let at_once = self.turns().front().is_some_and(|turn| !turn.reads);
        at_once.then(|| self.next())
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        self.seen.send_modify(change);
    }
}

async fn accept(listener: TcpListener, script: Arc<Script>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        script.note(|seen| seen.connections += 1);
        let connection = Connection {
            stream,
            unread: Vec::new(),
            script: script.clone(),
        };
        connections.spawn(connection.serve());
    }
}

/// What becomes of a connection after a turn.
enum After {
    Kept,
    Closed,
    /// Is to be reset.
    Reset,
}

struct Connection {
    stream: TcpStream,
    /// What has come of requests that nobody has looked at.
    unread: Vec<u8>,
    script: Arc<Script>,
}

impl Connection {
    async fn serve(mut self) {
        // Or the pieces of an answer would wait for each other.
        self.stream.set_nodelay(true).expect("a socket");
        let mut turn = self.script.next_at_once();
        loop {
            let played = match turn.take() {
                Some(turn) => self.play(turn).await,
                // The turn is taken when the request is there: many connections may be idle.
                None if self.read_request().await.is_ok() => self.play(self.script.next()).await,
                None => return,
            };
            match played {
                Ok(After::Kept) => {}
                Ok(After::Closed) => return,
                Ok(After::Reset) => return self.reset(),
                Err(_) => return self.script.note(|seen| seen.vanished += 1),
            }
        }
    }

    /// An error is a client that went away.
    async fn play(&mut self, turn: Turn) -> io::Result<After> {
        for step in turn.steps {
            match step {
                Step::Send(bytes) => self.stream.write_all(&bytes).await?,
                Step::Hold => self.hold().await?,
                Step::Close => return self.close().await,
                Step::Reset => return Ok(After::Reset),
            }
        }
        Ok(After::Kept)
    }

    async fn hold(&mut self) -> io::Result<()> {
        self.script.note(|seen| seen.held += 1);
        select! {
            biased;
            let_go = self.script.gate.acquire() => {
                let_go.expect("a gate").forget();
                Ok(())
            }
            error = read_until_gone(&mut self.stream) => Err(error),
        }
    }

    /// Says that nothing more will come, and goes on reading: a socket that is closed with something
    /// unread in it resets the connection.
    async fn close(&mut self) -> io::Result<After> {
        self.stream.shutdown().await?;
        self.script.note(|seen| seen.closed += 1);
        read_until_gone(&mut self.stream).await;
        Ok(After::Closed)
    }

    /// A socket that does not linger resets the connection when it is dropped.
    fn reset(self) {
        #[allow(deprecated, reason = "its successor is too new, and zero never blocks")]
        let set = self.stream.set_linger(Some(Duration::ZERO));
        set.expect("a socket");
        drop(self.stream);
        self.script.note(|seen| seen.closed += 1);
    }

    async fn read_request(&mut self) -> io::Result<()> {
        let length = loop {
            match request_length(&self.unread) {
                Some(length) if length <= self.unread.len() => break length,
                _ => read_more(&mut self.stream, &mut self.unread).await?,
            }
        };
        self.unread.drain(..length);
        self.script.note(|seen| seen.requests += 1);
        Ok(())
    }
}

/// The length of the request that begins here, once its head has come: with its body, if the length of
/// that is announced.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let body = head.lines().find_map(|line| {
        let length = line.strip_prefix("content-length:")?;
        length.trim().parse::<usize>().ok()
    });
    Some(end + 4 + body.unwrap_or(0))
}

/// The end of what comes is an error.
async fn read_more(stream: &mut TcpStream, into: &mut Vec<u8>) -> io::Result<()> {
    match stream.read_buf(into).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Reads and forgets, until the client is gone.
async fn read_until_gone(stream: &mut TcpStream) -> io::Error {
    let mut forgotten = Vec::new();
    loop {
        if let Err(gone) = read_more(stream, &mut forgotten).await {
            return gone;
        }
        forgotten.clear();
    }
}
