//! The lints about the settings of one circuit.

use std::{cmp, fmt, time::Duration};

use super::{
    LintName,
    chances::{
        Probing, calls_for_two_failures, calls_until_in_a_row, calls_until_in_window,
        failures_that_reach, float,
    },
    traffic::Calls,
    words::{calls, count, percent, places, rate, time, times_a_day},
};
use crate::{
    circuit::settings::{Jitter, MAX_CONSECUTIVE_FAILURES, MAX_PLACES, OpenFor, Settings},
    machine::{AbandonedPolicy, MAX_SPAN},
};

/// What a lint has found, and of which setting.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) name: LintName,
    pub(super) key: &'static str,
    pub(super) message: String,
    pub(super) hint: String,
}

impl Finding {
    fn new(
        name: LintName,
        key: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            name,
            key,
            message: message.into(),
            hint: hint.into(),
        }
    }
}

type Check = fn(&Settings, &Calls) -> Option<Finding>;

const CHECKS: [Check; 18] = [
    window_never_fills,
    trips_on_background_errors,
    failure_rate_near_background_errors,
    one_failure_trips,
    opens_soon_after_shedding,
    open_for_below_timeout,
    slow_calls_never_seen,
    slow_calls_never_trip,
    timeouts_not_counted,
    calls_always_slow,
    calls_always_time_out,
    probes_always_time_out,
    probe_timeout_never_reached,
    probes_cost_capacity,
    bulkhead_without_limit,
    bulkhead_always_full,
    retries_wait_too_long,
    one_opens_all,
];

/// All that is found about these settings, in the order of the names of lints.
pub(super) fn check(settings: &Settings, calls: &Calls) -> Vec<Finding> {
    let found = CHECKS.iter().filter_map(|check| check(settings, calls));
    found.collect()
}

fn window_never_fills(settings: &Settings, calls: &Calls) -> Option<Finding> {
    let (window, minimum) = (settings.time_window()?, settings.minimum_calls()?);
    let per_second = busy(calls)?;
    let holds = per_second * window.as_secs_f64();
    let has_rate = settings.failure_rate().is_some()
        || settings.slow_call_rate().is_some()
        || settings.has_trip_when()
        || settings.shed().is_some();
    if !has_rate || holds >= float(minimum) {
        return None;
    }
    let message = format!(
        "a `time_window` of {} holds {} at {}, and rates count from `minimum_calls` of {} on",
        time(window),
        self::calls(holds),
        rate(per_second),
        count(float(minimum)),
    );
    let longer = Some(seconds_up(float(minimum) / per_second));
    let longer = longer.filter(|window| *window <= MAX_SPAN);
    let longer = longer.map(|window| format!("a `time_window` of at least {}", time(window)));
    let fewer =
        (holds >= 1.0).then(|| format!("at most {} as `minimum_calls`", count(holds.floor())));
    let hint = match (longer, fewer) {
        (None, None) => "take a `count_window`, which waits for its calls".to_owned(),
        (longer, fewer) => {
            let both: Vec<_> = longer.into_iter().chain(fewer).collect();
            format!("take {}", both.join(", or "))
        }
    };
    let name = LintName::WindowNeverFills;
    Some(Finding::new(name, "time_window", message, hint))
}

fn trips_on_background_errors(settings: &Settings, calls: &Calls) -> Option<Finding> {
    let failures = settings.consecutive_failures()?;
    let share = calls.background_errors()?;
    let often = |failures| {
        let until = calls_until_streak(settings, calls, failures, share)?;
        Often::of(until, settings, calls)
    };
    let message = format!(
        "{} it {} if {} of calls fail while all is well",
        failures_that_trip(failures),
        often(failures)?,
        percent(share),
    );
    let most = MAX_CONSECUTIVE_FAILURES.min(failures.saturating_add(64));
    let hint = match (failures..=most).find(|more| often(*more).is_none()) {
        Some(more) => format!("take at least {more}, or a `failure_rate` in their place"),
        None => "take a `failure_rate` in their place".to_owned(),
    };
    let name = LintName::TripsOnBackgroundErrors;
    Some(Finding::new(name, "consecutive_failures", message, hint))
}

