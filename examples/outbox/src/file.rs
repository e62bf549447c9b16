//! [`File`]: an outbox in a file, which outlives its process.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    future::Future,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use redb::{Database, Durability, ReadableTable, Table, TableDefinition, WriteTransaction};
use tokio::{sync::Notify, task::spawn_blocking};
use tower_breaker::degrade::queue::{Entry, Id, Lease, Leased, Ledger, Outbox, Put, Room, Take};

use crate::record::Record;

/// All entries, by their numbers.
const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
/// The numbers of each order key.
const KEYS: TableDefinition<'_, (&str, u64), ()> = TableDefinition::new("keys");
/// When the turn of the first of each order key is.
const TURNS: TableDefinition<'_, (u64, u64), ()> = TableDefinition::new("turns");
/// The greatest number that any entry ever had. None is given twice, also if the file is empty meanwhile.
const LAST: TableDefinition<'_, (), u64> = TableDefinition::new("last");

/// What went wrong with the file.
#[derive(Debug)]
pub struct FileError(Box<dyn Error + Send + Sync>);

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the outbox cannot be read or written")
    }
}

impl Error for FileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// An outbox in a file of redb's. What it says that it has kept is on the disk, also if the process is killed or the
/// power fails.
///
/// One process has the file at a time. A clone is another handle to it.
#[derive(Clone)]
pub struct File(Arc<Shared>);

struct Shared {
    database: Database,
    clock: Clock,
    leases: AtomicU64,
    changed: Notify,
    ledger: Arc<Ledger>,
    /// The room of each entry, and since when it has been there.
    rooms: Mutex<BTreeMap<u64, (Room, u64)>>,
}

/// Which room is free again, and when.
enum Rooms {
    Stay,
    /// That of this entry, which is gone once that is on the disk.
    FreeIfDone(u64),
    /// That of this entry, which is not there if it could not be put on the disk.
    FreeIfFailed(u64),
}

/// Milliseconds since 1970, which do not go back while the process runs.
struct Clock(Instant, u64);

impl Clock {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self(Instant::now(), now.map_or(0, millis))
    }

    fn now(&self) -> u64 {
        self.1 + millis(self.0.elapsed())
    }
}

fn millis(time: Duration) -> u64 {
    // So far away that nobody comes to it, if it is more.
    const YEAR: u64 = 365 * 24 * 60 * 60 * 1_000;
    u64::try_from(time.as_millis())
        .unwrap_or(u64::MAX)
        .min(100 * YEAR)
}

impl File {
    /// Opens the file, or makes it, for at most so many entries and bytes. What is in it stays, also if it is more.
    pub fn open(path: &Path, entries: u32, bytes: u64) -> Result<Self, FileError> {
        Self::try_open(path, (entries, bytes), Clock::new()).map_err(FileError)
    }

    fn try_open(path: &Path, (entries, bytes): (u32, u64), clock: Clock) -> Result<Self> {
        let (database, ledger) = (Database::create(path)?, Ledger::new(entries, bytes));
        let mut rooms = BTreeMap::new();
        let write = database.begin_write()?;
        {
            let mut tables = Tables::open(&write)?;
            for (id, mut record) in tables.all()? {
                let room = ledger.found(record.entry.bytes());
                rooms.insert(id, (room, record.since));
                tables.begin_anew(id, &mut record, clock.now())?;
            }
        }
        write.commit()?;
        Ok(Self(Arc::new(Shared {
            database,
            clock,
            leases: AtomicU64::new(1),
            changed: Notify::new(),
            ledger,
            rooms: Mutex::new(rooms),
        })))
    }

    /// Works with the tables, where it may wait for the disk. Once begun, that goes on to its end, also if nobody waits
    /// for it any more.
    async fn with<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Shared, &mut Tables<'_>) -> Result<(T, Rooms)> + Send + 'static,
    ) -> Result<T, FileError> {
        let shared = self.0.clone();
        let worked = spawn_blocking(move || {
            let mut write = shared.database.begin_write()?;
            write.set_durability(durability);
            let (result, rooms) = {
                let mut tables = Tables::open(&write)?;
                work(&shared, &mut tables)?
            };
            let committed = write.commit();
            // Not by whoever waits for it, who may be gone.
            if matches!(durability, Durability::Immediate) {
                shared.changed.notify_waiters();
            }
            match (rooms, &committed) {
                (Rooms::FreeIfDone(id), Ok(())) | (Rooms::FreeIfFailed(id), Err(_)) => {
                    shared.rooms().remove(&id);
                }
                _ => {}
            }
            committed?;
            Ok(result)
        });
        let result = worked.await.unwrap_or_else(|panicked| Err(panicked.into()));
        result.map_err(FileError)
    }

    /// The same, on the disk by then, and tells that something has changed. Who only takes must not: whoever waits for
    /// a change would look again, and again.
    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared, &mut Tables<'_>) -> Result<(T, Rooms)> + Send + 'static,
    ) -> Result<T, FileError> {
        self.with(Durability::Immediate, work).await
    }

    async fn remove(&self, lease: Lease) -> Result<bool, FileError> {
        let id = lease.id.0;
        let work = move |shared: &Shared, tables: &mut Tables<'_>| {
            let Some(record) = tables.held(lease, shared.clock.now())? else {
                return Ok((false, Rooms::Stay));
            };
            tables.remove(id, &record)?;
            Ok((true, Rooms::FreeIfDone(id)))
        };
        self.change(work).await
    }
}

