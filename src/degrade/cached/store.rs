//! [`Store`]: where answers are kept, within bounds.
//!
//! An answer is found in two steps. Under the key of what is asked for is a [`Root`]: by which headers its answers
//! differ. Under the key that is made with these is the answer. To forget all answers to a target, its root is taken
//! out: without its generation, nobody comes to them any more.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use http::HeaderName;
use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};

use super::{
    counts::WhyNotKept,
    entry::Entry,
    forgotten::Forgotten,
    headers::MAX_HEAD,
    key::{Key, Keys},
    question::Question,
    vary,
};

#[derive(Clone)]
enum Slot {
    Root(Arc<Root>),
    Answer(Arc<Entry>),
}

struct Root {
    generation: u64,
    /// All headers that any answer since the root was made has named in `Vary`.
    depends_on: Vec<HeaderName>,
}

impl Root {
    fn bytes(&self) -> usize {
        let names = self
            .depends_on
            .iter()
            .map(|name| size_of_val(name) + name.as_str().len());
        192 + names.sum::<usize>()
    }
}

/// The bound of the cache below is that of weights. An answer weighs at least so much that there is no room for more
/// than there may be.
#[derive(Clone)]
struct Weigh {
    least: u64,
}

impl Weighter<Key, Slot> for Weigh {
    fn weight(&self, _: &Key, slot: &Slot) -> u64 {
        match slot {
            Slot::Root(root) => root.bytes() as u64,
            Slot::Answer(entry) => (entry.bytes() as u64).max(self.least),
        }
    }
}

/// Targets that share a place are kept one at a time.
const KEEPERS: usize = 64;

pub(super) struct Store {
    slots: Cache<Key, Slot, Weigh>,
    forgotten: Forgotten,
    generations: AtomicU64,
    /// Held while an answer to a target is kept. Otherwise the second of two that come together would not know what the
    /// first varies by, nor that it was asked for later.
    keeping: [Mutex<()>; KEEPERS],
}

/// An answer that is to be kept, and what it answers.
pub(super) struct ToKeep<'a> {
    pub(super) question: &'a Question,
    /// What [`Store::begin`] said when it was asked for.
    pub(super) begun: u64,
    pub(super) depends_on: Vec<HeaderName>,
}

impl Store {
    pub(super) fn new(entries: usize, bytes: usize, body_limit: u64) -> Self {
        let shards = shards(entries, bytes, body_limit);
        let options = OptionsBuilder::new()
            .shards(shards)
            // A root for each answer. It makes room for so many in advance.
            .estimated_items_capacity(entries.saturating_mul(2).min(bytes / 1024))
            // It remembers some that it has let go of, too. They are in no weight, so there are to be few.
            .ghost_allocation(0.1)
            // Or every shard would be rounded up.
            .weight_capacity((bytes / shards * shards) as u64)
            .build()
            .expect("all that is needed is said");
        let weigh = Weigh {
            least: bytes.div_ceil(entries) as u64,
        };
        let (hash, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self {
            slots: Cache::with_options(options, weigh, hash, lifecycle),
            forgotten: Forgotten::new(),
            generations: AtomicU64::new(0),
            keeping: [const { Mutex::new(()) }; KEEPERS],
        }
    }

    /// To be called before an answer is asked for that may be kept.
    pub(super) fn begin(&self) -> u64 {
        self.forgotten.last()
    }

    pub(super) fn find(&self, keys: &Keys, question: &Question) -> Option<Arc<Entry>> {
        let root = self.root(question.target)?;
        match self.slots.get(&variant(keys, &root, question)?)? {
            Slot::Answer(entry) => Some(entry),
            Slot::Root(_) => None,
        }
    }

    /// In place of what there is, unless that was asked for later.
    pub(super) fn keep(
        &self,
        keys: &Keys,
        to_keep: ToKeep<'_>,
        entry: Entry,
    ) -> Result<(), WhyNotKept> {
        let ToKeep {
            question,
            begun,
            depends_on,
        } = to_keep;
        let target = question.target;
        let _keeping = self.keeping(target);
        let root = self.root_for(target, depends_on).ok_or(WhyNotKept::Vary)?;
        let key = variant(keys, &root, question).ok_or(WhyNotKept::Vary)?;
        // After the root is there: see `Forgotten`.
        let asker = keys.of_asker(question);
        if self.forgotten.is_after(begun, target, asker) || self.is_later(key, entry.asked_at) {
            return Err(WhyNotKept::Outdated);
        }
        self.slots.insert(key, Slot::Answer(Arc::new(entry)));
        Ok(())
    }

    /// Whoever asks this is given nothing of what he has got so far.
    pub(super) fn forget_own(&self, keys: &Keys, question: &Question) {
        let _keeping = self.keeping(question.target);
        // Nor what is on its way.
        self.forgotten.add_asker(keys.of_asker(question));
        let root = self.root(question.target);
        if let Some(key) = root.and_then(|root| variant(keys, &root, question)) {
            self.slots.remove(&key);
        }
    }

    fn keeping(&self, target: Key) -> MutexGuard<'_, ()> {
        let keeping = self.keeping[target.place(KEEPERS)].lock();
        keeping.unwrap_or_else(PoisonError::into_inner)
    }

