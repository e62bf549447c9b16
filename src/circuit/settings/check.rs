//! What is refused of settings (rule B8), and the numbers that they stand for.
//!
//! If two settings do not go together, the error is about the one that was changed, if only one was.

use std::{fmt::Arguments, time::Duration};

use super::{
    ConfigError, OpenFor, Settings,
    agreement::Agreement,
    defaults::DEFAULT_FAILURE_RATE,
    retry_limits::RetryLimits,
    values::{count, duration, in_millionths, millionths, share, unless_zero},
};
use crate::machine::{
    self, AbandonedPolicy, MAX_BUCKETS, MAX_SIZE, MAX_SPAN, MIN_SPAN, Numbers, Shed, WHOLE,
    WindowKind, nanos,
};

/// What the circuit's word has room for.
pub(crate) const MAX_CONSECUTIVE_FAILURES: u32 = as_count(machine::MAX_CONSECUTIVE_FAILURES);
pub(crate) const MAX_PROBES: u32 = as_count(machine::MAX_PROBES);
const MAX_SHARED_PROBES: u32 = as_count(machine::MAX_SHARED_PROBES);

/// The most places of a bulkhead.
pub(crate) const MAX_PLACES: u32 = 1_000_000;

/// How often a call may be repeated, at most.
pub(crate) const MAX_RETRIES: u32 = 100;

/// How many instances have to agree, at most.
pub(crate) const MAX_INSTANCES: u32 = 10_000;

/// The greatest revision that every store can keep.
pub(crate) const MAX_REVISION: u64 = 1 << 52;

/// How many calls may be repeated a second, besides a share of them.
pub(crate) const MAX_RETRIES_PER_SECOND: u32 = 1_000_000;

impl Settings {
    /// The numbers that these settings stand for, if they make sense. `old` are those that they were made of, if
    /// they are of a live circuit.
    pub(crate) fn numbers(&self, old: Option<&Self>) -> Result<Numbers, ConfigError> {
        // Without `..`, so that none is forgotten. A `_` is looked at by the method behind it, or can be anything.
        let Self {
            count_window: _,        // window
            time_window: _,         // window
            time_window_buckets: _, // window

            consecutive_failures: _,      // write_policies
            consecutive_failures_span: _, // write_policies
            failure_rate: _,              // write_policies
            slow_call_rate: _,            // write_policies
            slow_call_duration: _,        // write_policies
            minimum_calls: _,             // write_policies

            permits: _,           // write_probes
            probes: _,            // write_probes
            half_open_timeout: _, // write_probes
            probe_timeout: _,     // write_probes

            trip_when: _,
            jitter_seed: _,
            totals: _,
            durations: _,
            event_log: _,

            open_for,
            ramp: _, // write_ramp
            spread_retry_after,
            shed: _, // write_shed
            abandoned,
            call_timeout: _, // write_limits
            bulkhead: _,     // write_limits
            retries: _,      // write_limits
            shared: _,       // write_shared
        } = self;
        self.window()?;
        let mut numbers = Numbers::default();
        self.write_policies(&mut numbers, old)?;
        open_for.write_to(&mut numbers)?;
        self.write_probes(&mut numbers, old)?;
        self.write_limits(&mut numbers)?;
        self.write_shared(&mut numbers)?;
        self.write_shed(&mut numbers, old)?;
        self.write_ramp(&mut numbers)?;
        if let Some(share) = *spread_retry_after {
            numbers.spread_retry_after = millionths("spread_retry_after", share)?;
        }
        let valid = *abandoned != AbandonedPolicy::FailureAfter(Duration::ZERO);
        ConfigError::unless(valid, "abandoned", abandoned, "after a time above zero")?;
        // As it is read back: times beyond what there are nanoseconds for are one value.
        numbers.abandoned = match *abandoned {
            AbandonedPolicy::FailureAfter(limit) => {
                AbandonedPolicy::FailureAfter(Duration::from_nanos(nanos(limit)))
            }
            policy => policy,
        };
        Ok(numbers)
    }

