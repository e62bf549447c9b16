//! What a circuit decides: when it trips, how long it stays open, how probes decide, what the end of a call
//! means, and what a person does to it. Almost all of it is told as a transcript: calls one after another, on
//! a clock that the test moves.

#[path = "../support/collisions.rs"]
mod collisions;
#[path = "../support/explore.rs"]
mod explore;
#[path = "../support/mod.rs"]
mod support;

mod breaks;
mod causes;
mod control;
mod durations;
mod ejection;
mod forcing;
mod half_open;
mod live_settings;
mod outcomes;
mod restoring;
mod settings;
mod shedding;
mod spread;
mod tripping;
