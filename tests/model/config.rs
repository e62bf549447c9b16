//! What a circuit is built from, as plain data: once for the builder and once for the reference.

use std::{panic::resume_unwind, time::Duration};

use proptest::{option, prelude::*};
use tower_breaker::{
    AbandonedPolicy, CircuitBuilder, Jitter, Mode, OpenFor, RetryLimits, Settings, WindowCounts,
};

/// Settings as a person says them; `None` is *not said*. Shares are in thousandths.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) consecutive: Option<u64>,
    pub(crate) span: Option<Duration>,
    pub(crate) failure_rate: Option<u32>,
    pub(crate) slow_rate: Option<u32>,
    pub(crate) custom: Option<Custom>,
    pub(crate) minimum: Option<u64>,
    pub(crate) window: Option<Window>,
    pub(crate) slow_after: Option<Duration>,
    pub(crate) open_for: Break,
    pub(crate) half_open: HalfOpen,
    pub(crate) ramp: Option<(Duration, u32)>,
    /// Where it sheds, a rate of failures that is not said is said to be off.
    pub(crate) shed: Option<Shed>,
    pub(crate) abandoned: AbandonedPolicy,
    pub(crate) mode: Mode,
    pub(crate) around: Around,
}

/// In thousandths.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shed {
    pub(crate) multiplier: u32,
    pub(crate) floor: u32,
}

