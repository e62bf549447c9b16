//! A transition as one line for a log (rule E4), and a snapshot as one line for a person.

use std::{fmt, time::Duration};

use super::{
    followed::{FleetNow, Sharing, Why},
    parts::{BulkheadNow, Parts},
    snapshot::{Began, Snapshot, Trip},
};
use crate::machine::{Cause, Mode, State, Threshold, Transition, WindowCounts};

impl Transition {
    /// One line for the log of whoever is on duty. It says which circuit, what it did, the counts and the percentage
    /// behind it, and when the next probe may go out.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_breaker::Circuit;
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let circuit = Circuit::builder("payments")
    ///     .failure_rate(0.5)
    ///     .minimum_calls(10)
    ///     .open_for(Duration::from_secs(5))
    ///     .on_transition(|circuit, transition| {
    ///         // circuit `payments` opened: 7 of 10 calls failed (70 %, threshold 50 %), next probe in 5 s
    ///         println!("{}", transition.describe(circuit.name()));
    ///     })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Percentages are cut off, times rounded up; the fields have them exactly. A percentage that has reached its
    /// threshold reads at least as that, and any other reads below it. The words may change in a later release.
    /// Programs should read the fields and the [labels](crate::observe#labels).
    #[must_use]
    pub fn describe<'a>(&'a self, circuit: &'a str) -> impl fmt::Display + 'a {
        Line {
            circuit,
            transition: self,
        }
    }

    /// How long the break is that it began. A change of mode does not begin it anew, and forced open is none.
    pub(super) fn begun_break(&self) -> Option<Duration> {
        let begun = self.mode == self.mode_before && self.mode != Mode::ForcedOpen;
        self.open_for.filter(|_| begun)
    }

    /// What the circuit did.
    fn deed(&self) -> &'static str {
        match (self.from, self.to) {
            (State::Closed, _) if self.cause == Cause::TripVetoed => "stays closed",
            _ if matches!(self.cause, Cause::ShedBegan(_)) => "sheds calls",
            _ if self.cause == Cause::ShedEnded => "sheds no more calls",
            _ if self.mode == Mode::ForcedOpen => "is forced open",
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
        write!(f, "circuit `{}` {}", self.circuit, told.deed())?;
        if told.shed_share > 0.0 {
            f.write_str(" (")?;
            write_part(f, told.shed_share)?;
            f.write_str(" at first)")?;
        }
        f.write_str(": ")?;
        match told.vetoed {
            None => write_cause(f, told.cause, told.threshold)?,
            Some(vetoed) => {
                write!(f, "{}; ", told.cause)?;
                write_cause(f, vetoed, told.threshold)?;
            }
        }
        match (told.begun_break(), told.open_for) {
            (Some(open_for), _) => write_next_probe(f, open_for)?,
            (None, Some(at_most)) if told.mode == Mode::ForcedOpen => {
                f.write_str(", for ")?;
                write_time_left(f, at_most)?;
            }
            (None, _) => {}
        }
        write_shadow(f, told.mode)
    }
}

/// One line: the name, what the circuit does and for how long, and what is behind that. Then what is going on around
/// the breaker: calls that hold or wait for a place of its bulkhead, and calls that are kept for later. Then failures
/// that it does not see. For a shared circuit, also with how many others, or why it is alone.
///
/// Behind closed, that is what the window holds. Behind open and half-open, it is how the circuit opened, how the
/// outage began if that was with another trip, and what its window held then. A percentage is there only if there are
/// enough calls for one, as in [`failure_rate`](Snapshot::failure_rate).
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} for ", self.name, self.stance())?;
        write_elapsed(f, self.time_in_state)?;
        match (self.mode, self.state) {
            (Mode::Disabled, _) => Ok(()),
            (_, State::Closed) => self.write_closed(f),
            (_, State::Open | State::HalfOpen) => self.write_opened(f),
        }?;
        self.parts
            .iter()
            .try_for_each(|parts| write_parts(f, parts))?;
        match &self.fleet {
            Some(fleet) => self.write_fleet(f, fleet)?,
            None if self.is_shared => f.write_str("; to be shared, but it belongs to no fleet")?,
            None => {}
        }
        write_shadow(f, self.mode)
    }
}