/// Where they have to span a time, as many as come in that time, at even distances. `None` where that is not known.
fn calls_until_streak(
    settings: &Settings,
    calls: &Calls,
    failures: u32,
    share: f64,
) -> Option<f64> {
    let mut in_a_row = float(failures);
    if let Some(span) = settings.consecutive_failures_span() {
        in_a_row = in_a_row.max((busy(calls)? * span.as_secs_f64()).ceil() + 1.0);
    }
    Some(calls_until_in_a_row(in_a_row, share))
}

fn failures_that_trip(failures: u32) -> String {
    match failures {
        1 => "1 failure trips".to_owned(),
        failures => format!("{} failures in a row trip", count(float(failures))),
    }
}

fn failure_rate_near_background_errors(settings: &Settings, calls: &Calls) -> Option<Finding> {
    let (threshold, share) = (settings.failure_rate()?, calls.background_errors()?);
    let minimum = settings.minimum_calls()?;
    let window = calls_in_window(settings, calls);
    if window.is_some_and(|window| window < minimum.into()) {
        // Its rates never count, which is told by itself.
        return None;
    }
    let (at, fail) = (percent(threshold), percent(share));
    let message = match by_chance(threshold, share, window, settings, calls)? {
        ByChance::AtOnce => format!(
            "{fail} of calls fail while all is well: a `failure_rate` of {at} trips soon after the window holds {}",
            self::calls(float(minimum)),
        ),
        ByChance::Often(often) => format!(
            "a `failure_rate` of {at} over {} trips {often} if {fail} of calls fail while all is well",
            self::calls(float(window?)),
        ),
    };
    let whole_percents = (1..=100_u32).map(|percent| f64::from(percent) / 100.0);
    let mut higher = whole_percents.filter(|higher| *higher > threshold);
    let fine = higher.find(|higher| by_chance(*higher, share, window, settings, calls).is_none());
    let hint = match fine {
        Some(higher) => format!("take at least {}, or a larger window", percent(higher)),
        None => "take a larger window".to_owned(),
    };
    let name = LintName::FailureRateNearBackgroundErrors;
    Some(Finding::new(name, "failure_rate", message, hint))
}

/// When background errors reach a rate.
enum ByChance {
    AtOnce,
    Often(Often),
}

/// `None` where they do not, or hardly ever, and where it is not known.
fn by_chance(
    threshold: f64,
    share: f64,
    window: Option<u64>,
    settings: &Settings,
    calls: &Calls,
) -> Option<ByChance> {
    if share > 0.0 && threshold <= share {
        return Some(ByChance::AtOnce);
    }
    let window = window?;
    let failures = failures_that_reach(threshold, window);
    let until = calls_until_in_window(window, failures, share);
    Often::of(until, settings, calls).map(ByChance::Often)
}

/// Beyond this, factorials are so large that their quotients are not exact any more.
const MOST_CALLS: u64 = 1_000_000_000_000;

/// How many calls a window holds once it is full.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "neither is negative, and a cast saturates"
)]
fn calls_in_window(settings: &Settings, calls: &Calls) -> Option<u64> {
    if let Some(size) = settings.count_window() {
        return Some(size.into());
    }
    let holds = busy(calls)? * settings.time_window()?.as_secs_f64();
    Some((holds as u64).min(MOST_CALLS))
}

fn one_failure_trips(settings: &Settings, calls: &Calls) -> Option<Finding> {
    let (threshold, minimum) = (settings.failure_rate()?, settings.minimum_calls()?);
    // What is known to fail anyway says more.
    let is_told = calls.background_errors().is_some();
    if is_told || minimum == 0 || failures_that_reach(threshold, minimum.into()) > 1 {
        return None;
    }
    let (of, at) = (self::calls(float(minimum)), percent(threshold));
    let message = format!("1 failure of {of} reaches a `failure_rate` of {at}, and trips");
    let more = calls_for_two_failures(threshold);
    let more = more.map(|more| format!("at least {} as `minimum_calls`", count(float(more))));
    let higher = (minimum > 1).then(|| format!("more than {}", percent(1.0 / float(minimum))));
    let both: Vec<_> = higher.into_iter().chain(more).collect();
    let hint = match both[..] {
        [] => "take `consecutive_failures`".to_owned(),
        _ => format!("take {}", both.join(", or ")),
    };
    let name = LintName::OneFailureTrips;
    Some(Finding::new(name, "failure_rate", message, hint))
}