/// What is obeyed around the breaker: whatever it says, guards and the machine know nothing of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Around {
    pub(crate) call_timeout: Option<Duration>,
    pub(crate) bulkhead: Option<(u64, Duration)>,
    pub(crate) retries: Option<RetryLimits>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Window {
    Calls(usize),
    Buckets { width: Duration, number: u32 },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Custom {
    Never,
    Failed(u64),
    FailedOrSlow(u64),
    Panics,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Break {
    pub(crate) first: Duration,
    pub(crate) growth: Growth,
    pub(crate) jitter: Spread,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Growth {
    None,
    Factor(u32, Duration),
    /// So much more with every attempt up to the fifth, by a function. Like all breaks here it
    /// has at most six digits, up to which breaks are exact.
    Function,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Spread {
    None,
    Full,
    Equal,
    Fifth,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct HalfOpen {
    pub(crate) permits: u64,
    pub(crate) successes: u64,
    pub(crate) of: u64,
    pub(crate) timeout: Option<Duration>,
}

/// What a live circuit is asked to change (E5): the outer `None` leaves it, the inner one takes it back.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) consecutive: Option<Option<u64>>,
    pub(crate) failure_rate: Option<Option<u32>>,
    pub(crate) slow_rate: Option<Option<u32>>,
    pub(crate) minimum: Option<Option<u64>>,
    pub(crate) shed: Option<Option<Shed>>,
    pub(crate) open_for: Option<Duration>,
    pub(crate) permits: Option<Option<u64>>,
    pub(crate) probes: Option<Option<(u64, u64)>>,
    pub(crate) timeout: Option<Option<Duration>>,
    pub(crate) around: Option<Around>,
}

impl Custom {
    pub(crate) fn trips(self, counts: &WindowCounts) -> bool {
        match self {
            Self::Never => false,
            Self::Failed(limit) => counts.failed >= limit,
            Self::FailedOrSlow(limit) => counts.failed + counts.slow >= limit,
            // Unlike `panic!`, this prints nothing.
            Self::Panics => resume_unwind(Box::new("no idea")),
        }
    }
}

impl Shed {
    fn told(self) -> (f64, f64) {
        (share(self.multiplier), share(self.floor))
    }

    /// Whether so many thousandths open the circuit only after it has begun to shed: more than 1 - 1/K, in whole
    /// millionths.
    pub(crate) fn comes_before(self, rate: u32) -> bool {
        1000 * rate > 1_000_000 - 1_000_000_000 / self.multiplier
    }
}

impl Break {
    fn to_open_for(self) -> OpenFor {
        let first = self.first;
        let open_for = match self.growth {
            Growth::None => OpenFor::constant(first),
            Growth::Factor(factor, max) => OpenFor::exponential(first, factor.into(), max),
            Growth::Function => OpenFor::from_fn(move |attempt| first * attempt.min(5)),
        };
        open_for.jitter(match self.jitter {
            Spread::None => Jitter::None,
            Spread::Full => Jitter::Full,
            Spread::Equal => Jitter::Equal,
            Spread::Fifth => Jitter::Fraction(0.2),
        })
    }
}

fn share(thousandths: u32) -> f64 {
    f64::from(thousandths) / 1000.0
}

/// Says to the builder what was said, and nothing else.
macro_rules! say {
    ($builder:expr, $($value:expr => $method:expr),+ $(,)?) => {{
        let builder = $builder;
        $(let builder = match $value {
            Some(value) => $method(builder, value),
            None => builder,
        };)+
        builder
    }};
}

type Builder = CircuitBuilder;

impl Config {
    pub(crate) fn tell(&self, builder: Builder) -> Builder {
        let builder = self.half_open.tell(self.tell_policies(builder));
        let builder = say!(builder,
            self.ramp => |b: Builder, (time, from)| b.ramp(time, share(from)),
            self.shed.map(Shed::told) => |b: Builder, (multiplier, floor)| b.shed(multiplier, floor),
            self.around.call_timeout => Builder::call_timeout,
            self.around.bulkhead => |b: Builder, (places, wait)| b.bulkhead(count(places), wait),
            self.around.retries => Builder::retries,
        );
        builder
            .open_for(self.open_for.to_open_for())
            .abandoned(self.abandoned)
            .mode(self.mode)
    }

    fn tell_policies(&self, builder: Builder) -> Builder {
        let builder = match self.shed {
            Some(_) => builder.failure_rate(None),
            None => builder,
        };
        say!(builder,
            self.consecutive.map(count) => Builder::consecutive_failures,
            self.span => Builder::consecutive_failures_span,
            self.failure_rate.map(share) => Builder::failure_rate,
            self.slow_rate.map(share) => Builder::slow_call_rate,
            self.slow_after => Builder::slow_call_duration,
            self.minimum.map(count) => Builder::minimum_calls,
            self.window => |builder, window: Window| window.tell(builder),
            self.custom => |b: Builder, custom: Custom| b.trip_when(move |c| custom.trips(c)),
        )
    }
}

/// The reference counts everything in `u64`.
fn count(number: u64) -> u32 {
    number.try_into().expect("small")
}

impl Window {
    fn tell(self, builder: Builder) -> Builder {
        match self {
            Self::Calls(size) => builder.count_window(u32::try_from(size).expect("small")),
            Self::Buckets { width, number } => builder
                .time_window(width * number)
                .time_window_buckets(number),
        }
    }
}

impl HalfOpen {
    fn tell(self, builder: Builder) -> Builder {
        let builder = builder
            .permits(count(self.permits))
            .probes(count(self.successes), count(self.of));
        say!(builder, self.timeout => Builder::half_open_timeout)
    }
}

impl Change {
    pub(crate) fn tell<'a>(&self, settings: &'a mut Settings) -> &'a mut Settings {
        let counts = |(successes, of)| (count(successes), count(of));
        let shares = |share_of: Option<u32>| share_of.map(share);
        say!(settings,
            self.consecutive.map(|it| it.map(count)) => Settings::set_consecutive_failures,
            self.failure_rate.map(shares) => Settings::set_failure_rate,
            self.slow_rate.map(shares) => Settings::set_slow_call_rate,
            self.minimum.map(|it| it.map(count)) => Settings::set_minimum_calls,
            self.shed.map(|it| it.map(Shed::told)) => Settings::set_shed,
            self.open_for => Settings::set_open_for,
            self.permits.map(|it| it.map(count)) => Settings::set_permits,
            self.probes.map(|it| it.map(counts)) => Settings::set_probes,
            self.timeout => Settings::set_half_open_timeout,
            self.around.map(|it| it.call_timeout) => Settings::set_call_timeout,
            self.around.map(|it| it.bulkhead.map(|(places, wait)| (count(places), wait))) => Settings::set_bulkhead,
            self.around.map(|it| it.retries) => Settings::set_retries,
        )
    }
}

// ---- strategies ----------------------------------------------------------------------------

fn millis(range: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

fn thousandths() -> impl Strategy<Value = u32> {
    prop_oneof![1..=1000u32, Just(500), Just(1000)]
}

fn window() -> impl Strategy<Value = Window> {
    let buckets = (1..=200u64, 1..=12u32).prop_map(|(width, number)| Window::Buckets {
        width: Duration::from_millis(width),
        number,
    });
    prop_oneof![
        4 => (1..=12usize).prop_map(Window::Calls),
        2 => (13..=150usize).prop_map(Window::Calls),
        4 => buckets,
    ]
}

fn custom() -> impl Strategy<Value = Custom> {
    prop_oneof![
        Just(Custom::Never),
        (1..=20u64).prop_map(Custom::Failed),
        (1..=20u64).prop_map(Custom::FailedOrSlow),
        Just(Custom::Panics),
    ]
}

fn growth() -> impl Strategy<Value = Growth> {
    prop_oneof![
        Just(Growth::None),
        (1..=4u32, millis(1_000..=100_000)).prop_map(|(factor, max)| Growth::Factor(factor, max)),
        Just(Growth::Function),
    ]
}

fn spread() -> impl Strategy<Value = Spread> {
    prop_oneof![
        5 => Just(Spread::None),
        1 => Just(Spread::Full),
        1 => Just(Spread::Equal),
        1 => Just(Spread::Fifth),
    ]
}

fn open_for() -> impl Strategy<Value = Break> {
    // Around 30 s the break begins to say how long half-open waits.
    let first = prop_oneof![3 => millis(1..=1_000), 1 => millis(20_000..=90_000)];
    (first, growth(), spread()).prop_map(|(first, growth, jitter)| Break {
        first,
        growth: match growth {
            Growth::Factor(factor, max) => Growth::Factor(factor, max.max(first)),
            growth => growth,
        },
        jitter,
    })
}

/// Successes and of how many.
fn probes() -> impl Strategy<Value = (u64, u64)> {
    let small = (1..=5u64).prop_flat_map(|of| (1..=of, Just(of)));
    let large = (1..=63u64).prop_flat_map(|of| (1..=of, Just(of)));
    prop_oneof![6 => small, 1 => large]
}

fn half_open() -> impl Strategy<Value = HalfOpen> {
    let timeout = option::of(millis(1..=2_000));
    let permits = probes().prop_flat_map(|(successes, of)| (1..=of, Just(successes), Just(of)));
    (permits, timeout).prop_map(|((permits, successes, of), timeout)| HalfOpen {
        permits,
        successes,
        of,
        timeout,
    })
}

fn shed() -> impl Strategy<Value = Shed> {
    let multiplier = prop_oneof![6 => 1_000..=3_000u32, 1 => Just(1_000), 1 => 1_000..=100_000u32];
    let floor = prop_oneof![3 => 1..=300u32, 1 => 1..=999u32];
    (multiplier, floor).prop_map(|(multiplier, floor)| Shed { multiplier, floor })
}

fn abandoned() -> impl Strategy<Value = AbandonedPolicy> {
    prop_oneof![
        1 => Just(AbandonedPolicy::Ignore),
        1 => Just(AbandonedPolicy::Failure),
        2 => Just(AbandonedPolicy::FailureIfSlow),
        1 => millis(1..=30).prop_map(AbandonedPolicy::FailureAfter),
    ]
}

pub(crate) fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![
        10 => Just(Mode::Normal),
        3 => Just(Mode::Shadow),
        1 => Just(Mode::Disabled),
        1 => Just(Mode::ForcedOpen),
    ]
}

fn retries() -> impl Strategy<Value = RetryLimits> {
    let limits = (1..=100u32, thousandths(), 0..=10u32, millis(1..=2_000));
    limits.prop_map(|(at_most, of, per_second, max_wait)| {
        let limits = RetryLimits::new(at_most).share(share(of));
        limits.per_second(per_second).max_wait(max_wait)
    })
}

fn around() -> impl Strategy<Value = Around> {
    let rarely = 0.3;
    let around = (
        option::weighted(rarely, millis(1..=1_000)),
        option::weighted(rarely, (1..=1_000_000u64, millis(0..=100))),
        option::weighted(rarely, retries()),
    );
    around.prop_map(|(call_timeout, bulkhead, retries)| Around {
        call_timeout,
        bulkhead,
        retries,
    })
}

/// Any circuit that the builder accepts.
pub(crate) fn any_config() -> impl Strategy<Value = Config> {
    let policies = (
        (option::of(1..=6u64), option::weighted(0.2, millis(1..=500))),
        option::of(thousandths()),
        option::of(thousandths()),
        option::weighted(0.3, custom()),
        option::of(0..150u64),
        option::weighted(0.7, window()),
        option::weighted(0.6, millis(1..=20)),
    );
    let rest = (
        open_for(),
        half_open(),
        option::weighted(0.2, (millis(1..=1_000), 1..=1000u32)),
        abandoned(),
        mode(),
        around(),
        option::weighted(0.3, shed()),
    );
    (policies, rest).prop_map(|(policies, rest)| {
        let ((consecutive, span), failure_rate, slow_rate, custom, minimum, window, slow_after) =
            policies;
        let (open_for, half_open, ramp, abandoned, mode, around, shed) = rest;
        Config {
            consecutive,
            span: span.filter(|_| consecutive.is_some()),
            failure_rate,
            slow_rate: slow_rate.filter(|_| slow_after.is_some()),
            custom,
            minimum,
            window,
            slow_after,
            open_for,
            half_open,
            ramp,
            shed,
            abandoned,
            mode,
            around,
        }
        .with_possible_rate()
        .with_possible_minimum()
    })
}

impl Config {
    /// One that does not open the circuit before it sheds.
    pub(crate) fn with_possible_rate(self) -> Self {
        let possible = |rate: &u32| self.shed.is_none_or(|shed| shed.comes_before(*rate));
        Self {
            failure_rate: self.failure_rate.filter(possible),
            ..self
        }
    }

    pub(crate) fn with_possible_minimum(self) -> Self {
        let most = match self.window {
            Some(Window::Calls(size)) => Some(size as u64),
            Some(Window::Buckets { .. }) => Some(40),
            None => None,
        };
        let minimum = self.minimum.and_then(|minimum| Some(1 + minimum % most?));
        Self { minimum, ..self }
    }
}

/// A circuit that never trips by itself: its window rolls on for thousands of calls.
pub(crate) fn patient_config() -> impl Strategy<Value = Config> {
    (any_config(), window()).prop_map(|(config, window)| {
        Config {
            consecutive: None,
            span: None,
            failure_rate: None,
            slow_rate: None,
            custom: Some(Custom::Never),
            window: Some(window),
            mode: Mode::Normal,
            ..config
        }
        .with_possible_minimum()
    })
}

/// A circuit that sheds, and seldom opens by itself.
pub(crate) fn shedding_config() -> impl Strategy<Value = Config> {
    let shadow = any::<bool>();
    (any_config(), window(), shed(), shadow).prop_map(|(config, window, shed, shadow)| {
        Config {
            consecutive: config.consecutive.map(|failures| 3 * failures),
            custom: None,
            window: Some(window),
            shed: Some(shed),
            mode: if shadow { Mode::Shadow } else { Mode::Normal },
            ..config
        }
        .with_possible_rate()
        .with_possible_minimum()
    })
}

/// A circuit that trips by rates and a policy of its own.
pub(crate) fn watchful_config() -> impl Strategy<Value = Config> {
    let custom = option::weighted(0.5, custom());
    let watched = (window(), thousandths(), millis(1..=3), custom);
    (any_config(), watched).prop_map(|(config, (window, slow_rate, slow_after, custom))| {
        Config {
            consecutive: None,
            span: None,
            window: Some(window),
            slow_rate: Some(slow_rate),
            slow_after: Some(slow_after),
            custom,
            mode: Mode::Normal,
            ..config
        }
        .with_possible_minimum()
    })
}

/// A circuit that trips at the first failure: it is half-open most of the time.
pub(crate) fn nervous_config() -> impl Strategy<Value = Config> {
    (any_config(), 1..=2u64, any::<bool>()).prop_map(|(config, failures, shadow)| Config {
        consecutive: Some(failures),
        span: None,
        mode: if shadow { Mode::Shadow } else { Mode::Normal },
        ..config
    })
}

/// A value, or now and then that it is taken back.
fn mostly<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    option::weighted(0.75, value)
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    let rarely = 0.15;
    let numbers = (
        option::weighted(rarely, mostly(1..=6u64)),
        option::weighted(rarely, mostly(thousandths())),
        option::weighted(rarely, mostly(thousandths())),
        option::weighted(rarely, mostly(1..=20u64)),
    );
    let rest = (
        option::weighted(rarely, millis(1..=1_000)),
        option::weighted(rarely, mostly(1..=5u64)),
        option::weighted(rarely, mostly(probes())),
        option::weighted(rarely, mostly(millis(1..=2_000))),
        option::weighted(rarely, around()),
        option::weighted(rarely, mostly(shed())),
    );
    (numbers, rest).prop_map(
        |(
            (consecutive, failure_rate, slow_rate, minimum),
            (open_for, permits, probes, timeout, around, shed),
        )| {
            Change {
                consecutive,
                failure_rate,
                slow_rate,
                minimum,
                shed,
                open_for,
                permits,
                probes,
                timeout,
                around,
            }
        },
    )
}
