//! What is valid, and was hardly meant. What is told, is told word for word; beside it is what is not told just beyond
//! its border.

use std::time::Duration;

use proptest::{collection::vec, option, prelude::*, sample::select};
use tower_breaker::{
    AbandonedPolicy, Agreement, Circuit, Jitter, OpenFor, RetryLimits, Settings,
    config::{
        Config,
        lint::{Calls, Lint, LintName, Subject, Traffic},
    },
    registry::Registry,
};

use super::{read, wrong};

#[track_caller]
fn told(file: &str, traffic: &Traffic) -> Vec<String> {
    let lints = read(file).expect("makes sense").lints(traffic);
    lints.iter().map(ToString::to_string).collect()
}

/// What is told of a circuit whose block says this, without its place.
#[track_caller]
fn told_of(block: &str, calls: Calls) -> Vec<String> {
    let traffic = Traffic::unknown().circuit("a", calls);
    let told = told(&format!("[circuits.a]\n{block}"), &traffic);
    let own = |line: &String| line.strip_prefix("circuits.a.").map(str::to_owned);
    told.iter().filter_map(own).collect()
}

/// Each block with its calls, and what is told of it, or nothing.
#[track_caller]
fn check(cases: &[(&str, Calls, &str)]) {
    for (block, calls, expected) in cases {
        let expected: Vec<_> = Some(*expected)
            .filter(|it| !it.is_empty())
            .into_iter()
            .collect();
        assert_eq!(told_of(block, *calls), expected, "{block} {calls:?}");
    }
}

fn at(per_second: f64) -> Calls {
    Calls::unknown().with_per_second(per_second)
}

fn failing(share: f64) -> Calls {
    Calls::unknown().with_background_errors(share)
}

fn given_up_after(millis: u64) -> Calls {
    Calls::unknown().with_caller_timeout(Duration::from_millis(millis))
}

fn taking(millis: u64) -> Calls {
    Calls::unknown().with_duration(Duration::from_millis(millis))
}

fn holding(capacity: u32) -> Calls {
    Calls::unknown().with_capacity(capacity)
}

#[test]
fn a_window_that_never_fills_is_told() {
    check(&[
        (
            "time_window = '10s'",
            at(1.99),
            "time_window: a `time_window` of 10s holds 19.9 calls at 1.99 calls a second, and rates count \
             from `minimum_calls` of 20 on; take a `time_window` of at least 11s, or at most 19 as \
             `minimum_calls` [window-never-fills]",
        ),
        ("time_window = '10s'", at(2.0), ""),
        (
            "failure_rate = 'off'\nshed = { multiplier = 2, floor = 0.1 }\ntime_window = '10s'",
            at(1.0),
            "time_window: a `time_window` of 10s holds 10 calls at 1 call a second, and rates count \
             from `minimum_calls` of 20 on; take a `time_window` of at least 20s, or at most 10 as \
             `minimum_calls` [window-never-fills]",
        ),
        ("time_window = '10s'", at(0.0), ""),
        ("time_window = '10s'", Calls::unknown(), ""),
        (
            "time_window = '1h'\nminimum_calls = 2",
            at(0.000_1),
            "time_window: a `time_window` of 1h holds 0.36 calls at 0.36 calls an hour, and rates count from \
             `minimum_calls` of 2 on; take a `time_window` of at least 5h 33m 20s [window-never-fills]",
        ),
        (
            "time_window = '1s'\nminimum_calls = 100",
            at(0.001),
            "time_window: a `time_window` of 1s holds less than 0.01 calls at 3.6 calls an hour, and rates \
             count from `minimum_calls` of 100 on; take a `count_window`, which waits for its calls \
             [window-never-fills]",
        ),
        (
            "time_window = '10s'\nfailure_rate = 'off'\nconsecutive_failures = 3",
            at(1.0),
            "",
        ),
        (
            "time_window = '10s'\nfailure_rate = 'off'\nconsecutive_failures = 3\nslow_call_rate = 1\n\
             slow_call_duration = '1s'",
            at(1.0),
            "time_window: a `time_window` of 10s holds 10 calls at 1 call a second, and rates count from \
             `minimum_calls` of 20 on; take a `time_window` of at least 20s, or at most 10 as \
             `minimum_calls` [window-never-fills]",
        ),
        ("count_window = 100", at(0.001), ""),
    ]);
}

#[test]
fn failures_in_a_row_that_come_about_by_chance_are_told() {
    check(&[
        (
            "consecutive_failures = 3",
            failing(0.05),
            "consecutive_failures: 3 failures in a row trip it every 8,420 calls if 5 % of calls fail while \
             all is well; take at least 5, or a `failure_rate` in their place [trips-on-background-errors]",
        ),
        (
            "consecutive_failures = 3",
            failing(0.010_04),
            "consecutive_failures: 3 failures in a row trip it every 998,115 calls if 1 % of calls fail \
             while all is well; take at least 4, or a `failure_rate` in their place \
             [trips-on-background-errors]",
        ),
        ("consecutive_failures = 3", failing(0.010_03), ""),
        ("consecutive_failures = 3", failing(0.0), ""),
        (
            "consecutive_failures = 3",
            failing(0.05).with_per_second(40.0),
            "consecutive_failures: 3 failures in a row trip it every 8,420 calls, 359 times a day at 40 \
             calls a second, if 5 % of calls fail while all is well; take at least 6, or a `failure_rate` in \
             their place [trips-on-background-errors]",
        ),
        (
            "consecutive_failures = 3",
            failing(0.05).with_per_second(0.098),
            "consecutive_failures: 3 failures in a row trip it every 8,420 calls, 1.01 times a day at 353 \
             calls an hour, if 5 % of calls fail while all is well; take at least 4, or a `failure_rate` in \
             their place [trips-on-background-errors]",
        ),
        (
            "consecutive_failures = 3",
            failing(0.05).with_per_second(0.097),
            "",
        ),
        (
            "consecutive_failures = 3",
            failing(0.05).with_per_second(0.0),
            "",
        ),
        ("consecutive_failures = 3", at(40.0), ""),
        (
            "consecutive_failures = 1",
            failing(1.0),
            "consecutive_failures: 1 failure trips it every call if 100 % of calls fail while all is well; \
             take a `failure_rate` in their place [trips-on-background-errors]",
        ),
        (
            "consecutive_failures = 3\nconsecutive_failures_span = '1s'",
            failing(0.05),
            "",
        ),
        (
            "consecutive_failures = 3\nconsecutive_failures_span = '75ms'",
            failing(0.05).with_per_second(40.0),
            "consecutive_failures: 3 failures in a row trip it every 168,420 calls, 20.4 times a day at 40 \
             calls a second, if 5 % of calls fail while all is well; take at least 6, or a `failure_rate` in \
             their place [trips-on-background-errors]",
        ),
        (
            "consecutive_failures = 3\nconsecutive_failures_span = '125ms'",
            failing(0.05).with_per_second(40.0),
            "",
        ),
    ]);
}

