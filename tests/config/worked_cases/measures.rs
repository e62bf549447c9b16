//! What settings do in an outage, in a hiccup, in a partial failure and on a good day.

use tower_breaker::{Circuit, CircuitBuilder, State, clock::ManualClock};

use super::world::{Callers, Health, Known, World, false_trips, in_secs, secs};

/// Until windows are full, in seconds.
const BEFORE: f64 = 90.0;
/// For how long probes are counted.
const OUTAGE: f64 = 180.0;
/// Outages are up to so much longer, so that they end in all parts of a break.
const LONGER: f64 = 60.0;
/// How long it may take to close after it.
const AFTER: f64 = 90.0;
const PARTIAL: f64 = 300.0;
/// How long after a hiccup its rejections are counted.
const HICCUP_AFTER: f64 = 60.0;
/// When HTTP/2 keep-alive finds that a connection is dead.
const KEEP_ALIVE: f64 = 15.0;

pub(super) type Settings<'a> = &'a dyn Fn() -> CircuitBuilder;

pub(super) struct Outage {
    /// Per instance: after how many seconds it has opened, if it did.
    pub(super) opened: Vec<Option<f64>>,
    /// After how many seconds of health it has closed.
    pub(super) closed: Vec<Option<f64>>,
    pub(super) lost: f64,
    pub(super) probes: f64,
    /// Calls that the dependency got in the busiest second after that.
    pub(super) busiest: f64,
}

pub(super) struct Unwell {
    /// How many of the instances have opened, of how many.
    pub(super) opened: (usize, usize),
    /// The share of calls that were rejected.
    pub(super) rejected: f64,
    /// Calls that were rejected, in one instance.
    pub(super) rejections: f64,
}

fn world(known: &Known, settings: Settings<'_>, seed: u32) -> World {
    let seed = u64::from(seed);
    let clock = ManualClock::new();
    let circuit = settings().clock(clock.clone()).jitter_seed(seed);
    let circuit = circuit.build().expect("settings that make sense");
    let mut world = World::new(*known, circuit, clock, seed);
    world.run_until(BEFORE);
    world.seen = Default::default();
    world
}

/// The first time at which it was so, in seconds after a time.
fn first(world: &World, state: State, after: f64) -> Option<f64> {
    let is_so = |(time, is): &&(u64, State)| *time >= secs(after) && *is == state;
    let (time, _) = world.states.iter().find(is_so)?;
    Some(in_secs(*time) - after)
}

fn mean(numbers: impl ExactSizeIterator<Item = u64>) -> f64 {
    let of = numbers.len() as f64;
    numbers.sum::<u64>() as f64 / of
}

pub(super) fn outage(known: &Known, settings: Settings<'_>, health: Health, runs: u32) -> Outage {
    let worlds = (1..=runs).map(|seed| {
        let mut world = world(known, settings, seed);
        world.becomes(health);
        if health == Health::Hangs {
            world.run_until(BEFORE + KEEP_ALIVE);
            world.break_streams(1.0);
        }
        world.run_until(BEFORE + OUTAGE);
        let seen = world.seen.clone();
        let over = over(seed);
        world.run_until(over);
        world.becomes(Health::Well);
        world.run_until(over + AFTER);
        (world, seen, over)
    });
    let worlds: Vec<_> = worlds.collect();
    let opened = worlds
        .iter()
        .map(|(world, ..)| first(world, State::Open, BEFORE));
    let closed = worlds
        .iter()
        .map(|(world, _, over)| first(world, State::Closed, *over));
    Outage {
        opened: opened.collect(),
        closed: closed.collect(),
        lost: mean(worlds.iter().map(|(_, seen, _)| seen.lost)),
        probes: mean(worlds.iter().map(|(_, seen, _)| seen.probes)),
        busiest: mean(worlds.iter().map(|(world, _, over)| busiest(world, *over))),
    }
}

/// When the outage of this seed is over: evenly spread, whatever the number of seeds.
fn over(seed: u32) -> f64 {
    let golden = 0.618_033_988_75;
    BEFORE + OUTAGE + LONGER * (f64::from(seed) * golden).fract()
}

/// Of the seconds since the outage was over.
fn busiest(world: &World, over: f64) -> u64 {
    let over = in_whole_secs(over);
    let since = world.seen.each_second.iter().skip(over);
    since.max().copied().unwrap_or(0).into()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few minutes"
)]
fn in_whole_secs(seconds: f64) -> usize {
    seconds as usize
}

fn unwell(worlds: &[World]) -> Unwell {
    let open = |world: &&World| first(world, State::Open, BEFORE).is_some();
    let rejections = mean(worlds.iter().map(|world| world.seen.rejected));
    Unwell {
        opened: (worlds.iter().filter(open).count(), worlds.len()),
        rejected: rejections / (rejections + mean(worlds.iter().map(|world| world.seen.admitted))),
        rejections,
    }
}

/// A fifth of the calls fails, for five minutes.
pub(super) fn partial(known: &Known, settings: Settings<'_>, runs: u32) -> Unwell {
    let worlds = (1..=runs).map(|seed| {
        let mut world = world(known, settings, seed);
        world.becomes(Health::Partly(0.2));
        world.run_until(BEFORE + PARTIAL);
        world
    });
    unwell(&worlds.collect::<Vec<_>>())
}

/// Everything fails for half a second; or one of three connections breaks, with all of its streams.
pub(super) fn hiccup(known: &Known, settings: Settings<'_>, runs: u32) -> Unwell {
    let worlds = (1..=runs).map(|seed| {
        let mut world = world(known, settings, seed);
        match known.callers {
            Callers::Calls { .. } => world.becomes(Health::Refuses),
            Callers::Streams { .. } => world.break_streams(1.0 / 3.0),
        }
        world.run_until(BEFORE + 0.5);
        world.becomes(Health::Well);
        world.run_until(BEFORE + HICCUP_AFTER);
        world
    });
    unwell(&worlds.collect::<Vec<_>>())
}

/// How often one instance opens in so many calls, while all is well.
pub(super) fn good_day(known: &Known, settings: Settings<'_>, calls: u64) -> u64 {
    let clock = ManualClock::new();
    let circuit: Circuit = settings()
        .clock(clock.clone())
        .build()
        .expect("makes sense");
    false_trips(known, &circuit, &clock, calls)
}
