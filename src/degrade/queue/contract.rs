//! A test of what every [`Outbox`] has to do: [`check`].

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};

use super::{
    entry::Entry,
    outbox::{Dead, Leased, Outbox, Put, Take},
};

const LONG: Duration = Duration::from_secs(60);
/// Where time is not paused, a busy machine must not take as long for one step. Shorter than the second after which an
/// outbox that does not know tells a change.
const SHORT: Duration = Duration::from_millis(500);

/// Checks that your own [`Outbox`] does what layers and drainers rely on. Call it in a test. `make` makes an empty
/// outbox, with room for at least ten entries of 1 KiB each.
///
/// It takes a few seconds, or no time if tokio's time is paused.
///
/// ```
/// use tower_breaker::degrade::queue::{Memory, contract};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// contract::check(async || Memory::bounded(10, 10 << 10)).await;
/// # }
/// ```
///
/// # Panics
///
/// If the outbox does not, with what was expected.
pub async fn check<O: Outbox>(make: impl AsyncFn() -> O) {
    what_was_put_is_taken_once(&make().await).await;
    a_key_is_in_order(&make().await).await;
    what_waits_holds_up_its_key(&make().await).await;
    a_lease_ends(&make().await).await;
    what_is_old_is_taken(&make().await).await;
    a_change_is_told(&make().await).await;
    who_only_looks_changes_nothing(&make().await).await;
    what_is_left_is_handed_back(make().await).await;
}

fn entry(order_key: &str, body: &str) -> Entry {
    let (uri, headers) = (Uri::from_static("/orders"), HeaderMap::new());
    let body = Bytes::copy_from_slice(body.as_bytes());
    Entry::new(Method::POST, uri, headers, body, order_key)
}

async fn put<O: Outbox>(outbox: &O, order_key: &str, body: &str) {
    let entry = entry(order_key, body);
    let room = outbox.ledger().reserve(entry.bytes());
    let room = room.expect("room for some entries");
    let put = outbox.put(entry, room).await.expect("it can be put");
    assert!(matches!(put, Put::Kept(_)), "it is kept: {put:?}");
}

async fn take<O: Outbox>(outbox: &O, lease: Duration) -> Option<Leased> {
    match outbox.take(lease).await.expect("it can be taken") {
        Take::One(leased) => Some(leased),
        Take::Nothing(_) => None,
    }
}

/// Takes one, which has to be this.
async fn take_body<O: Outbox>(outbox: &O, body: &str) -> Leased {
    let taken = take(outbox, LONG).await;
    let taken = taken.unwrap_or_else(|| panic!("`{body}` can be taken"));
    assert_eq!(taken.entry.body(), body, "the oldest whose turn it is");
    taken
}

async fn nothing<O: Outbox>(outbox: &O, why: &str) {
    let taken = take(outbox, LONG).await;
    assert!(taken.is_none(), "{why}: {taken:?}");
}

async fn what_was_put_is_taken_once<O: Outbox>(outbox: &O) {
    nothing(outbox, "it is empty").await;
    put(outbox, "a", "one").await;
    assert_eq!(outbox.ledger().entries(), 1, "it is counted");
    let taken = take_body(outbox, "one").await;
    let sent = entry("a", "one");
    assert_eq!(taken.entry, sent, "it is what was put");
    assert_eq!(taken.attempts, 0, "nobody has tried it");
    nothing(outbox, "it is taken already").await;
    assert_eq!(outbox.ledger().entries(), 1, "it is still there");
    assert!(
        outbox.done(taken.lease).await.expect("done"),
        "it was there"
    );
    nothing(outbox, "it is done").await;
    assert!(!outbox.done(taken.lease).await.expect("done"), "it is gone");
    assert_eq!(outbox.ledger().entries(), 0, "its room is free");
    assert_eq!(outbox.ledger().bytes(), 0, "all of it");
}

async fn a_key_is_in_order<O: Outbox>(outbox: &O) {
    for (key, body) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3")] {
        put(outbox, key, body).await;
    }
    let a1 = take_body(outbox, "a1").await;
    let b1 = take_body(outbox, "b1").await;
    nothing(outbox, "of each key one is under way").await;
    assert!(outbox.done(a1.lease).await.expect("done"));
    let a2 = take_body(outbox, "a2").await;
    nothing(outbox, "of each key one is under way").await;
    assert!(outbox.bury(a2.lease, Dead::TooOld).await.expect("buried"));
    assert!(outbox.done(b1.lease).await.expect("done"));
    let a3 = take_body(outbox, "a3").await;
    assert!(outbox.done(a3.lease).await.expect("done"));
}