#[test]
fn a_failure_rate_that_background_errors_reach_is_told() {
    check(&[
        (
            "failure_rate = '5%'",
            failing(0.05),
            "failure_rate: 5 % of calls fail while all is well: a `failure_rate` of 5 % trips soon after the \
             window holds 20 calls; take at least 18 %, or a larger window \
             [failure-rate-near-background-errors]",
        ),
        (
            "failure_rate = '5%'\ntime_window = '10s'",
            failing(0.05),
            "failure_rate: 5 % of calls fail while all is well: a `failure_rate` of 5 % trips soon after the \
             window holds 20 calls; take at least 6 %, or a larger window \
             [failure-rate-near-background-errors]",
        ),
        (
            "failure_rate = '5.1%'\ntime_window = '10s'",
            failing(0.05),
            "",
        ),
        (
            "failure_rate = '17%'",
            failing(0.05),
            "failure_rate: a `failure_rate` of 17 % over 100 calls trips every 861,882 calls if 5 % of calls \
             fail while all is well; take at least 18 %, or a larger window \
             [failure-rate-near-background-errors]",
        ),
        ("failure_rate = '18%'", failing(0.05), ""),
        (
            "failure_rate = '15%'\ntime_window = '10s'",
            failing(0.05).with_per_second(10.0),
            "failure_rate: a `failure_rate` of 15 % over 100 calls trips every 71,028 calls, 12.1 times a \
             day at 10 calls a second, if 5 % of calls fail while all is well; take at least 18 %, or a \
             larger window [failure-rate-near-background-errors]",
        ),
        (
            "failure_rate = '18%'\ntime_window = '10s'",
            failing(0.05).with_per_second(10.0),
            "",
        ),
        (
            "failure_rate = '17%'\ntime_window = '10s'",
            failing(0.05).with_per_second(10.0),
            "failure_rate: a `failure_rate` of 17 % over 100 calls trips every 861,882 calls, once a day \
             at 10 calls a second, if 5 % of calls fail while all is well; take at least 18 %, or a larger \
             window [failure-rate-near-background-errors]",
        ),
        (
            "failure_rate = '5%'\ntime_window = '10s'",
            failing(0.05).with_per_second(2.0),
            "failure_rate: 5 % of calls fail while all is well: a `failure_rate` of 5 % trips soon after the \
             window holds 20 calls; take at least 36 %, or a larger window \
             [failure-rate-near-background-errors]",
        ),
        // Its rates never count, which is told by itself.
        (
            "failure_rate = '5%'\ntime_window = '10s'",
            failing(0.05).with_per_second(1.99),
            "time_window: a `time_window` of 10s holds 19.9 calls at 1.99 calls a second, and rates count \
             from `minimum_calls` of 20 on; take a `time_window` of at least 11s, or at most 19 as \
             `minimum_calls` [window-never-fills]",
        ),
        (
            "failure_rate = 1\ncount_window = 1",
            failing(0.5),
            "failure_rate: a `failure_rate` of 100 % over 1 call trips every 4 calls if 50 % of calls fail \
             while all is well; take a larger window [failure-rate-near-background-errors]",
        ),
        ("failure_rate = 1\ncount_window = 1", failing(0.0), ""),
        (
            "failure_rate = 'off'\nconsecutive_failures = 100",
            failing(0.5),
            "",
        ),
    ]);
}

#[test]
fn a_break_that_is_over_before_callers_give_up_is_told() {
    check(&[
        (
            "abandoned = 'failure'\nopen_for = '1999ms'",
            given_up_after(2_000),
            "open_for: a break of 1s 999ms is over before callers give up after 2s: it probes while calls \
             from before the trip still wait; take at least 2s [open-for-below-timeout]",
        ),
        (
            "abandoned = 'failure'\nopen_for = '2s'",
            given_up_after(2_000),
            "",
        ),
        (
            "abandoned = 'failure'\nopen_for = { first = '1s', factor = 2, max = '1999ms' }",
            given_up_after(2_000),
            "open_for: a break of 1s 999ms is over before callers give up after 2s: it probes while calls \
             from before the trip still wait; take at least 2s [open-for-below-timeout]",
        ),
        (
            "abandoned = 'failure'\nopen_for = { first = '1s', factor = 2, max = '2s' }",
            given_up_after(2_000),
            "",
        ),
        (
            "abandoned = 'failure'\nopen_for = '1s'",
            Calls::unknown(),
            "",
        ),
        (
            "open_for = '1s'\ncall_timeout = '1001ms'",
            Calls::unknown(),
            "open_for: a break of 1s is over before calls are cut off after 1s 1ms: it probes while calls \
             from before the trip still wait; take at least 1s 1ms [open-for-below-timeout]",
        ),
        (
            "open_for = '1s'\ncall_timeout = '1s'\nabandoned = 'failure'",
            given_up_after(2_000),
            "",
        ),
    ]);
}

#[test]
fn slow_calls_that_nobody_waits_for_are_told() {
    check(&[
        (
            "slow_call_duration = '2001ms'",
            given_up_after(2_000),
            "slow_call_duration: callers give up after 2s, and calls are slow after 2s 1ms: none is ever \
             slow, and what they give up counts for nothing; take less than 2s [slow-calls-never-seen]",
        ),
        ("slow_call_duration = '2s'", given_up_after(2_000), ""),
        (
            "slow_call_duration = '800ms'\nslow_call_rate = 0.5\ncall_timeout = '800ms'",
            Calls::unknown(),
            "slow_call_duration: calls are cut off after 800ms, which is a failure, and are slow after \
             800ms: no answer is ever slow; take less than 800ms [slow-calls-never-seen]",
        ),
        (
            "slow_call_duration = '799ms'\nslow_call_rate = 0.5\ncall_timeout = '800ms'",
            Calls::unknown(),
            "",
        ),
        (
            "slow_call_duration = '2s'\nslow_call_rate = 0.5\ncall_timeout = '3s'",
            given_up_after(2_000),
            "",
        ),
        // Whoever is first.
        (
            "slow_call_duration = '2s'\nslow_call_rate = 0.5\ncall_timeout = '2s'",
            given_up_after(2_000),
            "slow_call_duration: calls are cut off after 2s, which is a failure, and are slow after 2s: no \
             answer is ever slow; take less than 2s [slow-calls-never-seen]",
        ),
        (
            "slow_call_duration = '3s'\nslow_call_rate = 0.5\ncall_timeout = '2s'",
            given_up_after(2_001),
            "slow_call_duration: calls are cut off after 2s, which is a failure, and are slow after 3s: no \
             answer is ever slow; take less than 2s [slow-calls-never-seen]",
        ),
        (
            "slow_call_duration = '3s'\nslow_call_rate = 0.5\ncall_timeout = '2s'",
            given_up_after(1_999),
            "slow_call_duration: callers give up after 1s 999ms, and calls are slow after 3s: none is ever \
             slow, and what they give up counts for nothing; take less than 1s 999ms [slow-calls-never-seen]",
        ),
        (
            "slow_call_duration = '2001ms'\nabandoned = 'failure'",
            given_up_after(2_000),
            "slow_call_duration: callers give up after 2s, and calls are slow after 2s 1ms: none is ever \
             slow; take less than 2s [slow-calls-never-seen]",
        ),
    ]);
}