    /// What holds where these settings are what a circuit was built with, and its numbers are these.
    pub(crate) fn with_numbers(&self, numbers: &Numbers) -> Self {
        let function = self.open_for.function();
        Self {
            consecutive_failures: unless_zero(numbers.consecutive_failures, count),
            consecutive_failures_span: unless_zero(numbers.consecutive_failures_span, duration),
            failure_rate: unless_zero(numbers.failure_rate, share),
            slow_call_rate: unless_zero(numbers.slow_call_rate, share),
            slow_call_duration: unless_zero(numbers.slow_call_duration, duration),
            minimum_calls: self.has_window().then(|| count(numbers.minimum_calls)),
            open_for: OpenFor::read_from(numbers, function),
            permits: count(numbers.permits),
            probes: (count(numbers.successes), count(numbers.of)),
            half_open_timeout: unless_zero(numbers.half_open_timeout, duration),
            probe_timeout: unless_zero(numbers.probe_timeout, duration),
            ramp: unless_zero(numbers.ramp, |time| {
                (duration(time), share(numbers.ramp_from))
            }),
            spread_retry_after: unless_zero(numbers.spread_retry_after, share),
            shed: unless_zero(numbers.shed.multiplier(), |multiplier| {
                (share(multiplier), share(numbers.shed.floor()))
            }),
            call_timeout: unless_zero(numbers.call_timeout, duration),
            bulkhead: unless_zero(numbers.bulkhead, |places| {
                (count(places), duration(numbers.bulkhead_wait))
            }),
            retries: unless_zero(numbers.retries, |at_most| RetryLimits {
                at_most: count(at_most),
                share: share(numbers.retries_share),
                per_second: count(numbers.retries_per_second),
                max_wait: duration(numbers.retries_max_wait),
            }),
            shared: read_shared(numbers),
            abandoned: match numbers.abandoned {
                AbandonedPolicy::FailureAfter(limit) => {
                    AbandonedPolicy::FailureAfter(duration(nanos(limit)))
                }
                policy => policy,
            },
            count_window: self.count_window,
            time_window: self.time_window,
            time_window_buckets: self.time_window_buckets,
            trip_when: self.trip_when.clone(),
            jitter_seed: self.jitter_seed,
            totals: self.totals,
            durations: self.durations,
            event_log: self.event_log,
        }
    }

    /// The window that these settings ask for.
    pub(crate) fn window(&self) -> Result<WindowKind, ConfigError> {
        match (self.count_window, self.time_window) {
            (Some(_), Some(span)) => {
                let allowed = "left out where there is a `count_window`: a circuit has one window";
                Err(ConfigError::new("time_window", span, allowed).blaming("count_window"))
            }
            (Some(size), None) => {
                let allowed = format!("1 to {MAX_SIZE} calls");
                let valid = (1..=MAX_SIZE).contains(&size);
                ConfigError::unless(valid, "count_window", &size, &allowed)?;
                self.refuse_buckets().map(|()| WindowKind::Count(size))
            }
            (None, Some(span)) => self.time_window_of(span),
            (None, None) => self.refuse_buckets().map(|()| WindowKind::None),
        }
    }

    fn time_window_of(&self, span: Duration) -> Result<WindowKind, ConfigError> {
        let allowed = format!("{MIN_SPAN:?} to {MAX_SPAN:?}");
        let valid = (MIN_SPAN..=MAX_SPAN).contains(&span);
        ConfigError::unless(valid, "time_window", &span, &allowed)?;
        let buckets = self.time_window_buckets.unwrap_or_default();
        let allowed = format!("1 to {MAX_BUCKETS}");
        let valid = (1..=MAX_BUCKETS).contains(&buckets);
        ConfigError::unless(valid, "time_window_buckets", &buckets, &allowed)?;
        Ok(WindowKind::Time(span, buckets))
    }

    fn refuse_buckets(&self) -> Result<(), ConfigError> {
        self.time_window_buckets.map_or(Ok(()), |buckets| {
            let allowed = "left out where there is no `time_window`";
            Err(ConfigError::new("time_window_buckets", buckets, allowed).blaming("time_window"))
        })
    }