impl Snapshot {
    fn stance(&self) -> &dyn fmt::Display {
        match self.mode {
            Mode::ForcedOpen | Mode::Disabled => &self.mode,
            Mode::Normal | Mode::Shadow => &self.state,
        }
    }

    fn write_closed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(counts) = self.window {
            f.write_str("; ")?;
            self.write_counts(f, counts)?;
        }
        match self.consecutive_failures {
            0 => {}
            failures => write!(f, "; {}", Cause::ConsecutiveFailures(failures))?,
        }
        if self.ramp_share < 1.0 {
            f.write_str("; ramping up: ")?;
            write_part(f, self.ramp_share)?;
            f.write_str(" are admitted")?;
        }
        if self.shed_share > 0.0 {
            f.write_str("; shedding: ")?;
            write_part(f, self.shed_share)?;
            f.write_str(" are refused")?;
        }
        Ok(())
    }

    fn write_opened(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.remaining, self.probes) {
            (Some(Duration::ZERO), _) if self.mode == Mode::ForcedOpen => {
                f.write_str(", the next call closes it")?;
            }
            (Some(remaining), _) if self.mode == Mode::ForcedOpen => {
                f.write_str(", ")?;
                write_time_left(f, remaining)?;
                f.write_str(" remaining")?;
            }
            (Some(Duration::ZERO), _) if self.is_led() => {
                f.write_str(", the fleet decides who probes")?;
            }
            (Some(Duration::ZERO), _) => f.write_str(", the next call is a probe")?,
            (Some(remaining), _) => write_next_probe(f, remaining)?,
            (None, Some(probes)) => {
                let (flying, permits) = (probes.in_flight, probes.permits);
                write!(f, ", {flying} of {permits} probes in flight")?;
            }
            (None, None) => {}
        }
        if let (Mode::ForcedOpen, Some(by)) = (self.mode, &self.by) {
            write!(f, " ({by})")?;
        }
        self.trip().map_or(Ok(()), |trip| self.write_trip(f, &trip))
    }

    /// That it was opened by hand says nothing new of a circuit that is forced open.
    fn write_trip(&self, f: &mut fmt::Formatter<'_>, trip: &Trip) -> fmt::Result {
        let is_told = self.mode == Mode::ForcedOpen && trip.cause == Cause::Manual;
        let began = trip.began_with_another();
        match (is_told, began) {
            (true, _) => {}
            (false, None) => write!(f, "; opened: {trip}")?,
            (false, Some(_)) => write!(f, "; opened again: {trip}")?,
        }
        if let Some(began) = began {
            f.write_str("; the outage began ")?;
            write_elapsed(f, self.outage.unwrap_or_default())?;
            write!(f, " ago: {began}")?;
        }
        let cause = began.map_or(trip.cause, |began| began.cause);
        match self.rated() {
            Some(counts) if !tells_counts(cause) => {
                f.write_str("; as it left closed: ")?;
                self.write_counts(f, counts)
            }
            _ => Ok(()),
        }
    }

    /// Whether it is open because its fleet is: then no call is a probe without a seat (rule N5).
    pub(crate) fn is_led(&self) -> bool {
        let is_led = |fleet: &FleetNow| {
            matches!(fleet.sharing, Sharing::Attached { .. }) && fleet.state != State::Closed
        };
        self.mode == Mode::Normal && self.fleet.as_ref().is_some_and(is_led)
    }

    /// What it has of the other instances, and what those have decided if that is something else than here.
    fn write_fleet(&self, f: &mut fmt::Formatter<'_>, fleet: &FleetNow) -> fmt::Result {
        if let Sharing::Detached { since, why } = fleet.sharing {
            if why == Why::Off {
                return f.write_str("; not shared: that is turned off");
            }
            f.write_str("; alone for ")?;
            write_elapsed(f, since)?;
            return write!(f, ": {why}");
        }
        match fleet.contributors {
            0 => f.write_str("; shared")?,
            1 => f.write_str("; shared, 1 instance has calls")?,
            all => write!(f, "; shared, {all} instances have calls")?,
        }
        match fleet.agreeing {
            0 => {}
            1 => f.write_str(" and 1 sees it fail")?,
            agreeing => write!(f, " and {agreeing} see it fail")?,
        }
        if fleet.state == State::Closed && self.state != State::Closed {
            f.write_str("; the fleet is closed")?;
        }
        if fleet.state != State::Closed {
            write_decision(f, fleet)?;
        }
        match fleet.mismatch {
            true => f.write_str("; other instances have other settings"),
            false => Ok(()),
        }
    }

    /// With percentages if there are enough calls for them.
    fn write_counts(&self, f: &mut fmt::Formatter<'_>, counts: WindowCounts) -> fmt::Result {
        let counts = Written {
            counts,
            percentages: self.rated() == Some(counts),
            slow: self.watches_slow,
        };
        write!(f, "{counts}")
    }
}