    /// No answer to this that was asked for until now is given any more.
    pub(super) fn forget(&self, target: Key) {
        self.forgotten.add_target(target);
        self.slots.remove(&target);
    }

    pub(super) fn clear(&self) {
        self.forgotten.add_all();
        self.slots.clear();
    }

    /// How many answers there are, and how many bytes everything takes at most.
    pub(super) fn usage(&self) -> (usize, usize) {
        self.slots
            .iter()
            .fold((0, 0), |(answers, bytes), (_, slot)| match slot {
                Slot::Root(root) => (answers, bytes + root.bytes()),
                Slot::Answer(entry) => (answers + 1, bytes + entry.bytes()),
            })
    }

    fn root(&self, target: Key) -> Option<Arc<Root>> {
        match self.slots.get(&target)? {
            Slot::Root(root) => Some(root),
            Slot::Answer(_) => None,
        }
    }

    /// The root, which knows of all these headers. `None` if there are too many.
    fn root_for(&self, target: Key, depends_on: Vec<HeaderName>) -> Option<Arc<Root>> {
        let knows = |root: &Arc<Root>| depends_on.iter().all(|it| root.depends_on.contains(it));
        let old = self.root(target);
        if let Some(root) = old.as_ref().filter(|root| knows(root)) {
            return Some(root.clone());
        }
        let known = old.as_ref().map_or(&[][..], |root| &root.depends_on);
        let depends_on = vary::join(depends_on, known)?;
        let root = Arc::new(Root {
            generation: self.generations.fetch_add(1, Ordering::Relaxed),
            depends_on,
        });
        self.slots.insert(target, Slot::Root(root.clone()));
        Some(root)
    }

    fn is_later(&self, key: Key, asked_at: u64) -> bool {
        let Some(Slot::Answer(there)) = self.slots.peek(&key) else {
            return false;
        };
        there.asked_at > asked_at
    }
}

/// `None` if the request says too much to tell by it whose answer it is.
fn variant(keys: &Keys, root: &Root, question: &Question) -> Option<Key> {
    let short = vary::is_short(&question.headers, &root.depends_on);
    short.then(|| keys.of_variant(question, root.generation, &root.depends_on))
}

/// Each has room for eight answers of the largest size: what is larger than a shard is never kept.
fn shards(entries: usize, bytes: usize, body_limit: u64) -> usize {
    let by_bytes = bytes as u64 / 8 / (body_limit + MAX_HEAD as u64);
    let at_most = by_bytes.min(entries as u64 / 32).clamp(1, 64);
    // A power of two, or the next one would be taken.
    1 << at_most.ilog2()
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // M4: one writer in many locks only its own shard, as long as each has room for eight of the largest answers, and
    // for 32 of them.
    #[test]
    fn there_are_as_many_shards_as_have_room_for_enough() {
        let (mib, room) = (1 << 20, 8 * MAX_HEAD);
        for (entries, bytes, body_limit, number) in [
            (10_000, 64 * mib, 256 << 10, 16),
            (10_000, 64 * mib, 0, 64),
            (10_000, 1_024 * mib, 0, 64),
            (10_000, 2 * room, 0, 2),
            (10_000, 2 * room - 1, 0, 1),
            (320, 64 * mib, 0, 8),
            (64, 64 * mib, 0, 2),
            (63, 64 * mib, 0, 1),
            (8, 0, 0, 1),
        ] {
            let found = shards(entries, bytes, body_limit);
            assert_eq!(found, number, "{entries}, {bytes}, {body_limit}");
        }
    }
}
