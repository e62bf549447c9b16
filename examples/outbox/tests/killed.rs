//! A shop that is killed loses no order that it has accepted.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// An order that has reached the warehouse: its key, and its number.
type Arrived = (String, usize);

/// Answers each order with 200.
fn warehouse(port: u16, arrived: Sender<Arrived>) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free again");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let arrived = arrived.clone();
            thread::spawn(move || serve(stream, &arrived));
        }
    });
}

/// As much of HTTP as it takes. A connection that breaks off has not sent anything.
fn serve(stream: TcpStream, arrived: &Sender<Arrived>) -> Option<()> {
    let mut answer = stream.try_clone().ok()?;
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut key) = (0, String::new());
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim();
            if line.is_empty() {
                break;
            }
            match line.split_once(": ") {
                Some(("content-length", value)) => length = value.parse().ok()?,
                Some(("idempotency-key", value)) => value.clone_into(&mut key),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        let number = String::from_utf8(body).ok()?.parse().ok()?;
        arrived.send((key, number)).ok()?;
        answer
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .ok()?;
    }
}

/// Killed when it is dropped: not asked to end, and not told.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().expect("it can be killed");
        self.0.wait().expect("it is gone");
    }
}

/// A shop, and the lines that it writes.
struct Shop {
    child: Killed,
    orders: ChildStdin,
    lines: Receiver<String>,
}

impl Shop {
    fn open(file: &Path, port: u16) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_outbox"))
            .arg(file)
            .arg(format!("http://127.0.0.1:{port}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let orders = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (told, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if told.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child: Killed(child),
            orders,
            lines,
        }
    }

    fn kill(self) -> Receiver<String> {
        drop(self.child);
        self.lines
    }
}

/// The key and the number of an order that is kept.
fn accepted(line: &str) -> Option<Arrived> {
    let mut words = line.split(' ');
    let (Some("202"), Some(key), Some(number)) = (words.next(), words.next(), words.next()) else {
        return None;
    };
    Some((key.to_owned(), number.parse().expect("a number")))
}

#[test]
fn a_shop_that_is_killed_loses_no_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shop.redb");
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("an address").port();
    drop(free);

    // Nobody is there, and orders are kept. It is killed in the middle of them.
    let mut shop = Shop::open(&file, port);
    for number in 0..300 {
        writeln!(shop.orders, "{number}").expect("it reads");
    }
    let mut kept = Vec::new();
    while kept.len() < 100 {
        kept.extend(accepted(
            &shop.lines.recv_timeout(PATIENCE).expect("a line"),
        ));
    }
    kept.extend(shop.kill().iter().filter_map(|line| accepted(&line)));
    assert!(kept.len() < 300, "it was killed in the middle");

    // Twice more: while it sends what it has kept.
    let (arrived, arrivals) = channel();
    warehouse(port, arrived);
    let mut sent: Vec<Arrived> = Vec::new();
    for until in [30, 60] {
        let shop = Shop::open(&file, port);
        while sent.len() < until {
            sent.push(arrivals.recv_timeout(PATIENCE).expect("an order"));
        }
        shop.kill();
    }
    let shop = Shop::open(&file, port);
    let is_there = |sent: &[Arrived]| kept.iter().all(|order| sent.contains(order));
    while !is_there(&sent) {
        match arrivals.recv_timeout(PATIENCE) {
            Ok(order) => sent.push(order),
            Err(RecvTimeoutError::Timeout) => panic!("some are missing: {kept:?}, {sent:?}"),
            Err(RecvTimeoutError::Disconnected) => unreachable!("the warehouse stays"),
        }
    }
    shop.kill();

    // At least once, always with the same key, and in order.
    let mut keys = BTreeMap::new();
    for (key, number) in &sent {
        let before = keys.entry(number).or_insert(key);
        assert_eq!(*before, key, "each try has the same");
    }
    assert!(
        sent.windows(2).all(|two| two[0].1 <= two[1].1),
        "in order: {sent:?}"
    );
    let again = sent.len() - keys.len();
    assert!(again <= 3, "only what was under way is sent again: {again}");
    println!(
        "{} accepted, {} arrived, {again} of them twice",
        kept.len(),
        keys.len()
    );
}
