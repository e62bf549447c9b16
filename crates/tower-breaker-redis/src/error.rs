//! What goes wrong: when a store is made, and when it is asked.

use std::{error::Error, fmt};

use redis::ErrorKind;
use tower_breaker::fleet::store::{StoreError, Why};

/// A store could not be made: of an address that is none, say. What could not be used is not repeated, because there may
/// be a password in it.
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
        Some("LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN") => Why::NotReached,
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
