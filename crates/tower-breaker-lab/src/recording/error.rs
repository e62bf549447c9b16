//! Why a recording was refused.

use std::{error::Error, fmt, io};

/// Why a recording was refused. Its text names the line and the column, and what was expected there.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecordingError {
    /// The input cannot be read.
    Io(io::Error),
    /// A line makes no sense, and no more lines may be [skipped](super::Reading::skip).
    Line {
        /// Which line, from 1.
        line: u64,
        /// Which byte of it, from 1.
        column: usize,
        /// What was expected, and what is there.
        what: String,
    },
    /// A line is longer than [it may be](super::Reading::longest_line).
    LongLine {
        /// Which line, from 1.
        line: u64,
        /// So many bytes it may have.
        most: usize,
    },
    /// The answer of a server makes no sense.
    Answer {
        /// Where in it, as `data.result[2].values[17]`.
        place: String,
        /// What was expected, and what is there.
        what: String,
    },
    /// There are more calls than [may be kept](super::Reading::most_calls).
    TooManyCalls {
        /// So many may be kept.
        most: usize,
    },
    /// There is no call in it.
    Empty,
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("the recording cannot be read"),
            Self::Line { line, column, what } => write!(f, "line {line}, column {column}: {what}"),
            Self::LongLine { line, most } => {
                write!(f, "line {line} is longer than {most} bytes")
            }
            Self::Answer { place, what } => write!(f, "{place}: {what}"),
            Self::TooManyCalls { most } => write!(
                f,
                "there are more than {most} calls; let more be kept, or cut the recording"
            ),
            Self::Empty => f.write_str("there is no call in it"),
        }
    }
}

impl Error for RecordingError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for RecordingError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What is wrong with one line.
#[derive(Debug)]
pub(super) struct Bad {
    /// From 1.
    pub(super) column: usize,
    pub(super) what: String,
}

impl Bad {
    pub(super) fn new(column: usize, expected: &str, found: &[u8]) -> Self {
        let what = format!("expected {expected}, found {}", shown(found));
        Self { column, what }
    }

    /// At the end of a line.
    pub(super) fn missing(line: &[u8], expected: &str) -> Self {
        Self {
            column: line.len() + 1,
            what: format!("expected {expected}, found the end of the line"),
        }
    }

    /// In a field of an object of JSON.
    pub(super) fn field(line: &[u8], name: &str, expected: &str, found: &str) -> Self {
        let expected = format!("{expected}, as `{name}`");
        Self::new(column(line, name), &expected, found.as_bytes())
    }

    /// A line is one document, so that the line in the text of the error would be misread.
    pub(super) fn json(error: &serde_json::Error) -> Self {
        Self {
            // The reader has 0 for a whole that is of another kind.
            column: error.column().max(1),
            what: without_place(error),
        }
    }

    pub(super) fn at(self, line: u64) -> RecordingError {
        RecordingError::Line {
            line,
            column: self.column,
            what: self.what,
        }
    }
}

/// Where a field begins, from 1. The first place of the name is nearly always that.
fn column(line: &[u8], name: &str) -> usize {
    let last = name.rsplit('.').next().unwrap_or(name);
    let places = [name, last].map(|name| {
        let key = format!("\"{name}\"");
        line.windows(key.len()).position(|it| it == key.as_bytes())
    });
    places.into_iter().flatten().next().map_or(1, |at| at + 1)
}

fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => format!("no such JSON: {}", &text[..end]),
        None => format!("no such JSON: {text}"),
    }
}

/// Short, and without control characters, for it may come from anybody.
pub(super) fn shown(found: &[u8]) -> String {
    const MOST: usize = 40;
    let (found, dots) = match found.get(..MOST) {
        Some(first) if found.len() > MOST => (first, "..."),
        _ => (found, ""),
    };
    format!("\"{}\"{dots}", found.escape_ascii())
}
