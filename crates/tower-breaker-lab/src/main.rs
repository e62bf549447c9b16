//! `breaker-lab`: what the settings of a circuit breaker do in an outage, before there is one.

use std::process::ExitCode;

fn main() -> ExitCode {
    tower_breaker_lab::cli::main(std::env::args_os())
}
