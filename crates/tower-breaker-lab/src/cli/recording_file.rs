//! A recording, and how it is written.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, BufReader},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum};

use super::Failure;
use crate::recording::{
    AccessLog, Calls, Format, JsonLines, Prometheus, Reading, Recording, RecordingError, StampOf,
    Unit,
};

/// For the standard input.
const STDIN: &str = "-";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// An access log of nginx, Apache and others, with the duration behind it
    AccessLog,
    /// One JSON object a line
    JsonLines,
    /// What `CallWriter` writes of a circuit
    Calls,
    /// The answer of a Prometheus server to a range query
    Prometheus,
}

#[derive(Args, Debug)]
pub(super) struct RecordingFile {
    /// The recording. `-` is the standard input
    recording: PathBuf,

    /// How it is written
    #[arg(long, value_enum)]
    format: Kind,

    /// The unit of durations: s, ms, us or ns. Default: s [access-log, json-lines]
    #[arg(long, value_parser = unit)]
    unit: Option<Unit>,

    /// Whether times are of the `end` of calls, as of nginx, or the `beginning`, as of Apache. Default: end
    /// [access-log, json-lines]
    #[arg(long, value_name = "END", value_parser = stamp_of)]
    stamp_of: Option<StampOf>,

    /// The key of the duration: `rt` for rt=0.123. Default: it is the last word [access-log]
    #[arg(long, value_name = "KEY")]
    duration_key: Option<String>,

    /// The field of the time. Default: time [json-lines]
    #[arg(long, value_name = "FIELD")]
    time_field: Option<String>,

    /// The field of the status. Default: status [json-lines]
    #[arg(long, value_name = "FIELD")]
    status_field: Option<String>,

    /// The field of the duration. Default: duration [json-lines]
    #[arg(long, value_name = "FIELD")]
    duration_field: Option<String>,

    /// Only the calls of this circuit. Default: all, as if they were of one [calls]
    #[arg(long, value_name = "NAME")]
    circuit: Option<String>,

    /// The label of the status. Default: status [prometheus]
    #[arg(long, value_name = "LABEL")]
    status_label: Option<String>,

    /// The step of the query. Default: the shortest time between two values [prometheus]
    #[arg(long, value_name = "TIME", value_parser = time)]
    query_step: Option<Duration>,

    /// How long a call takes where there is no label `le`. Default: 100ms [prometheus]
    #[arg(long, value_name = "TIME", value_parser = time)]
    took: Option<Duration>,

    /// Leave out so many lines that make no sense
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip_bad: u64,

    /// The status with which a breaker had answered what it rejected
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(100..600))]
    rejected_status: Option<u16>,

    /// A status of 429 is a failure
    #[arg(long)]
    too_many_requests_fail: bool,
}

pub(super) fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text.trim()).ok();
    let time = time.filter(|time| !time.is_zero());
    time.ok_or_else(|| "must be a time, such as `500ms` or `1m 30s`".to_owned())
}

fn unit(text: &str) -> Result<Unit, String> {
    match text {
        "s" => Ok(Unit::Seconds),
        "ms" => Ok(Unit::Milliseconds),
        "us" => Ok(Unit::Microseconds),
        "ns" => Ok(Unit::Nanoseconds),
        _ => Err("must be one of: s, ms, us, ns".to_owned()),
    }
}

fn stamp_of(text: &str) -> Result<StampOf, String> {
    match text {
        "end" => Ok(StampOf::End),
        "beginning" => Ok(StampOf::Beginning),
        _ => Err("must be `end` or `beginning`".to_owned()),
    }
}

impl RecordingFile {
    /// `None` for the standard input.
    pub(super) fn path(&self) -> Option<&Path> {
        (!self.is_stdin()).then_some(&*self.recording)
    }

    /// Its name in reports.
    pub(super) fn name(&self) -> String {
        match self.is_stdin() {
            true => "standard input".to_owned(),
            false => self.recording.display().to_string(),
        }
    }

    fn is_stdin(&self) -> bool {
        self.recording.as_os_str() == OsStr::new(STDIN)
    }

