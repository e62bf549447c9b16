//! Whom an outage opens, and when, by which rule (rule N3): fifty instances, and what can happen to them.
//!
//! `BLESS=1` writes the table into the guide, from four seeds and not one. Best with `--release`.

use std::{env, fs, ops::Add, path::Path, time::Duration};

use tokio::{task::JoinHandle, time::sleep};
use tower_breaker::{
    Agreement, Circuit, State, WindowCounts,
    clock::ManualClock,
    fleet::{Fleet, Memory},
};

use crate::fleet_support::{millis, secs};

const INSTANCES: usize = 50;
const STEP: Duration = millis(50);
const STEPS_A_SECOND: u64 = 20;
const MINIMUM: u32 = 20;
/// Something happens in this second, and goes on to the end.
const FAULT: u64 = 15;
const END: u64 = 60;

/// What happens. All calls of `who` fail from then on, or so many of a hundred.
struct Scene {
    name: &'static str,
    /// Calls a second and instance.
    calls: f64,
    /// Those of the first one, if they are more or fewer.
    first: Option<f64>,
    who: usize,
    of_a_hundred: u64,
}

const SCENES: [Scene; 7] = [
    Scene {
        name: "outage, 20 calls a second each",
        calls: 20.0,
        first: None,
        who: INSTANCES,
        of_a_hundred: 100,
    },
    Scene {
        name: "outage, 0.2 calls a second each",
        calls: 0.2,
        first: None,
        who: INSTANCES,
        of_a_hundred: 100,
    },
    Scene {
        name: "60 % fail everywhere, 2 calls a second each",
        calls: 2.0,
        first: None,
        who: INSTANCES,
        of_a_hundred: 60,
    },
    Scene {
        name: "one bad instance, 20 calls a second each",
        calls: 20.0,
        first: None,
        who: 1,
        of_a_hundred: 100,
    },
    Scene {
        name: "one bad instance that draws 60 % of the calls",
        calls: 5.0,
        first: Some(367.5),
        who: 1,
        of_a_hundred: 100,
    },
    Scene {
        name: "a zone of 17 is cut off, 20 calls a second each",
        calls: 20.0,
        first: None,
        who: 17,
        of_a_hundred: 100,
    },
    Scene {
        name: "only one instance has calls, and all fail",
        calls: 0.0,
        first: Some(20.0),
        who: 1,
        of_a_hundred: 100,
    },
];

/// By which rule.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    Alone,
    /// So many that are open open all.
    Trips(usize),
    /// No circuit opens by itself: the windows of all do.
    Sum,
    Shared(u32, f64),
}

const RULES: [(&str, Rule); 5] = [
    ("alone", Rule::Alone),
    ("first trip", Rule::Trips(1)),
    ("two trips", Rule::Trips(2)),
    ("the sum only", Rule::Sum),
    ("**the two tiers**", Rule::Shared(2, 0.1)),
];

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
struct Came {
    /// So many instances have opened.
    opened: f64,
    /// The last of them so long after it began, in seconds.
    after: f64,
    /// So many calls have failed since then.
    failed: f64,
}

impl Add for Came {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            opened: self.opened + other.opened,
            after: self.after + other.after,
            failed: self.failed + other.failed,
        }
    }
}

impl Came {
    fn mean(self, of: f64) -> Self {
        Self {
            opened: self.opened / of,
            after: self.after / of,
            failed: self.failed / of,
        }
    }

    fn cell(&self) -> String {
        let (opened, after) = (whole(self.opened), self.after);
        let failed = grouped(whole(self.failed));
        match opened {
            0 => format!("nobody; {failed}"),
            INSTANCES => format!("all, {after:.1} s; {failed}"),
            _ => format!("{opened}, {after:.1} s; {failed}"),
        }
    }

    /// What a cell says.
    fn read(cell: &str) -> Self {
        let (opened, failed) = cell.split_once("; ").expect("two parts");
        let (opened, after) = opened.split_once(", ").unwrap_or((opened, "0 s"));
        let number = |text: &str| text.replace(',', "").parse().expect("a number");
        Self {
            opened: match opened {
                "nobody" => 0.0,
                "all" => INSTANCES as f64,
                some => number(some),
            },
            after: number(after.trim_end_matches(" s")),
            failed: number(failed),
        }
    }

