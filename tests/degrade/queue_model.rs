//! The outbox in memory against a naive one: a list that is looked through from its beginning.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use proptest::prelude::*;
use tokio::time::{Instant, advance};
use tower_breaker::degrade::queue::{Dead, Entry, Lease, Memory, Outbox, Put, Room, Take};

use crate::support::millis;

const ENTRIES: u32 = 6;
const BYTES: u64 = 2_600;

#[derive(Clone, Debug)]
enum Step {
    /// Of this key, with a body so long.
    Put(u8, usize),
    /// Room that is not used.
    Reserve(u64),
    FreeReserved,
    Take(u16),
    TakeOlderThan(u16, u16),
    /// Of the leases there have been, this one.
    Done(usize),
    Bury(usize),
    GiveBack(usize, u16),
    Abandon(usize),
    Advance(u16),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_u8, 0..800_usize).prop_map(|(key, body)| Step::Put(key, body)),
        1 => (0..1_000_u64).prop_map(Step::Reserve),
        1 => Just(Step::FreeReserved),
        6 => (1..50_u16).prop_map(Step::Take),
        2 => (1..80_u16, 1..50_u16).prop_map(|(age, lease)| Step::TakeOlderThan(age, lease)),
        3 => (0..12_usize).prop_map(Step::Done),
        1 => (0..12_usize).prop_map(Step::Bury),
        3 => (0..12_usize, prop_oneof![Just(0), 0..40_u16]).prop_map(|(which, wait)| Step::GiveBack(which, wait)),
        1 => (0..12_usize).prop_map(Step::Abandon),
        4 => (1..40_u16).prop_map(Step::Advance),
        1 => (0..8_u8).prop_map(|n| if n == 0 { Step::Close } else { Step::Take(5) }),
    ]
}

/// What the naive outbox knows of an entry.
struct Kept {
    number: u64,
    entry: Entry,
    since: Instant,
    attempts: u32,
    turn: Instant,
    lease: Option<Lease>,
}

#[derive(Default)]
struct Naive {
    list: Vec<Kept>,
    puts: u64,
    done: u64,
    buried: u64,
    handed_back: u64,
    is_closed: bool,
}

impl Naive {
    fn end_leases(&mut self, now: Instant) {
        for kept in &mut self.list {
            if kept.turn <= now {
                kept.lease = None;
            }
        }
    }

    /// Whether no other of its key came before.
    fn is_head(&self, at: usize) -> bool {
        let key = self.list[at].entry.order_key();
        self.list[..at]
            .iter()
            .all(|kept| kept.entry.order_key() != key)
    }

    fn next(&self, now: Instant) -> Option<usize> {
        let may_be = |&at: &usize| self.is_head(at) && self.list[at].turn <= now;
        (0..self.list.len())
            .filter(may_be)
            .min_by_key(|&at| self.list[at].turn)
    }

    /// The first head that nobody has, if it is old enough.
    fn old(&self, age: Duration, now: Instant) -> Option<usize> {
        let free = |at: usize| self.is_head(at) && self.list[at].lease.is_none();
        let first = (0..self.list.len()).find(|&at| free(at))?;
        (now - self.list[first].since > age).then_some(first)
    }

    fn leased(&self, lease: Lease) -> Option<usize> {
        self.list.iter().position(|kept| kept.lease == Some(lease))
    }
}

struct Both {
    memory: Memory,
    naive: Naive,
    leases: Vec<Lease>,
    reserved: Vec<Room>,
}

impl Both {
    fn new() -> Self {
        Self {
            memory: Memory::bounded(ENTRIES, BYTES),
            naive: Naive::default(),
            leases: Vec::new(),
            reserved: Vec::new(),
        }
    }

    async fn step(&mut self, step: Step) {
        let now = Instant::now();
        self.naive.end_leases(now);
        match step {
            Step::Put(key, body) => self.put(key, body).await,
            Step::Reserve(bytes) => self.reserved.extend(self.reserve(bytes)),
            Step::FreeReserved => self.reserved.clear(),
            Step::Take(lease) => {
                let lease = millis(lease.into());
                let taken = self.memory.take(lease).await.expect("infallible");
                let expected = self.naive.next(now);
                self.taken(taken, expected, lease);
            }
            Step::TakeOlderThan(age, lease) => {
                let (age, lease) = (millis(age.into()), millis(lease.into()));
                let taken = self.memory.take_older_than(age, lease).await;
                let expected = self.naive.old(age, now);
                self.taken(taken.expect("infallible"), expected, lease);
            }
            Step::Done(which) => {
                let (lease, memory) = (self.lease(which), self.memory.clone());
                let removed = self.remove(lease, memory.done(lease)).await;
                self.naive.done += u64::from(removed);
            }
            Step::Bury(which) => {
                let (lease, memory) = (self.lease(which), self.memory.clone());
                let removed = self.remove(lease, memory.bury(lease, Dead::TooOld)).await;
                self.naive.buried += u64::from(removed);
            }
            Step::GiveBack(which, wait) => {
                let (lease, wait) = (self.lease(which), millis(wait.into()));
                let back = self.memory.give_back(lease, 7, wait).await;
                let expected = self.naive.leased(lease);
                assert_eq!(back, Ok(expected.is_some()));
                if let Some(at) = expected {
                    let kept = &mut self.naive.list[at];
                    (kept.attempts, kept.lease) = (7, None);
                    kept.turn = if wait.is_zero() {
                        kept.since
                    } else {
                        now + wait
                    };
                }
            }
            Step::Abandon(which) => {
                let lease = self.lease(which);
                self.memory.abandon(lease);
                if let Some(at) = self.naive.leased(lease) {
                    let kept = &mut self.naive.list[at];
                    (kept.lease, kept.turn) = (None, kept.since);
                }
            }
            Step::Advance(time) => advance(millis(time.into())).await,
            Step::Close => self.close(),
        }
        self.check();
    }