    pub(super) fn read(&self, seed: u64) -> Result<Recording, Failure> {
        self.check()?;
        let (format, reading) = (self.format(seed), self.reading());
        let path = match self.is_stdin() {
            true => Path::new("standard input"),
            false => &self.recording,
        };
        let recording = match self.is_stdin() {
            true => Recording::read(io::stdin().lock(), &format, &reading),
            false => {
                let file = File::open(path).map_err(|error| Failure::of_file(path, &error))?;
                Recording::read(BufReader::new(file), &format, &reading)
            }
        };
        recording.map_err(|error| match (&error, &self.circuit) {
            (RecordingError::Empty, Some(circuit)) => {
                let shown = path.display();
                let text = format!("{shown}: there is no call of circuit {circuit:?} in it");
                Failure::new(text)
            }
            _ => Failure::in_recording(path, &error),
        })
    }

    /// An option that the format does not have would do nothing, and nobody would know.
    fn check(&self) -> Result<(), Failure> {
        use Kind::{AccessLog, Calls, JsonLines, Prometheus};
        let options: [(&str, bool, &[Kind]); 10] = [
            ("unit", self.unit.is_some(), &[AccessLog, JsonLines]),
            ("stamp-of", self.stamp_of.is_some(), &[AccessLog, JsonLines]),
            ("duration-key", self.duration_key.is_some(), &[AccessLog]),
            ("time-field", self.time_field.is_some(), &[JsonLines]),
            ("status-field", self.status_field.is_some(), &[JsonLines]),
            (
                "duration-field",
                self.duration_field.is_some(),
                &[JsonLines],
            ),
            ("circuit", self.circuit.is_some(), &[Calls]),
            ("status-label", self.status_label.is_some(), &[Prometheus]),
            ("query-step", self.query_step.is_some(), &[Prometheus]),
            ("took", self.took.is_some(), &[Prometheus]),
        ];
        let is_wrong =
            |(_, is_given, of): &(&str, bool, &[Kind])| *is_given && !of.contains(&self.format);
        match options.into_iter().find(is_wrong) {
            None => Ok(()),
            Some((option, _, of)) => {
                let of: Vec<_> = of.iter().filter_map(Kind::to_possible_value).collect();
                let of: Vec<_> = of.iter().map(|value| value.get_name()).collect();
                let text = format!("--{option}: is an option of --format {}", of.join(" and "));
                Err(Failure::new(text))
            }
        }
    }

    fn reading(&self) -> Reading {
        let reading = Reading::new()
            .skip(self.skip_bad)
            .too_many_requests_fails(self.too_many_requests_fail);
        match self.rejected_status {
            Some(status) => reading.rejected_status(status),
            None => reading,
        }
    }

    fn format(&self, seed: u64) -> Format {
        match self.format {
            Kind::AccessLog => Format::AccessLog(self.access_log()),
            Kind::JsonLines => Format::JsonLines(self.json_lines()),
            Kind::Calls => Format::Calls(match &self.circuit {
                Some(name) => Calls::new().circuit(name),
                None => Calls::new(),
            }),
            Kind::Prometheus => Format::Prometheus(self.prometheus(seed)),
        }
    }

    fn access_log(&self) -> AccessLog {
        let log = AccessLog::nginx()
            .unit(self.unit.unwrap_or_default())
            .stamp_of(self.stamp_of.unwrap_or_default());
        match &self.duration_key {
            Some(key) => log.duration_key(key),
            None => log,
        }
    }

    fn json_lines(&self) -> JsonLines {
        let or = |field: &Option<String>, default: String| field.clone().unwrap_or(default);
        let lines = JsonLines::new();
        let (time, status, duration) = (
            or(&self.time_field, lines.time.clone()),
            or(&self.status_field, lines.status.clone()),
            or(&self.duration_field, lines.duration.clone()),
        );
        lines
            .time(time)
            .status(status)
            .duration(duration, self.unit.unwrap_or_default())
            .stamp_of(self.stamp_of.unwrap_or_default())
    }

    fn prometheus(&self, seed: u64) -> Prometheus {
        let mut query = Prometheus::new().seed(seed);
        if let Some(label) = &self.status_label {
            query = query.status_label(label);
        }
        if let Some(step) = self.query_step {
            query = query.step(step);
        }
        match self.took {
            Some(took) => query.took(took),
            None => query,
        }
    }
}
