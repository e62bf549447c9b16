//! Where a system recovers by itself, and where it is stuck, without a breaker and with some:
//!
//! ```text
//! cargo run --release -p tower-breaker-lab --example boundary # all maps
//! cargo run -p tower-breaker-lab --example boundary -- --check # small ones, and what must come out, in seconds
//! ```

use std::{env, error::Error, time::Duration};

use tower_breaker::Settings;
use tower_breaker_lab::{Contender, Map, NoBreaker, Ours, Scenario, Share};

type Outcome<T> = Result<T, Box<dyn Error>>;

const SCENARIOS: [&str; 2] = [
    include_str!("../scenarios/metastable/retry.toml"),
    include_str!("../scenarios/metastable/gc.toml"),
];

/// Depth is how much of the cache is lost here. The longer the break, the more of the rest is too old after it.
const CACHE: &str = include_str!("../scenarios/metastable/cache.toml");
/// Counted as the outage. It is empty at once.
const OUTAGE: Duration = Duration::from_secs(10);

const BREAKS: [(&str, Duration); 3] = [
    ("100 ms breaks", Duration::from_millis(100)),
    ("1 s breaks", Duration::from_secs(1)),
    ("30 s breaks", Duration::from_secs(30)),
];

/// None at all, the defaults with breaks of several lengths, and those that refuse a share.
fn breakers() -> Outcome<Vec<Box<dyn Contender>>> {
    let mut all: Vec<Box<dyn Contender>> = vec![Box::new(NoBreaker::new())];
    for (name, open_for) in BREAKS {
        let mut settings = Settings::default();
        settings.set_open_for(open_for);
        all.push(Box::new(Ours::new(name, settings)?));
    }
    let mut sheds = Settings::default();
    sheds.set_shed((2.0, 0.1)).set_failure_rate(None);
    let share = Ours::new("a share is refused", sheds.clone())?;
    all.push(Box::new(share));
    let opens = sheds.set_failure_rate(0.95);
    opens.set_open_for(Duration::from_secs(5));
    let opens = Ours::new("a share is refused, and all at 95 %", opens.clone())?;
    all.push(Box::new(opens));
    Ok(all)
}

/// One for each breaker.
fn maps(title: &str, map: impl Fn(&mut dyn Contender) -> Option<Map>) -> Outcome<Vec<Map>> {
    println!("{title}\n");
    let mut maps = Vec::new();
    for mut breaker in breakers()? {
        let map = map(&mut *breaker).ok_or("the scenario can have no trigger")?;
        println!("{map}");
        maps.push(map);
    }
    Ok(maps)
}

fn shares(shares: &[f64]) -> Vec<Share> {
    shares.iter().copied().filter_map(Share::new).collect()
}

/// How much of its slots the dependency loses, and for how many seconds.
fn of_slots(text: &str, depths: &[f64], durations: &[u64], load: f64) -> Outcome<Vec<Map>> {
    let scenario = Scenario::from_toml(text)?;
    let depths = shares(depths);
    let durations: Vec<_> = durations.iter().copied().map(Duration::from_secs).collect();
    let title = format!("{}, {:.0} % of the load", scenario.name, load * 100.0);
    maps(&title, |breaker| {
        Map::new(&scenario, (&depths, &durations, load), breaker)
    })
}

/// How much of the cache is lost, and at which loads.
fn of_cache(depths: &[f64], loads: &[f64]) -> Outcome<Vec<Map>> {
    let scenario = Scenario::from_toml(CACHE)?;
    let depths = shares(depths);
    maps(&scenario.name, |breaker| {
        Map::of_loads(&scenario, (&depths, OUTAGE, loads), breaker)
    })
}

fn main() -> Outcome<()> {
    if env::args().any(|argument| argument == "--check") {
        return check();
    }
    let depths = [0.60, 0.65, 0.70, 0.74, 0.76, 0.78, 0.80, 0.85, 0.90, 0.95];
    let durations = [5, 7, 8, 9, 10, 12, 15, 20, 30];
    for text in SCENARIOS {
        for load in [1.0, 0.7] {
            of_slots(text, &depths, &durations, load)?;
        }
    }
    let depths = [0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0];
    of_cache(&depths, &[0.5, 0.75, 1.0, 1.25, 1.5, 1.75])?;
    Ok(())
}

/// Without a breaker some are stuck and some are not, and with each there are fewer.
fn check() -> Outcome<()> {
    for text in SCENARIOS {
        let maps = of_slots(text, &[0.7, 0.9], &[5, 20], 1.0)?;
        let [none, with @ ..] = &maps[..] else {
            return Err("no map".into());
        };
        let fewer = with.iter().all(|map| map.stuck() < none.stuck());
        is_as_it_was(text, none, fewer)?;
    }
    check_cache()
}

/// But with breaks that are as long as an entry lives.
fn check_cache() -> Outcome<()> {
    let maps = of_cache(&[0.4, 1.0], &[1.25])?;
    let [none, short, second, long, sheds @ ..] = &maps[..] else {
        return Err("no map".into());
    };
    let helps = |map: &Map| map.stuck() < none.stuck();
    let help = [short, second].into_iter().chain(sheds).all(helps);
    is_as_it_was(CACHE, none, help && !helps(long))
}

fn is_as_it_was(text: &str, none: &Map, with: bool) -> Outcome<()> {
    match with && (1..4).contains(&none.stuck()) {
        true => Ok(()),
        false => {
            let name = Scenario::from_toml(text)?.name;
            Err(format!("{name}: the maps are not as they were").into())
        }
    }
}