/// Why the fleet is not closed, and who has brought that about.
fn write_decision(f: &mut fmt::Formatter<'_>, fleet: &FleetNow) -> fmt::Result {
    match fleet.forced {
        true => f.write_str("; the fleet is forced open")?,
        false => write!(f, "; the fleet is {}", fleet.state)?,
    }
    if let Some(cause) = &fleet.cause {
        write!(f, ": {cause}")?;
    }
    match &fleet.who {
        Some(who) => write!(f, " (by {who})"),
        None => Ok(()),
    }
}

/// Of what is around a breaker, what goes on or is wrong right now.
fn write_parts(f: &mut fmt::Formatter<'_>, parts: &Parts) -> fmt::Result {
    let is_in_use = |it: &BulkheadNow| it.taken > 0 || it.waiting > 0;
    if let Some(bulkhead) = parts.bulkhead.filter(is_in_use) {
        write_bulkhead(f, bulkhead)?;
    }
    if let Some(queue) = parts.queue.filter(|queue| queue.entries > 0) {
        write!(f, "; {} kept for later", Calls(queue.entries))?;
        if let Some(oldest) = queue.oldest {
            f.write_str(", the oldest for ")?;
            write_elapsed(f, oldest)?;
        }
    }
    write_mistakes(f, parts)
}

fn write_mistakes(f: &mut fmt::Formatter<'_>, parts: &Parts) -> fmt::Result {
    let mistakes = [
        (parts.hidden_failures, "failures hidden by a fallback"),
        (parts.misplaced_calls, "calls met a queue"),
    ];
    let mut mistakes = mistakes.into_iter().filter(|(count, _)| *count > 0);
    mistakes.try_for_each(|(count, what)| write!(f, "; {count} {what} inside the breaker"))
}

fn write_bulkhead(f: &mut fmt::Formatter<'_>, bulkhead: BulkheadNow) -> fmt::Result {
    let taken = bulkhead.taken;
    match bulkhead.places {
        Some(places) => write!(f, "; bulkhead: {taken} of {places}")?,
        None => write!(f, "; bulkhead: {taken}, turned off")?,
    }
    match bulkhead.waiting {
        0 => Ok(()),
        waiting => write!(f, ", {waiting} waiting"),
    }
}

/// So many of them.
struct Calls(u64);

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(calls) = self;
        match calls {
            1 => f.write_str("1 call"),
            _ => write!(f, "{calls} calls"),
        }
    }
}

/// What a window holds.
struct Written {
    counts: WindowCounts,
    percentages: bool,
    slow: bool,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WindowCounts {
            calls,
            failed,
            slow,
        } = self.counts;
        write!(f, "{failed} of {calls} calls failed")?;
        if self.percentages {
            write_share(f, failed, calls, None)?;
        }
        if !self.slow {
            return Ok(());
        }
        write!(f, " and {slow} slow")?;
        if self.percentages {
            write_share(f, slow, calls, None)?;
        }
        Ok(())
    }
}

/// The cause, with percentage and threshold if it has them.
impl fmt::Display for Trip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_cause(f, self.cause, self.threshold)
    }
}

/// The cause, as for a [`Trip`].
impl fmt::Display for Began {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_cause(f, self.cause, self.threshold)
    }
}

fn tells_counts(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::FailureRate { .. } | Cause::SlowCallRate { .. } | Cause::CustomPolicy(_)
    )
}

