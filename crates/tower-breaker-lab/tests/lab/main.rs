//! Runs of the lab, held against what is published and what can be worked out.

mod basics;
mod brooker;
mod cache;
mod cli;
mod conserved;
mod engine;
mod metastable;
mod readme;
mod recording;
mod recording_large;
mod recording_prometheus;
mod recording_replay;
mod recording_shadow;
mod replay_cli;
mod report;
mod semian;
mod shed;
mod slow_dependency;