#[test]
fn calls_that_are_given_up_and_count_for_nothing_are_told() {
    check(&[
        (
            "abandoned = 'failure_if_slow'",
            given_up_after(2_000),
            "abandoned: callers give up after 2s, and nothing is slow without a `slow_call_duration`: a \
             dependency that hangs never trips it; take a `slow_call_duration`, `failure_after` or \
             `call_timeout` of less than 2s [timeouts-not-counted]",
        ),
        (
            "abandoned = 'failure_if_slow'\nslow_call_duration = '1s'",
            given_up_after(2_000),
            "",
        ),
        (
            "abandoned = { failure_after = '2001ms' }",
            given_up_after(2_000),
            "abandoned: callers give up after 2s, and calls have failed after 2s 1ms: a dependency that \
             hangs never trips it; take less than 2s, or a `call_timeout` of less than 2s \
             [timeouts-not-counted]",
        ),
        (
            "abandoned = { failure_after = '2001ms' }\ncall_timeout = '1999ms'",
            given_up_after(2_000),
            "",
        ),
        (
            "abandoned = { failure_after = '2001ms' }\ncall_timeout = '2s'",
            given_up_after(2_000),
            "abandoned: callers give up after 2s, and calls have failed after 2s 1ms: a dependency that \
             hangs never trips it; take less than 2s, or a `call_timeout` of less than 2s \
             [timeouts-not-counted]",
        ),
        (
            "abandoned = { failure_after = '2s' }",
            given_up_after(2_000),
            "",
        ),
        ("abandoned = 'ignore'", given_up_after(2_000), ""),
        ("abandoned = 'failure_if_slow'", Calls::unknown(), ""),
    ]);
}

#[test]
fn calls_that_are_slow_as_a_rule_are_told() {
    check(&[
        (
            "slow_call_duration = '199ms'\nslow_call_rate = 0.8",
            taking(200),
            "slow_call_duration: calls take 200ms, and are slow after 199ms: most are slow, which trips at \
             80 %; take more than 200ms [calls-always-slow]",
        ),
        (
            "slow_call_duration = '200ms'\nslow_call_rate = 0.8",
            taking(200),
            "",
        ),
        (
            "slow_call_duration = '199ms'",
            taking(200).with_caller_timeout(Duration::from_secs(1)),
            "",
        ),
    ]);
}

#[test]
fn calls_that_are_cut_off_as_a_rule_are_told() {
    check(&[
        (
            "call_timeout = '199ms'",
            taking(200),
            "call_timeout: calls take 200ms, and are cut off after 199ms: most of them fail; take more than \
             200ms [calls-always-time-out]",
        ),
        ("call_timeout = '200ms'", taking(200), ""),
        ("call_timeout = '1ms'", Calls::unknown(), ""),
    ]);
}

#[test]
fn a_bulkhead_whose_places_do_not_come_back_is_told() {
    check(&[
        (
            "bulkhead = 20",
            Calls::unknown(),
            "bulkhead: no call has a limit: 20 that hang keep out all others, probes among them; set a \
             `call_timeout` [bulkhead-without-limit]",
        ),
        (
            "bulkhead = { places = 1, wait = '1s' }",
            Calls::unknown(),
            "bulkhead: no call has a limit: one that hangs keeps out all others, probes among them; set a \
             `call_timeout` [bulkhead-without-limit]",
        ),
        ("bulkhead = 20\ncall_timeout = '1s'", Calls::unknown(), ""),
        (
            "bulkhead = 20\nabandoned = 'failure'",
            given_up_after(2_000),
            "",
        ),
    ]);
}

#[test]
fn a_bulkhead_that_is_full_while_all_is_well_is_told() {
    let busy = taking(200).with_per_second(100.0);
    check(&[
        (
            "bulkhead = 20\ncall_timeout = '1s'",
            busy,
            "bulkhead: 100 calls a second that take 200ms are 20 at once on average, and it has 20 \
             places; take more than 20 [bulkhead-always-full]",
        ),
        ("bulkhead = 21\ncall_timeout = '1s'", busy, ""),
        ("bulkhead = 1\ncall_timeout = '1s'", taking(200), ""),
        // As many as there can be, and one less.
        (
            "bulkhead = 20\ncall_timeout = '1s'",
            taking(1_000).with_per_second(999_999.0),
            "bulkhead: 999,999 calls a second that take 1s are 999,999 at once on average, and it has 20 \
             places; take more than 999,999 [bulkhead-always-full]",
        ),
        (
            "bulkhead = 20\ncall_timeout = '1s'",
            taking(1_000).with_per_second(1e6),
            "bulkhead: 1,000,000 calls a second that take 1s are 1,000,000 at once on average, and it has \
             20 places; leave it out [bulkhead-always-full]",
        ),
    ]);
}

#[test]
fn retries_that_nobody_waits_for_are_told() {
    let given_up = given_up_after(1_000);
    check(&[
        (
            "abandoned = 'failure'\nretries = 2",
            given_up,
            "retries: callers give up after 1s, and a call may wait 1s to be repeated; take less than 1s as \
             `max_wait` [retries-wait-too-long]",
        ),
        (
            "abandoned = 'failure'\nretries = { at_most = 2, max_wait = '999ms' }",
            given_up,
            "",
        ),
        ("retries = 2", Calls::unknown(), ""),
    ]);
}

// N3
#[test]
fn a_circuit_that_one_instance_opens_for_all_is_told() {
    let told = |shared: &str| {
        let file = format!("fleet.namespace = 'shop'\n[circuits.a]\nshared = {shared}");
        told(&file, &Traffic::unknown())
    };
    assert_eq!(
        told("{ instances = 1 }"),
        [
            "circuits.a.shared: a single bad instance opens the circuit of all where it is 10 % of those with \
             calls; take at least 2 as `instances` [one-opens-all]"
        ],
    );
    assert_eq!(
        told("{ instances = 1, share = 0 }"),
        [
            "circuits.a.shared: a single bad instance opens the circuit of all; take at least 2 as `instances` \
             [one-opens-all]"
        ],
    );
    assert!(told("{ instances = 2, share = 0 }").is_empty());
    assert!(told("true").is_empty());
    assert!(told("false").is_empty());
}

// N8
#[test]
fn a_circuit_that_is_shared_with_nobody_is_told() {
    let none = Traffic::unknown();
    let file = "[circuits.a]\nshared = true\n[circuits.b]\nshared = 'off'";
    assert_eq!(
        told(file, &none),
        [
            "circuits.a.shared: it is shared, and there is no `fleet`; say in `fleet` with whom, or allow this where \
             code does [no-fleet]"
        ],
    );
    assert!(told(&format!("fleet.namespace = 'shop'\n{file}"), &none).is_empty());
    assert!(told(&format!("allow = ['no-fleet']\n{file}"), &none).is_empty());
}

// N8: whoever can make a circuit can make keys.
#[test]
fn circuits_that_are_made_by_use_and_shared_are_told() {
    let told = |file: &str| {
        let file = format!("fleet.namespace = 'shop'\n{file}");
        told(&file, &Traffic::unknown())
    };
    let line = "shared: circuits that are made by use are shared, too, and their names become keys of the store; \
                share those that are named in `circuits` [strangers-shared]";
    let of = |place: &str| vec![format!("{place}.{line}")];
    let defaults = "[defaults]\nshared = true\n[circuits.a]";
    assert_eq!(told(defaults), of("defaults"));
    let pattern = |names: &str, said: &str| {
        told(&format!(
            "[bases.b]\nshared = true\n[[matching]]\nnames = '{names}'\n{said}\n[circuits.a]"
        ))
    };
    assert_eq!(pattern("*.internal", "shared = {}"), of("matching.0"));
    assert_eq!(pattern("*", "extends = 'b'"), of("bases.b"));
    assert_eq!(pattern("*", "extends = 'b'\nshared = false"), [""; 0]);
    assert_eq!(pattern("a", "shared = true"), [""; 0], "one name");
    assert_eq!(
        pattern("*", "shared = true\nallow = ['strangers-shared']"),
        [""; 0]
    );
    assert_eq!(told("[circuits.a]\nshared = true"), [""; 0]);
    // What is said for the defaults is told there, and not of each pattern.
    let both = format!("[[matching]]\nnames = '*'\npermits = 1\n{defaults}");
    assert_eq!(told(&both), of("defaults"));
}

