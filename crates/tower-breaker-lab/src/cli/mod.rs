//! The command `breaker-lab`. What it does is told by `breaker-lab --help`.

mod condition;
mod explain;
mod expression;
mod failure;
mod fields;
mod inputs;
mod output;
mod outputs;
mod progress;
mod ranking;
mod recording_file;
mod replay;
mod run;
mod search;
mod text;

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};

use self::failure::Failure;

/// What the settings of a circuit breaker do in an outage, before there is one.
#[derive(Debug, Parser)]
#[command(name = "breaker-lab", version, after_help = EXIT_CODES)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 if all is fine, 1 if a condition of --fail-if holds, 2 if something that was given makes no sense,
or a file could not be read or written.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario with some breakers, and compare what became of the calls.
    #[command(after_help = run::HELP)]
    Run(run::Arguments),

    /// Replay a recording of real calls with some breakers, and compare what would have become of them.
    #[command(after_help = replay::HELP)]
    Replay(Box<replay::Arguments>),

    /// Run a scenario with all combinations of some settings, and rank them.
    #[command(after_help = search::HELP)]
    Search(search::Arguments),

    /// Tell what can be worked out of settings without a run.
    #[command(after_help = explain::HELP)]
    Explain(explain::Arguments),
}

/// How a command has ended that did what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    ConditionHolds,
}

/// Runs the command with these arguments, the name of the program first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let given: Vec<_> = arguments.into_iter().collect();
    let options = match Options::try_parse_from(&given) {
        Ok(options) => options,
        // Help goes to the output, and errors to where errors go.
        Err(error) if !error.use_stderr() => {
            return code(output::print(&error.to_string()).map(|()| Verdict::Fine));
        }
        Err(error) => {
            output::tell(error.to_string().trim_end());
            return ExitCode::from(2);
        }
    };
    code(match options.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Replay(arguments) => replay::replay(&arguments, &given),
        Command::Search(arguments) => search::search(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
    })
}

fn code(verdict: Result<Verdict, Failure>) -> ExitCode {
    match verdict {
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::ConditionHolds) => ExitCode::from(1),
        Err(failure) => {
            output::tell(&format!("error: {failure}"));
            ExitCode::from(2)
        }
    }
}