/// It should refuse this share before it refuses all, or it has not done much else than open.
const WORTH_SHEDDING: f64 = 0.5;

/// What shares are off by.
const ROUNDING: f64 = 1e-9;

fn opens_soon_after_shedding(settings: &Settings, _: &Calls) -> Option<Finding> {
    let ((multiplier, _), threshold) = (settings.shed()?, settings.failure_rate()?);
    let most = 1.0 - multiplier * (1.0 - threshold);
    if most > WORTH_SHEDDING - ROUNDING {
        return None;
    }
    let message = format!(
        "it sheds once more than {} of calls fail, and opens at a `failure_rate` of {}: it refuses {} by then, and \
         then all",
        percent(1.0 - 1.0 / multiplier),
        percent(threshold),
        percent(most),
    );
    let higher = 1.0 - (1.0 - WORTH_SHEDDING) / multiplier;
    let higher = ((higher - ROUNDING) * 100.0).ceil() / 100.0;
    let hint = format!(
        "take a `failure_rate` of at least {}, or turn it off",
        percent(higher)
    );
    let name = LintName::OpensSoonAfterShedding;
    Some(Finding::new(name, "shed", message, hint))
}

fn open_for_below_timeout(settings: &Settings, calls: &Calls) -> Option<Finding> {
    let (timeout, ends) = end_of_calls(settings, calls)?;
    let longest = longest_break(settings.open_for())?;
    if longest >= timeout {
        return None;
    }
    let (longest, timeout) = (time(longest), time(timeout));
    let message = format!(
        "a break of {longest} is over before {ends} after {timeout}: it probes while calls from before the trip \
         still wait"
    );
    let hint = format!("take at least {timeout}");
    let name = LintName::OpenForBelowTimeout;
    Some(Finding::new(name, "open_for", message, hint))
}

fn slow_calls_never_seen(settings: &Settings, calls: &Calls) -> Option<Finding> {
    let slow = settings.slow_call_duration()?;
    if let Some(finding) = slow_calls_cut_off(settings, calls, slow) {
        return Some(finding);
    }
    let timeout = calls.caller_timeout()?;
    if slow <= timeout {
        return None;
    }
    let nothing_else = if settings.abandoned() == AbandonedPolicy::FailureIfSlow {
        ", and what they give up counts for nothing"
    } else {
        ""
    };
    let (slow, timeout) = (time(slow), time(timeout));
    let message = format!(
        "callers give up after {timeout}, and calls are slow after {slow}: none is ever slow{nothing_else}"
    );
    let hint = format!("take less than {timeout}");
    let name = LintName::SlowCallsNeverSeen;
    Some(Finding::new(name, "slow_call_duration", message, hint))
}

/// The same where the circuit itself cuts calls off, before their callers give up.
fn slow_calls_cut_off(settings: &Settings, calls: &Calls, slow: Duration) -> Option<Finding> {
    let limit = settings.call_timeout()?;
    if slow < limit
        || calls
            .caller_timeout()
            .is_some_and(|timeout| timeout < limit)
    {
        return None;
    }
    let (slow, limit) = (time(slow), time(limit));
    let message = format!(
        "calls are cut off after {limit}, which is a failure, and are slow after {slow}: no answer is ever slow"
    );
    let hint = format!("take less than {limit}");
    let name = LintName::SlowCallsNeverSeen;
    Some(Finding::new(name, "slow_call_duration", message, hint))
}