/// As [`Cause`] reads, with the percentage beside the counts, and what that was held against.
fn write_cause(
    f: &mut fmt::Formatter<'_>,
    cause: Cause,
    threshold: Option<Threshold>,
) -> fmt::Result {
    write!(f, "{cause}")?;
    match cause {
        Cause::FailureRate { failed, calls } => write_share(f, failed, calls, threshold),
        Cause::SlowCallRate { slow, calls } => write_share(f, slow, calls, threshold),
        Cause::CustomPolicy(counts) => {
            let (percentages, slow) = (true, true);
            let counts = Written {
                counts,
                percentages,
                slow,
            };
            write!(f, ", with {counts}")
        }
        Cause::ConsecutiveFailures(failures) => match threshold {
            Some(Threshold::Failures(needed)) if needed != failures => {
                write!(f, " (threshold {needed})")
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// In percent, with the threshold. The share is cut off after a tenth, or after the last digit of the threshold:
/// rounded, or cut off before, it could look as if it had reached a threshold that it has not, or the other way round.
fn write_share(
    f: &mut fmt::Formatter<'_>,
    part: u64,
    whole: u64,
    threshold: Option<Threshold>,
) -> fmt::Result {
    let share = u128::from(part) * 1_000_000 / u128::from(whole.max(1));
    let threshold = threshold.and_then(millionths);
    let last_digit = [1_000, 100, 10, 1]
        .into_iter()
        .find(|digit| threshold.unwrap_or(0) % digit == 0)
        .unwrap_or(1);
    f.write_str(" (")?;
    write_percent(f, share / last_digit * last_digit)?;
    if let Some(threshold) = threshold {
        f.write_str(", threshold ")?;
        write_percent(f, threshold)?;
    }
    f.write_str(")")
}

/// A share of which there is some, to a tenth of a percent, or to its first digit if it is less. It is cut off.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share in 0..=1"
)]
fn write_part(f: &mut fmt::Formatter<'_>, share: f64) -> fmt::Result {
    let share = (share * 1e6).round() as u128;
    let digits = [1_000, 100, 10, 1].into_iter();
    let last = digits.clone().find(|digit| share >= *digit).unwrap_or(1);
    write_percent(f, share / last * last)
}

/// A rate as it is compared (B4).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share in 0..=1"
)]
fn millionths(threshold: Threshold) -> Option<u128> {
    match threshold {
        Threshold::Rate(rate) => Some((rate * 1e6).round() as u128),
        Threshold::Failures(_) => None,
    }
}

/// From millionths, without zeros at its end.
fn write_percent(f: &mut fmt::Formatter<'_>, millionths: u128) -> fmt::Result {
    let (whole, fraction) = (millionths / 10_000, millionths % 10_000);
    write!(f, "{whole}")?;
    if fraction > 0 {
        let digits = format!("{fraction:04}");
        write!(f, ".{}", digits.trim_end_matches('0'))?;
    }
    f.write_str(" %")
}

fn write_shadow(f: &mut fmt::Formatter<'_>, mode: Mode) -> fmt::Result {
    match mode {
        Mode::Shadow => f.write_str(" (shadow: nothing is rejected)"),
        Mode::Normal | Mode::ForcedOpen | Mode::Disabled => Ok(()),
    }
}

/// Rounded up, so that nobody looks too early: to tenths of a second, below one to milliseconds.
fn write_next_probe(f: &mut fmt::Formatter<'_>, time: Duration) -> fmt::Result {
    f.write_str(", next probe in ")?;
    write_time_left(f, time)
}

fn write_time_left(f: &mut fmt::Formatter<'_>, time: Duration) -> fmt::Result {
    let millis = time.as_nanos().div_ceil(1_000_000);
    match millis {
        ..1_000 => write!(f, "{millis} ms"),
        _ => write_tenths(f, millis.div_ceil(100)),
    }
}

/// Cut off: so much has passed for sure.
fn write_elapsed(f: &mut fmt::Formatter<'_>, time: Duration) -> fmt::Result {
    match (time.as_millis(), time.as_secs()) {
        (millis @ ..1_000, _) => write!(f, "{millis} ms"),
        (millis, ..120) => write_tenths(f, millis / 100),
        (_, seconds @ ..7_200) => write!(f, "{} min", seconds / 60),
        (_, seconds @ ..172_800) => write!(f, "{} h", seconds / 3_600),
        (_, seconds) => write!(f, "{} days", seconds / 86_400),
    }
}