#[test]
fn probes_that_are_cut_off_as_a_rule_are_told() {
    check(&[
        (
            "probe_timeout = '199ms'",
            taking(200),
            "probe_timeout: calls take 200ms, and probes are cut off after 199ms: it hardly ever closes \
             again; take more than 200ms [probes-always-time-out]",
        ),
        ("probe_timeout = '200ms'", taking(200), ""),
    ]);
}

#[test]
fn a_limit_of_probes_that_none_of_them_reaches_is_told() {
    check(&[
        (
            "probe_timeout = '30001ms'\nopen_for = '1s'",
            Calls::unknown(),
            "probe_timeout: probes are cut off after 30s 1ms, and half-open gives up on them after 30s; take \
             at most 30s [probe-timeout-never-reached]",
        ),
        (
            "probe_timeout = '30s'\nopen_for = '1s'",
            Calls::unknown(),
            "",
        ),
        (
            "probe_timeout = '1m'\nopen_for = '1m'",
            Calls::unknown(),
            "",
        ),
        (
            "probe_timeout = '2001ms'\nhalf_open_timeout = '2s'",
            Calls::unknown(),
            "probe_timeout: probes are cut off after 2s 1ms, and half-open gives up on them after 2s; take \
             at most 2s [probe-timeout-never-reached]",
        ),
        (
            "probe_timeout = '2s'\nhalf_open_timeout = '2s'",
            Calls::unknown(),
            "",
        ),
        (
            "probe_timeout = '801ms'\ncall_timeout = '800ms'",
            Calls::unknown(),
            "probe_timeout: probes are cut off after 801ms, and calls are cut off after 800ms; take at most \
             800ms [probe-timeout-never-reached]",
        ),
        (
            "probe_timeout = '800ms'\ncall_timeout = '800ms'",
            Calls::unknown(),
            "",
        ),
        (
            "probe_timeout = '2s'\nhalf_open_timeout = '2s'\nabandoned = 'failure'",
            given_up_after(1_999),
            "probe_timeout: probes are cut off after 2s, and callers give up after 1s 999ms; take at most 1s \
             999ms [probe-timeout-never-reached]",
        ),
        (
            "probe_timeout = '2s'\nhalf_open_timeout = '2s'\nabandoned = 'failure'",
            given_up_after(2_000),
            "",
        ),
    ]);
}

#[test]
fn probes_that_hold_much_of_the_capacity_are_told() {
    check(&[
        (
            "probe_timeout = '1s'\nopen_for = '5s'",
            holding(1),
            "open_for: while the dependency is down, probes of 1s after breaks of 5s hold 16.67 % of the \
             capacity for 1 call; take a longer `open_for`, a shorter `probe_timeout`, or fewer `permits` \
             [probes-cost-capacity]",
        ),
        ("probe_timeout = '1s'\nopen_for = '5s'", holding(2), ""),
        (
            "probe_timeout = '1s'\nopen_for = '8900ms'",
            holding(1),
            "open_for: while the dependency is down, probes of 1s after breaks of 8s 900ms hold 10.1 % of \
             the capacity for 1 call; take a longer `open_for`, a shorter `probe_timeout`, or fewer \
             `permits` [probes-cost-capacity]",
        ),
        ("probe_timeout = '1s'\nopen_for = '9s'", holding(1), ""),
        (
            "probe_timeout = '1s'\nopen_for = { first = '9s', jitter = 'equal' }",
            holding(1),
            "open_for: while the dependency is down, probes of 1s after breaks of 9s hold 12.9 % of the \
             capacity for 1 call; take a longer `open_for`, a shorter `probe_timeout`, or fewer `permits` \
             [probes-cost-capacity]",
        ),
        (
            "probe_timeout = '1s'\nopen_for = { first = '1s', factor = 2, max = '9s' }",
            holding(1),
            "",
        ),
        (
            "open_for = '5s'\nabandoned = 'failure'",
            holding(1).with_caller_timeout(Duration::from_secs(1)),
            "open_for: while the dependency is down, probes of 1s after breaks of 5s hold 16.67 % of the \
             capacity for 1 call; take a longer `open_for`, a shorter `probe_timeout`, or fewer `permits` \
             [probes-cost-capacity]",
        ),
        ("open_for = '5s'", holding(1), ""),
        (
            "open_for = '5s'\ncall_timeout = '1s'",
            holding(1),
            "open_for: while the dependency is down, probes of 1s after breaks of 5s hold 16.67 % of the \
             capacity for 1 call; take a longer `open_for`, a shorter `probe_timeout`, or fewer `permits` \
             [probes-cost-capacity]",
        ),
    ]);
}

#[test]
fn a_pattern_that_matches_no_circuit_is_told_once_they_are_known() {
    let file = "
        [[matching]]
        names = 'serach-*'
        [[matching]]
        names = 'pay*'
        [[matching]]
        names = 'search-*'
        [circuits.payments]
        ";
    let none: [String; 0] = [];
    assert_eq!(told(file, &Traffic::unknown()), none);
    let known = Traffic::unknown().names(["search-eu"]);
    let expected = "matching.0.names: `serach-*` matches none of 2 circuits; correct it, or leave it out \
                    [pattern-matches-nothing]";
    assert_eq!(told(file, &known), [expected]);
    let lints = read(file).expect("makes sense").lints(&known);
    assert_eq!(*lints[0].subject(), Subject::Pattern("serach-*".to_owned()));
    let known = known.names(["serach-us"]);
    assert_eq!(told(file, &known), none);
    let registry = read(file).expect("makes sense").registry().build();
    let registry = registry.expect("valid");
    registry.get_or_create("search-eu").expect("made");
    assert_eq!(told(file, &Traffic::of(&registry)), [expected]);
}

#[test]
fn a_pattern_is_not_told_before_there_is_a_circuit_and_one_of_which_calls_are_known_is_one() {
    let file = "[[matching]]\nnames = 'db*'\n[[caps]]\nnames = 'db*'\nat_most = 0.5";
    let none: [String; 0] = [];
    let empty = read(file).expect("makes sense").registry().build();
    assert_eq!(
        told(file, &Traffic::of(&empty.expect("valid"))),
        none,
        "nobody came yet"
    );
    let of = |name: &str| Traffic::unknown().circuit(name, Calls::unknown());
    assert_eq!(told(file, &of("db1")), none);
    assert_eq!(
        told(file, &of("search")),
        [
            "matching.0.names: `db*` matches none of 1 circuit; correct it, or leave it out \
             [pattern-matches-nothing]",
            "caps.0: the cap of db* is for none of 1 circuit; correct it, or leave it out [cap-matches-nothing]",
        ],
    );
}

