//! What each breaker does when it matters: the same scenarios for everyone, run for real.
//!
//! What is reported is what was seen, and each scenario says in its file how it looks. Where a result
//! could depend on the machine being quick, the scenario measures its own time and starts over if it
//! was too slow to tell.

mod crowd;
mod dropped;
mod hung;
mod open;
mod panicked;
mod stale;
mod stand;
mod window;

pub use self::stand::{CoreSubject, Ended, Flight, Job, Scripted, Subject, TowerSubject};

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use self::stand::BREAK;
use crate::contenders::{self, Contender};

/// Longer than any scenario takes, unless it hangs.
const BOUND: Duration = Duration::from_secs(60);
/// How often a scenario that was too slow to tell is started over.
const ATTEMPTS: usize = 20;

/// Whether what was seen is what one would hope for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is.
    Good,
    /// It is neither here nor there.
    Plain,
    /// It is not.
    Bad,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// In a few words.
    pub words: String,
    /// Whether that is good.
    pub mark: Mark,
}

impl Seen {
    fn good(words: impl Into<String>) -> Self {
        Self::new(Mark::Good, words)
    }

    fn plain(words: impl Into<String>) -> Self {
        Self::new(Mark::Plain, words)
    }

    fn bad(words: impl Into<String>) -> Self {
        Self::new(Mark::Bad, words)
    }

    fn new(mark: Mark, words: impl Into<String>) -> Self {
        let words = words.into();
        Self { words, mark }
    }
}

/// A scenario. Sees nothing when it was too slow to tell.
type Run = fn(&Contender) -> Option<Seen>;

/// A scenario, and the question it answers.
#[derive(Debug)]
pub struct Scenario {
    /// For the head of a column.
    pub name: &'static str,
    /// For the notes.
    pub question: &'static str,
    /// What tower-breaker promises.
    pub promised: &'static str,
    run: Run,
}

/// All of them, in the order of the table.
pub const ALL: [Scenario; 8] = [
    stale::SUCCESS,
    stale::FAILURE,
    dropped::SCENARIO,
    hung::SCENARIO,
    crowd::SCENARIO,
    panicked::SCENARIO,
    window::SCENARIO,
    open::SCENARIO,
];

/// What one contender did, scenario by scenario.
#[derive(Clone, Debug)]
pub struct Conduct {
    /// Who.
    pub contender: &'static str,
    /// One for each of [`ALL`].
    pub seen: Vec<Seen>,
}

/// Runs everything for everyone. The contenders run side by side, as mostly they wait.
#[must_use]
pub fn run_all() -> Vec<Conduct> {
    let running: Vec<_> = contenders::all()
        .into_iter()
        .map(|contender| thread::spawn(|| conduct(contender)))
        .collect();
    running
        .into_iter()
        .map(|thread| thread.join().expect("no panic"))
        .collect()
}

fn conduct(contender: Contender) -> Conduct {
    let seen = (0..ALL.len()).map(|nth| bounded(contender.name, nth));
    Conduct {
        contender: contender.name,
        seen: seen.collect(),
    }
}

/// One scenario, on a thread of its own that is left behind if it hangs or panics.
fn bounded(name: &'static str, nth: usize) -> Seen {
    let (report, reported) = mpsc::channel();
    thread::spawn(move || {
        let contender = contenders::all()
            .into_iter()
            .find(|contender| contender.name == name)
            .expect("it was there");
        let seen = (0..ATTEMPTS).find_map(|_| (ALL[nth].run)(&contender));
        let _ = report.send(seen.unwrap_or_else(|| Seen::plain("the machine is too slow to tell")));
    });
    reported
        .recv_timeout(BOUND)
        .unwrap_or_else(|_| Seen::bad("hung, or panicked outside of the work"))
}

/// What `look` sees, if it took so little time that no break can have ended meanwhile.
fn quickly<T>(look: impl FnOnce() -> T) -> Option<T> {
    let begun = Instant::now();
    let seen = look();
    (begun.elapsed() < BREAK / 2).then_some(seen)
}

/// "1 break", "2 breaks".
fn breaks(count: usize) -> String {
    match count {
        1 => "1 break".to_owned(),
        count => format!("{count} breaks"),
    }
}