/// When a call ends at the latest that is not answered, and how.
fn end_of_calls(settings: &Settings, calls: &Calls) -> Option<(Duration, &'static str)> {
    let cut_off = settings.call_timeout();
    let cut_off = cut_off.map(|limit| (limit, "calls are cut off"));
    let given_up = calls.caller_timeout();
    let given_up = given_up.map(|timeout| (timeout, "callers give up"));
    let both = given_up.into_iter().chain(cut_off);
    both.min_by_key(|(time, _)| *time)
}

fn slow_calls_never_trip(settings: &Settings, calls: &Calls) -> Option<Finding> {
    let slow = settings.slow_call_duration()?;
    if settings.slow_call_rate().is_some() || settings.has_trip_when() {
        return None;
    }
    let if_slow = settings.abandoned() == AbandonedPolicy::FailureIfSlow;
    // Those that callers give up count, or it is told that there are none.
    let is_used = calls
        .caller_timeout()
        .is_some_and(|timeout| if_slow || slow > timeout);
    if is_used {
        return None;
    }
    let message = format!(
        "calls are slow after {}, and without a `slow_call_rate` none of them trips it",
        time(slow)
    );
    let hint = if if_slow {
        "take a `slow_call_rate`, unless it is for calls that callers give up"
    } else {
        "take a `slow_call_rate`, or leave it out"
    };
    let name = LintName::SlowCallsNeverTrip;
    Some(Finding::new(name, "slow_call_duration", message, hint))
}

fn timeouts_not_counted(settings: &Settings, calls: &Calls) -> Option<Finding> {
    let timeout = calls.caller_timeout()?;
    if settings.call_timeout().is_some_and(|limit| limit < timeout) {
        return None;
    }
    let (why, what) = match settings.abandoned() {
        AbandonedPolicy::FailureIfSlow if settings.slow_call_duration().is_none() => (
            "nothing is slow without a `slow_call_duration`".to_owned(),
            "a `slow_call_duration`, `failure_after` or `call_timeout` of ",
        ),
        AbandonedPolicy::FailureAfter(limit) if limit > timeout => {
            (format!("calls have failed after {}", time(limit)), "")
        }
        // They count, or it was said that they shall not, or it is told of the `slow_call_duration`.
        _ => return None,
    };
    let timeout = time(timeout);
    let message = format!(
        "callers give up after {timeout}, and {why}: a dependency that hangs never trips it"
    );
    let or = match what {
        "" => format!(", or a `call_timeout` of less than {timeout}"),
        _ => String::new(),
    };
    let hint = format!("take {what}less than {timeout}{or}");
    let name = LintName::TimeoutsNotCounted;
    Some(Finding::new(name, "abandoned", message, hint))
}

fn calls_always_slow(settings: &Settings, calls: &Calls) -> Option<Finding> {
    let (slow, takes) = (settings.slow_call_duration()?, calls.duration()?);
    let rate = settings.slow_call_rate()?;
    if slow >= takes {
        return None;
    }
    let (slow, takes) = (time(slow), time(takes));
    let message = format!(
        "calls take {takes}, and are slow after {slow}: most are slow, which trips at {}",
        percent(rate)
    );
    let hint = format!("take more than {takes}");
    let name = LintName::CallsAlwaysSlow;
    Some(Finding::new(name, "slow_call_duration", message, hint))
}

fn calls_always_time_out(settings: &Settings, calls: &Calls) -> Option<Finding> {
    let (limit, takes) = (settings.call_timeout()?, calls.duration()?);
    if limit >= takes {
        return None;
    }
    let (limit, takes) = (time(limit), time(takes));
    let message = format!("calls take {takes}, and are cut off after {limit}: most of them fail");
    let hint = format!("take more than {takes}");
    let name = LintName::CallsAlwaysTimeOut;
    Some(Finding::new(name, "call_timeout", message, hint))
}

fn probes_always_time_out(settings: &Settings, calls: &Calls) -> Option<Finding> {
    let (limit, takes) = (settings.probe_timeout()?, calls.duration()?);
    if limit >= takes {
        return None;
    }
    let (limit, takes) = (time(limit), time(takes));
    let message = format!(
        "calls take {takes}, and probes are cut off after {limit}: it hardly ever closes again"
    );
    let hint = format!("take more than {takes}");
    let name = LintName::ProbesAlwaysTimeOut;
    Some(Finding::new(name, "probe_timeout", message, hint))
}

