//! What callers look into first: which entry each call asks for, and whether it is there.

use std::time::Duration;

use rand_distr::Zipf;

use super::kept::Kept;
use crate::{
    chance::{Chance, Of},
    scenario::{self, Scenario, Share},
};

#[derive(Debug)]
pub(super) struct Cache {
    seed: u64,
    popularity: Zipf<f64>,
    entries: u32,
    lifetime: Option<Duration>,
    kept: Kept,
}

impl Cache {
    /// Full, with what is asked for most.
    pub(super) fn new(scenario: &Scenario) -> Option<Self> {
        let cache = scenario.dependency.cache.as_ref()?;
        let entries = cache.entries.max(1);
        let room = cache.capacity.unwrap_or(entries).min(entries);
        let mut new = Self {
            seed: scenario.seed,
            popularity: popularity(cache),
            entries,
            lifetime: cache.lifetime,
            kept: Kept::new(room as usize),
        };
        // The most popular one was asked for last.
        for entry in (1..=room).rev() {
            let until = new.ends_at_first(entry);
            new.kept.put(entry, until);
        }
        Some(new)
    }

    /// Entries have been fetched at all times before, and do not all end at once.
    fn ends_at_first(&self, entry: u32) -> Duration {
        let left = Chance::new(self.seed, Of::Ages, u64::from(entry)).share();
        self.lifetime
            .map_or(Duration::MAX, |lifetime| lifetime.mul_f64(left))
    }

    /// The same for each try of a call.
    fn entry(&self, call: u64) -> u32 {
        let mut chance = Chance::new(self.seed, Of::Entries, call);
        chance.rank(&self.popularity).min(self.entries)
    }

    /// Whether it has what this call asks for.
    pub(super) fn has(&mut self, call: u64, now: Duration) -> bool {
        let entry = self.entry(call);
        self.kept.has(entry, now)
    }

    /// What this call asked for has been fetched.
    pub(super) fn keep(&mut self, call: u64, now: Duration) {
        let until = self
            .lifetime
            .map_or(Duration::MAX, |lifetime| now.saturating_add(lifetime));
        self.kept.put(self.entry(call), until);
    }

    /// This share of all entries is gone.
    pub(super) fn empty(&mut self, share: Share) {
        let stays = |entry| Chance::new(self.seed, Of::Emptied, u64::from(entry)).share();
        self.kept.retain(|entry| stays(entry) >= share.get());
    }
}

fn popularity(cache: &scenario::Cache) -> Zipf<f64> {
    // What is no number is as good as 0.
    let alpha = cache.alpha.max(0.0);
    Zipf::new(f64::from(cache.entries.max(1)), alpha).expect("an entry, and an exponent from 0 on")
}
