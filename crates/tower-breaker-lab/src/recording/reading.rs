//! How recordings are read, whatever their format.

use std::time::Duration;

use super::call::Fate;

/// How a recording is read, whatever its format.
///
/// A status means what it does to a circuit by default (rule A1):
///
/// * 5xx is a failure.
/// * 4xx is answered, but 408, 425 and 429 are ignored.
/// * 499 is abandoned: nginx has it for a caller that had gone.
/// * All others are successes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// A line that is longer is refused, in bytes. Default: 65,536.
    pub longest_line: usize,
    /// A recording with more calls is refused. Each takes 16 bytes of memory, and half as much again while they are
    /// sorted. Default: 20,000,000.
    pub most_calls: usize,
    /// So many lines that make no sense are left out, and [counted](super::Notes::skipped). Default: none.
    pub skip: u64,
    /// By how much a line may be older than one before. What is older, is
    /// [counted](super::Notes::backwards). Either is sorted. Default: 5 s, for which nginx may keep lines back.
    pub disorder: Duration,
    /// Whether a status of 429 (too many requests) is a failure. Default: it is ignored.
    pub too_many_requests_fails: bool,
    /// The status with which a breaker has answered what it rejected. What became of those calls is
    /// [unknown](Fate::Unknown). Default: there is none.
    pub rejected_status: Option<u16>,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            longest_line: 65_536,
            most_calls: 20_000_000,
            skip: 0,
            disorder: Duration::from_secs(5),
            too_many_requests_fails: false,
            rejected_status: None,
        }
    }
}

impl Reading {
    /// With the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long a line may be, in bytes.
    #[must_use]
    pub fn longest_line(mut self, bytes: usize) -> Self {
        self.longest_line = bytes;
        self
    }

    /// Sets how many calls may be kept.
    #[must_use]
    pub fn most_calls(mut self, calls: usize) -> Self {
        self.most_calls = calls;
        self
    }

    /// Sets how many lines may be left out that make no sense.
    #[must_use]
    pub fn skip(mut self, lines: u64) -> Self {
        self.skip = lines;
        self
    }

    /// Sets by how much a line may be older than one before.
    #[must_use]
    pub fn disorder(mut self, disorder: Duration) -> Self {
        self.disorder = disorder;
        self
    }

    /// Sets whether a status of 429 is a failure.
    #[must_use]
    pub fn too_many_requests_fails(mut self, fails: bool) -> Self {
        self.too_many_requests_fails = fails;
        self
    }

    /// Sets the status with which a breaker has answered what it rejected.
    #[must_use]
    pub fn rejected_status(mut self, status: u16) -> Self {
        self.rejected_status = Some(status);
        self
    }

    /// None for what is no status of HTTP.
    pub(super) fn fate(&self, status: u16) -> Option<Fate> {
        Some(match status {
            _ if self.rejected_status == Some(status) => Fate::Unknown,
            429 if self.too_many_requests_fails => Fate::Failed,
            408 | 425 | 429 => Fate::Ignored,
            499 => Fate::Abandoned,
            100..400 => Fate::Succeeded,
            400..500 => Fate::Answered,
            500..600 => Fate::Failed,
            _ => return None,
        })
    }

    /// Of a text of three digits.
    pub(super) fn fate_of_text(&self, status: &[u8]) -> Option<Fate> {
        let is_status = status.len() == 3 && status.iter().all(u8::is_ascii_digit);
        let status = std::str::from_utf8(status).ok().filter(|_| is_status)?;
        self.fate(status.parse().ok()?)
    }
}

/// What is expected of a status.
pub(super) const STATUS: &str = "a status from 100 to 599";

/// What the time of a line is the time of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StampOf {
    /// The end of the call: nginx.
    #[default]
    End,
    /// Its beginning: `%t` of Apache.
    Beginning,
}
