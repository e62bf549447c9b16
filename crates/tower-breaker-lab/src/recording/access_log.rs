//! Access logs, as nginx and Apache write them.

use super::{
    error::Bad,
    gather::{Line, Said},
    reading::{Reading, STATUS, StampOf},
    time::{self, Unit},
};

/// An access log: a line in Common or Combined Log Format, with the duration somewhere behind it.
///
/// ```text
/// log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent $request_time';
/// LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-agent}i\" %D" timed
/// ```
///
/// A time may also be RFC 3339 (`[$time_iso8601]`) or a number since 1970 (`[$msec]`, `[%{sec}t]`). Best is one with a
/// fraction of a second. Where no time of a log has one, the calls of a second are spread evenly over it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessLog {
    /// In which unit durations are. Default: that of the server.
    pub unit: Unit,
    /// The key of the duration: `rt` for `rt=0.123`. Default: there is none, and the duration is the last word.
    pub duration_key: Option<String>,
    /// What the times are of. Default: as the server has it.
    pub stamp_of: StampOf,
}

impl AccessLog {
    /// As of nginx: `$request_time`, in seconds, is the last word. The times are of the end of calls.
    #[must_use]
    pub fn nginx() -> Self {
        Self {
            unit: Unit::Seconds,
            duration_key: None,
            stamp_of: StampOf::End,
        }
    }

    /// As of Apache: `%D`, in microseconds, is the last word. The times are of the beginning of calls.
    #[must_use]
    pub fn apache() -> Self {
        Self {
            unit: Unit::Microseconds,
            duration_key: None,
            stamp_of: StampOf::Beginning,
        }
    }

    /// Sets in which unit durations are.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// Sets the key of the duration: `rt` for `rt=0.123`.
    #[must_use]
    pub fn duration_key(mut self, key: impl Into<String>) -> Self {
        self.duration_key = Some(key.into());
        self
    }

    /// Sets what the times are of.
    #[must_use]
    pub fn stamp_of(mut self, stamp_of: StampOf) -> Self {
        self.stamp_of = stamp_of;
        self
    }
}

const TIME: &str = "a time such as [10/Oct/2000:13:55:36 -0700]";

impl Line for AccessLog {
    fn read(&self, line: &[u8], reading: &Reading) -> Result<Said, Bad> {
        // Else a file whose lines end so would be one call: the first status, and the last duration.
        if let Some(at) = line.iter().position(|byte| *byte == b'\r') {
            return Err(Bad::new(at + 1, "a line break \\n", b"\r"));
        }
        let mut words = Words { line, at: 0 };
        let time = words.find(|word| word.kind == Kind::Brackets, TIME)?;
        let stamp = time::read(time.text).ok_or_else(|| match time.text.contains(&b'/') {
            // As it was written, only that there is no such time.
            true => time.bad(TIME),
            false => time.bad(time::EXPECTED),
        })?;
        words.one(|word| word.kind == Kind::Quotes, "a request in quotes")?;
        let status = words.one(|_| true, STATUS)?;
        let fate = reading.fate_of_text(status.text);
        let fate = fate.ok_or_else(|| status.bad(STATUS))?;
        words.one(|word| word.is_size(), "a number of bytes or -")?;
        let took = self.duration(words)?;
        Ok(Said::Call {
            stamp,
            of: self.stamp_of,
            took,
            fate,
        })
    }
}

impl AccessLog {
    fn duration(&self, mut words: Words<'_>) -> Result<u64, Bad> {
        let expected = self.unit.expected();
        let Some(key) = &self.duration_key else {
            let last = words.last()?;
            let last = last.ok_or_else(|| Bad::missing(words.line, expected))?;
            return self.unit.read(last.text).ok_or_else(|| last.bad(expected));
        };
        while let Some(word) = words.next()? {
            if let Some(value) = word.value_of(key) {
                let took = self.unit.read(value.text);
                return took.ok_or_else(|| value.bad(expected));
            }
        }
        let expected = format!("{key}= and {expected}");
        Err(Bad::missing(words.line, &expected))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Quotes,
    Brackets,
}

/// A word, or all that is within quotes or brackets.
#[derive(Clone, Copy)]
struct Word<'a> {
    kind: Kind,
    /// From 1.
    column: usize,
    text: &'a [u8],
}

impl<'a> Word<'a> {
    fn bad(&self, expected: &str) -> Bad {
        Bad::new(self.column, expected, self.text)
    }

    fn is_size(&self) -> bool {
        let is_number = !self.text.is_empty() && self.text.iter().all(u8::is_ascii_digit);
        self.kind == Kind::Plain && (is_number || self.text == b"-")
    }

    /// With or without quotes.
    fn value_of(&self, key: &str) -> Option<Word<'a>> {
        let value = self.text.strip_prefix(key.as_bytes())?.strip_prefix(b"=")?;
        let column = self.column + key.len() + 1;
        let text = value
            .strip_prefix(b"\"")
            .and_then(|value| value.strip_suffix(b"\""))
            .unwrap_or(value);
        Some(Word {
            text,
            column,
            ..*self
        })
    }
}

struct Words<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Result<Option<Word<'a>>, Bad> {
        let rest = &self.line[self.at..];
        let Some(spaces) = rest.iter().position(|byte| *byte != b' ' && *byte != b'\t') else {
            return Ok(None);
        };
        let (begins, rest) = (self.at + spaces, &rest[spaces..]);
        let (kind, length) = match rest[0] {
            b'"' => (Kind::Quotes, closing_quote(rest)),
            b'[' => (Kind::Brackets, rest.iter().position(|byte| *byte == b']')),
            _ => {
                let is_end = |byte: &u8| *byte == b' ' || *byte == b'\t';
                let end = rest.iter().position(is_end).unwrap_or(rest.len());
                self.at = begins + end;
                return Ok(Some(Word {
                    kind: Kind::Plain,
                    column: begins + 1,
                    text: &rest[..end],
                }));
            }
        };
        let closing = if kind == Kind::Quotes { "\"" } else { "]" };
        let length = length.ok_or_else(|| Bad::missing(self.line, closing))?;
        self.at = begins + length + 1;
        Ok(Some(Word {
            kind,
            column: begins + 1,
            text: &rest[1..length],
        }))
    }

    /// The next word, if it is such a one.
    fn one(&mut self, is: impl Fn(&Word<'_>) -> bool, expected: &str) -> Result<Word<'a>, Bad> {
        let word = self.next()?;
        let word = word.ok_or_else(|| Bad::missing(self.line, expected))?;
        match is(&word) {
            true => Ok(word),
            false => Err(word.bad(expected)),
        }
    }

    /// The first such word.
    fn find(&mut self, is: impl Fn(&Word<'_>) -> bool, expected: &str) -> Result<Word<'a>, Bad> {
        loop {
            match self.next()? {
                Some(word) if is(&word) => return Ok(word),
                Some(_) => {}
                None => return Err(Bad::missing(self.line, expected)),
            }
        }
    }

    fn last(&mut self) -> Result<Option<Word<'a>>, Bad> {
        let mut last = None;
        while let Some(word) = self.next()? {
            last = Some(word);
        }
        Ok(last)
    }
}

/// Both servers write a quote within quotes as `\"`.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(at),
            _ => {}
        }
    }
    None
}
