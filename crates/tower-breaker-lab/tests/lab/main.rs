//! Runs of the lab, held against what is published and what can be worked out.

mod basics;
mod cli;
mod readme;
mod report;
mod recording;
mod recording_large;
mod recording_prometheus;
mod recording_replay;
mod semian;
mod slow_dependency;
mod conserved;
mod engine;
