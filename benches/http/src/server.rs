//! The server that is measured, and its life as a child of the one that measures.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read},
    net::{Ipv4Addr, SocketAddr},
    process::{self, Child, Command, Stdio},
    thread,
};

use axum::serve::ListenerExt;
use tokio::{net::TcpListener, runtime};

use crate::{Failure, routes};

/// Serves on a free port until standard input ends, so that no server outlives its parent.
pub(crate) fn serve(workers: &str) -> Result<(), Failure> {
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(0);
    });
    // `block_on` is not a worker: with one worker all requests are served by one thread.
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(workers.parse()?)
        .enable_io()
        .build()?;
    runtime.block_on(async { runtime.spawn(listen()).await? })
}

async fn listen() -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?);
    // As a server that cares for latency would; the same for all routes.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, routes::router()?).await?)
}

/// A running server. Dropped, it is stopped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts one with `workers` threads on `cpus` (as taskset lists them).
    pub(crate) fn start(workers: usize, cpus: &str) -> Result<Self, Failure> {
        let mut child = Command::new("taskset")
            .args(["-c", cpus])
            .arg(std::env::current_exe()?)
            .args(["serve", &workers.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let address = first_line(child.stdout.take().expect("piped"));
        match address.ok().and_then(|line| line.trim().parse().ok()) {
            Some(address) => Ok(Self { child, address }),
            None => Err(format!("the server did not start: {}", child.wait()?).into()),
        }
    }

    /// The CPU time of all its threads so far, in nanoseconds.
    pub(crate) fn cpu_nanos(&self) -> Result<u64, Failure> {
        let mut nanos = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let times = fs::read_to_string(thread?.path().join("schedstat"))?;
            nanos += times.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(nanos)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn first_line(from: impl Read) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(from).read_line(&mut line)?;
    Ok(line)
}
