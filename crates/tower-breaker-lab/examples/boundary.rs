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

/// Which triggers: how much is lost, and for how many seconds.
struct Grid<'a> {
    depths: &'a [f64],
    durations: &'a [u64],
}

impl Grid<'_> {
    /// One for each breaker.
    fn maps(&self, scenario: &Scenario, load: f64) -> Outcome<Vec<Map>> {
        let depths: Vec<_> = self.depths.iter().copied().filter_map(Share::new).collect();
        let durations: Vec<_> = self
            .durations
            .iter()
            .copied()
            .map(Duration::from_secs)
            .collect();
        println!("{}, {:.0} % of the load\n", scenario.name, load * 100.0);
        let mut maps = Vec::new();
        for mut breaker in breakers()? {
            let map = Map::new(scenario, (&depths, &durations, load), &mut *breaker);
            let map = map.ok_or("the scenario can have no trigger")?;
            println!("{map}");
            maps.push(map);
        }
        Ok(maps)
    }
}

fn main() -> Outcome<()> {
    if env::args().any(|argument| argument == "--check") {
        return check();
    }
    let grid = Grid {
        depths: &[0.60, 0.65, 0.70, 0.74, 0.76, 0.78, 0.80, 0.85, 0.90, 0.95],
        durations: &[5, 7, 8, 9, 10, 12, 15, 20, 30],
    };
    for text in SCENARIOS {
        let scenario = Scenario::from_toml(text)?;
        for load in [1.0, 0.7] {
            grid.maps(&scenario, load)?;
        }
    }
    Ok(())
}

/// Without a breaker some are stuck and some are not, and with each there are fewer.
fn check() -> Outcome<()> {
    let grid = Grid {
        depths: &[0.7, 0.9],
        durations: &[5, 20],
    };
    for text in SCENARIOS {
        let scenario = Scenario::from_toml(text)?;
        let maps = grid.maps(&scenario, 1.0)?;
        let [none, with @ ..] = &maps[..] else {
            return Err("no map".into());
        };
        let fewer = with.iter().all(|map| map.stuck() < none.stuck());
        if !fewer || !(1..4).contains(&none.stuck()) {
            return Err(format!("{}: the maps are not as they were", scenario.name).into());
        }
    }
    Ok(())
}