fn write_tenths(f: &mut fmt::Formatter<'_>, tenths: u128) -> fmt::Result {
    match tenths % 10 {
        0 => write!(f, "{} s", tenths / 10),
        tenth => write!(f, "{}.{tenth} s", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Share(u64, u64, Threshold);

    impl fmt::Display for Share {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_share(f, self.0, self.1, Some(self.2))
        }
    }

    /// A percentage as it is written, in millionths.
    fn read(percent: &str) -> u64 {
        let number = percent.trim_end_matches(" %");
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        format!("{whole}{fraction:0<4}").parse().expect("a number")
    }

    // M9
    #[test]
    fn of_its_parts_a_circuit_tells_what_goes_on_and_what_is_wrong() {
        use super::super::parts::QueueNow;

        let circuit = super::super::handle::Circuit::builder("reviews").consecutive_failures(5);
        let circuit = circuit.build().expect("valid");
        let line = |parts| {
            let mut seen = circuit.snapshot();
            (seen.parts, seen.time_in_state) = (Some(parts), Duration::ZERO);
            let line = seen.to_string();
            let rest = line.strip_prefix("reviews: closed for 0 ms");
            rest.expect("quiet").to_owned()
        };
        let bulkhead = |places, taken, waiting| Parts {
            bulkhead: Some(BulkheadNow {
                places,
                taken,
                waiting,
                rejected: 9,
            }),
            ..Parts::default()
        };
        let queue = |entries, oldest| Parts {
            queue: Some(QueueNow {
                entries,
                oldest,
                kept: 9,
                ..QueueNow::default()
            }),
            ..Parts::default()
        };
        let hidden = Parts {
            hidden_failures: 7,
            ..Parts::default()
        };
        let misplaced = Parts {
            misplaced_calls: 3,
            ..Parts::default()
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (parts, told) in [
            (Parts::default(), ""),
            (bulkhead(Some(20), 0, 0), ""),
            (bulkhead(Some(20), 7, 0), "; bulkhead: 7 of 20"),
            (bulkhead(Some(20), 20, 3), "; bulkhead: 20 of 20, 3 waiting"),
            (bulkhead(Some(20), 0, 1), "; bulkhead: 0 of 20, 1 waiting"),
            (bulkhead(None, 2, 0), "; bulkhead: 2, turned off"),
            (queue(0, None), ""),
            (queue(1, None), "; 1 call kept for later"),
            (
                queue(40, seconds(65)),
                "; 40 calls kept for later, the oldest for 65 s",
            ),
            (
                hidden,
                "; 7 failures hidden by a fallback inside the breaker",
            ),
            (misplaced, "; 3 calls met a queue inside the breaker"),
        ] {
            assert_eq!(line(parts), told);
        }
    }

    // E4, B9
    #[test]
    fn a_share_that_is_shed_is_never_told_as_nothing_or_as_more() {
        struct Part(f64);
        impl fmt::Display for Part {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_part(f, self.0)
            }
        }
        for (share, told) in [
            (0.9, "90 %"),
            (0.666_666, "66.6 %"),
            (0.019_801, "1.9 %"),
            (0.000_999, "0.09 %"),
            (0.000_198, "0.01 %"),
            (0.000_001, "0.0001 %"),
        ] {
            assert_eq!(Part(share).to_string(), told);
        }
    }

    // E4: for shares at either side of every threshold, and far from it.
    #[test]
    fn a_share_reads_as_its_threshold_or_more_only_where_it_has_reached_it() {
        let thresholds = [
            1, 9, 70_000, 123_450, 333_333, 499_999, 500_000, 666_667, 700_000, 999_999, 1_000_000,
        ];
        let wholes = (1..=64).chain([97, 1_000, 9_999, 10_000, 65_536, 1_000_003]);
        for (whole, threshold) in wholes.flat_map(|whole| thresholds.map(|at| (whole, at))) {
            let edge: u64 = whole * threshold / 1_000_000;
            for part in [
                0,
                edge.saturating_sub(1),
                edge,
                (edge + 1).min(whole),
                whole,
            ] {
                let line = Share(part, whole, Threshold::Rate(threshold as f64 / 1e6)).to_string();
                let line = line.trim_matches([' ', '(', ')']);
                let (share, told) = line.split_once(", threshold ").expect("both");
                assert_eq!(read(told), threshold, "{line}");
                let reached = part * 1_000_000 >= whole * threshold;
                assert_eq!(
                    read(share) >= threshold,
                    reached,
                    "{part} of {whole}: {line}"
                );
                assert!(
                    read(share) * whole <= part * 1_000_000,
                    "{part} of {whole}: {line}"
                );
            }
        }
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod of_a_fleet {
    use super::*;
    use crate::circuit::{handle::Circuit, settings::Agreement};

    fn seen(fleet: FleetNow) -> Snapshot {
        let circuit = Circuit::builder("payments").consecutive_failures(3).build();
        let mut seen = circuit.expect("valid").snapshot();
        (seen.time_in_state, seen.fleet) = (Duration::from_secs(5), Some(fleet));
        seen
    }

    fn alone(since: u64, why: Why) -> FleetNow {
        FleetNow {
            sharing: Sharing::Detached {
                since: Duration::from_secs(since),
                why,
            },
            ..FleetNow::attached()
        }
    }

    // N7: without a fleet the setting does nothing, and the line says so.
    #[test]
    fn a_line_tells_that_a_shared_circuit_has_no_fleet() {
        let line = |shared: Option<Agreement>| {
            let circuit = Circuit::builder("payments").shared(shared).build();
            circuit.expect("valid").snapshot().to_string()
        };
        let shared = line(Some(Agreement::default()));
        assert!(
            shared.ends_with("; to be shared, but it belongs to no fleet"),
            "{shared}"
        );
        assert!(!line(None).contains("fleet"), "nothing is missing");
    }

    // N7
    #[test]
    fn a_line_tells_with_whom_a_circuit_is_shared() {
        let attached = FleetNow::attached;
        for (fleet, line) in [
            (attached(), "payments: closed for 5 s; shared"),
            (
                FleetNow {
                    contributors: 48,
                    agreeing: 3,
                    ..attached()
                },
                "payments: closed for 5 s; shared, 48 instances have calls and 3 see it fail",
            ),
            (
                FleetNow {
                    contributors: 1,
                    agreeing: 1,
                    mismatch: true,
                    ..attached()
                },
                "payments: closed for 5 s; shared, 1 instance has calls and 1 sees it fail; other instances have other \
                 settings",
            ),
            // As when somebody has reset this one.
            (
                FleetNow {
                    state: State::Open,
                    cause: Some("failure_rate: 62 of 120 calls failed".into()),
                    ..attached()
                },
                "payments: closed for 5 s; shared; the fleet is open: failure_rate: 62 of 120 calls failed",
            ),
            (
                FleetNow {
                    state: State::Open,
                    forced: true,
                    who: Some("ops@example.org".into()),
                    ..attached()
                },
                "payments: closed for 5 s; shared; the fleet is forced open (by ops@example.org)",
            ),
            (
                alone(12, Why::TimedOut),
                "payments: closed for 5 s; alone for 12 s: the store does not answer in time",
            ),
            (
                alone(12, Why::Off),
                "payments: closed for 5 s; not shared: that is turned off",
            ),
        ] {
            assert_eq!(seen(fleet).to_string(), line);
        }
    }

    // N5: a break that is over is not the end of it where seats are needed.
    #[test]
    fn a_line_does_not_promise_a_probe_that_the_fleet_has_to_grant() {
        let over = |fleet: FleetNow| {
            let mut seen = seen(fleet);
            (seen.state, seen.remaining) = (State::Open, Some(Duration::ZERO));
            seen.to_string()
        };
        let led = |state| FleetNow {
            state,
            ..FleetNow::attached()
        };
        for state in [State::Open, State::HalfOpen] {
            let line = over(led(state));
            let expected = format!(
                "payments: open for 5 s, the fleet decides who probes; shared; the fleet is {state}"
            );
            assert_eq!(line, expected);
        }
        // Open alone, and open without a fleet that answers.
        let line = "payments: open for 5 s, the next call is a probe; ";
        assert_eq!(
            over(led(State::Closed)),
            format!("{line}shared; the fleet is closed")
        );
        let detached = FleetNow {
            state: State::Open,
            ..alone(3, Why::NotReached)
        };
        assert_eq!(
            over(detached),
            format!("{line}alone for 3 s: the store cannot be reached")
        );
    }
}
