//! What the layer costs in a real server. `run`, beside this package, is the command to use.
//!
//! One binary, two modes, so that the server that is measured is built with what measures it:
//! `serve` is an axum server on a free port, and `measure` starts that server, puts wrk in front of
//! each route in turn and writes the table.

mod check;
mod inside;
mod load;
mod machine;
mod measure;
mod profile;
mod reading;
mod report;
mod routes;
mod server;
mod stats;

use std::{env, error::Error, fs, path::PathBuf, process::ExitCode, thread};

use crate::{machine::Machine, measure::Results, profile::Profile};

/// A failure that ends the program with a message.
type Failure = Box<dyn Error + Send + Sync>;

const USAGE: &str = "usage: measure [--quick] [--out FILE] | serve WORKERS";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["serve", workers] => server::serve(workers),
        ["measure", options @ ..] => Options::read(options).and_then(measure),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Options {
    quick: bool,
    out: Option<PathBuf>,
}

impl Options {
    fn read(mut arguments: &[&str]) -> Result<Self, Failure> {
        let mut options = Self::default();
        while let [first, rest @ ..] = arguments {
            arguments = match (*first, rest) {
                ("--quick", rest) => {
                    options.quick = true;
                    rest
                }
                ("--out", [file, rest @ ..]) => {
                    options.out = Some(file.into());
                    rest
                }
                _ => return Err(USAGE.into()),
            };
        }
        Ok(options)
    }

    /// A quick run never overwrites the figures of a real one.
    fn file(self) -> PathBuf {
        self.out.unwrap_or_else(|| match self.quick {
            true => env::temp_dir().join("tower-breaker-http-quick.md"),
            false => concat!(env!("CARGO_MANIFEST_DIR"), "/RESULTS.md").into(),
        })
    }
}

fn measure(options: Options) -> Result<(), Failure> {
    let machine = Machine::look()?;
    let quick = options.quick;
    let results = if quick {
        try_all(&machine)
    } else {
        measure_all(&machine)
    }?;
    let inside = inside::measure()?;
    let report = report::write(&machine, &results, &inside, quick);
    let file = options.file();
    fs::write(&file, &report).map_err(|error| format!("{}: {error}", file.display()))?;
    println!("{report}");
    eprintln!("written to {}", file.display());
    Ok(())
}

fn measure_all(machine: &Machine) -> Result<Vec<Results>, Failure> {
    let measured = |profile: &'static Profile| measure::run(profile, machine, profile.rounds);
    profile::ALL.iter().map(measured).collect()
}

/// One round of each, all at the same time: quick, and good for nothing but a look.
fn try_all(machine: &Machine) -> Result<Vec<Results>, Failure> {
    thread::scope(|scope| {
        let tried = |profile| scope.spawn(move || measure::run(profile, machine, 1));
        let tries: Vec<_> = profile::ALL.iter().map(tried).collect();
        let done = |tried: thread::ScopedJoinHandle<'_, _>| tried.join().expect("no panic");
        tries.into_iter().map(done).collect()
    })
}
