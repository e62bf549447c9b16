//! The command `breaker-lab`.

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;

/// What the settings of a circuit breaker do in an outage, before there is one.
#[derive(Debug, Parser)]
#[command(name = "breaker-lab", version)]
struct Options {}

/// Runs the command with these arguments, the name of the program first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Options::try_parse_from(arguments) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            // Help goes to the output, and errors to where errors go.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { 2 } else { 0 })
        }
    }
}