#[test]
fn a_cap_that_is_for_no_circuit_is_told_once_they_are_known() {
    let file = "
        caps = [
            { at_most = 0.5 },
            { names = 'serach-*', at_most = 0.5 },
            { tags = { tier = 'web' }, at_most = 0.5 },
            { tags = { tier = 'search' }, at_most = 0.5 },
        ]
        [[matching]]
        names = 'search-*'
        tags = { tier = 'search' }
        ";
    let none: [String; 0] = [];
    assert_eq!(told(file, &Traffic::unknown()), none);
    let known = Traffic::unknown().names(["search-eu", "search-us"]);
    let expected = [
        "caps.1: the cap of serach-* is for none of 2 circuits; correct it, or leave it out [cap-matches-nothing]",
        "caps.2: the cap of tier=web is for none of 2 circuits; correct it, or leave it out [cap-matches-nothing]",
    ];
    assert_eq!(told(file, &known), expected);
    let allowed = format!("allow = ['cap-matches-nothing']\n{file}");
    assert_eq!(told(&allowed, &known), none);
}

#[test]
fn a_star_in_a_name_is_told_from_the_file_alone() {
    let file = |block: &str| format!("[circuits.'db*']\n{block}\n[circuits.db1]");
    let expected = "circuits.\"db*\": a star in the name of a circuit is a star, and matches no other name; a pattern \
                    belongs in `matching` [star-in-name]";
    assert_eq!(told(&file(""), &Traffic::unknown()), [expected]);
    let none: [String; 0] = [];
    let allowed = file("allow = ['star-in-name']");
    assert_eq!(told(&allowed, &Traffic::unknown()), none);
    let stranger = Traffic::unknown().names(["a*", "b"]);
    assert_eq!(told("[circuits.db1]", &stranger), none, "nobody wrote it");
}

#[test]
fn a_named_circuit_that_never_had_a_call_is_told_once_others_had() {
    let file = "[circuits.paymets]\n[circuits.search]\n[circuits.rare]\nallow = ['never-called']";
    let registry = read(file).expect("makes sense").registry().build();
    let registry = registry.expect("valid");
    let none: [String; 0] = [];
    assert_eq!(told(file, &Traffic::of(&registry)), none);
    registry.get_or_create("payments").expect("made");
    let search = registry.try_get("search").expect("there");
    search.try_acquire().expect("closed").success();
    let expected = "circuits.paymets: it never had a call, and other circuits had; spell it as the key of the layer \
                    spells it, or leave it out [never-called]";
    assert_eq!(told(file, &Traffic::of(&registry)), [expected]);
    registry.try_get("paymets").expect("there").force_open();
    let paymets = registry.try_get("paymets").expect("there");
    drop(paymets.try_acquire().expect_err("open"));
    assert_eq!(
        told(file, &Traffic::of(&registry)),
        none,
        "rejected ones count"
    );
}

#[test]
fn a_rate_that_one_failure_reaches_is_told() {
    let none = Calls::unknown();
    check(&[
        (
            "failure_rate = '5%'",
            none,
            "failure_rate: 1 failure of 20 calls reaches a `failure_rate` of 5 %, and trips; take more than 5 %, or at \
             least 21 as `minimum_calls` [one-failure-trips]",
        ),
        ("failure_rate = '5.0001%'", none, ""),
        ("failure_rate = '5%'\nminimum_calls = 21", none, ""),
        (
            "failure_rate = '50%'\nminimum_calls = 1",
            none,
            "failure_rate: 1 failure of 1 call reaches a `failure_rate` of 50 %, and trips; take at least 3 as \
             `minimum_calls` [one-failure-trips]",
        ),
        ("failure_rate = '50%'\nminimum_calls = 3", none, ""),
        // What is known to fail anyway is looked at in its place.
        ("failure_rate = '5%'", failing(0.0), ""),
    ]);
}

#[test]
fn a_circuit_that_opens_soon_after_it_begins_to_shed_is_told() {
    let none = Calls::unknown();
    let shed = |multiplier: f64, rest: &str| {
        format!("shed = {{ multiplier = {multiplier}, floor = '10%' }}\n{rest}")
    };
    let told = "shed: it sheds once more than 33.33 % of calls fail, and opens at a `failure_rate` of 50 %: it refuses \
                25 % by then, and then all; take a `failure_rate` of at least 67 %, or turn it off \
                [opens-soon-after-shedding]";
    let higher = "shed: it sheds once more than 50 % of calls fail, and opens at a `failure_rate` of 74 %: it refuses \
                  48 % by then, and then all; take a `failure_rate` of at least 75 %, or turn it off \
                  [opens-soon-after-shedding]";
    check(&[
        // The default rate.
        (&shed(1.5, ""), none, told),
        (&shed(1.5, "failure_rate = '67%'"), none, ""),
        (&shed(1.5, "failure_rate = 'off'"), none, ""),
        (&shed(2.0, "failure_rate = '74%'"), none, higher),
        (&shed(2.0, "failure_rate = '75%'"), none, ""),
        // Its hint is enough, though 1.25 × 0.4 is hardly a half.
        (&shed(1.25, "failure_rate = '60%'"), none, ""),
        (
            &shed(1.5, "allow = ['opens-soon-after-shedding']"),
            none,
            "",
        ),
        ("", none, ""),
    ]);
}

#[test]
fn calls_that_are_slow_and_never_trip_are_told() {
    let none = Calls::unknown();
    check(&[
        (
            "slow_call_duration = '2s'",
            none,
            "slow_call_duration: calls are slow after 2s, and without a `slow_call_rate` none of them trips it; take a \
             `slow_call_rate`, unless it is for calls that callers give up [slow-calls-never-trip]",
        ),
        (
            "slow_call_duration = '2s'\nabandoned = 'failure'",
            given_up_after(3_000),
            "slow_call_duration: calls are slow after 2s, and without a `slow_call_rate` none of them trips it; take a \
             `slow_call_rate`, or leave it out [slow-calls-never-trip]",
        ),
        (
            "slow_call_duration = '2s'\nabandoned = 'failure'",
            given_up_after(2_000),
            "slow_call_duration: calls are slow after 2s, and without a `slow_call_rate` none of them trips it; take a \
             `slow_call_rate`, or leave it out [slow-calls-never-trip]",
        ),
        (
            "slow_call_duration = '2s'\nslow_call_rate = '50%'",
            none,
            "",
        ),
        // It makes failures of what is given up.
        ("slow_call_duration = '2s'", given_up_after(3_000), ""),
    ]);
}

#[test]
fn a_registry_with_hardly_any_room_is_told() {
    let named = |circuits: usize, rest: &str| {
        let circuits = (0..circuits).map(|it| format!("[circuits.c{it}]\n"));
        format!("{rest}\n{}", circuits.collect::<String>())
    };
    let none: [String; 0] = [];
    let few = named(9, "max_circuits = 10");
    assert_eq!(told(&few, &Traffic::unknown()), none);
    let expected = "max_circuits: 10 circuits may be there, and 10 are named or known: there is room for 0; take more, \
                    if others come with use [max-circuits-nearly-reached]";
    let known = Traffic::unknown().names(["c1", "c2", "other"]);
    assert_eq!(told(&few, &known), [expected]);
    assert_eq!(
        told(&named(10, "max_circuits = 10"), &Traffic::unknown()),
        [expected]
    );
    // A tenth is enough.
    let told_of = |circuits| told(&named(circuits, "max_circuits = 20"), &Traffic::unknown());
    assert_eq!((told_of(18).len(), told_of(19).len()), (0, 1));
    // The default, which is 1,024.
    assert_eq!(told(&named(921, ""), &Traffic::unknown()), none);
    assert_eq!(
        told(&named(922, ""), &Traffic::unknown()),
        [
            "max_circuits: 1,024 circuits may be there, and 922 are named or known: there is room for 102; take more, \
             if others come with use [max-circuits-nearly-reached]"
        ],
    );
}