impl Shared {
    fn rooms(&self) -> MutexGuard<'_, BTreeMap<u64, (Room, u64)>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lease(
        &self,
        tables: &mut Tables<'_>,
        (id, mut record): (u64, Record),
        lease: Duration,
    ) -> Result<Take> {
        let (now, number) = (
            self.clock.now(),
            self.leases.fetch_add(1, Ordering::Relaxed),
        );
        record.lease = number;
        tables.change(id, &mut record, now + millis(lease))?;
        let age = Duration::from_millis(now.saturating_sub(record.since));
        let lease = Lease::new(Id(id), number);
        Ok(Take::One(Leased::new(
            lease,
            record.entry,
            record.attempts,
            age,
        )))
    }
}

impl Outbox for File {
    type Error = FileError;

    const DURABLE: bool = true;

    fn ledger(&self) -> &Arc<Ledger> {
        &self.0.ledger
    }

    async fn put(&self, entry: Entry, room: Room) -> Result<Put, FileError> {
        let work = move |shared: &Shared, tables: &mut Tables<'_>| {
            let now = shared.clock.now();
            let id = tables.put(entry, now)?;
            // Before it is there, or somebody may take it and be done before.
            shared.rooms().insert(id, (room.kept(), now));
            Ok((id, Rooms::FreeIfFailed(id)))
        };
        let put = self.change(work).await;
        put.map(|id| Put::Kept(Id(id)))
    }

    async fn take(&self, lease: Duration) -> Result<Take, FileError> {
        // A lease ends with the process, so it need not outlive it.
        self.with(Durability::None, move |shared, tables| {
            let now = shared.clock.now();
            let take = match tables.next()? {
                Some((turn, id)) if turn <= now => {
                    let record = tables.record(id)?;
                    shared.lease(tables, (id, record), lease)?
                }
                Some((turn, _)) => Take::Nothing(Some(Duration::from_millis(turn - now))),
                None => Take::Nothing(None),
            };
            Ok((take, Rooms::Stay))
        })
        .await
    }

    async fn take_older_than(&self, age: Duration, lease: Duration) -> Result<Take, FileError> {
        self.with(Durability::None, move |shared, tables| {
            let now = shared.clock.now();
            let Some((id, record)) = tables.oldest_free(now)? else {
                return Ok((Take::Nothing(None), Rooms::Stay));
            };
            let left = record.since.saturating_add(millis(age)).saturating_sub(now);
            let take = match now.saturating_sub(record.since) > millis(age) {
                true => shared.lease(tables, (id, record), lease)?,
                false => Take::Nothing(Some(Duration::from_millis(left + 1))),
            };
            Ok((take, Rooms::Stay))
        })
        .await
    }

    async fn done(&self, lease: Lease) -> Result<bool, FileError> {
        self.remove(lease).await
    }

    async fn give_back(
        &self,
        lease: Lease,
        attempts: u32,
        wait: Duration,
    ) -> Result<bool, FileError> {
        self.change(move |shared, tables| {
            let now = shared.clock.now();
            let Some(mut record) = tables.held(lease, now)? else {
                return Ok((false, Rooms::Stay));
            };
            (record.lease, record.attempts) = (0, attempts);
            let turn = match wait.is_zero() {
                true => record.since,
                false => now + millis(wait),
            };
            tables.change(lease.id.0, &mut record, turn)?;
            Ok((true, Rooms::Stay))
        })
        .await
    }

    fn changed(&self) -> impl Future<Output = ()> + Send {
        self.0.changed.notified()
    }

    fn oldest(&self) -> Option<Duration> {
        let rooms = self.0.rooms();
        let (_, (_, since)) = rooms.first_key_value()?;
        Some(Duration::from_millis(
            self.0.clock.now().saturating_sub(*since),
        ))
    }
}

/// All three, in one transaction.
struct Tables<'a> {
    entries: Table<'a, u64, &'static [u8]>,
    keys: Table<'a, (&'static str, u64), ()>,
    turns: Table<'a, (u64, u64), ()>,
    last: Table<'a, (), u64>,
}

impl<'a> Tables<'a> {
    fn open(write: &'a WriteTransaction) -> Result<Self> {
        Ok(Self {
            entries: write.open_table(ENTRIES)?,
            keys: write.open_table(KEYS)?,
            turns: write.open_table(TURNS)?,
            last: write.open_table(LAST)?,
        })
    }

