//! Eleven outages of all kinds, each with one circuit.

use std::{error::Error, time::Duration};

use tower_breaker::Settings;
use tower_breaker_lab::{Contender, NoBreaker, Ours, Run, Scenario, Target, Throttle, run};

use super::{Breakers, breakers, shed, shed_and_breaker, shedding};

/// Calls begin to fail with the second phase.
pub(crate) const OUTAGES: [&str; 11] = [
    include_str!("../../scenarios/outages/partial_60.toml"),
    include_str!("../../scenarios/outages/partial_80.toml"),
    include_str!("../../scenarios/outages/total.toml"),
    include_str!("../../scenarios/outages/overload_refusing_15.toml"),
    include_str!("../../scenarios/outages/overload_refusing_3.toml"),
    include_str!("../../scenarios/outages/overload_queueing_15.toml"),
    include_str!("../../scenarios/outages/overload_queueing_3.toml"),
    include_str!("../../scenarios/brooker/collapse.toml"),
    include_str!("../../scenarios/metastable/retry.toml"),
    include_str!("../../scenarios/outages/slow_10.toml"),
    include_str!("../../scenarios/outages/hanging_20.toml"),
];

/// Semian's threshold of twelve errors is for the 14 calls a second of one of its threads. Here are a hundred.
pub(crate) const ERRORS: u32 = 84;
const SLOW_AFTER: Duration = Duration::from_millis(500);
const TEN_SECONDS: Duration = Duration::from_secs(10);

/// A row for each breaker, a column for each outage.
pub(crate) fn print(seeds: &[u64]) -> Result<(), Box<dyn Error>> {
    let scenarios: Result<Vec<_>, _> = OUTAGES
        .iter()
        .map(|text| Scenario::from_toml(text))
        .collect();
    let scenarios = scenarios?;
    let mut rows = Vec::new();
    for mut contender in contenders()? {
        let mut cells = Vec::new();
        for scenario in &scenarios {
            cells.push(Cell::new(scenario, seeds, &mut *contender));
        }
        rows.push((contender.name().to_owned(), cells));
    }
    for (text, measure) in MEASURES {
        println!("{text}\n");
        let names: Vec<_> = scenarios.iter().map(|it| &*it.name).collect();
        println!("| | {} |", names.join(" | "));
        println!("|---|{}", "--:|".repeat(names.len()));
        for (name, cells) in &rows {
            let cells = cells.iter().zip(&rows[0].1);
            let cells: Vec<_> = cells
                .map(|(it, none)| format!("{:.1}", measure(it, none)))
                .collect();
            println!("| {name} | {} |", cells.join(" | "));
        }
        println!();
    }
    Ok(())
}

/// A number of a cell. The other one is that without a breaker.
type Measure = fn(&Cell, &Cell) -> f64;

const MEASURES: [(&str, Measure); 3] = [
    (
        "Calls that succeeded in the outage, in percent of those that came.",
        |it, _| it.during,
    ),
    (
        "The same after it, in the rest of the run. Above 100: some had come before.",
        |it, _| it.after,
    ),
    (
        "Calls that the dependency was spared in the outage, in percent of those without a breaker.",
        Cell::spared,
    ),
];

/// One breaker in one outage, on average over the seeds.
#[derive(Debug, Default)]
struct Cell {
    /// In percent of the calls that came.
    during: f64,
    after: f64,
    admitted: f64,
}

impl Cell {
    fn new(scenario: &Scenario, seeds: &[u64], contender: &mut dyn Contender) -> Self {
        let begins = scenario.phases[0].lasts;
        let ends = begins + scenario.phases[1].lasts;
        let part = 1.0 / seeds.len() as f64;
        let mut scenario = scenario.clone();
        let mut cell = Self::default();
        for seed in seeds {
            scenario.seed = *seed;
            let run = run(&scenario, contender);
            cell.during += part * succeeded(&run, begins, ends);
            cell.after += part * succeeded(&run, ends, Duration::MAX);
            cell.admitted += part * run.between(begins, ends).admitted as f64;
        }
        cell
    }

    fn spared(&self, none: &Self) -> f64 {
        100.0 * (1.0 - self.admitted / none.admitted)
    }
}

fn succeeded(run: &Run, from: Duration, to: Duration) -> f64 {
    let step = run.between(from, to);
    100.0 * step.succeeded as f64 / step.offered as f64
}

fn contenders() -> Result<Breakers, Box<dyn Error>> {
    let mut all = breakers(ERRORS, SLOW_AFTER)?;
    for k in [2.0, 1.25] {
        all.push(throttle(k));
    }
    for k in [2.0, 1.5, 1.25] {
        all.push(Box::new(shed(k)?));
    }
    all.push(Box::new(shed_and_breaker()?));
    for k in [2.0, 1.25] {
        let name = format!("shed K={k}, 10 s");
        let ours = shedding(&name, k, |circuit| circuit.time_window(TEN_SECONDS))?;
        all.push(Box::new(ours));
    }
    let slow = shedding("shed K=2, slow calls", 2.0, |circuit| {
        circuit.slow_call_rate(1.0).slow_call_duration(SLOW_AFTER)
    });
    all.push(Box::new(slow?));
    for target in [0.1, 0.5] {
        let name = format!("target {:.0} %", 100.0 * target);
        all.push(Box::new(Target::new(name, target)));
    }
    Ok(all)
}

