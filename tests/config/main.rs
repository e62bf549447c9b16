//! Configuration as data (rules I7 and I8).
#![cfg(feature = "config")]

#[path = "../support/collisions.rs"]
mod collisions;
#[path = "../support/explore.rs"]
mod explore;

mod caps;
mod corpus;
mod counts;
mod formats;
mod fuzzed;
mod guide;
mod holding;
mod layers;
mod lints;
mod live;
mod overlay;
mod places;
mod replacing;
mod schema;
mod validator;
mod versions;
mod worked_cases;
mod wrong;

use tower_breaker::config::Config;

fn read(text: &str) -> Result<Config, String> {
    let deserializer = toml::Deserializer::parse(text).map_err(|error| error.to_string())?;
    Config::read(deserializer).map_err(|error| error.to_string())
}

/// All that is wrong with it.
#[track_caller]
fn wrong(text: &str) -> Vec<String> {
    let problems = read(text).expect_err("wrong");
    problems.lines().map(str::to_owned).collect()
}
