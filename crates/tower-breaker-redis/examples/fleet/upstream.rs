//! What the instances call: it answers, fails or hangs, for all or for one of them, and remembers who came when.
//!
//! It is the only honest witness of probes: whatever an instance believes, here it is seen to call or not.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};

/// No call of an example or a test is awaited for so long.
const FOR_EVER: Duration = Duration::from_secs(600);

/// What it does with a call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Answers {
    /// 200.
    #[default]
    Ok,
    /// 503.
    Fails,
    /// Nothing, and the connection stays.
    #[allow(dead_code, reason = "for the tests")]
    Hangs,
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    #[allow(dead_code, reason = "for the tests")]
    pub(crate) from: String,
    pub(crate) answered: Answers,
}

#[derive(Debug, Default)]
struct Seen {
    answers: Answers,
    /// For one instance, in place of that for all.
    exceptions: BTreeMap<String, Answers>,
    arrivals: Vec<Arrival>,
}

/// The upstream. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Starts it on a free port.
    ///
    /// # Errors
    ///
    /// There is no port.
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let seen = Arc::<Mutex<Seen>>::default();
        let of_task = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let seen = of_task.clone();
                tokio::spawn(async move { drop(serve(client, &seen).await) });
            }
        });
        Ok(Self {
            address,
            seen,
            task,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, for all.
    pub(crate) fn set(&self, answers: Answers) {
        let mut seen = self.seen();
        seen.answers = answers;
        seen.exceptions.clear();
    }

    /// From now on, for one.
    #[allow(dead_code, reason = "for the tests")]
    pub(crate) fn set_for(&self, instance: &str, answers: Answers) {
        self.seen().exceptions.insert(instance.into(), answers);
    }

    /// Who came since.
    pub(crate) fn since(&self, since: Instant) -> Vec<Arrival> {
        let seen = self.seen();
        let arrivals = seen.arrivals.iter();
        arrivals
            .filter(|arrival| arrival.at >= since)
            .cloned()
            .collect()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request a connection: `GET /INSTANCE HTTP/1.0`.
async fn serve(mut client: TcpStream, seen: &Mutex<Seen>) -> io::Result<()> {
    let (from, mut to) = client.split();
    let mut lines = BufReader::new(from).lines();
    let first = lines.next_line().await?.unwrap_or_default();
    // What is not read to its end is reset when it is closed, and the answer may be lost.
    while lines
        .next_line()
        .await?
        .is_some_and(|line| !line.is_empty())
    {}
    let path = first.split(' ').nth(1).unwrap_or_default();
    let answers = arrived(path.trim_start_matches('/'), seen);
    let answer = match answers {
        Answers::Ok => "HTTP/1.0 200 OK\r\n\r\n",
        Answers::Fails => "HTTP/1.0 503 Service Unavailable\r\n\r\n",
        Answers::Hangs => {
            sleep(FOR_EVER).await;
            return Ok(());
        }
    };
    to.write_all(answer.as_bytes()).await
}

fn arrived(from: &str, seen: &Mutex<Seen>) -> Answers {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let exception = seen.exceptions.get(from).copied();
    let answered = exception.unwrap_or(seen.answers);
    seen.arrivals.push(Arrival {
        at: Instant::now(),
        from: from.into(),
        answered,
    });
    answered
}

/// Calls it once.
///
/// # Errors
///
/// It is not there, or it answers with anything but 200.
pub(crate) async fn call(upstream: SocketAddr, instance: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(upstream).await?;
    let request = format!("GET /{instance} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut first = String::new();
    BufReader::new(stream).read_line(&mut first).await?;
    if first.split(' ').nth(1) == Some("200") {
        return Ok(());
    }
    Err(io::Error::other(first.trim_end().to_owned()))
}