fn probe_timeout_never_reached(settings: &Settings, calls: &Calls) -> Option<Finding> {
    let limit = settings.probe_timeout()?;
    let ends = end_of_calls(settings, calls);
    let half_open = half_open_waits(settings).map(|time| (time, "half-open gives up on them"));
    let first = ends.into_iter().chain(half_open);
    let (least, who) = first.min_by_key(|(time, _)| *time)?;
    if limit <= least {
        return None;
    }
    let (limit, least) = (time(limit), time(least));
    let message = format!("probes are cut off after {limit}, and {who} after {least}");
    let hint = format!("take at most {least}");
    let name = LintName::ProbeTimeoutNeverReached;
    Some(Finding::new(name, "probe_timeout", message, hint))
}

/// How long half-open waits for its probes, at least (rule D4).
fn half_open_waits(settings: &Settings) -> Option<Duration> {
    if settings.half_open_timeout().is_some() {
        return settings.half_open_timeout();
    }
    let open_for = settings.open_for();
    let at_least = Duration::from_secs(30);
    (!open_for.is_function()).then(|| cmp::max(open_for.first(), at_least))
}

/// Of what a caller can have in flight, so much at most may be probes of a dependency that is down.
const MOST_CAPACITY: f64 = 0.1;

fn probes_cost_capacity(settings: &Settings, calls: &Calls) -> Option<Finding> {
    let share = share_of_capacity(settings, calls)?;
    if share <= MOST_CAPACITY {
        return None;
    }
    let message = format!(
        "while the dependency is down, probes of {} after breaks of {} hold {} of the capacity for {}",
        time(probe_takes(settings, calls)?),
        time(longest_break(settings.open_for())?),
        percent(share),
        self::calls(float(calls.capacity()?)),
    );
    let hint = "take a longer `open_for`, a shorter `probe_timeout`, or fewer `permits`";
    let name = LintName::ProbesCostCapacity;
    Some(Finding::new(name, "open_for", message, hint))
}

/// How much of what the caller can have in flight is probes, while the dependency is down and hangs.
pub(super) fn share_of_capacity(settings: &Settings, calls: &Calls) -> Option<f64> {
    let capacity = calls.capacity()?;
    let longest = longest_break(settings.open_for())?;
    let probing = Probing {
        permits: settings.permits(),
        probes: settings.probes(),
        probe: probe_takes(settings, calls)?.as_secs_f64(),
        open_for: longest.as_secs_f64() * of_the_time(settings.open_for().get_jitter()),
    };
    Some(probing.in_flight() / float(capacity))
}

/// How long a probe takes that has no answer. `None` where nobody limits it, or that is not known.
fn probe_takes(settings: &Settings, calls: &Calls) -> Option<Duration> {
    let limits = [
        settings.probe_timeout(),
        settings.call_timeout(),
        calls.caller_timeout(),
    ];
    limits.into_iter().flatten().min()
}

fn bulkhead_without_limit(settings: &Settings, calls: &Calls) -> Option<Finding> {
    let (places, _) = settings.bulkhead()?;
    if end_of_calls(settings, calls).is_some() {
        return None;
    }
    let who_hangs = match places {
        1 => "one that hangs keeps out all others".to_owned(),
        places => format!("{} that hang keep out all others", count(float(places))),
    };
    let message = format!("no call has a limit: {who_hangs}, probes among them");
    let hint = "set a `call_timeout`";
    let name = LintName::BulkheadWithoutLimit;
    Some(Finding::new(name, "bulkhead", message, hint))
}