    fn write_policies(&self, numbers: &mut Numbers, old: Option<&Self>) -> Result<(), ConfigError> {
        if let Some(failures) = self.consecutive_failures {
            let allowed = format!("1 to {MAX_CONSECUTIVE_FAILURES}");
            let valid = (1..=MAX_CONSECUTIVE_FAILURES).contains(&failures);
            ConfigError::unless(valid, "consecutive_failures", &failures, &allowed)?;
            numbers.consecutive_failures = failures.into();
        }
        if let Some(span) = self.consecutive_failures_span {
            numbers.consecutive_failures_span = above_zero("consecutive_failures_span", span)?;
            self.refuse_span_alone(span, old)?;
        }
        if let Some(rate) = self.failure_rate {
            numbers.failure_rate = millionths("failure_rate", rate)?;
        }
        self.refuse_if_no_failure_trips(old)?;
        if let Some(duration) = self.slow_call_duration {
            numbers.slow_call_duration = above_zero("slow_call_duration", duration)?;
        }
        if let Some(rate) = self.slow_call_rate {
            numbers.slow_call_rate = millionths("slow_call_rate", rate)?;
            self.refuse_slow_rate_alone(rate, old)?;
        }
        numbers.minimum_calls = self.check_minimum()?.into();
        Ok(())
    }

    fn refuse_span_alone(&self, span: Duration, old: Option<&Self>) -> Result<(), ConfigError> {
        let (policy, field) = ("consecutive_failures", "consecutive_failures_span");
        if self.consecutive_failures.is_some() {
            return Ok(());
        }
        if old.is_some_and(|old| old.consecutive_failures_span == Some(span)) {
            let allowed = format!("set together with `{field}`");
            return Err(ConfigError::new(policy, off(), allowed).blaming(field));
        }
        let allowed = format!("left out where there is no `{policy}`");
        Err(ConfigError::new(field, span, allowed).blaming(policy))
    }

    /// A circuit that only looks on would fail in silence.
    fn refuse_if_no_failure_trips(&self, old: Option<&Self>) -> Result<(), ConfigError> {
        let trips = self.failure_rate.is_some()
            || self.consecutive_failures.is_some()
            || self.trip_when.is_some()
            || self.shed.is_some();
        if trips {
            return Ok(());
        }
        let had = |of: fn(&Self) -> bool| old.is_some_and(of);
        let (field, [other, third]) = match () {
            () if had(|old| old.consecutive_failures.is_some()) => {
                ("consecutive_failures", ["failure_rate", "shed"])
            }
            () if had(|old| old.failure_rate.is_some()) || !had(|old| old.shed.is_some()) => {
                ("failure_rate", ["consecutive_failures", "shed"])
            }
            () => ("shed", ["failure_rate", "consecutive_failures"]),
        };
        let allowed = format!("set where there is neither `{other}` nor `{third}` nor `trip_when`");
        Err(ConfigError::new(field, off(), allowed).blaming(other))
    }

    fn refuse_slow_rate_alone(&self, rate: f64, old: Option<&Self>) -> Result<(), ConfigError> {
        let (field, other) = ("slow_call_duration", "slow_call_rate");
        if self.slow_call_duration.is_some() {
            return Ok(());
        }
        if old.is_some_and(|old| old.slow_call_duration.is_none()) {
            let allowed = format!("left out where there is no `{field}`");
            return Err(ConfigError::new(other, rate, allowed).blaming(field));
        }
        let allowed = format!("set together with `{other}`");
        Err(ConfigError::new(field, format_args!("not set"), allowed).blaming(other))
    }

    /// The minimum, which is said, the default, or nothing where there is no window.
    fn check_minimum(&self) -> Result<u32, ConfigError> {
        let field = "minimum_calls";
        let Some(minimum) = self.minimum_calls() else {
            return Ok(0);
        };
        let most = self.count_window.unwrap_or(u32::MAX);
        match minimum {
            _ if !self.has_window() => {
                let allowed = "left out where there is no `count_window` or `time_window`";
                Err(ConfigError::new(field, minimum, allowed).blaming("count_window"))
            }
            0 => Err(ConfigError::new(field, minimum, "at least 1")),
            minimum if minimum > most => {
                let allowed = format!("1 to {most}, the size of the `count_window`");
                Err(ConfigError::new(field, minimum, allowed).blaming("count_window"))
            }
            minimum => Ok(minimum),
        }
    }

