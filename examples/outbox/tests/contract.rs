//! The file does what is asked of every outbox, also when it is opened again.

use std::{
    future::Future,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};
use outbox::{File, Record};
use tower_breaker::degrade::queue::{Entry, Outbox, Take, contract};

const LONG: Duration = Duration::from_secs(60);

fn entry(order_key: &str, body: &str) -> Entry {
    let mut headers = HeaderMap::new();
    headers.append("idempotency-key", HeaderValue::from_static("\"one\""));
    headers.append("accept", HeaderValue::from_bytes(b"\xff").expect("valid"));
    headers.append("accept", HeaderValue::from_static(""));
    let uri = Uri::from_static("http://warehouse/orders?a=b");
    let body = Bytes::copy_from_slice(body.as_bytes());
    Entry::new(Method::POST, uri, headers, body, order_key)
}

async fn put(file: &File, order_key: &str, body: &str) {
    let entry = entry(order_key, body);
    let room = file.ledger().reserve(entry.bytes()).expect("room");
    file.put(entry, room).await.expect("put");
}

async fn take(file: &File) -> Option<tower_breaker::degrade::queue::Leased> {
    match file.take(LONG).await.expect("taken") {
        Take::One(leased) => Some(leased),
        Take::Nothing(_) => None,
    }
}

#[tokio::test]
async fn it_is_an_outbox() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = AtomicUsize::new(0);
    contract::check(async || {
        let number = files.fetch_add(1, Ordering::Relaxed);
        let path = folder.path().join(number.to_string());
        File::open(&path, 10, 10 << 10).expect("a file")
    })
    .await;
}

#[tokio::test]
async fn what_is_in_it_is_there_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    let file = File::open(&path, 3, 10 << 10).expect("a file");
    for (key, body) in [("a", "a1"), ("a", "a2"), ("b", "b1")] {
        put(&file, key, body).await;
    }
    let a1 = take(&file).await.expect("the oldest");
    assert!(
        file.give_back(a1.lease, 7, Duration::ZERO)
            .await
            .expect("back")
    );
    let a1 = take(&file).await.expect("the oldest again");
    drop(file);

    // What was taken when the process ended is taken by nobody now.
    let file = File::open(&path, 3, 10 << 10).expect("the same file");
    assert_eq!(file.ledger().entries(), 3);
    assert!(file.ledger().reserve(1).is_none(), "it is full");
    let again = take(&file).await.expect("the oldest");
    assert_eq!(again.entry, a1.entry);
    assert_eq!(again.attempts, 7);
    assert!(file.done(again.lease).await.expect("done"));
    let rest = [take(&file).await, take(&file).await].map(|taken| taken.expect("there").entry);
    assert_eq!(rest, [entry("a", "a2"), entry("b", "b1")]);
}

#[test]
fn a_record_is_what_it_was() {
    let record = Record {
        since: 1,
        turn: u64::MAX,
        attempts: 3,
        lease: 4,
        entry: entry("a key", "a body"),
    };
    let bytes = record.to_bytes();
    assert_eq!(Record::from_bytes(&bytes).expect("it can be read"), record);
    for length in 0..bytes.len() {
        // Nothing that is cut off is read as something else, but for headers that are missing.
        if let Ok(read) = Record::from_bytes(&bytes[..length]) {
            assert!(read.entry.headers().len() < record.entry.headers().len());
        }
    }
}

#[tokio::test]
async fn no_number_is_given_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    let mut last = 0;
    for _ in 0..3 {
        let file = File::open(&path, 3, 10 << 10).expect("a file");
        for _ in 0..2 {
            put(&file, "a", "a1").await;
            let taken = take(&file).await.expect("it is there");
            assert!(taken.lease.id.0 > last, "{taken:?}");
            last = taken.lease.id.0;
            assert!(file.done(taken.lease).await.expect("done"));
        }
    }
}

// Whoever waits for a change would look again and again.
#[tokio::test]
async fn who_only_looks_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = File::open(&folder.path().join("file"), 3, 10 << 10).expect("a file");
    let changed = file.changed();
    assert!(take(&file).await.is_none());
    let old = file.take_older_than(LONG, LONG).await.expect("taken");
    assert!(matches!(old, Take::Nothing(None)));
    put(&file, "a", "a1").await;
    changed.await;
    let changed = file.changed();
    let taken = take(&file).await.expect("it is there");
    let waited = tokio::time::timeout(Duration::from_millis(50), changed).await;
    assert!(waited.is_err(), "nothing has changed");
    assert!(file.done(taken.lease).await.expect("done"));
}

// Its client may be gone, and a drainer waits.
#[tokio::test]
async fn what_is_put_is_told_also_if_nobody_waits_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = File::open(&folder.path().join("file"), 3, 10 << 10).expect("a file");
    let changed = file.changed();
    let entry = entry("a", "a1");
    let room = file.ledger().reserve(entry.bytes()).expect("room");
    let mut put = Box::pin(file.put(entry, room));
    let begun = std::future::poll_fn(|context| {
        std::task::Poll::Ready(put.as_mut().poll(context).is_pending())
    });
    assert!(begun.await);
    drop(put);
    let told = tokio::time::timeout(LONG, changed).await;
    assert!(told.is_ok());
    assert!(take(&file).await.is_some());
}

// A drainer that ends drops what it waits for.
#[tokio::test]
async fn who_does_not_wait_for_the_end_leaves_no_room_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = File::open(&folder.path().join("file"), 3, 10 << 10).expect("a file");
    put(&file, "a", "a1").await;
    let taken = take(&file).await.expect("it is there");
    let mut done = std::pin::pin!(file.done(taken.lease));
    let begun = std::future::poll_fn(|context| {
        std::task::Poll::Ready(done.as_mut().poll(context).is_pending())
    });
    assert!(begun.await, "it has begun, and nobody polls it any more");
    for _ in 0..500 {
        if file.ledger().entries() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("its room is free when it is gone");
}
