//! What callers got with each policy, and what the dependency was spared, in fifteen situations: two small tables for
//! the README of the repository.

use std::{
    env,
    error::Error,
    fs,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use tower_breaker::Settings;
use tower_breaker_lab::{NoBreaker, Ours, Scenario, Semian, SemianAdaptive, peers, run};

use super::{
    Breakers,
    experiments::{EXPERIMENTS, SLOW, THREADS},
    outages::{ERRORS, OUTAGES},
    shed, shed_and_breaker,
};

/// One whose endpoints are as fast as Semian's were in the middle of its runs.
const SEED: u64 = 13;

const BEGIN: &str = "<!-- users: begin -->\n";
const END: &str = "<!-- users: end -->\n";

const COLUMNS: [&str; 6] = [
    "Semian",
    "Semian, adaptive",
    "six others",
    "ours, defaults",
    "ours, sheds",
    "ours, sheds and opens",
];

/// The breakers of each column, with Semian's opening after so many errors.
fn columns(errors: u32) -> Result<[Breakers; 6], Box<dyn Error>> {
    let others = peers().into_iter().map(|peer| Box::new(peer) as _);
    Ok([
        vec![Box::new(Semian::of_experiments(errors))],
        vec![Box::new(SemianAdaptive::new("semian adaptive"))],
        others.collect(),
        vec![Box::new(Ours::new("ours", Settings::default())?)],
        vec![Box::new(shed(2.0)?)],
        vec![Box::new(shed_and_breaker()?)],
    ])
}

/// A situation: what it is called in the table, and the errors that open Semian's classic breaker there.
struct Situation {
    name: &'static str,
    scenario: &'static str,
    errors: u32,
    /// Whether it is told what the dependency was spared. Those take little time, too.
    is_spared: bool,
}

fn situations() -> Vec<Situation> {
    let names = [
        "20 % fail for 20 s",
        "all fail for 20 s",
        "20, 60, 100 % fail, for 20 s each",
        "20 % fail for 5 min",
        "1 to 5 % fail, slowly more",
        "2 and 6 % fail in turn",
        "1.2 % fail",
        "one of ten back ends hangs",
        "ever more of ten back ends are slow",
    ];
    let experiments = names.into_iter().zip(EXPERIMENTS);
    let experiments = experiments.map(|(name, (scenario, errors))| (name, scenario, errors));
    let slow = ("answers take 9.5 s longer", SLOW, 12 * THREADS);
    let outages = [
        ("60 % fail for 3 min", 0),
        ("80 % fail for 3 min", 1),
        ("all fail for 3 min", 2),
        ("3 times the load, refused at once", 4),
        ("1.5 times the load, queued", 5),
    ];
    let outages = outages.map(|(name, at)| (name, OUTAGES[at], ERRORS));
    let all = experiments.chain([slow]).chain(outages);
    all.map(|(name, scenario, errors)| Situation {
        name,
        scenario,
        errors,
        is_spared: errors == ERRORS,
    })
    .collect()
}

/// What one situation came to with each column.
struct Row {
    name: &'static str,
    is_spared: bool,
    /// Without a breaker, a second.
    successes: f64,
    columns: Vec<Column>,
}

/// From the least to the most of its breakers, in percent of what there was without one.
struct Column {
    successes: (f64, f64),
    spared: (f64, f64),
}

impl Row {
    fn new(situation: &Situation) -> Result<Self, Box<dyn Error>> {
        let mut scenario = Scenario::from_toml(situation.scenario)?;
        scenario.seed = SEED;
        let (begins, ends) = scenario.outage().ok_or("nothing is wrong")?;
        let numbers = |mut breakers: Breakers| -> Vec<[f64; 2]> {
            let runs = breakers.iter_mut().map(|it| run(&scenario, &mut **it));
            let numbers = runs.map(|run| {
                let (since, outage) = (
                    run.between(begins, Duration::MAX),
                    run.between(begins, ends),
                );
                [since.succeeded - since.slow, outage.admitted].map(|calls| calls as f64)
            });
            numbers.collect()
        };
        let none = numbers(vec![Box::new(NoBreaker::new())])[0];
        let column = |breakers| {
            let numbers = numbers(breakers);
            let percent = |at: usize| numbers.iter().map(move |it| 100.0 * it[at] / none[at]);
            Column {
                successes: span(percent(0)),
                spared: span(percent(1).map(|admitted| 100.0 - admitted)),
            }
        };
        let columns = columns(situation.errors)?.into_iter().map(column);
        Ok(Self {
            name: situation.name,
            is_spared: situation.is_spared,
            successes: none[0] / (scenario.length() - begins).as_secs_f64(),
            columns: columns.collect(),
        })
    }

    fn of_successes(&self) -> String {
        let cells = self.columns.iter().map(|it| shown(it.successes));
        let cells = cells.collect::<Vec<_>>().join(" | ");
        format!("| {} | {:.0}/s | {cells} |\n", self.name, self.successes)
    }

    fn of_spared(&self) -> String {
        let cells = self.columns.iter().map(|it| shown(it.spared));
        let cells = cells.collect::<Vec<_>>().join(" | ");
        format!("| {} | {cells} |\n", self.name)
    }
}

fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN), |(least, most), value| {
        (least.min(value), most.max(value))
    })
}

