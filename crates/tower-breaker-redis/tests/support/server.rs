//! A `redis-server` that a test starts, asks, stops and kills. It is asked by a client of forty lines, and not by the
//! one that is tested.
//!
//! Without a `redis-server` these tests fail. `.ci/redis --tools` fetches one.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::redis::RedisServer;

/// What a server answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    Text(String),
    Number(i64),
    Nothing,
    List(Vec<Reply>),
    Error(String),
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Error(text) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    pub(crate) fn number(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            other => panic!("no number: {other:?}"),
        }
    }

    pub(crate) fn list(&self) -> &[Self] {
        match self {
            Self::List(list) => list,
            other => panic!("no list: {other:?}"),
        }
    }
}

/// The server, and how to be rough with it.
#[derive(Debug)]
pub(crate) struct Server(RedisServer);

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With options (`--name`, `value`).
    pub(crate) fn with(options: &[&str]) -> Self {
        Self(RedisServer::start(options).unwrap_or_else(|why| panic!("{why}")))
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    /// With a user and a password.
    pub(crate) fn url_of(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@127.0.0.1:{}", self.0.port())
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port()
    }

    pub(crate) fn kill(&mut self) {
        self.0.kill();
    }

    /// On the same port, and empty.
    pub(crate) fn restart(&mut self) {
        self.0.restart().unwrap_or_else(|why| panic!("{why}"));
    }

    /// SIGSTOP: its kernel takes connections and bytes, and nobody answers.
    pub(crate) fn stop(&self) {
        signal(self.0.pid(), "STOP");
        is_stopped(self.0.pid());
    }

    pub(crate) fn go_on(&self) {
        signal(self.0.pid(), "CONT");
    }

    /// One command, over a connection of its own.
    pub(crate) fn ask(&self, words: &[&str]) -> Reply {
        ask(self.port(), words)
    }

    /// As this user.
    pub(crate) fn ask_as(&self, user: &str, password: &str, words: &[&str]) -> Reply {
        let mut connection = Connection::to(self.port());
        let login = connection.ask(&["AUTH", user, password]);
        assert_eq!(login, Reply::Text("OK".into()), "a login of {user}");
        connection.ask(words)
    }

    /// As `ask`, where anything but an error is fine.
    pub(crate) fn tell(&self, words: &[&str]) -> Reply {
        match self.ask(words) {
            Reply::Error(error) => panic!("{words:?}: {error}"),
            reply => reply,
        }
    }

    /// A section of `INFO`, line by line.
    pub(crate) fn info(&self, section: &str) -> BTreeMap<String, String> {
        let reply = self.tell(&["INFO", section]);
        reply
            .text()
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    /// How often which command has run, and how many microseconds it took in all, since `CONFIG RESETSTAT`.
    pub(crate) fn commands(&self) -> BTreeMap<String, (u64, u64)> {
        let figure = |value: &str, name: &str| -> u64 {
            let mut fields = value.split(',').filter_map(|field| field.split_once('='));
            let found = fields.find(|(field, _)| *field == name);
            found.map_or(0, |(_, figure)| figure.parse().expect("a number"))
        };
        let counted = self.info("commandstats").into_iter();
        counted
            .filter_map(|(name, value)| {
                let name = name.strip_prefix("cmdstat_")?.to_owned();
                Some((name, (figure(&value, "calls"), figure(&value, "usec"))))
            })
            .collect()
    }

    /// All keys, sorted.
    pub(crate) fn keys(&self) -> Vec<String> {
        let reply = self.tell(&["KEYS", "*"]);
        let mut keys: Vec<String> = reply.list().iter().map(|key| key.text().into()).collect();
        keys.sort();
        keys
    }

    /// What the access list has denied, since `ACL LOG RESET`.
    pub(crate) fn denied(&self) -> Vec<String> {
        let reply = self.tell(&["ACL", "LOG"]);
        reply
            .list()
            .iter()
            .map(|entry| format!("{entry:?}"))
            .collect()
    }
}

/// Looks until a process has stopped, which is soon after it was told.
pub(crate) fn is_stopped(pid: u32) {
    let until = Instant::now() + Duration::from_secs(10);
    let stat = || {
        Command::new("sh")
            .args([
                "-c",
                &format!("ps -o stat= -p {pid} || cut -d ' ' -f 3 /proc/{pid}/stat"),
            ])
            .output()
    };
    while !stat().is_ok_and(|said| said.stdout.starts_with(b"T")) {
        assert!(Instant::now() < until, "{pid} does not stop");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to a process that this test has started.
pub(crate) fn signal(pid: u32, name: &str) {
    let told = Command::new("sh")
        .args(["-c", &format!("kill -{name} {pid}")])
        .status()
        .expect("a shell");
    assert!(told.success(), "no process {pid} to tell {name}");
}

/// One command, of whoever listens on the port.
pub(crate) fn ask(port: u16, words: &[&str]) -> Reply {
    Connection::to(port).ask(words)
}

/// A client, as small as can be.
#[derive(Debug)]
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn to(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a server");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a limit");
        Self(BufReader::new(stream))
    }

    pub(crate) fn ask(&mut self, words: &[&str]) -> Reply {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command += &format!("${}\r\n{word}\r\n", word.len());
        }
        let stream = self.0.get_mut();
        stream.write_all(command.as_bytes()).expect("is sent");
        read(&mut self.0)
    }
}

fn read(from: &mut BufReader<TcpStream>) -> Reply {
    let mut line = String::new();
    from.read_line(&mut line).expect("an answer");
    let (kind, rest) = line.trim_end().split_at(1);
    let length = || rest.parse::<i64>().expect("a length");
    match kind {
        "+" => Reply::Text(rest.into()),
        "-" => Reply::Error(rest.into()),
        ":" => Reply::Number(length()),
        "$" => usize::try_from(length()).map_or(Reply::Nothing, |length| {
            let mut bytes = vec![0; length + 2];
            from.read_exact(&mut bytes).expect("as long as it says");
            Reply::Text(String::from_utf8_lossy(&bytes[..length]).into_owned())
        }),
        "*" => usize::try_from(length()).map_or(Reply::Nothing, |length| {
            Reply::List((0..length).map(|_| read(from)).collect())
        }),
        other => panic!("{other} is nothing of RESP2"),
    }
}