    fn reserve(&self, bytes: u64) -> Option<Room> {
        let reserved: u64 = self.reserved.iter().map(Room::bytes).sum();
        let kept: u64 = self.naive.list.iter().map(|kept| kept.entry.bytes()).sum();
        let entries = self.reserved.len() + self.naive.list.len();
        let fits = (entries as u64) < ENTRIES.into() && reserved + kept + bytes <= BYTES;
        let room = self.memory.ledger().reserve(bytes);
        assert_eq!(room.is_some(), fits, "{bytes} beside {reserved} and {kept}");
        room
    }

    async fn put(&mut self, key: u8, body: usize) {
        let (uri, body) = (Uri::from_static("/orders"), Bytes::from(vec![0; body]));
        let key = format!("key {key}");
        let entry = Entry::new(Method::POST, uri, HeaderMap::new(), body, key);
        let Some(room) = self.reserve(entry.bytes()) else {
            return;
        };
        let now = Instant::now();
        let put = self.memory.put(entry.clone(), room).await;
        let is_kept = matches!(put, Ok(Put::Kept(_)));
        assert_eq!(is_kept, !self.naive.is_closed);
        if is_kept {
            self.naive.puts += 1;
            self.naive.list.push(Kept {
                number: self.naive.puts,
                entry,
                since: now,
                attempts: 0,
                turn: now,
                lease: None,
            });
        }
    }

    fn taken(&mut self, taken: Take, expected: Option<usize>, lease: Duration) {
        let now = Instant::now();
        match (taken, expected) {
            (Take::One(leased), Some(at)) => {
                let kept = &mut self.naive.list[at];
                assert_eq!(leased.lease.id.0, kept.number);
                assert_eq!(leased.entry, kept.entry);
                assert_eq!(leased.attempts, kept.attempts);
                assert_eq!(leased.age, now - kept.since);
                assert!(!self.leases.contains(&leased.lease), "each is another");
                kept.lease = Some(leased.lease);
                kept.turn = now + lease;
                self.leases.push(leased.lease);
            }
            (Take::Nothing(_), None) => {}
            (taken, expected) => panic!("{taken:?}, and {expected:?} was expected"),
        }
    }

    fn lease(&self, which: usize) -> Lease {
        let none = Lease::new(tower_breaker::degrade::queue::Id(99), 99);
        // The last ones, or all would be over.
        self.leases
            .iter()
            .rev()
            .nth(which % 4)
            .copied()
            .unwrap_or(none)
    }

    async fn remove<E: std::fmt::Debug + PartialEq>(
        &mut self,
        lease: Lease,
        removal: impl Future<Output = Result<bool, E>>,
    ) -> bool {
        let expected = self.naive.leased(lease);
        assert_eq!(removal.await, Ok(expected.is_some()));
        expected.map(|at| self.naive.list.remove(at)).is_some()
    }

    fn close(&mut self) {
        let left = self.memory.close();
        self.naive.is_closed = true;
        let (expected, leased) = std::mem::take(&mut self.naive.list)
            .into_iter()
            .partition(|kept| kept.lease.is_none());
        self.naive.list = leased;
        let expected: Vec<_> = Vec::<Kept>::into_iter(expected)
            .map(|kept| kept.entry)
            .collect();
        self.naive.handed_back += expected.len() as u64;
        assert_eq!(left, expected);
    }

    /// Each entry is in one place, and all are within the bounds.
    fn check(&self) {
        let (ledger, naive) = (self.memory.ledger(), &self.naive);
        let kept: u64 = naive.list.iter().map(|kept| kept.entry.bytes()).sum();
        assert_eq!(ledger.entries(), naive.list.len() as u64);
        assert_eq!(ledger.bytes(), kept);
        assert!(ledger.entries() <= ENTRIES.into() && ledger.bytes() <= BYTES);
        let gone = naive.done + naive.buried + naive.handed_back;
        assert_eq!(naive.puts, ledger.entries() + gone);
        let oldest = naive.list.first().map(|kept| Instant::now() - kept.since);
        assert_eq!(self.memory.oldest(), oldest);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    // M6
    #[test]
    fn it_does_what_a_naive_one_does(steps in prop::collection::vec(step(), 0..80)) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let mut both = Both::new();
            for step in steps {
                both.step(step).await;
            }
        });
    }
}
