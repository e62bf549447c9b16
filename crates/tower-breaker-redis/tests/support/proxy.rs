//! A proxy between an instance and its server that delays, cuts, and goes silent without closing.

use std::{
    future::pending,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU16, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Link {
    Passes,
    /// Each piece is so late, both ways.
    Delays(Duration),
    /// Takes what it is sent, and passes nothing on. Nobody is told.
    Silent,
    /// Closes what is there, and what comes.
    Cuts,
    /// Answers so to whatever it is sent first, and closes.
    Answers(&'static str),
}

/// The proxy. Dropped, it is gone with its connections.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Inner {
    server: AtomicU16,
    links: Mutex<watch::Sender<Link>>,
    accepted: AtomicU64,
}

impl Proxy {
    /// One that passes everything on to this port of 127.0.0.1.
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let inner = Arc::new(Inner {
            server: AtomicU16::new(port),
            links: Mutex::new(watch::Sender::new(Link::Passes)),
            accepted: AtomicU64::new(0),
        });
        let task = tokio::spawn(accept(listener, inner.clone()));
        Self {
            address,
            inner,
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// From now on, for the connections that there are and those that come.
    pub(crate) fn set(&self, link: Link) {
        self.inner.link().send_replace(link);
    }

    /// The connections that there are stay silent for ever. Those that come pass.
    pub(crate) fn silence_those_there_are(&self) {
        self.set(Link::Silent);
        *self.inner.link() = watch::Sender::new(Link::Passes);
    }

    /// Cuts the connections that there are. Those that come pass, to this server from now on.
    pub(crate) fn turn_to(&self, port: u16) {
        self.inner.server.store(port, Relaxed);
        self.set(Link::Cuts);
        *self.inner.link() = watch::Sender::new(Link::Passes);
    }

    /// How many have connected.
    pub(crate) fn accepted(&self) -> u64 {
        self.inner.accepted.load(Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.set(Link::Cuts);
    }
}

impl Inner {
    fn link(&self) -> MutexGuard<'_, watch::Sender<Link>> {
        self.links.lock().expect("a link")
    }
}

async fn accept(listener: TcpListener, inner: Arc<Inner>) {
    while let Ok((client, _)) = listener.accept().await {
        inner.accepted.fetch_add(1, Relaxed);
        let link = inner.link().subscribe();
        tokio::spawn(serve(client, inner.server.load(Relaxed), link));
    }
}

async fn serve(client: TcpStream, port: u16, link: watch::Receiver<Link>) {
    let first = *link.borrow();
    // Who answers something else has no server behind it.
    let server = match first {
        Link::Answers(_) | Link::Cuts => None,
        _ => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok(),
    };
    let (from_client, mut to_client) = client.into_split();
    let Some(server) = server else {
        return refuse(from_client, &mut to_client, first).await;
    };
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        pass(from_client, to_server, link.clone()),
        pass(from_server, to_client, link),
    );
}

async fn refuse(mut from: OwnedReadHalf, to: &mut OwnedWriteHalf, link: Link) {
    if let Link::Answers(answer) = link {
        drop(from.read(&mut [0; 1024]).await);
        drop(to.write_all(answer.as_bytes()).await);
    }
}

/// One way, until either side ends or the link is cut.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut link: watch::Receiver<Link>) {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let now = *link.borrow_and_update();
        if matches!(now, Link::Cuts | Link::Answers(_)) {
            return;
        }
        let read = tokio::select! {
            read = from.read(&mut bytes) => read,
            // A link that nobody changes any more stays as it is.
            Ok(()) = link.changed() => continue,
        };
        let now = *link.borrow();
        let Ok(read @ 1..) = read else {
            // Nor is anybody told that the other side has ended.
            while *link.borrow_and_update() == Link::Silent {
                if link.changed().await.is_err() {
                    pending::<()>().await;
                }
            }
            return;
        };
        match now {
            Link::Silent => continue,
            Link::Delays(late) => sleep(late).await,
            _ => (),
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
