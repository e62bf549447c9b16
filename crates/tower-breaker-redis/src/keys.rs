//! What is in Redis by what name, and what a user of Redis must be allowed to do with it.

use tower_breaker::fleet::wire::{Key, Place};

/// The rights of the user that a store logs in with, as [`ACL SETUSER`] takes them, for the namespace `shop`: put yours
/// in its place, twice. A test has everything done with these, and finds that nothing was denied.
///
/// ```
/// let command = format!("ACL SETUSER breakers on >secret {}", tower_breaker_redis::ACL);
/// assert!(command.contains("~{tb1:shop:*"));
/// ```
///
/// `client|setname` and `ping` are not sent; proxies and people who look may want them.
///
/// [`ACL SETUSER`]: https://redis.io/docs/latest/commands/acl-setuser/
pub const ACL: &str = "resetkeys ~{tb1:shop:* resetchannels &{tb1:shop:* -@all +evalsha +eval +time +hmget +hget \
    +hset +hdel +hlen +hgetall +unlink +pexpire +zincrby +zadd +zrange +zremrangebyrank +publish +subscribe \
    +hello +client|setname +ping";

/// The keys of a place: all have its tag, so they are in one slot of a cluster.
pub(crate) struct Keys {
    tag: String,
}

impl Keys {
    pub(crate) fn of(place: &Place) -> Self {
        Self { tag: place.tag() }
    }

    /// The channel, and what each key begins with.
    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }

    /// A sorted set: each circuit with the number of its last change, `#` with the newest number, and `#0` with that of
    /// its beginning.
    pub(crate) fn log(&self) -> String {
        format!("{}:log", self.tag)
    }

    /// A hash: how the fleet has decided, and what all see together.
    pub(crate) fn state(&self, name: &Key) -> String {
        format!("{}:s:{}", self.tag, name.as_str())
    }

    /// A hash: of each instance what it sees, or in half-open what seats it has.
    pub(crate) fn registers(&self, name: &Key) -> String {
        format!("{}:r:{}", self.tag, name.as_str())
    }
}
