//! Who takes part: each peer as its own documentation says to use it, set as alike as it allows.
//!
//! | setting | wherever there is such a thing |
//! |---|---|
//! | trips | at a failure rate of 50 % in a count window of 100, once it is full |
//! | closes | when as many probes as are admitted have succeeded |

use std::time::Duration;

use crate::{
    forms::{Row, bare},
    scenarios::{Scripted, Subject},
};

pub mod breaker;
pub mod circuitbreaker_rs;
pub mod failsafe;
pub mod home_made;
pub mod ours;
pub mod recloser;
pub mod seatbelt;
pub mod tower_resilience;

/// Longer than any measurement.
pub const LONG: Duration = Duration::from_secs(3_600);
/// The size of every count window.
pub const WINDOW: u32 = 100;

/// What a scenario needs of a breaker.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How long it stays open.
    pub break_for: Duration,
    /// How many probes it is to admit at once, and how many must succeed for it to close.
    pub permits: u32,
    /// Whether the scenario is about the window, for a breaker whose rate is of no use otherwise.
    pub rated: bool,
}

/// A breaker to take part in the scenarios, and what there is to know about it.
pub struct Contender {
    /// Its name.
    pub name: &'static str,
    /// What it was set to, for the notes.
    pub set_to: &'static str,
    /// How many probes it was told to admit at once, if that can be told.
    pub permits: fn(u32) -> Option<u32>,
    /// How far its window looks back, if it is a window of time.
    pub span: Option<Duration>,
    /// Makes one.
    pub subject: fn(Plan, Scripted) -> Box<dyn Subject>,
}

/// Everyone, ours first.
#[must_use]
pub fn all() -> Vec<Contender> {
    vec![
        ours::contender(),
        tower_resilience::contender(),
        breaker::contender(),
        seatbelt::contender(),
        failsafe::contender(),
        recloser::contender(),
        circuitbreaker_rs::contender(),
        home_made::contender(),
    ]
}

/// Everyone in every form, the bare work first.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut rows = bare();
    rows.extend(ours::rows());
    rows.extend(tower_resilience::rows());
    rows.extend(breaker::rows());
    rows.extend(seatbelt::rows());
    rows.extend(failsafe::rows());
    rows.extend(recloser::rows());
    rows.extend(circuitbreaker_rs::rows());
    rows.extend(home_made::rows());
    rows
}

/// The version that this package is built with, as its manifest names it.
#[must_use]
pub fn version(contender: &str) -> Option<&'static str> {
    let manifest = include_str!("../../Cargo.toml");
    let line = manifest
        .lines()
        .find(|line| line.split(" =").next() == Some(contender))?;
    let from = line.find("\"=")? + 2;
    line[from..].split('"').next()
}
