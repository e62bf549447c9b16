//! What nobody picked by hand: any history and any bytes, held against a reference; threads that collide; and
//! faults at every point where there can be one.

#[path = "../support/collisions.rs"]
mod collisions;
#[path = "../support/explore.rs"]
mod explore;

mod config;
mod history;
mod pair;
mod reference;

mod faults;
mod fuzz_smoke;
mod histories;
mod settings;
mod stress;
