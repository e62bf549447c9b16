//! What it costs on a real server, what is left there, and what calls notice. These run one after the other, and
//! nothing runs beside them: what is measured is not what the machine does otherwise.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

mod cost;
mod latency;
mod leaks;
mod spread;

/// One at a time.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