fn throttle(k: f64) -> Box<dyn Contender> {
    let name = format!("throttle K={k}, 10 s");
    Box::new(Throttle::new(name, k, TEN_SECONDS))
}

/// Some of it, for the README: successes in the outage / after it / load spared.
#[allow(dead_code, reason = "the test of the README writes it")]
pub(crate) fn excerpt() -> Result<String, Box<dyn Error>> {
    let scenarios: Result<Vec<_>, _> = [0, 2, 4, 5, 8]
        .map(|at| Scenario::from_toml(OUTAGES[at]))
        .into_iter()
        .collect();
    let scenarios = scenarios?;
    let names: Vec<_> = scenarios.iter().map(|it| &*it.name).collect();
    let mut text = format!(
        "| succeed in it / after it / spared, in % | {} |\n|---|{}\n",
        names.join(" | "),
        "---|".repeat(names.len())
    );
    let mut without: Vec<Cell> = Vec::new();
    for mut contender in contenders()? {
        if !EXCERPT.contains(&contender.name()) {
            continue;
        }
        let cells = scenarios
            .iter()
            .map(|it| Cell::new(it, &[1], &mut *contender));
        let cells: Vec<_> = cells.collect();
        let shown = cells.iter().enumerate().map(|(at, it)| {
            let spared = it.spared(without.get(at).unwrap_or(it));
            format!("{:.0} / {:.0} / {spared:.0}", it.during, it.after)
        });
        text += &format!(
            "| {} | {} |\n",
            contender.name(),
            shown.collect::<Vec<_>>().join(" | ")
        );
        if without.is_empty() {
            without = cells;
        }
    }
    Ok(text)
}

const EXCERPT: [&str; 9] = [
    "none",
    "ours",
    "Hystrix",
    "semian adaptive",
    "throttle K=2, 10 s",
    "shed K=2",
    "shed K=1.25",
    "shed K=2, opens at 95 %",
    "target 10 %",
];

/// What must come out, whatever else the tables say: each is a number, and from and to where it may be.
pub(crate) fn check() -> Result<(), Box<dyn Error>> {
    let cell = |outage: &str, mut contender: Box<dyn Contender>| {
        Scenario::from_toml(outage).map(|scenario| Cell::new(&scenario, &[1], &mut *contender))
    };
    let sheds = shed(2.0)?;
    let [partial, _, total, _, refusing, queueing, ..] = OUTAGES;
    let none = |outage| cell(outage, Box::new(NoBreaker::new()));
    let shed = |outage| cell(outage, Box::new(sheds.clone()));
    let kept = |it: Cell, none: &Cell| 100.0 * it.during / none.during;

    let (without, ours) = (none(partial)?, Ours::new("ours", Settings::default())?);
    let ours = cell(partial, Box::new(ours))?;
    is(
        "60 % fail: of the successes, ours keeps",
        kept(ours, &without),
        0.0..5.0,
    )?;
    // Of itself it refuses more and more: what it has refused is evidence to it.
    let throttled = cell(partial, throttle(2.0))?;
    is(
        "60 % fail: of the successes, the throttle keeps",
        kept(throttled, &without),
        0.0..25.0,
    )?;
    // 2 · (1 − 0.6), with the time until it has begun.
    let shedding = shed(partial)?;
    is(
        "60 % fail: shed K=2 spares",
        shedding.spared(&without),
        17.0..23.0,
    )?;
    is(
        "60 % fail: of the successes, shed K=2 keeps",
        kept(shedding, &without),
        75.0..85.0,
    )?;
    is(
        "all fail: shed K=2 spares",
        shed(total)?.spared(&none(total)?),
        85.0..90.0,
    )?;
    // Of three times what the server can do, √(2 · 3) times is let through.
    let (without, shedding) = (none(refusing)?, shed(refusing)?);
    is(
        "3 times the load, refused: shed K=2 spares",
        shedding.spared(&without),
        16.0..21.0,
    )?;
    is(
        "1.5 times the load, queued: without, there succeed",
        none(queueing)?.during,
        0.0..5.0,
    )?;
    is(
        "1.5 times the load, queued: with shed K=2",
        shed(queueing)?.during,
        30.0..60.0,
    )
}

fn is(what: &str, found: f64, expected: std::ops::Range<f64>) -> Result<(), Box<dyn Error>> {
    println!(
        "{what} {found:.1} % (from {} to {})",
        expected.start, expected.end
    );
    let is_within = expected.contains(&found);
    is_within
        .then_some(())
        .ok_or_else(|| format!("{what} {found:.1} %").into())
}
