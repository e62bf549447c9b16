//! Runs of the lab, held against what is published and what can be worked out.

mod basics;
mod cli;
mod readme;
mod report;
mod semian;
mod slow_dependency;
mod conserved;
mod engine;
