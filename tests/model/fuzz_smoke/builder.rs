//! Any input of the builder, from bytes. What the docs refuse is refused by name, and nothing else is;
//! and what is accepted works (rule B8).

use std::{collections::BTreeSet, panic::resume_unwind, time::Duration};

use tower_breaker::{
    AbandonedPolicy, Circuit, CircuitBuilder, ConfigError, Jitter, OpenFor, RetryLimits,
    clock::ManualClock,
};

use super::{bytes::Bytes, laws};

/// What was said last of each setting.
#[derive(Clone, Debug, Default)]
struct Said {
    consecutive: Option<u32>,
    failure_rate: Option<f64>,
    slow_rate: Option<f64>,
    slow_after: Option<Duration>,
    minimum: Option<u32>,
    count_window: Option<u32>,
    time_window: Option<Duration>,
    buckets: Option<u32>,
    custom: bool,
    open_for: Option<Break>,
    permits: Option<u32>,
    probes: Option<(u32, u32, &'static str)>,
    timeout: Option<Duration>,
    probe_timeout: Option<Duration>,
    ramp: Option<(Duration, f64)>,
    shed: Option<(f64, f64)>,
    call_timeout: Option<Duration>,
    places: Option<u32>,
    retries: Option<RetryLimits>,
}

#[derive(Clone, Copy, Debug)]
struct Break {
    first: Duration,
    factor: f64,
    max: Duration,
    jitter: Jitter,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LIMITS: [u64; 8] = [1, 10, 63, 100, 65_536, 4_194_303, 1 << 32, u64::MAX];

fn any_count(bytes: &mut Bytes<'_>) -> u32 {
    u32::try_from(bytes.any_number(&LIMITS)).unwrap_or(u32::MAX)
}

/// Builds a circuit from bytes, holds what came of it against the docs, and plays with it.
///
/// Gives the field that was refused.
pub(crate) fn drive(data: &[u8]) -> Option<String> {
    let bytes = &mut Bytes::new(data);
    let clock = ManualClock::new();
    let log = laws::Log::default();
    let mut said = Said::default();
    let mut builder = log.listen(Circuit::builder("fuzzed").clock(clock.clone()));
    for _ in 0..bytes.below(12) {
        builder = say(builder, &mut said, bytes);
    }
    let refusable = said.nonsense();
    match builder.build() {
        Err(error) => {
            assert!(refusable.contains(error.field()), "{error} of {said:?}");
            assert_well_said(&error);
            Some(error.field().to_owned())
        }
        Ok(circuit) => {
            assert!(
                refusable.is_empty(),
                "accepted, although {refusable:?}: {said:?}"
            );
            assert_settings_survive(&circuit);
            laws::play(&circuit, &clock, &log, bytes);
            None
        }
    }
}

fn assert_well_said(error: &ConfigError) {
    assert!(!error.value().is_empty() && !error.allowed().is_empty());
    let (field, value, allowed) = (error.field(), error.value(), error.allowed());
    assert_eq!(
        error.to_string(),
        format!("circuit `fuzzed`: `{field}` is {value}, but must be {allowed}")
    );
}

/// E5: what was accepted holds, and is accepted again.
fn assert_settings_survive(circuit: &Circuit) {
    let settings = circuit.settings();
    let again = Circuit::builder("again").settings(&settings).build();
    assert_eq!(again.expect("accepted once").settings(), settings);
    let change = circuit.reconfigure(|same| same.set_to(&settings));
    assert!(change.expect("what holds").is_empty());
}

// ---- saying ------------------------------------------------------------------------------------

fn say(builder: CircuitBuilder, said: &mut Said, bytes: &mut Bytes<'_>) -> CircuitBuilder {
    match bytes.byte() % 27 {
        0..=7 => say_policy(builder, said, bytes),
        8..=11 => say_window(builder, said, bytes),
        12..=14 => say_break(builder, said, bytes),
        15..=20 => say_half_open(builder, said, bytes),
        21..=24 => say_around(builder, said, bytes),
        _ => say_the_rest(builder, bytes),
    }
}

fn say_policy(builder: CircuitBuilder, said: &mut Said, bytes: &mut Bytes<'_>) -> CircuitBuilder {
    match bytes.byte() % 6 {
        0 => builder.consecutive_failures(*said.consecutive.insert(any_count(bytes))),
        1 => builder.failure_rate(*said.failure_rate.insert(bytes.any_share())),
        2 => builder.slow_call_rate(*said.slow_rate.insert(bytes.any_share())),
        3 => builder.slow_call_duration(*said.slow_after.insert(bytes.any_duration())),
        4 => builder.minimum_calls(*said.minimum.insert(any_count(bytes))),
        _ => {
            said.custom = true;
            let (limit, panics) = (bytes.below(20), bytes.flag());
            builder.trip_when(move |counts| match panics {
                // Unlike `panic!`, this prints nothing.
                true => resume_unwind(Box::new("no idea")),
                false => counts.failed > limit,
            })
        }
    }
}

fn say_window(builder: CircuitBuilder, said: &mut Said, bytes: &mut Bytes<'_>) -> CircuitBuilder {
    match bytes.byte() % 3 {
        0 => {
            let calls = any_count(bytes);
            builder.count_window(*said.count_window.insert(calls))
        }
        1 => builder.time_window(*said.time_window.insert(bytes.any_duration())),
        _ => {
            let buckets = any_count(bytes);
            builder.time_window_buckets(*said.buckets.insert(buckets))
        }
    }
}

fn say_break(builder: CircuitBuilder, said: &mut Said, bytes: &mut Bytes<'_>) -> CircuitBuilder {
    let first = bytes.any_duration();
    let jitter = match bytes.byte() % 4 {
        0 => Jitter::None,
        1 => Jitter::Full,
        2 => Jitter::Equal,
        _ => Jitter::Fraction(bytes.any_share()),
    };
    let constant = Break {
        first,
        factor: 1.0,
        max: first,
        jitter,
    };
    let (open_for, kept) = match bytes.byte() % 4 {
        0 | 1 => (OpenFor::constant(first), constant),
        2 => {
            let (factor, max) = (1.0 + 4.0 * bytes.any_share(), bytes.any_duration());
            let growing = Break {
                factor,
                max,
                ..constant
            };
            (OpenFor::exponential(first, factor, max), growing)
        }
        _ => {
            let thirty = Duration::from_secs(30);
            let function = Break {
                first: thirty,
                max: thirty,
                ..constant
            };
            (of_attempt(first, bytes.flag()), function)
        }
    };
    said.open_for = Some(kept);
    builder.open_for(open_for.jitter(jitter))
}

fn of_attempt(first: Duration, panics: bool) -> OpenFor {
    OpenFor::from_fn(move |attempt| match panics {
        true => resume_unwind(Box::new("no idea")),
        false => first.saturating_mul(attempt),
    })
}

fn say_half_open(
    builder: CircuitBuilder,
    said: &mut Said,
    bytes: &mut Bytes<'_>,
) -> CircuitBuilder {
    match bytes.byte() % 7 {
        0 => builder.permits(*said.permits.insert(any_count(bytes))),
        1 => {
            let successes = any_count(bytes);
            said.probes = Some((successes, successes, "success_threshold"));
            builder.success_threshold(successes)
        }
        2 => {
            let (successes, of) = (any_count(bytes), any_count(bytes));
            said.probes = Some((successes, of, "probes.of"));
            builder.probes(successes, of)
        }
        3 => builder.half_open_timeout(*said.timeout.insert(bytes.any_duration())),
        4 => builder.probe_timeout(*said.probe_timeout.insert(bytes.any_duration())),
        5 => {
            let (more, floor) = (bytes.any_share(), bytes.any_share());
            let (multiplier, floor) = *said.shed.insert((1.0 + 9.0 * more, floor));
            builder.shed(multiplier, floor)
        }
        _ => {
            let (time, from) = *said.ramp.insert((bytes.any_duration(), bytes.any_share()));
            builder.ramp(time, from)
        }
    }
}

/// What is obeyed around the breaker.
fn say_around(builder: CircuitBuilder, said: &mut Said, bytes: &mut Bytes<'_>) -> CircuitBuilder {
    match bytes.byte() % 5 {
        0 => builder.call_timeout(*said.call_timeout.insert(bytes.any_duration())),
        1 => {
            let places = *said.places.insert(any_count(bytes));
            builder.bulkhead(places, bytes.any_duration())
        }
        _ => {
            let limits = any_retries(bytes);
            builder.retries(*said.retries.insert(limits))
        }
    }
}

/// Usually one number is nonsense, if any is: with more of them, the last would hardly be looked at.
fn any_retries(bytes: &mut Bytes<'_>) -> RetryLimits {
    let sound = RetryLimits::new(2);
    match bytes.byte() % 8 {
        0 => RetryLimits::new(any_count(bytes)),
        1 => sound.share(bytes.any_share()),
        2 | 3 => sound.per_second(any_count(bytes)),
        4..=6 => sound.max_wait(bytes.any_duration()),
        _ => RetryLimits::new(any_count(bytes))
            .share(bytes.any_share())
            .per_second(any_count(bytes))
            .max_wait(bytes.any_duration()),
    }
}

/// What takes no nonsense.
fn say_the_rest(builder: CircuitBuilder, bytes: &mut Bytes<'_>) -> CircuitBuilder {
    let abandoned = [
        AbandonedPolicy::Ignore,
        AbandonedPolicy::Failure,
        AbandonedPolicy::FailureIfSlow,
        AbandonedPolicy::FailureAfter(Duration::from_millis(5)),
    ];
    match bytes.byte() % 6 {
        0 => builder.abandoned(bytes.pick(&abandoned)),
        1 => builder.mode(laws::any_mode(bytes)),
        2 => builder.totals(bytes.flag()),
        3 => builder.durations(bytes.flag()),
        4 => builder.event_log(bytes.byte().into()),
        _ => builder.jitter_seed(bytes.any_number(&LIMITS)),
    }
}

// ---- what the docs refuse ----------------------------------------------------------------------

fn is_share(share: f64) -> bool {
    share <= 1.0 && (share * 1e6).round() >= 1.0
}

impl Said {
    /// Every field that the docs refuse, each by itself; the builder names one of them.
    fn nonsense(&self) -> BTreeSet<&'static str> {
        let mut fields = BTreeSet::new();
        let mut refuse = |refused: bool, field| _ = refused && fields.insert(field);
        self.nonsense_of_policies(&mut refuse);
        self.nonsense_of_windows(&mut refuse);
        if let Some(open_for) = self.open_for {
            open_for.nonsense(&mut refuse);
        }
        self.nonsense_of_half_open(&mut refuse);
        self.nonsense_around(&mut refuse);
        self.nonsense_of_shed(&mut refuse);
        fields
    }

