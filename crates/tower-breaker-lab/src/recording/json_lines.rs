//! Logs with one JSON object a line.

use serde_json::{Map, Value};

use super::{
    error::Bad,
    gather::{Line, Said},
    reading::{Reading, STATUS, StampOf},
    time::{self, Unit},
};

/// A log with one JSON object a line. Its fields have the names that you say.
///
/// A name such as `response.status` is that of a field, or of a field in the object `response`. A time is RFC 3339 or a
/// number since 1970: seconds, from 100,000,000,000 on milliseconds, then microseconds and nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JsonLines {
    /// The field of the time. Default: `time`.
    pub time: String,
    /// The field of the status. Default: `status`.
    pub status: String,
    /// The field of the duration. Default: `duration`.
    pub duration: String,
    /// In which unit durations are. Default: seconds.
    pub unit: Unit,
    /// What the times are of. Default: the end of calls.
    pub stamp_of: StampOf,
}

impl Default for JsonLines {
    fn default() -> Self {
        Self {
            time: "time".to_owned(),
            status: "status".to_owned(),
            duration: "duration".to_owned(),
            unit: Unit::Seconds,
            stamp_of: StampOf::End,
        }
    }
}

impl JsonLines {
    /// With the fields `time`, `status` and `duration`, in seconds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the field of the time.
    #[must_use]
    pub fn time(mut self, field: impl Into<String>) -> Self {
        self.time = field.into();
        self
    }

    /// Sets the field of the status.
    #[must_use]
    pub fn status(mut self, field: impl Into<String>) -> Self {
        self.status = field.into();
        self
    }

    /// Sets the field of the duration, and its unit.
    #[must_use]
    pub fn duration(mut self, field: impl Into<String>, unit: Unit) -> Self {
        self.duration = field.into();
        self.unit = unit;
        self
    }

    /// Sets what the times are of.
    #[must_use]
    pub fn stamp_of(mut self, stamp_of: StampOf) -> Self {
        self.stamp_of = stamp_of;
        self
    }
}

impl Line for JsonLines {
    fn read(&self, line: &[u8], reading: &Reading) -> Result<Said, Bad> {
        let object: Map<String, Value> =
            serde_json::from_slice(line).map_err(|error| Bad::json(&error))?;
        let fields = Fields { object, line };
        let unit = self.unit;
        Ok(Said::Call {
            stamp: fields.get(&self.time, time::EXPECTED, time::read)?,
            of: self.stamp_of,
            took: fields.get(&self.duration, unit.expected(), |text| unit.read(text))?,
            fate: fields.get(&self.status, STATUS, |text| reading.fate_of_text(text))?,
        })
    }
}

struct Fields<'a> {
    object: Map<String, Value>,
    line: &'a [u8],
}

impl Fields<'_> {
    /// Numbers are read as texts, so that either may be written.
    fn get<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, Bad> {
        let value = find(&self.object, name);
        let value = value.ok_or_else(|| Bad::missing(self.line, &format!("a field `{name}`")))?;
        let found = match value {
            Value::String(text) => read(text.as_bytes()),
            Value::Number(number) => read(decimal(number).as_bytes()),
            _ => None,
        };
        found.ok_or_else(|| {
            let found = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            Bad::field(self.line, name, expected, &found)
        })
    }
}

/// Without an exponent, where that is short: a duration of 50 µs may be written as 5e-5.
fn decimal(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() && float.abs() < 1e18 => format!("{float}"),
        _ => number.to_string(),
    }
}

fn find<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = object.get(name) {
        return Some(value);
    }
    let (outer, inner) = name.split_once('.')?;
    find(object.get(outer)?.as_object()?, inner)
}