// Shopify's case: 42 of them, and two threads.
#[test]
fn probes_of_all_circuits_together_are_told() {
    let file = |circuits: usize, rest: &str| {
        let circuits = (0..circuits).map(|it| format!("[circuits.redis-{it}]\n"));
        format!("{rest}\n{}", circuits.collect::<String>())
    };
    let two = Traffic::unknown().every_circuit(holding(2));
    let published = "defaults = { open_for = '2s', probe_timeout = '250ms' }";
    let told = |circuits, rest: &str| told(&file(circuits, rest), &two);
    assert_eq!(
        told(42, published),
        [
            "circuits: while what is behind all 42 circuits is down, probes hold 233.33 % of the capacity; take a \
             longer `open_for`, or a shorter `probe_timeout` [probes-cost-capacity]"
        ],
    );
    let none: [String; 0] = [];
    assert_eq!(told(9, published), none);
    assert_eq!(told(10, published).len(), 1);
    // Of one alone, it is told there.
    let hang = "defaults = { open_for = '1s', probe_timeout = '9s' }";
    let is_of_all = |line: &String| line.starts_with("circuits: ");
    for (circuits, is_told) in [(1, false), (2, true)] {
        assert_eq!(told(circuits, hang).iter().any(is_of_all), is_told);
    }
    let allowed = format!("allow = ['probes-cost-capacity']\n{published}");
    assert_eq!(told(42, &allowed), none);
    assert_eq!(
        told(
            42,
            "defaults = { open_for = '30s', probe_timeout = '50ms' }"
        ),
        none
    );
}

#[test]
fn what_is_the_same_for_several_circuits_is_told_once_and_where_it_was_said() {
    let file = "
        [defaults]
        consecutive_failures = 3
        [[matching]]
        names = 'search-*'
        consecutive_failures = 2
        [bases.brittle]
        consecutive_failures = 1
        [circuits.a]
        [circuits.b]
        [circuits.search-eu]
        [circuits.'a b']
        extends = 'brittle'
        ";
    let places = |traffic: &Traffic| {
        let lints = read(file).expect("makes sense").lints(traffic);
        let place = |it: &Lint| {
            assert_eq!(it.name(), LintName::TripsOnBackgroundErrors);
            (it.subject().clone(), it.path().to_owned())
        };
        lints.iter().map(place).collect::<Vec<_>>()
    };
    let circuit = |name: &str| Subject::Circuit(name.to_owned());
    let of_all = "defaults.consecutive_failures".to_owned();
    let of_search = "matching.0.consecutive_failures".to_owned();
    let of_base = "bases.brittle.consecutive_failures".to_owned();
    let every = Traffic::unknown().every_circuit(failing(0.05));
    let expected = [
        (Subject::Defaults, of_all.clone()),
        (Subject::Pattern("search-*".to_owned()), of_search.clone()),
        (circuit("a b"), of_base.clone()),
    ];
    assert_eq!(places(&every), expected);

    // With numbers of their own they are told by themselves, those that come with use, too.
    let own = ["b", "search-eu", "search-us", "c"].map(|name| (name, failing(0.04)));
    let own = own
        .into_iter()
        .fold(Traffic::unknown(), |traffic, (name, calls)| {
            traffic.circuit(name, calls)
        });
    let expected = [
        (circuit("b"), of_all.clone()),
        (circuit("search-eu"), of_search),
    ];
    assert_eq!(places(&own), expected);
    let lints = read(file).expect("makes sense").lints(&own);
    assert!(
        lints[0]
            .to_string()
            .starts_with("defaults.consecutive_failures: circuit `b`: 3 failures"),
        "{}",
        lints[0]
    );
}

#[test]
fn what_is_allowed_is_not_told() {
    let file = |top: &str, defaults: &str, base: &str, pattern: &str, own: &str| {
        let text = format!(
            "
            {top}
            [defaults]
            consecutive_failures = 3
            {defaults}
            [bases.base]
            {base}
            [[matching]]
            names = 'pay*'
            consecutive_failures = 2
            {pattern}
            [circuits.payments]
            extends = 'base'
            consecutive_failures = 1
            {own}
            "
        );
        let traffic = Traffic::unknown().every_circuit(failing(0.05));
        let lints = read(&text).expect("makes sense").lints(&traffic);
        lints
            .iter()
            .map(|it| it.subject().clone())
            .collect::<Vec<_>>()
    };
    let pattern = Subject::Pattern("pay*".to_owned());
    let circuit = Subject::Circuit("payments".to_owned());
    let allow = "allow = ['window-never-fills', 'trips-on-background-errors']";
    let other = "allow = ['window-never-fills']";
    let all = [Subject::Defaults, pattern.clone(), circuit];
    assert_eq!(file("", "", "", "", ""), all);
    assert_eq!(file(other, other, other, other, other), all);
    assert_eq!(file("", "", "", "", allow), all[..2]);
    assert_eq!(file("", "", allow, "", other), all[..2]);
    assert_eq!(file("", "", "", allow, other), all[..1]);
    assert_eq!(file("", allow, "", "", other), []);
    assert_eq!(file(allow, "", "", "", ""), []);
}

#[test]
fn each_lint_about_several_circuits_can_be_silenced_too() {
    let text = |top: &str, pattern: &str| {
        format!("{top}\nmax_circuits = 1\n[[matching]]\nnames = 'b*'\n{pattern}\n[circuits.a]")
    };
    let names = |top: &str, pattern: &str| {
        let config = read(&text(top, pattern)).expect("makes sense");
        let lints = config.lints(&Traffic::unknown().names(["a"]));
        lints
            .iter()
            .map(|it| it.name().to_string())
            .collect::<Vec<_>>()
    };
    let (unmet, full) = ("pattern-matches-nothing", "max-circuits-nearly-reached");
    assert_eq!(names("", ""), [unmet, full]);
    assert_eq!(
        names("allow = ['max-circuits-nearly-reached']", ""),
        [unmet]
    );
    assert_eq!(names("allow = ['pattern-matches-nothing']", ""), [full]);
    assert_eq!(names("", "allow = ['pattern-matches-nothing']"), [full]);
}

// I8: whoever trusts in a silence is told that it is none.
#[test]
fn what_is_allowed_is_the_name_of_a_lint() {
    let told = wrong("[circuits.a]\nallow = ['nothing of the kind']");
    let all: Vec<_> = LintName::ALL
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    let all = all.join(", ");
    let expected =
        format!("circuits.a.allow.0: `nothing of the kind`, but must be one of these lints: {all}");
    assert_eq!(told, [expected]);
}