    fn write_probes(&self, numbers: &mut Numbers, old: Option<&Self>) -> Result<(), ConfigError> {
        let (successes, of) = self.probes;
        let allowed = format!("1 to {MAX_PROBES}");
        ConfigError::unless((1..=MAX_PROBES).contains(&of), "probes.of", &of, &allowed)?;
        let allowed = format!("1 to {of}, the number of probes");
        let valid = (1..=of).contains(&successes);
        ConfigError::unless(valid, "probes.successes", &successes, &allowed)?;
        self.check_permits(old)?;
        let [permits, successes, of] = [self.permits, successes, of].map(u64::from);
        (numbers.permits, numbers.successes, numbers.of) = (permits, successes, of);
        if let Some(timeout) = self.half_open_timeout {
            numbers.half_open_timeout = above_zero("half_open_timeout", timeout)?;
        }
        if let Some(limit) = self.probe_timeout {
            numbers.probe_timeout = above_zero("probe_timeout", limit)?;
        }
        Ok(())
    }

    fn write_ramp(&self, numbers: &mut Numbers) -> Result<(), ConfigError> {
        if let Some((ramp, from)) = self.ramp {
            numbers.ramp = above_zero("ramp", ramp)?;
            numbers.ramp_from = millionths("ramp.from", from)?;
        }
        Ok(())
    }

    /// B9. What would never shed anything is refused: the circuit would be open by then.
    fn write_shed(&self, numbers: &mut Numbers, old: Option<&Self>) -> Result<(), ConfigError> {
        let Some((multiplier, floor)) = self.shed else {
            return Ok(());
        };
        let allowed = "1 to 100";
        let valid = (1.0..=100.0).contains(&multiplier);
        ConfigError::unless(valid, "shed.multiplier", &multiplier, allowed)?;
        let below_one = |floor: &u64| *floor < WHOLE;
        let allowed = "a share above 0 and below 1";
        let checked = millionths("shed.floor", floor).ok().filter(below_one);
        let floor = checked.ok_or_else(|| ConfigError::new("shed.floor", floor, allowed))?;
        if !self.has_window() {
            let allowed = "left out where there is no `count_window` or `time_window`";
            let refused = ConfigError::new("shed.multiplier", multiplier, allowed);
            return Err(refused.blaming("count_window"));
        }
        numbers.shed = Shed::new(in_millionths(multiplier), floor);
        self.refuse_rate_that_comes_first(numbers, old)
    }

    fn refuse_rate_that_comes_first(
        &self,
        numbers: &Numbers,
        old: Option<&Self>,
    ) -> Result<(), ConfigError> {
        let begins = WHOLE - WHOLE * WHOLE / numbers.shed.multiplier();
        let is_old = old.is_some_and(|old| old.failure_rate == self.failure_rate);
        match (self.failure_rate, self.shed) {
            (Some(_), Some((multiplier, _))) if numbers.failure_rate <= begins && is_old => {
                let least = "smaller, so that it sheds before the `failure_rate` opens the circuit";
                let refused = ConfigError::new("shed.multiplier", multiplier, least);
                Err(refused.blaming("failure_rate"))
            }
            (Some(rate), Some((multiplier, _))) if numbers.failure_rate <= begins => {
                let begins = share(begins);
                // Whoever has only asked to shed has not heard of it.
                let allowed = format!(
                    "above {begins}, from where a `shed.multiplier` of {multiplier} sheds, or off; \
                     left out, it is {DEFAULT_FAILURE_RATE}"
                );
                Err(ConfigError::new("failure_rate", rate, allowed).blaming("shed.multiplier"))
            }
            _ => Ok(()),
        }
    }

    fn write_limits(&self, numbers: &mut Numbers) -> Result<(), ConfigError> {
        if let Some(limit) = self.call_timeout {
            numbers.call_timeout = above_zero("call_timeout", limit)?;
        }
        if let Some((places, wait)) = self.bulkhead {
            let allowed = format!("1 to {MAX_PLACES}");
            let valid = (1..=MAX_PLACES).contains(&places);
            ConfigError::unless(valid, "bulkhead.places", &places, &allowed)?;
            (numbers.bulkhead, numbers.bulkhead_wait) = (places.into(), nanos(wait));
        }
        self.retries
            .map_or(Ok(()), |limits| write_retries(limits, numbers))
    }