    fn nonsense_of_policies(&self, refuse: &mut impl FnMut(bool, &'static str)) {
        let consecutive = self.consecutive.unwrap_or(1);
        let unmeasured = self.slow_rate.is_some() && self.slow_after.is_none();
        refuse(
            !(1..=4_194_303).contains(&consecutive),
            "consecutive_failures",
        );
        refuse(!is_share(self.failure_rate.unwrap_or(1.0)), "failure_rate");
        refuse(!is_share(self.slow_rate.unwrap_or(1.0)), "slow_call_rate");
        refuse(
            self.slow_after == Some(Duration::ZERO) || unmeasured,
            "slow_call_duration",
        );
        refuse(
            self.minimum
                .is_some_and(|minimum| !self.allows_minimum(minimum)),
            "minimum_calls",
        );
    }

    /// B9: by which rate it opens if none is said, it is the builder's to know.
    fn nonsense_of_shed(&self, refuse: &mut impl FnMut(bool, &'static str)) {
        let Some((multiplier, floor)) = self.shed else {
            return;
        };
        refuse(!(1.0..=100.0).contains(&multiplier), "shed.multiplier");
        refuse(
            !is_share(floor) || (floor * 1e6).round() >= 1e6,
            "shed.floor",
        );
        let begins = 1e6 - (1e12 / (multiplier * 1e6).round()).floor();
        let rate = self.failure_rate.or(self.default_failure_rate());
        refuse(
            rate.is_some_and(|rate| (rate * 1e6).round() <= begins),
            "failure_rate",
        );
    }

    /// What trips where nothing is said of failures, and there is a window that was named, or no other policy.
    fn default_failure_rate(&self) -> Option<f64> {
        let named = self.count_window.is_some() || self.time_window.is_some();
        let asks = named || self.consecutive.is_none();
        (asks && !self.custom).then_some(0.5)
    }

    fn allows_minimum(&self, minimum: u32) -> bool {
        let has_no_window = self.consecutive.is_some()
            && self.failure_rate.is_none()
            && self.slow_rate.is_none()
            && !self.custom
            && self.shed.is_none()
            && self.count_window.is_none()
            && self.time_window.is_none();
        let most = match self.time_window {
            Some(_) => u32::MAX,
            None => self.count_window.unwrap_or(100),
        };
        !has_no_window && (1..=most).contains(&minimum)
    }

    fn nonsense_of_windows(&self, refuse: &mut impl FnMut(bool, &'static str)) {
        let size = self.count_window.unwrap_or(1);
        let span = self.time_window.unwrap_or(DAY);
        let both = self.count_window.is_some() && self.time_window.is_some();
        let buckets = self.buckets.unwrap_or(10);
        let homeless = self.buckets.is_some() && self.time_window.is_none();
        refuse(!(1..=65_536).contains(&size), "count_window");
        let spans = Duration::from_millis(1)..=DAY;
        refuse(both || !spans.contains(&span), "time_window");
        refuse(
            homeless || !(1..=100).contains(&buckets),
            "time_window_buckets",
        );
    }

    fn nonsense_around(&self, refuse: &mut impl FnMut(bool, &'static str)) {
        refuse(self.call_timeout == Some(Duration::ZERO), "call_timeout");
        let places = 1..=1_000_000;
        refuse(
            !places.contains(&self.places.unwrap_or(1)),
            "bulkhead.places",
        );
        let Some(limits) = self.retries else { return };
        let RetryLimits {
            at_most,
            share,
            per_second,
            max_wait,
            ..
        } = limits;
        refuse(!(1..=100).contains(&at_most), "retries.at_most");
        refuse(share != 0.0 && !is_share(share), "retries.share");
        let none = share == 0.0 && per_second == 0;
        refuse(none || per_second > 1_000_000, "retries.per_second");
        refuse(max_wait.is_zero(), "retries.max_wait");
    }

    fn nonsense_of_half_open(&self, refuse: &mut impl FnMut(bool, &'static str)) {
        let (successes, of, field) = self.probes.unwrap_or((1, 1, "probes.of"));
        refuse(!(1..=63).contains(&of), field);
        refuse(!(1..=of).contains(&successes), "probes.successes");
        refuse(!(1..=of).contains(&self.permits.unwrap_or(1)), "permits");
        refuse(self.timeout == Some(Duration::ZERO), "half_open_timeout");
        refuse(self.probe_timeout == Some(Duration::ZERO), "probe_timeout");
        let (time, from) = self.ramp.unwrap_or((DAY, 1.0));
        refuse(time.is_zero(), "ramp");
        refuse(!is_share(from), "ramp.from");
    }
}

impl Break {
    fn nonsense(&self, refuse: &mut impl FnMut(bool, &'static str)) {
        refuse(self.first.is_zero(), "open_for");
        refuse(
            !(1.0..f64::INFINITY).contains(&self.factor),
            "open_for.factor",
        );
        refuse(self.max < self.first, "open_for.max");
        if let Jitter::Fraction(share) = self.jitter {
            refuse(!is_share(share), "open_for.jitter");
        }
    }
}