    /// Whether one seed comes to about what four seeds have come to.
    fn is_about(&self, other: &Self, rule: Rule) -> bool {
        let near = |one: f64, other: f64, by: f64| (one - other).abs() <= by;
        // What one circuit decides by itself is decided by chance.
        let (of_ten, all_by) = match rule {
            Rule::Shared(..) => (1.0, 0.5),
            _ => (2.5, 2.0),
        };
        let when = match whole(self.opened) {
            INSTANCES => all_by,
            1 => 1.0,
            _ => 60.0,
        };
        near(self.opened, other.opened, other.opened / 10.0)
            && near(self.after, other.after, when)
            && near(
                self.failed,
                other.failed,
                other.failed / 10.0 * of_ten + 20.0,
            )
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count, or a mean of some"
)]
fn whole(number: f64) -> usize {
    number.round() as usize
}

fn grouped(number: usize) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}

/// Numbers by chance: splitmix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// True in this share of all cases.
    fn is(&mut self, share: f64) -> bool {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64 <= share
    }
}

struct Run<'a> {
    scene: &'a Scene,
    rule: Rule,
    chance: Chance,
    clock: Option<ManualClock>,
    circuits: Vec<Circuit>,
    tasks: Vec<JoinHandle<()>>,
    /// When each has opened first.
    opened: Vec<Option<u64>>,
    failed: u64,
}

impl<'a> Run<'a> {
    fn new(scene: &'a Scene, rule: Rule, seed: u64) -> Self {
        let clock = (!matches!(rule, Rule::Shared(..))).then(ManualClock::new);
        let mut run = Self {
            scene,
            rule,
            chance: Chance(seed),
            clock,
            circuits: Vec::new(),
            tasks: Vec::new(),
            opened: vec![None; INSTANCES],
            failed: 0,
        };
        let store = Memory::new();
        for _ in 0..INSTANCES {
            run.add(&store);
        }
        run
    }

    fn add(&mut self, store: &Memory) {
        let builder = Circuit::builder("payments")
            .time_window(secs(10))
            .failure_rate(0.5)
            .minimum_calls(match self.rule {
                Rule::Sum => u32::MAX,
                _ => MINIMUM,
            })
            .open_for(secs(5))
            .probe_timeout(secs(1))
            .probes(1, 1);
        let circuit = match (self.rule, &self.clock) {
            (Rule::Shared(instances, share), _) => {
                let fleet = Fleet::builder("shop").seed(self.chance.next());
                let fleet = fleet.build().expect("a fleet");
                self.tasks.push(tokio::spawn(fleet.run(store.clone())));
                let agreement = Agreement::of(instances).share(share);
                builder.shared(agreement).fleet(&fleet).build()
            }
            (_, Some(clock)) => builder.clock(clock.clone()).build(),
            (_, None) => unreachable!("alone, it has a clock"),
        };
        self.circuits
            .push(circuit.expect("settings that make sense"));
    }

    async fn play(mut self) -> Came {
        for step in 0..END * STEPS_A_SECOND {
            for who in 0..INSTANCES {
                self.call(who, step);
            }
            self.note(step);
            match &self.clock {
                Some(clock) => clock.advance(STEP),
                None => sleep(STEP).await,
            }
        }
        self.tasks.iter().for_each(JoinHandle::abort);
        let opened: Vec<u64> = self.opened.iter().flatten().copied().collect();
        let last = opened
            .iter()
            .max()
            .map_or(0, |step| step - FAULT * STEPS_A_SECOND);
        Came {
            opened: opened.len() as f64,
            after: last as f64 / STEPS_A_SECOND as f64,
            failed: self.failed as f64,
        }
    }

    fn call(&mut self, who: usize, step: u64) {
        let rate = match (who, self.scene.first) {
            (0, Some(first)) => first,
            _ => self.scene.calls,
        };
        let mut due = rate / STEPS_A_SECOND as f64;
        while due > 0.0 {
            if self.chance.is(due.min(1.0)) {
                self.one_call(who, step);
            }
            due -= 1.0;
        }
    }

    fn one_call(&mut self, who: usize, step: u64) {
        let bad = step >= FAULT * STEPS_A_SECOND && who < self.scene.who;
        let share = if bad {
            self.scene.of_a_hundred as f64 / 100.0
        } else {
            0.001
        };
        let fails = self.chance.is(share);
        let Ok(guard) = self.circuits[who].try_acquire() else {
            return;
        };
        match fails {
            true => guard.failure(),
            false => guard.success(),
        }
        self.failed += u64::from(fails && step >= FAULT * STEPS_A_SECOND);
    }

    fn note(&mut self, step: u64) {
        let opens_all = match self.rule {
            Rule::Trips(enough) => self.circuits.iter().filter(|it| is_open(it)).count() >= enough,
            Rule::Sum => self.sum_trips(),
            Rule::Alone | Rule::Shared(..) => false,
        };
        if opens_all {
            let closed = self.circuits.iter().filter(|it| !is_open(it));
            closed.for_each(|it| it.trip(secs(5)).expect("it can be opened"));
        }
        for (circuit, opened) in self.circuits.iter().zip(&mut self.opened) {
            if opened.is_none() && is_open(circuit) {
                *opened = Some(step);
            }
        }
    }