/// The labels are in files: they stay as they are.
#[test]
fn each_lint_has_its_name_and_its_row() {
    let labels: Vec<_> = LintName::ALL.iter().map(|name| name.label()).collect();
    assert_eq!(
        labels,
        [
            "window-never-fills",
            "trips-on-background-errors",
            "failure-rate-near-background-errors",
            "one-failure-trips",
            "opens-soon-after-shedding",
            "open-for-below-timeout",
            "slow-calls-never-seen",
            "slow-calls-never-trip",
            "timeouts-not-counted",
            "calls-always-slow",
            "calls-always-time-out",
            "probes-always-time-out",
            "probe-timeout-never-reached",
            "probes-cost-capacity",
            "bulkhead-without-limit",
            "bulkhead-always-full",
            "retries-wait-too-long",
            "one-opens-all",
            "no-fleet",
            "strangers-shared",
            "pattern-matches-nothing",
            "cap-matches-nothing",
            "star-in-name",
            "never-called",
            "max-circuits-nearly-reached",
        ],
    );
    let docs = include_str!("../../src/config/lint/mod.rs");
    for label in labels {
        assert!(docs.contains(&format!("//! | `{label}` | ")), "{label}");
    }
}

#[test]
fn a_lint_has_a_place_in_the_file() {
    let text = "[circuits.a]\nprobe_timeout = '1m'\n\n[defaults]\nopen_for = '1s'\n";
    let file = || toml::Deserializer::parse(text).expect("well formed");
    let line_and_lint = |lint: &Lint| {
        let error = lint.locate(file());
        assert_eq!(error.message(), lint.to_string());
        let (path, message, hint) = (lint.path(), lint.message(), lint.hint());
        let line = format!("{path}: {message}; {hint} [{}]", lint.name());
        assert_eq!(line, lint.to_string());
        let at = error.span().expect("known").start;
        (text[..at].matches('\n').count() + 1, lint.name())
    };
    let lints = Config::read(file()).expect("makes sense");
    let lints = lints.lints(&Traffic::unknown().every_circuit(given_up_after(2_000)));
    let places: Vec<_> = lints.iter().map(line_and_lint).collect();
    assert_eq!(
        places,
        [
            (5, LintName::OpenForBelowTimeout),
            // What it is about is set nowhere, and would be in `defaults`.
            (4, LintName::TimeoutsNotCounted),
            (2, LintName::ProbeTimeoutNeverReached),
        ],
    );
}

#[test]
fn what_circuits_have_counted_is_known_of_their_calls() {
    let registry = Registry::builder()
        .defaults(|it| it.consecutive_failures(50))
        .build();
    let registry = registry.expect("valid");
    let call = |name: &str, successes: usize, failures: usize| {
        let circuit = registry.get_or_create(name).expect("made");
        (0..failures).for_each(|_| circuit.try_acquire().expect("closed").failure());
        (0..successes).for_each(|_| circuit.try_acquire().expect("closed").success());
    };
    let names = ["busy", "quiet", "broken", "open"];
    names.iter().for_each(|name| call(name, 100, 40));
    let silent = Registry::builder()
        .circuit("silent", |it| it.totals(false))
        .build();
    let silent = silent.expect("valid").snapshots();

    let before = registry.snapshots();
    call("busy", 95, 5);
    call("quiet", 94, 5);
    for name in ["broken", "open"] {
        let circuit = registry.try_get(name).expect("there");
        circuit.trip(Duration::from_secs(1)).expect("no mode");
        (0..100).for_each(|_| drop(circuit.try_acquire().expect_err("open")));
    }
    registry.try_get("broken").expect("there").reset();
    call("broken", 100, 0);
    call("new", 80, 20);
    let after = [registry.snapshots(), silent].concat();
    let traffic = Traffic::between(&before, &after, Duration::from_secs(50));
    let known = |name: &str| {
        let calls = traffic.calls(name);
        (calls.per_second(), calls.background_errors())
    };
    assert_eq!(known("busy"), (Some(2.0), Some(0.05)));
    assert_eq!(known("quiet"), (Some(1.98), None), "99 are too few");
    assert_eq!(
        known("broken"),
        (Some(4.0), None),
        "an outage is no background"
    );
    assert_eq!(known("open"), (Some(2.0), None));
    assert_eq!(known("new"), (None, Some(0.2)));
    assert_eq!(known("silent"), (None, None));
    assert_eq!(known("unknown"), (None, None));

    // What is said comes before what was counted.
    let said = traffic
        .clone()
        .circuit("busy", at(7.0))
        .every_circuit(failing(0.5))
        .calls("busy");
    assert_eq!(
        (said.per_second(), said.background_errors()),
        (Some(7.0), Some(0.05))
    );
    // No time between them; and a circuit that was made anew in between.
    let none = Traffic::between(&before, &after, Duration::ZERO).calls("busy");
    assert_eq!(
        (none.per_second(), none.background_errors()),
        (None, Some(0.05))
    );
    let anew = Traffic::between(&after, &before, Duration::from_secs(50));
    assert_eq!(anew.calls("busy"), Calls::unknown());
    let other = Registry::builder().circuit("busy", |it| it).build();
    let other = other.expect("valid");
    let busy = other.try_get("busy").expect("there");
    (0..500).for_each(|_| busy.try_acquire().expect("closed").success());
    let anew = Traffic::between(&before, &other.snapshots(), Duration::from_secs(50));
    assert_eq!(anew.calls("busy"), Calls::unknown());
    // Since they were made.
    let since = Traffic::of(&registry);
    assert_eq!(since.calls("new").background_errors(), Some(0.2));
    assert_eq!(since.calls("broken").background_errors(), None);
    assert_eq!(since.calls("new").per_second(), None);
}

#[test]
fn nonsense_about_calls_is_refused_where_it_is_said() {
    let refused =
        |say: fn(Calls) -> Calls| std::panic::catch_unwind(|| say(Calls::unknown())).is_err();
    assert!(refused(|it| it.with_background_errors(5.0)));
    assert!(refused(|it| it.with_background_errors(-0.1)));
    assert!(refused(|it| it.with_background_errors(f64::NAN)));
    assert!(refused(|it| it.with_per_second(-1.0)));
    assert!(refused(|it| it.with_per_second(f64::INFINITY)));
    assert!(refused(|it| it.with_per_second(f64::NAN)));
    assert!(refused(|it| it.with_capacity(0)));
    assert!(!refused(|it| it
        .with_background_errors(1.0)
        .with_per_second(0.0)
        .with_capacity(1)));
}

#[test]
fn the_settings_of_a_circuit_can_be_asked_without_a_file() {
    let circuit = Circuit::builder("payments")
        .consecutive_failures(3)
        .build()
        .expect("valid");
    let lints = circuit.settings().lints(&failing(0.05));
    assert_eq!(lints.len(), 1);
    assert_eq!(
        (lints[0].path(), lints[0].subject()),
        ("consecutive_failures", &Subject::Settings)
    );
    assert!(
        lints[0]
            .to_string()
            .starts_with("consecutive_failures: 3 failures in a row trip it every 8,420 calls")
    );
    assert_eq!(circuit.settings().lints(&Calls::unknown()), []);

    // Setters check nothing: with a break of no time, it would trip infinitely often.
    let mut unchecked = circuit.settings();
    unchecked.set_open_for(Duration::ZERO);
    let lints = unchecked.lints(&failing(1.0).with_per_second(f64::MAX));
    assert_eq!(lints.len(), 1);
    assert!(!lints[0].message().contains("inf"), "{}", lints[0]);
}