    fn all(&self) -> Result<Vec<(u64, Record)>> {
        let mut all = Vec::new();
        for entry in self.entries.iter()? {
            let (id, bytes) = entry?;
            all.push((id.value(), Record::from_bytes(bytes.value())?));
        }
        Ok(all)
    }

    fn record(&self, id: u64) -> Result<Record> {
        let bytes = self.entries.get(id)?.ok_or("what has a turn is there")?;
        Ok(Record::from_bytes(bytes.value())?)
    }

    /// The number of the first entry of an order key.
    fn head(&self, order_key: &str) -> Result<Option<u64>> {
        let mut of_key = self.keys.range((order_key, 0)..=(order_key, u64::MAX))?;
        let head = of_key.next().transpose()?;
        Ok(head.map(|(key, _)| key.value().1))
    }

    /// The first turn, whether it has come or not.
    fn next(&self) -> Result<Option<(u64, u64)>> {
        Ok(self.turns.first()?.map(|(turn, _)| turn.value()))
    }

    fn put(&mut self, entry: Entry, now: u64) -> Result<u64> {
        let id = self.next_id()?;
        let record = Record {
            since: now,
            turn: now,
            attempts: 0,
            lease: 0,
            entry,
        };
        let order_key = record.entry.order_key();
        if self.head(order_key)?.is_none() {
            self.turns.insert((now, id), ())?;
        }
        self.keys.insert((order_key, id), ())?;
        self.entries.insert(id, &*record.to_bytes())?;
        Ok(id)
    }

    fn next_id(&mut self) -> Result<u64> {
        let greatest = self.entries.last()?.map_or(0, |(id, _)| id.value());
        let last = self.last.get(())?.map_or(0, |last| last.value());
        let next = 1 + greatest.max(last);
        self.last.insert((), next)?;
        Ok(next)
    }

    /// The record of a lease, if that has not ended.
    fn held(&self, lease: Lease, now: u64) -> Result<Option<Record>> {
        let Some(bytes) = self.entries.get(lease.id.0)? else {
            return Ok(None);
        };
        let record = Record::from_bytes(bytes.value())?;
        let is_held = record.lease == lease.number && now < record.turn;
        Ok(is_held.then_some(record))
    }

    fn oldest_free(&self, now: u64) -> Result<Option<(u64, Record)>> {
        for entry in self.entries.iter()? {
            let (id, bytes) = entry?;
            let (id, record) = (id.value(), Record::from_bytes(bytes.value())?);
            let is_free = record.lease == 0 || record.turn <= now;
            if is_free && self.turns.get((record.turn, id))?.is_some() {
                return Ok(Some((id, record)));
            }
        }
        Ok(None)
    }

    /// Writes the record of a head, with another turn.
    fn change(&mut self, id: u64, record: &mut Record, turn: u64) -> Result<()> {
        self.turns.remove((record.turn, id))?;
        self.turns.insert((turn, id), ())?;
        record.turn = turn;
        self.entries.insert(id, &*record.to_bytes())?;
        Ok(())
    }

    /// Who had it is gone, so nobody has it; and its turn has come, also if the clock was ahead when it was put.
    fn begin_anew(&mut self, id: u64, record: &mut Record, now: u64) -> Result<()> {
        let is_head = self.turns.remove((record.turn, id))?.is_some();
        record.lease = 0;
        record.since = record.since.min(now);
        record.turn = record.since;
        if is_head {
            self.turns.insert((record.turn, id), ())?;
        }
        self.entries.insert(id, &*record.to_bytes())?;
        Ok(())
    }

    /// Removes a head. The next of its order key is one then.
    fn remove(&mut self, id: u64, record: &Record) -> Result<()> {
        let order_key = record.entry.order_key();
        self.turns.remove((record.turn, id))?;
        self.keys.remove((order_key, id))?;
        self.entries.remove(id)?;
        if let Some(next) = self.head(order_key)? {
            let turn = self.record(next)?.turn;
            self.turns.insert((turn, next), ())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method, Uri};

    use super::*;

    #[tokio::test]
    async fn a_clock_that_was_set_back_holds_nothing_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |now| {
            let clock = Clock(Instant::now(), now);
            File::try_open(&folder.path().join("file"), (10, 10_000), clock).expect("a file")
        };
        let file = open(1_000_000);
        for body in ["one", "two"] {
            let (uri, headers) = (Uri::from_static("/orders"), HeaderMap::new());
            let entry = Entry::new(Method::POST, uri, headers, Bytes::from(body), "a");
            let room = file.ledger().reserve(entry.bytes()).expect("room");
            file.put(entry, room).await.expect("put");
        }
        drop(file);
        let file = open(1_000);
        for body in ["one", "two"] {
            let taken = file.take(Duration::from_secs(60)).await.expect("taken");
            let Take::One(leased) = taken else {
                panic!("{taken:?}");
            };
            assert_eq!(leased.entry.body(), body);
            assert!(leased.age < Duration::from_secs(60));
            assert!(file.done(leased.lease).await.expect("done"));
        }
    }
}
