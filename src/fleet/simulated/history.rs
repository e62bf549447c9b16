//! What goes wrong, and when.

use proptest::{collection::vec, prelude::*};

use super::{MILLI, SECOND};

/// A fleet, and everything that happens to it.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// Of all that is left to chance.
    pub(super) seed: u64,
    pub(super) instances: usize,
    pub(super) permits: u64,
    /// Whether the store gives hints.
    pub(super) hints: bool,
    pub(super) faults: Vec<Timed>,
}

/// A fault, when it begins, in nanoseconds, and how long it takes, if it takes any time.
#[derive(Clone, Debug)]
pub(super) struct Timed {
    pub(super) at: u64,
    pub(super) lasts: u64,
    pub(super) fault: Fault,
}

/// `who`: a bit for each instance.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// What is called fails, whoever calls it.
    Outage,
    /// It fails for these.
    BadLink { who: u64 },
    /// The store is away for these. It says so, or is silent.
    Cut { who: u64, says_so: bool },
    /// What they say to the store, and it to them, is lost in so many of a hundred cases, takes up to so long, and
    /// comes twice.
    Lossy { who: u64, lost: u64, takes: u64 },
    /// A process does nothing for a while.
    Stall { who: usize },
    /// It ends at once, and another one begins after a while.
    Kill { who: usize },
    /// The same, and the new one has other settings.
    Deploy { who: usize },
    /// The store begins with nothing.
    Wipe,
    /// So many of the last things that it was told are forgotten.
    RollBack { last: usize },
    /// The store's clock jumps, by milliseconds.
    Jump { by: i64 },
    /// There are two stores for a while. Then that of the others is the one that counts.
    Split { who: u64 },
    /// Somebody does something to the fleet.
    Person { who: usize, act: Act },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Force,
    ForceFor,
    Release,
    Reset,
    Trip,
}

impl History {
    /// When the last of the faults is over.
    pub(super) fn calm_at(&self) -> u64 {
        let over = self.faults.iter().map(|it| it.at + it.lasts);
        over.max().unwrap_or(0).max(5 * SECOND)
    }
}

pub(super) fn histories(most: usize) -> impl Strategy<Value = History> {
    let small = 3..=most.min(5);
    let wide = 3..=most;
    let instances = prop_oneof![4 => small, 1 => wide];
    (
        any::<u64>(),
        instances,
        1..=2_u64,
        prop::bool::weighted(0.8),
        vec(timed(), 1..9),
    )
        .prop_map(|(seed, instances, permits, hints, faults)| History {
            seed,
            instances,
            permits,
            hints,
            faults,
        })
}

fn timed() -> impl Strategy<Value = Timed> {
    (2_000..25_000_u64, 100..8_000_u64, fault()).prop_map(|(at, lasts, fault)| Timed {
        at: at * MILLI,
        lasts: lasts * MILLI,
        fault,
    })
}

fn fault() -> impl Strategy<Value = Fault> {
    let who = || any::<u64>();
    let one = || 0..64_usize;
    // Within the time that an answer has, or beyond it.
    let takes = prop_oneof![0..180_u64, 0..2_000_u64].prop_map(|millis| millis * MILLI);
    prop_oneof![
        8 => Just(Fault::Outage),
        3 => who().prop_map(|who| Fault::BadLink { who }),
        2 => (who(), any::<bool>()).prop_map(|(who, says_so)| Fault::Cut { who, says_so }),
        1 => any::<bool>().prop_map(|says_so| Fault::Cut { who: u64::MAX, says_so }),
        4 => (who(), 0..60_u64, takes).prop_map(|(who, lost, takes)| Fault::Lossy { who, lost, takes }),
        3 => one().prop_map(|who| Fault::Stall { who }),
        3 => one().prop_map(|who| Fault::Kill { who }),
        1 => one().prop_map(|who| Fault::Deploy { who }),
        1 => Just(Fault::Wipe),
        3 => (1..6_usize).prop_map(|last| Fault::RollBack { last }),
        1 => prop_oneof![-60_000..-1_000_i64, 1_000..60_000_i64].prop_map(|by| Fault::Jump { by }),
        2 => who().prop_map(|who| Fault::Split { who }),
        3 => (one(), act()).prop_map(|(who, act)| Fault::Person { who, act }),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Force),
        Just(Act::ForceFor),
        Just(Act::Release),
        Just(Act::Reset),
        Just(Act::Trip),
    ]
}