/// One number, or two if they differ. What is ten times as much and more is told as `39×`.
fn shown((least, most): (f64, f64)) -> String {
    let one = |percent: f64| match (most, percent) {
        (..1_000.0, _) => format!("{percent:.0}"),
        (_, ..995.0) => format!("{:.1}×", percent / 100.0),
        _ => format!("{:.0}×", percent / 100.0),
    };
    // No minus before a zero.
    let [least, most] = [least, most].map(|it| one(if it.abs() < 0.5 { it.abs() } else { it }));
    if least == most {
        least
    } else {
        format!("{least} to {most}")
    }
}

/// Both tables, as they stand in the README.
fn tables(rows: &[Row]) -> String {
    let header = |first: &[&str]| {
        let names = [first, &COLUMNS].concat();
        let line = "--:|".repeat(names.len() - 1);
        format!("| {} |\n|---|{line}\n", names.join(" | "))
    };
    let successes: String = rows.iter().map(Row::of_successes).collect();
    let spared = rows.iter().filter(|row| row.is_spared).map(Row::of_spared);
    let spared: String = spared.collect();
    format!(
        "{}{successes}\n{}{spared}",
        header(&["successes", "no breaker"]),
        header(&["load spared"])
    )
}

fn rows(situations: &[Situation]) -> Result<Vec<Row>, Box<dyn Error>> {
    situations.iter().map(Row::new).collect()
}

/// The README of the repository, and where the tables are in it.
fn readme() -> Result<(PathBuf, String, Range<usize>), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = fs::read_to_string(&path)?;
    let begins = text.find(BEGIN).ok_or("the tables begin nowhere")? + BEGIN.len();
    let ends = text.find(END).ok_or("the tables end nowhere")?;
    Ok((path, text, begins..ends))
}

/// Holds the README against all of it, or writes it anew with `BLESS=1`.
#[allow(dead_code, reason = "a test takes a part of it")]
pub(crate) fn hold() -> Result<(), Box<dyn Error>> {
    let expected = tables(&rows(&situations())?);
    let (path, mut text, place) = readme()?;
    println!("{expected}");
    if text[place.clone()] == expected {
        return Ok(());
    }
    if env::var_os("BLESS").is_none() {
        return Err("the README has something else; BLESS=1 writes it anew".into());
    }
    text.replace_range(place, &expected);
    Ok(fs::write(path, text)?)
}

/// Lines of the README that are not as they should be: of the rows that take little time, as a test has it.
#[allow(dead_code, reason = "a test takes it")]
pub(crate) fn stale() -> Result<Vec<String>, Box<dyn Error>> {
    let mut quick = situations();
    quick.retain(|situation| situation.is_spared);
    let (_, text, place) = readme()?;
    let found: Vec<_> = text[place].lines().collect();
    let expected = tables(&rows(&quick)?);
    let stale = expected.lines().filter(|line| !found.contains(line));
    Ok(stale.map(str::to_owned).collect())
}