fn bulkhead_always_full(settings: &Settings, calls: &Calls) -> Option<Finding> {
    let (most, _) = settings.bulkhead()?;
    let (per_second, takes) = (busy(calls)?, calls.duration()?);
    let at_once = per_second * takes.as_secs_f64();
    if at_once < float(most) || at_once.is_infinite() {
        return None;
    }
    let message = format!(
        "{} that take {} are {} at once on average, and it has {}",
        rate(per_second),
        time(takes),
        count(at_once),
        places(float(most)),
    );
    let hint = match at_once.ceil() {
        enough if enough < float(MAX_PLACES) => format!("take more than {}", count(enough)),
        _ => "leave it out".to_owned(),
    };
    let name = LintName::BulkheadAlwaysFull;
    Some(Finding::new(name, "bulkhead", message, hint))
}

fn retries_wait_too_long(settings: &Settings, calls: &Calls) -> Option<Finding> {
    let (wait, timeout) = (settings.retries()?.max_wait, calls.caller_timeout()?);
    if wait < timeout {
        return None;
    }
    let (wait, timeout) = (time(wait), time(timeout));
    let message =
        format!("callers give up after {timeout}, and a call may wait {wait} to be repeated");
    let hint = format!("take less than {timeout} as `max_wait`");
    let name = LintName::RetriesWaitTooLong;
    Some(Finding::new(name, "retries", message, hint))
}

fn one_opens_all(settings: &Settings, _: &Calls) -> Option<Finding> {
    let agreement = settings.shared()?;
    if agreement.instances > 1 {
        return None;
    }
    let unless_few = match agreement.share {
        none if none <= 0.0 => String::new(),
        share => format!(" where it is {} of those with calls", percent(share)),
    };
    let message = format!("a single bad instance opens the circuit of all{unless_few}");
    let hint = "take at least 2 as `instances`";
    let name = LintName::OneOpensAll;
    Some(Finding::new(name, "shared", message, hint))
}

/// What remains of a break with jitter, on average.
fn of_the_time(jitter: Jitter) -> f64 {
    match jitter {
        Jitter::Full => 0.5,
        Jitter::Equal => 0.75,
        Jitter::None | Jitter::Fraction(_) => 1.0,
    }
}

/// What breaks come to in a long outage, without jitter. `None` for a function of the attempt.
fn longest_break(open_for: &OpenFor) -> Option<Duration> {
    if open_for.is_function() {
        None
    } else if open_for.factor() > 1.0 {
        Some(open_for.max())
    } else {
        Some(open_for.first())
    }
}

/// Calls a second, if they are known and there are any.
fn busy(calls: &Calls) -> Option<f64> {
    calls.per_second().filter(|rate| *rate > 0.0)
}

const SECONDS_A_DAY: f64 = 86_400.0;

/// Where the calls a second are not known: a day at a dozen of them.
const FEW_CALLS: f64 = 1e6;

/// How often a circuit trips by chance, where that is too often: more than once a day.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Often {
    calls_until: f64,
    per_second: Option<f64>,
    /// With the breaks in between.
    a_day: f64,
}

impl Often {
    fn of(calls_until: f64, settings: &Settings, calls: &Calls) -> Option<Self> {
        // With 0 calls a second, never.
        let per_second = calls.per_second();
        let few = per_second.map_or(FEW_CALLS, |rate| rate * SECONDS_A_DAY);
        if !(calls_until > 0.0 && calls_until < few) {
            return None;
        }
        let until = calls_until / per_second.unwrap_or(1.0);
        // Settings that nobody has checked may have a break of no time.
        let open_for = settings.open_for().first().max(Duration::from_nanos(1));
        let cycle = until + open_for.as_secs_f64();
        Some(Self {
            calls_until,
            per_second,
            a_day: SECONDS_A_DAY / cycle,
        })
    }
}

impl fmt::Display for Often {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match calls(self.calls_until) {
            one if one == "1 call" => write!(f, "every call")?,
            more => write!(f, "every {more}")?,
        }
        match self.per_second {
            Some(per_second) => {
                let (times, rate) = (times_a_day(self.a_day), rate(per_second));
                write!(f, ", {times} at {rate},")
            }
            None => Ok(()),
        }
    }
}

/// Whole seconds, rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and a cast saturates"
)]
fn seconds_up(seconds: f64) -> Duration {
    Duration::from_secs(seconds.ceil() as u64)
}
