//! Nothing is worth measuring that answers wrongly: each route is asked once before it is measured,
//! and what wrk counted has to agree.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::{
    Failure,
    load::Load,
    routes::{Answers, Route},
};

/// Asks `route` once.
pub(crate) fn answer(address: SocketAddr, route: &Route) -> Result<(), Failure> {
    let head = head(address, route.path)?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    let waits = retry_after(&head).is_some_and(|seconds| seconds > 0);
    match (route.answers, status, waits) {
        (Answers::Always503, "503", true) => Ok(()),
        (Answers::Always200 | Answers::OneIn100Is500, "200", false) => Ok(()),
        _ => Err(format!("{} answers wrongly:\n{head}", route.path).into()),
    }
}

/// How far a count of failures may be from one in a hundred: requests that the server has answered
/// and wrk has not counted.
const LEEWAY: u64 = 20;

/// Looks at what wrk saw of `route`.
pub(crate) fn load(route: &Route, load: &Load) -> Result<(), Failure> {
    let refused = match route.answers {
        Answers::Always200 => load.refused == 0,
        Answers::OneIn100Is500 => load.refused.abs_diff(load.requests / 100) <= LEEWAY,
        Answers::Always503 => load.refused == load.requests,
    };
    if refused && load.requests > 0 && load.broken == 0 {
        return Ok(());
    }
    Err(format!("{} was not what it should be: {load:?}", route.path).into())
}

fn head(address: SocketAddr, path: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(reply
        .split("\r\n\r\n")
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase())
}

fn retry_after(head: &str) -> Option<u64> {
    let line = head.lines().find(|line| line.starts_with("retry-after:"))?;
    line.split_once(':')?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;

    const LOAD: Load = Load {
        requests: 10_000,
        micros: 1_000_000,
        refused: 0,
        broken: 0,
        p50_micros: 100,
        p99_micros: 200,
    };

    fn passes(path: &str, seen: Load) -> bool {
        let route = routes::ALL.iter().find(|route| route.path == path);
        load(route.expect("a route"), &seen).is_ok()
    }

    #[test]
    fn a_wrong_count_is_seen() {
        let refused = |refused| Load { refused, ..LOAD };
        let requests = |requests| Load { requests, ..LOAD };
        assert!(passes("/closed", LOAD) && !passes("/closed", refused(1)));
        assert!(passes("/failing", refused(100)) && !passes("/failing", LOAD));
        assert!(passes("/open", refused(10_000)) && !passes("/open", refused(9_999)));
        assert!(!passes("/bare", requests(0)) && !passes("/bare", Load { broken: 1, ..LOAD }));
    }

    #[test]
    fn retry_after_is_read() {
        assert_eq!(retry_after("http/1.1 503\r\nretry-after: 7200"), Some(7200));
        assert_eq!(retry_after("http/1.1 503\r\ncontent-length: 0"), None);
    }
}