    fn sum_trips(&self) -> bool {
        let windows = self.circuits.iter().filter_map(|it| it.snapshot().window);
        let sum = |(calls, failed), it: WindowCounts| (calls + it.calls, failed + it.failed);
        let (calls, failed) = windows.fold((0, 0), sum);
        calls >= MINIMUM.into() && failed * 2 >= calls
    }
}

fn is_open(circuit: &Circuit) -> bool {
    circuit.state() != State::Closed
}

async fn came(scene: &Scene, rule: Rule, seeds: u64) -> Came {
    let mut sum = Came::default();
    for seed in 0..seeds {
        sum = sum + Run::new(scene, rule, seed).play().await;
    }
    sum.mean(seeds as f64)
}

const BEGIN: &str = "<!-- trips: written by tests/fleet/table.rs -->\n";
const LAST: &str = "<!-- end of trips -->";

fn guide() -> (String, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide/fleet.md");
    let text = fs::read_to_string(&path).expect("a guide");
    (path.to_str().expect("a path").to_owned(), text)
}

fn write(rows: &[Vec<Came>]) {
    let line = |cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<_> = cells.collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let names = RULES.iter().map(|(name, _)| (*name).to_owned());
    let mut table = line(&mut [String::new()].into_iter().chain(names));
    table.push_str("|---|---|---|---|---|---|\n");
    for (scene, row) in SCENES.iter().zip(rows) {
        let cells = row.iter().map(Came::cell);
        table.push_str(&line(&mut [scene.name.to_owned()].into_iter().chain(cells)));
    }
    let (path, text) = guide();
    let (before, rest) = text.split_once(BEGIN).expect("where it begins");
    let (_, after) = rest.split_once(LAST).expect("where it ends");
    let page = format!("{before}{BEGIN}\n{table}\n{LAST}{after}");
    fs::write(path, page).expect("written");
}

fn compare(rows: &[Vec<Came>]) {
    let (_, text) = guide();
    let (_, rest) = text.split_once(BEGIN).expect("where it begins");
    let lines = rest.lines().filter(|line| line.starts_with("| "));
    let lines = lines.skip(1).take(SCENES.len());
    for ((line, row), scene) in lines.zip(rows).zip(&SCENES) {
        let cells = line.trim_matches(['|', ' ']).split(" | ");
        let cells: Vec<_> = cells.skip(1).map(Came::read).collect();
        assert_eq!(cells.len(), RULES.len(), "{line}");
        for ((cell, came), (name, rule)) in cells.iter().zip(row).zip(RULES) {
            let (said, found) = (cell.cell(), came.cell());
            assert!(
                came.is_about(cell, rule),
                "{}, {name}: the guide says {said}, it is {found}; BLESS=1 writes it",
                scene.name
            );
        }
    }
}

// N3: what is written in the guide, and that only the two tiers open those that are to be open.
#[tokio::test(start_paused = true)]
async fn who_opens_and_when() {
    let bless = env::var_os("BLESS").is_some();
    let seeds = if bless { 4 } else { 1 };
    let mut rows = Vec::new();
    for scene in &SCENES {
        let mut row = Vec::new();
        for (_, rule) in RULES {
            row.push(came(scene, rule, seeds).await);
        }
        rows.push(row);
    }
    let opened = |rule: usize| -> Vec<usize> {
        let row = rows.iter().map(|row| whole(row[rule].opened));
        row.collect()
    };
    let all = INSTANCES;
    assert_eq!(opened(4), [all, all, all, 1, 1, 17, 1], "the two tiers");
    // Each of the others fails somewhere: those that should be open are not, or all are because of a few.
    assert_eq!(opened(0)[1], 0, "alone, nobody sees an outage of few calls");
    assert_eq!(opened(1)[3..], [all; 4], "one opens all");
    assert_eq!((opened(2)[1], opened(2)[5]), (0, all), "two open all");
    assert_eq!((opened(3)[3], opened(3)[4]), (0, all), "the sum alone");
    match bless {
        true => write(&rows),
        false => compare(&rows),
    }
}

// N3: with an agreement of one, an instance that is all there is opens all.
#[tokio::test(start_paused = true)]
async fn an_agreement_of_one_opens_all() {
    let only_one = &SCENES[6];
    let came = came(only_one, Rule::Shared(1, 0.0), 1).await;
    assert_eq!(whole(came.opened), INSTANCES);
}