#[test]
fn settings_that_no_circuit_takes_are_told_in_sentences_or_not_at_all() {
    let mut none_in_a_row = Settings::default();
    none_in_a_row.set_consecutive_failures(0);
    assert_eq!(none_in_a_row.lints(&failing(0.05)), []);

    let mut rate_of_nothing = Settings::default();
    rate_of_nothing.set_failure_rate(0.0).set_minimum_calls(1);
    assert_eq!(rate_of_nothing.lints(&failing(0.0)), []);
    let lints = rate_of_nothing.lints(&Calls::unknown());
    assert_eq!(
        lints.iter().map(Lint::to_string).collect::<Vec<_>>(),
        [
            "failure_rate: 1 failure of 1 call reaches a `failure_rate` of 0 %, and trips; take `consecutive_failures` \
             [one-failure-trips]"
        ],
    );
}

fn times() -> impl Strategy<Value = Duration> {
    let nanos = prop_oneof![1..=1_000_000_000_u64, any::<u64>()];
    prop_oneof![
        nanos.prop_map(Duration::from_nanos),
        Just(Duration::ZERO),
        Just(Duration::MAX)
    ]
}

fn shares() -> impl Strategy<Value = f64> {
    prop_oneof![
        0.0..=1.0,
        Just(0.0),
        Just(1.0),
        Just(1e-300),
        Just(1.0 - f64::EPSILON),
        Just(1e-6)
    ]
}

fn counts() -> impl Strategy<Value = u32> {
    prop_oneof![0..200_u32, any::<u32>()]
}

fn any_calls() -> impl Strategy<Value = Calls> {
    let rates = prop_oneof![0.0..1e4, Just(0.0), Just(f64::MIN_POSITIVE), Just(f64::MAX)];
    let capacities = prop_oneof![1..100_u32, Just(u32::MAX)];
    let all = (
        option::of(rates),
        option::of(shares()),
        option::of(times()),
        option::of(times()),
        option::of(capacities),
    );
    all.prop_map(|(rate, share, timeout, duration, capacity)| {
        let calls = Calls::unknown();
        let calls = rate.map_or(calls, |it| calls.with_per_second(it));
        let calls = share.map_or(calls, |it| calls.with_background_errors(it));
        let calls = timeout.map_or(calls, |it| calls.with_caller_timeout(it));
        let calls = duration.map_or(calls, |it| calls.with_duration(it));
        capacity.map_or(calls, |it| calls.with_capacity(it))
    })
}

/// Valid or not: setters check nothing.
fn any_settings() -> impl Strategy<Value = Settings> {
    let trips = (
        option::of(counts()),
        option::of(times()),
        option::of(shares()),
        option::of(shares()),
        option::of(times()),
    );
    let window = (
        option::of(any::<u32>()),
        option::of(times()),
        option::of(counts()),
    );
    let probes = (
        counts(),
        (counts(), counts()),
        option::of(times()),
        option::of(times()),
    );
    let jitters = select(vec![
        Jitter::None,
        Jitter::Full,
        Jitter::Equal,
        Jitter::Fraction(0.5),
    ]);
    let factors = select(vec![0.0, 1.0, 2.0, f64::INFINITY]);
    let breaks = (times(), factors, times(), jitters);
    let abandoned = prop_oneof![
        Just(AbandonedPolicy::Ignore),
        Just(AbandonedPolicy::Failure),
        Just(AbandonedPolicy::FailureIfSlow),
        times().prop_map(AbandonedPolicy::FailureAfter),
    ];
    let retries = times().prop_map(|max_wait| RetryLimits::new(1).max_wait(max_wait));
    let agreements = (any::<u32>(), shares());
    let agreements = agreements.prop_map(|(least, share)| Agreement::of(least).share(share));
    let around = (
        option::of(times()),
        option::of((counts(), times())),
        option::of(retries),
        option::of(agreements),
    );
    (trips, window, probes, around, breaks, abandoned).prop_map(
        |(trips, window, probes, around, breaks, abandoned)| {
            let mut settings = Settings::default();
            settings
                .set_consecutive_failures(trips.0)
                .set_consecutive_failures_span(trips.1)
                .set_failure_rate(trips.2)
                .set_slow_call_rate(trips.3)
                .set_slow_call_duration(trips.4)
                .set_count_window(window.0)
                .set_time_window(window.1)
                .set_minimum_calls(window.2)
                .set_permits(probes.0)
                .set_probes(probes.1)
                .set_half_open_timeout(probes.2)
                .set_probe_timeout(probes.3)
                .set_call_timeout(around.0)
                .set_bulkhead(around.1)
                .set_retries(around.2)
                .set_shared(around.3)
                .set_open_for(OpenFor::exponential(breaks.0, breaks.1, breaks.2).jitter(breaks.3))
                .set_abandoned(abandoned);
            settings
        },
    )
}

const BLOCKS: [&str; 11] = [
    "shared = { instances = 1 }",
    "consecutive_failures = 3",
    "failure_rate = '6%'",
    "time_window = '10s'",
    "open_for = '1s'",
    "probe_timeout = '1m'",
    "call_timeout = '1s'\nbulkhead = 20",
    "bulkhead = 20\nretries = 2",
    "slow_call_duration = '5s'",
    "abandoned = { failure_after = '10s' }",
    "slow_call_rate = '50%'\nslow_call_duration = '1ms'",
];

fn any_block() -> impl Strategy<Value = &'static str> {
    select(BLOCKS.to_vec())
}

proptest! {
    #[test]
    fn lints_of_any_settings_and_calls_are_sentences_with_numbers(settings in any_settings(), calls in any_calls()) {
        for lint in settings.lints(&calls) {
            let line = lint.to_string();
            let words: Vec<_> = line.split([' ', '`', ':', ',']).collect();
            prop_assert!(!words.contains(&"NaN") && !words.contains(&"inf") && !line.contains('\n'), "{line}");
            prop_assert!(!lint.message().is_empty() && !lint.hint().is_empty());
        }
    }

    #[test]
    fn what_is_allowed_is_not_told_and_all_else_is(
        blocks in [any_block(), any_block(), any_block()],
        calls in vec(any_calls(), 3),
        allowed in select(LintName::ALL.to_vec()),
    ) {
        let file = |top: &str| {
            let [defaults, pattern, own] = blocks;
            let text = format!(
                "{top}\nmax_circuits = 2\n[defaults]\n{defaults}\n[[matching]]\nnames = 'a*'\n{pattern}\n\
                 [circuits.a]\n{own}"
            );
            read(&text)
        };
        let mut traffic = Traffic::unknown().names(["c"]).every_circuit(calls[0]);
        for (name, calls) in ["a", "ab"].into_iter().zip(&calls[1..]) {
            traffic = traffic.circuit(name, *calls);
        }
        let all = file("").expect("makes sense").lints(&traffic);
        let rest = file(&format!("allow = ['{allowed}']")).expect("makes sense").lints(&traffic);
        let expected: Vec<_> = all.into_iter().filter(|it| it.name() != allowed).collect();
        prop_assert_eq!(rest, expected);
    }
}
