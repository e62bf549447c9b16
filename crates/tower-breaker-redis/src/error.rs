//! What goes wrong: when a store is made, and when it is asked.

use std::{error::Error, fmt};

use redis::ErrorKind;
use tower_breaker::fleet::store::{StoreError, Why};

/// A store could not be made, for instance because the address is not valid. The message does not repeat the address,
/// because there may be a password in it.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisError {
    text: String,
}

impl RedisError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// Of an address: redis' own words, without what they repeat of it.
    pub(crate) fn of_address(error: &redis::RedisError) -> Self {
        let text = error.to_string();
        Self::new(
            text.split(" - InvalidClientConfig")
                .next()
                .unwrap_or_default(),
        )
    }
}

impl fmt::Debug for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisError").field(&self.text).finish()
    }
}

impl fmt::Display for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for RedisError {}

/// What a connection is good for after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The server has answered, if with a no.
    Keep,
    /// Nothing came in time.
    Silent,
    /// It is of no use any more, or leads to a server that is of none.
    Replace,
}

/// By the code that the server sends, never by the kind that the client makes of it: `OOM` and `WRONGPASS` have none.
pub(crate) fn then(error: &redis::RedisError) -> Then {
    match error.code() {
        Some(
            "NOAUTH" | "WRONGPASS" | "READONLY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN"
            | "MISCONF",
        ) => Then::Replace,
        Some(_) => Then::Keep,
        None if error.is_timeout() => Then::Silent,
        None => Then::Replace,
    }
}

/// What it means for the fleet.
pub(crate) fn why(error: &redis::RedisError) -> Why {
    match error.code() {
        Some("NOPERM" | "NOAUTH" | "WRONGPASS") => Why::Refused,
        Some("READONLY" | "NOREPLICAS" | "MISCONF") => Why::ReadOnly,
        Some("OOM") => Why::Full,
        Some("CLOCK") => Why::Clock,
        Some("LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN") => Why::NotReached,
        Some("ERR") => why_in_words(error.detail().unwrap_or_default()),
        Some(_) => Why::Nonsense,
        None if error.kind() == ErrorKind::AuthenticationFailed => Why::Refused,
        None if error.is_timeout() => Why::TimedOut,
        None if error.is_io_error() || error.kind() == ErrorKind::ClusterConnectionNotFound => {
            Why::NotReached
        }
        None => Why::Nonsense,
    }
}

/// Before Redis 7 an error within a script has no code of its own.
fn why_in_words(detail: &str) -> Why {
    let has = |words: &str| detail.contains(words);
    match () {
        () if has("-OOM ") => Why::Full,
        () if has("-READONLY ") => Why::ReadOnly,
        () if has("can't run this command") || has("ACL failure") || has("-NOPERM ") => {
            Why::Refused
        }
        () if has("max number of clients") => Why::NotReached,
        () => Why::Nonsense,
    }
}

/// For the fleet, without the password.
pub(crate) fn store_error(error: &redis::RedisError, password: Option<&str>) -> StoreError {
    let text = match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    };
    StoreError::new(why(error), &without_password(&text, password))
}

/// A server that does not know the command that logs in repeats what was sent with it, and cuts it somewhere.
fn without_password(text: &str, password: Option<&str>) -> String {
    let text = text.split(", with args").next().unwrap_or_default();
    match password {
        Some(password) if !password.is_empty() => text.replace(password, "***"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use redis::{RedisError, parse_redis_value};
    use tower_breaker::fleet::store::Why;

    use super::{Then, store_error, then, why};

    /// As it comes from a server.
    fn said(line: &str) -> RedisError {
        let answer = parse_redis_value(format!("-{line}\r\n").as_bytes()).expect("an answer");
        answer.extract_error().expect_err("an error")
    }

    fn io(kind: std::io::ErrorKind) -> RedisError {
        std::io::Error::from(kind).into()
    }

    // N9: the code that the server sends decides; redis-rs has a kind for half of these.
    #[test]
    fn an_error_is_known_by_its_code() {
        use Then::{Keep, Replace};
        for (line, expected, then_expected) in [
            ("NOPERM no permissions to run 'eval'", Why::Refused, Keep),
            ("NOAUTH Authentication required.", Why::Refused, Replace),
            (
                "WRONGPASS invalid username-password pair",
                Why::Refused,
                Replace,
            ),
            (
                "READONLY You can't write against a read only replica.",
                Why::ReadOnly,
                Replace,
            ),
            (
                "MISCONF Errors writing to the AOF file",
                Why::ReadOnly,
                Replace,
            ),
            (
                "NOREPLICAS Not enough good replicas to write.",
                Why::ReadOnly,
                Keep,
            ),
            (
                "OOM command not allowed when used memory > 'maxmemory'.",
                Why::Full,
                Keep,
            ),
            (
                "CLOCK the clock of the store tells no time",
                Why::Clock,
                Keep,
            ),
            (
                "LOADING Redis is loading the dataset in memory",
                Why::NotReached,
                Replace,
            ),
            (
                "BUSY Redis is busy running a script.",
                Why::NotReached,
                Keep,
            ),
            (
                "MASTERDOWN Link with MASTER is down",
                Why::NotReached,
                Replace,
            ),
            ("CLUSTERDOWN The cluster is down", Why::NotReached, Replace),
            ("ODD the record is unreadable", Why::Nonsense, Keep),
            ("WRONGTYPE Operation against a key", Why::Nonsense, Keep),
            ("ERR unknown command 'EVALSHA'", Why::Nonsense, Keep),
            ("ERR max number of clients reached", Why::NotReached, Keep),
        ] {
            let error = said(line);
            assert_eq!(
                (why(&error), then(&error)),
                (expected, then_expected),
                "{line}"
            );
        }
    }

    // N9: before Redis 7 all errors within a script are `ERR`.
    #[test]
    fn an_error_within_a_script_of_an_older_redis_is_known_by_its_words() {
        let within =
            |said| format!("ERR Error running script (call to f_1): @user_script:10: {said}");
        for (words, expected) in [
            (
                "-OOM command not allowed when used memory > 'maxmemory'.",
                Why::Full,
            ),
            (
                "-READONLY You can't write against a read only replica.",
                Why::ReadOnly,
            ),
            (
                "The user executing the script can't run this command",
                Why::Refused,
            ),
        ] {
            assert_eq!(why(&said(&within(words))), expected, "{words}");
        }
    }

    // N9
    #[test]
    fn what_is_no_answer_costs_the_connection() {
        use std::io::ErrorKind::{BrokenPipe, ConnectionRefused, TimedOut};
        let judged = |kind| (why(&io(kind)), then(&io(kind)));
        assert_eq!(judged(TimedOut), (Why::TimedOut, Then::Silent));
        assert_eq!(judged(BrokenPipe), (Why::NotReached, Then::Replace));
        assert_eq!(judged(ConnectionRefused), (Why::NotReached, Then::Replace));
        let http = parse_redis_value(b"HTTP/1.1 503 Service Unavailable\r\n").expect_err("no RESP");
        assert_eq!((why(&http), then(&http)), (Why::Nonsense, Then::Replace));
    }

    // N9: a server that does not know a command repeats what was sent with it.
    #[test]
    fn a_password_is_in_no_text() {
        let error =
            said("ERR unknown command `HELLO`, with args beginning with: `3` `AUTH` `tb` `hush");
        let text = store_error(&error, Some("hush")).to_string();
        assert!(!text.contains("hu"), "{text}");
        let error = said("ERR something about hush");
        let text = store_error(&error, Some("hush")).to_string();
        assert!(text.contains("something about ***"), "{text}");
    }
}
