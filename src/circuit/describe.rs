//! A transition as one line for a log (rule E4).

use std::{fmt, time::Duration};

use crate::machine::{Cause, Mode, State, Transition, WindowCounts};

impl Transition {
    /// One line for the log of whoever is on duty: which circuit, what it did, the counts and the percentage
    /// behind it, and when the next probe may go out.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_breaker::Circuit;
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let circuit = Circuit::builder("payments")
    ///     .open_for(Duration::from_secs(5))
    ///     .on_transition(|circuit, transition| {
    ///         // circuit `payments` opened: 7 of 10 calls failed (70 %), next probe in 5 s
    ///         println!("{}", transition.describe(circuit.name()));
    ///     })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Percentages and times are rounded; the fields have them exactly. The words may change in a later release: what
    /// a program reads are the fields and the [labels](crate::observe#labels).
    #[must_use]
    pub fn describe<'a>(&'a self, circuit: &'a str) -> impl fmt::Display + 'a {
        Line {
            circuit,
            transition: self,
        }
    }

    /// What the circuit did.
    fn deed(&self) -> &'static str {
        match (self.from, self.to) {
            (State::Closed, _) if self.cause == Cause::TripVetoed => "stays closed",
            _ if self.mode == self.mode_before => match (self.from, self.to) {
                (State::Closed, State::Open) => "opened",
                (_, State::Open) => "opened again",
                (_, State::HalfOpen) => "is half-open",
                (_, State::Closed) => "closed",
            },
            _ => match self.mode {
                Mode::Normal => "is back to normal",
                Mode::ForcedOpen => "is forced open",
                Mode::Disabled => "is disabled",
                Mode::Shadow => "is in shadow",
            },
        }
    }
}

struct Line<'a> {
    circuit: &'a str,
    transition: &'a Transition,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.transition;
        write!(f, "circuit `{}` {}: ", self.circuit, told.deed())?;
        write_cause(f, told.cause)?;
        if let Some(vetoed) = told.vetoed {
            f.write_str("; ")?;
            write_cause(f, vetoed)?;
        }
        // A change of mode does not begin the break anew.
        if let (Some(open_for), true) = (told.open_for, told.mode == told.mode_before) {
            f.write_str(", next probe in ")?;
            write_time(f, open_for)?;
        }
        match told.mode {
            Mode::Shadow => f.write_str(" (shadow: nothing is rejected)"),
            Mode::Normal | Mode::ForcedOpen | Mode::Disabled => Ok(()),
        }
    }
}

/// As [`Cause`] reads, with the percentage beside the counts.
fn write_cause(f: &mut fmt::Formatter<'_>, cause: Cause) -> fmt::Result {
    write!(f, "{cause}")?;
    match cause {
        Cause::FailureRate { failed, calls } => write_share(f, failed, calls),
        Cause::SlowCallRate { slow, calls } => write_share(f, slow, calls),
        Cause::CustomPolicy(counts) => {
            let WindowCounts {
                calls,
                failed,
                slow,
            } = counts;
            write!(f, ", with {failed} of {calls} calls failed")?;
            write_share(f, failed, calls)?;
            write!(f, " and {slow} slow")?;
            write_share(f, slow, calls)
        }
        _ => Ok(()),
    }
}

/// In percent, to a tenth; a whole number without one.
fn write_share(f: &mut fmt::Formatter<'_>, part: u64, whole: u64) -> fmt::Result {
    let tenths = u128::from(part) * 1_000 / u128::from(whole.max(1));
    f.write_str(" (")?;
    write_tenths(f, tenths)?;
    f.write_str(" %)")
}

/// Rounded up, so that nobody looks too early: to tenths of a second, below one to milliseconds.
fn write_time(f: &mut fmt::Formatter<'_>, time: Duration) -> fmt::Result {
    let millis = time.as_nanos().div_ceil(1_000_000);
    if millis < 1_000 {
        return write!(f, "{millis} ms");
    }
    write_tenths(f, millis.div_ceil(100))?;
    f.write_str(" s")
}

fn write_tenths(f: &mut fmt::Formatter<'_>, tenths: u128) -> fmt::Result {
    match tenths % 10 {
        0 => write!(f, "{}", tenths / 10),
        tenth => write!(f, "{}.{tenth}", tenths / 10),
    }
}
