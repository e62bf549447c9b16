//! A `redis-server` of one's own: on a free port, in a directory of its own, and gone with its handle.

use std::{
    env,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A server that does not answer by then is taken for one that did not start.
const STARTS_WITHIN: Duration = Duration::from_secs(10);
/// Somebody else may take the port between its choice and the start.
const TRIES: u32 = 5;

/// A running `redis-server`. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    options: Vec<String>,
    directory: TempDir,
}

impl RedisServer {
    /// Starts one that keeps nothing, with these options beside (`--name`, `value`).
    ///
    /// # Errors
    ///
    /// There is no `redis-server`, or it does not start. The text says which, and what to do.
    pub(crate) fn start(options: &[&str]) -> Result<Self, String> {
        let directory = TempDir::new().map_err(|error| format!("no directory: {error}"))?;
        let options: Vec<String> = options.iter().map(|&option| option.into()).collect();
        let mut why = String::new();
        for _ in 0..TRIES {
            let port = free_port().map_err(|error| format!("no free port: {error}"))?;
            match spawn(port, &options, directory.path()) {
                Ok(child) => {
                    return Ok(Self {
                        child,
                        port,
                        options,
                        directory,
                    });
                }
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// On which port of 127.0.0.1.
    #[allow(dead_code, reason = "for the tests")]
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What a client is given.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its process.
    #[allow(dead_code, reason = "for the tests")]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its files are.
    #[allow(dead_code, reason = "for the tests")]
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Kills it (SIGKILL), as a machine does that is gone.
    pub(crate) fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Starts it anew on the same port, with nothing in it.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub(crate) fn restart(&mut self) -> Result<(), String> {
        self.kill();
        self.child = spawn(self.port, &self.options, self.directory.path())?;
        Ok(())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where `redis-server` is: in `PATH`, or where `.ci/redis --tools` has put it.
///
/// # Errors
///
/// It is nowhere. The text says what to do.
pub(crate) fn find() -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let own_target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let usual_target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let fetched = own_target.into_iter().chain([usual_target]);
    env::split_paths(&path)
        .chain(fetched.map(|target| target.join("tools/redis")))
        .map(|directory| directory.join("redis-server"))
        .find(|server| server.is_file())
        .ok_or_else(|| {
            "there is no redis-server, neither in PATH nor in target/tools/redis: install it, or let \
            `.ci/redis --tools` fetch it"
                .into()
        })
}

/// A port that is free now.
pub(crate) fn free_port() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

fn spawn(port: u16, options: &[String], directory: &Path) -> Result<Child, String> {
    let server = find()?;
    let mut child = Command::new(&server)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no"])
        .args(options)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{} does not start: {error}", server.display()))?;
    let until = Instant::now() + STARTS_WITHIN;
    while !answers(port) {
        let ended = child.try_wait().map_err(|error| error.to_string())?;
        if ended.is_some() || Instant::now() > until {
            drop(child.kill());
            drop(child.wait());
            return Err(format!(
                "{} does not answer on port {port}",
                server.display()
            ));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(child)
}

/// Whether there is somebody who speaks Redis. One that wants a password or TLS says so, which is an answer.
fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) else {
        return false;
    };
    drop(stream.set_read_timeout(Some(Duration::from_millis(500))));
    let mut answer = [0_u8; 1];
    stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut answer).is_ok()
}