    fn write_shared(&self, numbers: &mut Numbers) -> Result<(), ConfigError> {
        let Some(agreement) = self.shared else {
            return Ok(());
        };
        let allowed = format!("1 to {MAX_INSTANCES}");
        let instances = agreement.instances;
        let valid = (1..=MAX_INSTANCES).contains(&instances);
        ConfigError::unless(valid, "shared.instances", &instances, &allowed)?;
        if agreement.share != 0.0 {
            numbers.shared_share = millionths("shared.share", agreement.share)?;
        }
        let revision = agreement.revision;
        let allowed = format!("0 to {MAX_REVISION}");
        let valid = revision <= MAX_REVISION;
        ConfigError::unless(valid, "shared.revision", &revision, &allowed)?;
        (numbers.shared, numbers.shared_revision) = (instances.into(), revision);
        numbers.shared_flags = agreement.flags();
        self.refuse_what_cannot_be_shared()
    }

    fn refuse_what_cannot_be_shared(&self) -> Result<(), ConfigError> {
        let of = self.probes.1;
        let allowed = format!("1 to {MAX_SHARED_PROBES} where the circuit is `shared`");
        let valid = of <= MAX_SHARED_PROBES;
        ConfigError::unless(valid, "probes.of", &of, &allowed)
            .map_err(|error| error.blaming("shared"))?;
        // Without them nobody knows of a success, which ends the failures in a row of all.
        let allowed = "on where the circuit is `shared`";
        ConfigError::unless(self.totals, "totals", &off(), allowed)
            .map_err(|error| error.blaming("shared"))
    }

    fn check_permits(&self, old: Option<&Self>) -> Result<(), ConfigError> {
        let (permits, of) = (self.permits, self.probes.1);
        let allowed = format!("1 to {of}, the number of `probes`");
        let error = || ConfigError::new("permits", permits, allowed);
        match permits {
            0 => Err(error()),
            permits if permits <= of => Ok(()),
            _ if old.is_some_and(|old| old.permits == permits) => {
                let allowed = format!("at least {permits}, the number of `permits`");
                Err(ConfigError::new("probes.of", of, allowed).blaming("permits"))
            }
            _ => Err(error().blaming("probes")),
        }
    }
}

fn write_retries(limits: RetryLimits, numbers: &mut Numbers) -> Result<(), ConfigError> {
    let RetryLimits {
        at_most,
        share,
        per_second,
        max_wait,
    } = limits;
    let valid = (1..=MAX_RETRIES).contains(&at_most);
    let allowed = format!("1 to {MAX_RETRIES}");
    ConfigError::unless(valid, "retries.at_most", &at_most, &allowed)?;
    let allowed = format!("0 to {MAX_RETRIES_PER_SECOND}");
    let valid = per_second <= MAX_RETRIES_PER_SECOND;
    ConfigError::unless(valid, "retries.per_second", &per_second, &allowed)?;
    if share != 0.0 {
        numbers.retries_share = millionths("retries.share", share)?;
    }
    numbers.retries_max_wait = above_zero("retries.max_wait", max_wait)?;
    (numbers.retries, numbers.retries_per_second) = (at_most.into(), per_second.into());
    if numbers.retries_share == 0 && per_second == 0 {
        let allowed = "above 0 where `retries.share` is 0: no call would ever be repeated";
        return Err(ConfigError::new("retries.per_second", per_second, allowed));
    }
    Ok(())
}

fn read_shared(numbers: &Numbers) -> Option<Agreement> {
    unless_zero(numbers.shared, |instances| {
        Agreement::of(count(instances))
            .share(share(numbers.shared_share))
            .revision(numbers.shared_revision)
            .with_flags(numbers.shared_flags)
    })
}

/// The value of a setting that should not have been taken back.
fn off() -> Arguments<'static> {
    format_args!("off")
}

/// A time above zero, in nanoseconds.
fn above_zero(field: &'static str, time: Duration) -> Result<u64, ConfigError> {
    ConfigError::unless(!time.is_zero(), field, &time, "a time above zero")?;
    Ok(nanos(time))
}

/// A bound of the machine, as people say it.
#[expect(clippy::cast_possible_truncation, reason = "asserted")]
const fn as_count(bound: u64) -> u32 {
    assert!(bound <= u32::MAX as u64, "a bound of a count is a count");
    bound as u32
}
