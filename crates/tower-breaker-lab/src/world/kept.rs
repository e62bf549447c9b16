//! The entries that a cache has. Of more than it has room for, the one that was asked for least recently goes.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

#[derive(Debug)]
pub(super) struct Kept {
    room: usize,
    entries: HashMap<u32, Entry>,
    /// Which entry was asked for when, the longest ago first.
    by_use: BTreeMap<u64, u32>,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    used: u64,
    until: Duration,
}

impl Kept {
    pub(super) fn new(room: usize) -> Self {
        Self {
            room,
            entries: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
        }
    }

    /// An entry that there is has been used now. One whose time is over goes.
    pub(super) fn has(&mut self, entry: u32, now: Duration) -> bool {
        let Some(kept) = self.entries.get_mut(&entry) else {
            return false;
        };
        if now >= kept.until {
            self.remove(entry);
            return false;
        }
        self.by_use.remove(&kept.used);
        kept.used = self.uses;
        self.is_used(entry);
        true
    }

    fn is_used(&mut self, entry: u32) {
        self.by_use.insert(self.uses, entry);
        self.uses += 1;
    }

    pub(super) fn put(&mut self, entry: u32, until: Duration) {
        self.remove(entry);
        if self.entries.len() >= self.room {
            self.remove_oldest();
        }
        let used = self.uses;
        self.is_used(entry);
        self.entries.insert(entry, Entry { used, until });
    }

    fn remove(&mut self, entry: u32) {
        if let Some(kept) = self.entries.remove(&entry) {
            self.by_use.remove(&kept.used);
        }
    }

    fn remove_oldest(&mut self) {
        if let Some((_, entry)) = self.by_use.pop_first() {
            self.entries.remove(&entry);
        }
    }

    pub(super) fn retain(&mut self, stays: impl Fn(u32) -> bool) {
        self.by_use.retain(|_, entry| stays(*entry));
        self.entries.retain(|entry, _| stays(*entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_FIRST: Duration = Duration::ZERO;

    fn two() -> Kept {
        let mut kept = Kept::new(2);
        kept.put(1, Duration::MAX);
        kept.put(2, Duration::from_secs(5));
        kept
    }

    #[test]
    fn what_was_asked_for_least_recently_goes() {
        let mut kept = two();
        assert!(kept.has(1, AT_FIRST));
        kept.put(3, Duration::MAX);
        let has = [1, 2, 3].map(|entry| kept.has(entry, AT_FIRST));
        assert_eq!(has, [true, false, true]);
    }

    #[test]
    fn what_is_fetched_again_takes_no_room() {
        let mut kept = two();
        kept.put(2, Duration::MAX);
        assert!(kept.has(1, AT_FIRST) && kept.has(2, Duration::from_secs(9)));
    }

    #[test]
    fn an_entry_is_kept_until_its_time_is_over() {
        let mut kept = two();
        assert!(kept.has(2, Duration::from_nanos(4_999_999_999)));
        assert!(!kept.has(2, Duration::from_secs(5)));
        assert_eq!((kept.entries.len(), kept.by_use.len()), (1, 1));
    }

    #[test]
    fn a_part_goes_and_the_rest_stays() {
        let mut kept = two();
        kept.retain(|entry| entry == 2);
        assert!(!kept.has(1, AT_FIRST) && kept.has(2, AT_FIRST));
        assert_eq!((kept.entries.len(), kept.by_use.len()), (1, 1));
    }
}
