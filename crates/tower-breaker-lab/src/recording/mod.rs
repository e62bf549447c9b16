//! What has really happened: calls with their time, duration and end, read from what a service has written.

mod access_log;
mod call;
mod calls;
mod error;
mod gather;
mod json_lines;
mod lines;
mod outage;
mod prometheus;
mod reading;
mod replay;
mod time;

use std::{
    io::BufRead,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use self::call::Kept;
pub use self::{
    access_log::AccessLog,
    call::{Call, Fate},
    calls::{CallWriter, Calls},
    error::RecordingError,
    json_lines::JsonLines,
    outage::Outage,
    prometheus::Prometheus,
    reading::{Reading, StampOf},
    replay::{ReplayError, ReplayOptions, Replayed, replay},
    time::Unit,
};

use crate::summary::Frame;

/// In which format a recording is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Format {
    /// An access log of nginx or Apache.
    AccessLog(AccessLog),
    /// A log with one JSON object a line.
    JsonLines(JsonLines),
    /// What a [`CallWriter`] has written.
    Calls(Calls),
    /// The answer of a Prometheus server to a range query.
    Prometheus(Prometheus),
}

/// The calls that somebody has really made: when they began, how long they took, and how they ended.
///
/// ```
/// use tower_breaker_lab::{AccessLog, Format, Reading, Recording};
///
/// let log = r#"
/// 192.0.2.7 - - [28/Nov/2026:06:00:00 +0000] "GET /cart HTTP/1.1" 200 512 "-" "curl/8.5" 0.043
/// 192.0.2.7 - - [28/Nov/2026:06:00:01 +0000] "GET /cart HTTP/1.1" 502 150 "-" "curl/8.5" 1.001
/// "#;
/// let format = Format::AccessLog(AccessLog::nginx());
/// let recording = Recording::read(log.as_bytes(), &format, &Reading::new())?;
/// assert_eq!(recording.len(), 2);
/// # Ok::<(), tower_breaker_lab::RecordingError>(())
/// ```
///
/// It is read line by line, and 16 bytes are kept of a call. Calls are sorted by their beginning; those of one instant
/// are in the order of their lines. The first one begins the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    calls: Vec<Kept>,
    ends: u64,
    unknown: u64,
    notes: Notes,
}

/// What was found while a recording was read, and is no error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notes {
    /// Lines that are older than one before, by more than [`Reading::disorder`]: a clock went back, or the lines are
    /// of several machines. They are sorted, so that what they say may be in a wrong place.
    pub backwards: u64,
    /// Whether the last line has no line break and could not be read. It is left out. One that is cut off where it
    /// still makes sense is not found.
    pub truncated_last_line: bool,
    /// Lines that made no sense and were left out: at most [`Reading::skip`].
    pub skipped: u64,
    /// Lines of [`Calls`] that are no calls, but events of the circuit.
    pub events: u64,
    /// Lines of [`Calls`] of other circuits.
    pub of_others: u64,
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    ///
    /// If it cannot be read, if a line makes no sense and no more may be [skipped](Reading::skip), if it has too many
    /// calls, or none.
    pub fn read(
        input: impl BufRead,
        format: &Format,
        reading: &Reading,
    ) -> Result<Self, RecordingError> {
        match format {
            Format::AccessLog(log) => gather::lines(input, log, reading),
            Format::JsonLines(lines) => gather::lines(input, lines, reading),
            Format::Calls(calls) => gather::lines(input, calls, reading),
            Format::Prometheus(query) => query.read(input, reading),
        }
    }

    /// There is at least one, and they are sorted.
    fn new(calls: Vec<Kept>, notes: Notes) -> Self {
        let ends = calls.iter().map(|call| call.ends()).max();
        Self {
            ends: ends.unwrap_or_default(),
            unknown: calls.iter().filter(|call| !call.is_known()).count() as u64,
            calls,
            notes,
        }
    }

    /// How many calls there are: at least one.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// How many of them were rejected, so that nobody knows what would have become of them.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// When the first call began.
    #[must_use]
    pub fn begins(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.first())
    }

    /// From the beginning of the first call to the end of the last one.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_nanos(self.ends - self.first())
    }

    /// What was found while it was read.
    #[must_use]
    pub fn notes(&self) -> Notes {
        self.notes
    }

    /// All calls, sorted by their beginning.
    pub fn calls(&self) -> impl ExactSizeIterator<Item = Call> + '_ {
        (0..self.calls.len()).map(|number| self.call(number))
    }

    /// When something was wrong in it, by what the options say, for a summary of its [replay].
    #[must_use]
    pub fn frame(&self, options: &ReplayOptions) -> Frame {
        let outage = self.outage(options.outage, options.step);
        let wrong = outage.map_or(Duration::ZERO, |(from, to)| {
            to.min(self.length()).saturating_sub(from)
        });
        Frame::new(outage, self.length() - wrong)
    }

    /// How many bytes its calls take in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.calls.capacity() * size_of::<Kept>()
    }

    fn first(&self) -> u64 {
        self.calls.first().map_or(0, |call| call.at)
    }

    fn call(&self, number: usize) -> Call {
        let kept = self.calls[number];
        Call {
            at: Duration::from_nanos(kept.at - self.first()),
            took: Duration::from_nanos(kept.took()),
            fate: kept.fate(),
        }
    }
}