async fn what_waits_holds_up_its_key<O: Outbox>(outbox: &O) {
    for (key, body) in [("a", "a1"), ("a", "a2"), ("b", "b1")] {
        put(outbox, key, body).await;
    }
    let a1 = take_body(outbox, "a1").await;
    assert!(outbox.give_back(a1.lease, 3, SHORT).await.expect("back"));
    let b1 = take_body(outbox, "b1").await;
    assert!(outbox.done(b1.lease).await.expect("done"));
    let waits = outbox.take(LONG).await.expect("it can be taken");
    let Take::Nothing(Some(left)) = waits else {
        panic!("it says when there may be something: {waits:?}");
    };
    assert!(left <= SHORT, "not later than it may be taken: {left:?}");
    put(outbox, "c", "c1").await;
    tokio::time::sleep(SHORT + SHORT / 2).await;
    let c1 = take_body(outbox, "c1").await;
    assert!(outbox.done(c1.lease).await.expect("done"));
    let again = take_body(outbox, "a1").await;
    assert_eq!(again.attempts, 3, "as it was given back");
    assert_ne!(again.lease, a1.lease, "each lease is another");
    assert!(outbox.done(again.lease).await.expect("done"));
    let a2 = take_body(outbox, "a2").await;
    assert!(outbox.done(a2.lease).await.expect("done"));
}

async fn a_lease_ends<O: Outbox>(outbox: &O) {
    put(outbox, "a", "one").await;
    let late = take(outbox, SHORT).await.expect("it can be taken");
    tokio::time::sleep(SHORT + SHORT / 2).await;
    let next = take_body(outbox, "one").await;
    assert_eq!(next.attempts, 0, "nobody has said that it was tried");
    assert!(!outbox.done(late.lease).await.expect("done"), "too late");
    let back = outbox.give_back(late.lease, 1, Duration::ZERO);
    assert!(!back.await.expect("back"), "too late");
    let bury = outbox.bury(late.lease, Dead::TooOld);
    assert!(!bury.await.expect("buried"), "too late");
    outbox.abandon(late.lease);
    nothing(outbox, "somebody else has it").await;
    assert!(outbox.done(next.lease).await.expect("done"), "in time");
}

async fn what_is_old_is_taken<O: Outbox>(outbox: &O) {
    let older = async || match outbox.take_older_than(SHORT, LONG).await {
        Ok(Take::One(leased)) => Ok(leased),
        Ok(Take::Nothing(left)) => Err(left),
        Err(error) => panic!("it can be taken: {error}"),
    };
    assert!(older().await.is_err(), "it is empty");
    put(outbox, "a", "one").await;
    let left = older().await.expect_err("it is not so old yet");
    assert!(left.is_some(), "it says when it will be");
    let one = take_body(outbox, "one").await;
    assert!(outbox.give_back(one.lease, 1, LONG).await.expect("back"));
    nothing(outbox, "it waits for its next try").await;
    tokio::time::sleep(SHORT + SHORT / 2).await;
    let old = older().await.expect("older than that, and waits");
    assert!(old.age > SHORT, "it knows how old it is: {:?}", old.age);
    assert!(older().await.is_err(), "it is taken already");
    assert!(outbox.bury(old.lease, Dead::TooOld).await.expect("buried"));
    assert_eq!(outbox.ledger().entries(), 0, "its room is free");
}

async fn a_change_is_told<O: Outbox>(outbox: &O) {
    let told = async |changed, what| {
        let told = tokio::time::timeout(LONG, changed).await;
        assert!(told.is_ok(), "since it was called, {what}");
    };
    let changed = outbox.changed();
    put(outbox, "a", "one").await;
    told(changed, "something was put").await;
    let one = take_body(outbox, "one").await;
    let changed = outbox.changed();
    assert!(
        outbox
            .give_back(one.lease, 1, Duration::ZERO)
            .await
            .expect("back")
    );
    told(changed, "something was given back").await;
    let one = take_body(outbox, "one").await;
    let changed = outbox.changed();
    assert!(outbox.done(one.lease).await.expect("done"));
    told(changed, "the next of its key has its turn").await;
}

async fn who_only_looks_changes_nothing<O: Outbox>(outbox: &O) {
    let changed = outbox.changed();
    nothing(outbox, "it is empty").await;
    let old = outbox.take_older_than(LONG, LONG).await;
    assert!(matches!(old, Ok(Take::Nothing(_))), "it is empty: {old:?}");
    let told = tokio::time::timeout(SHORT, changed).await;
    assert!(told.is_err(), "a drainer that looks would never rest");
}

async fn what_is_left_is_handed_back<O: Outbox>(outbox: O) {
    let outbox = Arc::new(outbox);
    for body in ["one", "two", "three"] {
        put(&*outbox, "a", body).await;
    }
    let one = take_body(&*outbox, "one").await;
    let left = outbox.hand_back().await;
    let bodies: Vec<_> = left.iter().map(Entry::body).collect();
    if O::DURABLE {
        assert!(bodies.is_empty(), "it is kept");
        return;
    }
    assert_eq!(bodies, ["two", "three"], "what nobody has taken, in order");
    let room = outbox.ledger().reserve(1_000).expect("room");
    let put = outbox.put(entry("a", "four"), room).await.expect("put");
    assert_eq!(put, Put::Closed, "nobody would take it");
    assert!(outbox.done(one.lease).await.expect("done"), "as ever");
    assert_eq!(outbox.ledger().entries(), 0, "its room is free");
}
