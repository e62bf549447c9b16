//! What a command is given: a scenario, and the breakers that are compared.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use tower_breaker::Settings;

use super::Failure;
use crate::{
    report::words,
    scenario::Scenario,
    settings::{Axis, BUILT_IN, Candidate},
};

/// No file of settings or of a scenario is as large.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

#[derive(Args, Debug)]
pub(super) struct ScenarioFile {
    /// The scenario, in TOML
    scenario: PathBuf,

    /// Another seed than that of the scenario. The same seed gives the same output, byte by byte
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl ScenarioFile {
    pub(super) fn path(&self) -> &Path {
        &self.scenario
    }

    /// The scenario, and its text.
    pub(super) fn read(&self) -> Result<(Scenario, String), Failure> {
        let text = read(&self.scenario)?;
        let scenario = Scenario::from_toml(&text);
        let mut scenario =
            scenario.map_err(|error| Failure::in_scenario(&self.scenario, &error))?;
        scenario.seed = self.seed.unwrap_or(scenario.seed);
        Ok((scenario, text))
    }
}

/// That there is no outage in it, if so.
pub(super) fn no_outage(scenario: &Scenario) -> Option<&'static str> {
    let is_none = scenario.outage().is_none();
    is_none.then_some("no phase is an outage")
}

#[derive(Args, Debug)]
pub(super) struct Contenders {
    /// A configuration of tower-breaker, in TOML: each block of `circuits` is one breaker
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,

    /// Values for a key of each block, such as `failure_rate=30%,50%`. Several make all combinations, at most 10,000.
    /// Without --settings they are put on the defaults
    #[arg(long, value_name = "KEY=VALUE,…")]
    grid: Vec<Axis>,

    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        default_value = "none,defaults,throttle",
        help = against()
    )]
    against: Vec<String>,
}

fn against() -> String {
    let names: Vec<_> = BUILT_IN.iter().map(|one| one.name).collect();
    format!("Breakers to compare with, by name: {}", names.join(", "))
}

impl Contenders {
    /// The file of settings, if there is one.
    pub(super) fn path(&self) -> Option<&Path> {
        self.settings.as_deref()
    }

    /// Those to compare with first, then those of the file.
    pub(super) fn read(&self) -> Result<Vec<Candidate>, Failure> {
        let named = self.against.iter().filter(|name| !name.is_empty());
        let named = named.map(|name| Candidate::built_in(name));
        let mut all = named
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Failure::new(format!("--against: {error}")))?;
        let own = self.own()?;
        if own.iter().any(|candidate| candidate.name() == "none") {
            let text =
                "`none` is the run without a breaker; give the block of the file another name";
            return Err(Failure::new(text));
        }
        all.extend(own);
        let mut names = BTreeSet::new();
        match all
            .iter()
            .find(|candidate| !names.insert(candidate.name().to_owned()))
        {
            None => Ok(all),
            Some(candidate) => Err(Failure::new(format!(
                "{:?} is there twice; give the block of the file another name, or leave one out of --against",
                candidate.name()
            ))),
        }
    }

    fn own(&self) -> Result<Vec<Candidate>, Failure> {
        match &self.settings {
            None if self.grid.is_empty() => Ok(Vec::new()),
            None => Ok(Candidate::from_grid(None, &self.grid)?),
            Some(path) => {
                let candidates = Candidate::from_grid(Some(&read(path)?), &self.grid);
                candidates.map_err(|error| Failure::in_settings(path, &error))
            }
        }
    }
}

/// What a pipe or a device has is not known before it is read.
fn read(path: &Path) -> Result<String, Failure> {
    let of_file = |error| Failure::of_file(path, &error);
    let file = File::open(path).map_err(of_file)?;
    let mut bytes = Vec::new();
    let read = file.take(LARGEST_FILE + 1).read_to_end(&mut bytes);
    if read.map_err(of_file)? as u64 > LARGEST_FILE {
        let text = format!("{}: it is longer than {LARGEST_FILE} bytes", path.display());
        return Err(Failure::new(text));
    }
    String::from_utf8(bytes).map_err(|error| of_file(io::Error::new(ErrorKind::InvalidData, error)))
}

/// A circuit has some 4 kB, and 8 bytes for each call of its window.
const OF_A_CIRCUIT: u64 = 4096;
const OF_A_CALL: u64 = 8;
const MOST_MEMORY: u64 = 8_000_000_000;

/// Each run has all of its circuits in memory.
pub(super) fn check_memory(candidates: &[Candidate], circuits: u64) -> Result<(), Failure> {
    for candidate in candidates {
        let Some(window) = candidate.settings().and_then(Settings::count_window) else {
            continue;
        };
        let each = OF_A_CIRCUIT + OF_A_CALL * u64::from(window).next_power_of_two();
        let bytes = circuits.saturating_mul(each);
        if bytes > MOST_MEMORY {
            let (name, most) = (words::name(candidate.name()), MOST_MEMORY / 1_000_000_000);
            let (circuits, window) = (words::count(circuits), words::count(window.into()));
            return Err(Failure::new(format!(
                "{name}: {circuits} circuits with a `count_window` of {window} take some {} GB of memory, and may take \
                 {most}; let there be fewer instances or targets, or a smaller window",
                bytes / 1_000_000_000
            )));
        }
    }
    Ok(())
}
