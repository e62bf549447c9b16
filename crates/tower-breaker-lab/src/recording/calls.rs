//! Calls of a circuit of `tower-breaker`, as JSON lines: what its listeners hear, written and read.

use std::{
    borrow::Cow,
    io::{self, Write},
    time::SystemTime,
};

use serde::Deserialize;
use serde_json::json;
use tower_breaker::observe::{CallEnd, CallEvent};

use super::{
    call::Fate,
    error::Bad,
    gather::{Line, Said},
    reading::{Reading, StampOf},
    time::{self, Unit},
};

/// Writes what becomes of the calls of circuits, one JSON object a line, to be read with [`Calls`].
///
/// ```text
/// {"at":"2026-11-28T06:00:00.123456789Z","circuit":"payments","kind":"call","end":"success","took_seconds":0.05}
/// {"at":"2026-11-28T06:00:00.125000000Z","circuit":"payments","kind":"rejected","reason":"open"}
/// ```
///
/// Words are the [labels](tower_breaker::observe#labels). Each line is of the end of a call. It is given to a listener:
///
/// ```
/// use std::{sync::Mutex, time::SystemTime};
/// use tower_breaker::{Circuit, Mode};
/// use tower_breaker_lab::CallWriter;
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let writer = Mutex::new(CallWriter::new(Vec::new()));
/// let circuit = Circuit::builder("payments")
///     .mode(Mode::Shadow)
///     .on_call(move |circuit, call| {
///         let mut writer = writer.lock().unwrap();
///         // A full disk should not fail calls. Count these errors.
///         let _ = writer.write(SystemTime::now(), circuit.name(), call);
///     })
///     .build()?;
/// # Ok(())
/// # }
/// ```
///
/// **Watch out:** the listener runs on the thread of the call. Give it a buffered writer, or one that only sends to
/// another thread.
#[derive(Debug)]
pub struct CallWriter<W> {
    output: W,
}

impl<W: Write> CallWriter<W> {
    /// Writes to this.
    #[must_use]
    pub fn new(output: W) -> Self {
        Self { output }
    }

    /// Writes a line, if a call has ended or was rejected. `at` is the time of day. Other events write nothing.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&mut self, at: SystemTime, circuit: &str, call: CallEvent<'_>) -> io::Result<()> {
        let at = || humantime::format_rfc3339_nanos(at).to_string();
        let line = match call {
            CallEvent::Ended(ended) => json!({
                "at": at(),
                "circuit": circuit,
                "kind": "call",
                "end": ended.end.label(),
                "took_seconds": ended.took.map(|took| took.as_secs_f64()),
            }),
            CallEvent::Rejected(rejected) => json!({
                "at": at(),
                "circuit": circuit,
                "kind": "rejected",
                "reason": rejected.reason().label(),
            }),
            _ => return Ok(()),
        };
        writeln!(self.output, "{line}")
    }

    /// What it was made with.
    pub fn into_inner(self) -> W {
        self.output
    }
}

/// What a [`CallWriter`] has written. What happened to circuits, as the events of the admin view print it (one JSON
/// object a line), may stand between and is [counted](super::Notes::events).
///
/// What became of a call that was rejected is [unknown](Fate::Unknown), as is that of one without `took_seconds`. An
/// answered call (rule A1) is told as ignored. So is it here, and a replay does not know that it would have closed a
/// half-open circuit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calls {
    /// Only those of this circuit. Default: all, as if they were of one.
    pub circuit: Option<String>,
}

impl Calls {
    /// Those of all circuits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those of this circuit.
    #[must_use]
    pub fn circuit(mut self, name: impl Into<String>) -> Self {
        self.circuit = Some(name.into());
        self
    }
}

/// The fields of calls and of events that are read here.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    at: Cow<'a, str>,
    #[serde(borrow)]
    circuit: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    end: Option<Cow<'a, str>>,
    #[serde(default)]
    took_seconds: Option<f64>,
}

impl Line for Calls {
    fn read(&self, line: &[u8], _reading: &Reading) -> Result<Said, Bad> {
        let told: Told<'_> = serde_json::from_slice(line).map_err(|error| Bad::json(&error))?;
        let is_other = |name: &String| *name != told.circuit;
        if self.circuit.as_ref().is_some_and(is_other) {
            return Ok(Said::Other);
        }
        let stamp = time::read(told.at.as_bytes())
            .ok_or_else(|| Bad::field(line, "at", time::EXPECTED, &told.at))?;
        let (took, fate) = match &*told.kind {
            "call" => told.ended(line)?,
            "rejected" => (0, Fate::Unknown),
            _ => return Ok(Said::Event),
        };
        let of = StampOf::End;
        Ok(Said::Call {
            stamp,
            of,
            took,
            fate,
        })
    }
}

impl Told<'_> {
    fn ended(&self, line: &[u8]) -> Result<(u64, Fate), Bad> {
        let end = self.end.as_deref().unwrap_or_default();
        let fate = [
            (CallEnd::Successful, Fate::Succeeded),
            (CallEnd::Failed, Fate::Failed),
            (CallEnd::Ignored, Fate::Ignored),
            (CallEnd::Abandoned, Fate::Abandoned),
        ]
        .into_iter()
        .find(|(known, _)| known.label() == end);
        let expected = "success, failure, ignored or abandoned";
        let (_, fate) = fate.ok_or_else(|| Bad::field(line, "end", expected, end))?;
        let Some(took) = self.took_seconds else {
            return Ok((0, Fate::Unknown));
        };
        let unit = Unit::Seconds;
        let nanos = unit.nanos(took);
        let nanos = nanos
            .ok_or_else(|| Bad::field(line, "took_seconds", unit.expected(), &took.to_string()))?;
        Ok((nanos, fate))
    }
}
