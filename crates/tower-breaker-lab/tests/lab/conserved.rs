//! Whatever the scenario: no call is lost, slots and queues hold no more than they may, the same run comes again, and
//! nothing panics.

use proptest::{collection::vec, option, prelude::*, sample::select};
use tower_breaker::Settings;
use tower_breaker_lab::{Contender, NoBreaker, Ours, Run, Scenario, Throttle, run};

/// Lines of TOML: a key, and values of which one or none is chosen.
fn keys(keys: &'static [(&'static str, &'static [&'static str])]) -> BoxedStrategy<String> {
    let line = |(key, values): &(&'static str, &'static [&'static str])| {
        let key = *key;
        option::of(select(*values)).prop_map(move |value| match value {
            Some(value) => format!("{key} = {value}\n"),
            None => String::new(),
        })
    };
    let lines: Vec<_> = keys.iter().map(line).collect();
    lines.prop_map(|lines| lines.concat()).boxed()
}

fn small_callers() -> BoxedStrategy<String> {
    let loops = prop_oneof![
        select(&["1", "20.5", "300"][..]).prop_map(|rate| format!("rate = {rate}\n")),
        (1u32..6, keys(&[("pause", &["\"1ms\"", "\"100ms\""])]))
            .prop_map(|(clients, pause)| format!("clients = {clients}\n{pause}")),
    ];
    let workers = prop_oneof![
        Just(String::new()),
        (1u32..4, keys(&[("patience", &["\"1ms\"", "\"300ms\""])]))
            .prop_map(|(workers, patience)| format!("workers = {workers}\n{patience}")),
    ];
    let others = keys(&[
        ("even", &["true"]),
        ("timeout", &["\"50ms\"", "\"1s\""]),
        ("gives_up", &["\"50ms\"", "\"700ms\""]),
        ("slow_after", &["\"100ms\""]),
    ]);
    let retries = keys(&[
        ("wait", &["\"10ms\"", "\"2s\""]),
        ("factor", &["0", "2", "1e6"]),
        ("jitter", &["true"]),
        ("budget", &["0.1", "\"0%\""]),
        ("burst", &["1", "5"]),
        ("rejected", &["true"]),
    ])
    .prop_flat_map(|keys| {
        (2u32..5).prop_map(move |tries| format!("[callers.retries]\ntries = {tries}\n{keys}"))
    });
    (loops, workers, others, option::of(retries))
        .prop_map(|(loops, workers, others, retries)| {
            format!(
                "[callers]\n{loops}{workers}{others}{}",
                retries.unwrap_or_default()
            )
        })
        .boxed()
}

fn small_dependency() -> BoxedStrategy<String> {
    let latency = select(
        &[
            r#"{ mean = "40ms" }"#,
            r#"{ mean = "40ms", spread = "exponential" }"#,
            r#"{ mean = "60ms", spread = "log-normal", max = "1s" }"#,
        ][..],
    );
    let others = keys(&[
        ("targets", &["2"]),
        ("endpoints", &["3"]),
        ("errors", &["\"5%\"", "0.5"]),
        ("errors_after", &["0", "0.5"]),
        ("queue", &["1", "7"]),
        ("queue_timeout", &["\"20ms\"", "\"1s\""]),
        ("per_call", &["\"2ms\""]),
        ("per_waiting", &["\"2ms\""]),
        ("cancels", &["true"]),
        (
            "cache",
            &[
                "{ entries = 3 }",
                r#"{ entries = 50, alpha = 2, capacity = 5, lifetime = "100ms" }"#,
            ],
        ),
    ]);
    (latency, others, option::of(1u32..6))
        .prop_map(|(latency, others, slots)| {
            let slots = slots.map_or_else(String::new, |slots| format!("slots = {slots}\n"));
            format!("[dependency]\nlatency = {latency}\n{others}{slots}")
        })
        .boxed()
}

fn small_phases() -> BoxedStrategy<String> {
    let phase = keys(&[
        ("errors", &["0", "0.3", "1"]),
        ("slower_by", &["\"80ms\"", "\"1s\""]),
        ("hangs", &["true"]),
        ("slots", &["1", "3", "8"]),
        ("targets", &["1"]),
        ("part", &["0.5"]),
        ("emptied", &["1"]),
    ]);
    let phase = (select(&["10ms", "300ms", "900ms"][..]), phase)
        .prop_map(|(lasts, keys)| format!("[[phases]]\nfor = \"{lasts}\"\n{keys}"));
    vec(phase, 1..5).prop_map(|phases| phases.concat()).boxed()
}

fn small() -> impl Strategy<Value = Scenario> {
    let head = keys(&[
        ("instances", &["3"]),
        ("seed", &["7"]),
        ("step", &["\"100ms\""]),
    ]);
    let text = (head, small_callers(), small_dependency(), small_phases()).prop_map(
        |(head, callers, dependency, phases)| {
            let phases = match dependency.contains("cache") {
                true => phases,
                false => phases.replace("emptied = 1\n", ""),
            };
            head + &callers + &dependency + &phases
        },
    );
    text.prop_filter_map("makes no sense as a whole", |text| {
        Scenario::from_toml(&text).ok()
    })
}

fn quick() -> Ours {
    let mut settings = Settings::default();
    settings
        .set_minimum_calls(4)
        .set_count_window(8)
        .set_open_for(std::time::Duration::from_millis(300))
        .set_probe_timeout(std::time::Duration::from_millis(200));
    Ours::new("quick", settings).expect("valid")
}

fn all_are_accounted_for(run: &Run) -> Result<(), TestCaseError> {
    let total = run.total();
    prop_assert_eq!(
        total.offered,
        total.ended() + total.not_made + run.under_way,
        "{:?} {:?}",
        total,
        run.under_way
    );
    prop_assert!(total.slow <= total.succeeded && total.lost <= total.rejected);
    prop_assert!(total.cached <= total.succeeded);
    prop_assert!(total.probes <= total.admitted && total.timed_out <= total.admitted);
    prop_assert!(total.admitted + total.cached <= total.offered + total.retries);
    Ok(())
}

/// In each step, as the largest number of slots of all phases allows.
fn nothing_is_too_full(scenario: &Scenario, run: &Run) -> Result<(), TestCaseError> {
    let dependency = &scenario.dependency;
    let of_phase = |phase: &tower_breaker_lab::Phase| phase.slots.or(dependency.slots);
    let slots: Option<u32> = scenario
        .phases
        .iter()
        .map(|phase| Some(of_phase(phase)?.max(dependency.slots.unwrap_or(0))))
        .try_fold(0, |most, slots| Some(slots?.max(most)));
    let all_limited =
        dependency.slots.is_some() || scenario.phases.iter().all(|phase| phase.targets.is_none());
    if let (Some(slots), Some(queue), true) = (slots, dependency.queue, all_limited) {
        let most = u64::from(dependency.targets) * u64::from(slots + queue);
        for step in &run.steps {
            prop_assert!(step.load <= most, "{} > {}", step.load, most);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_call_is_lost(scenario in small()) {
        let throttle = Throttle::new("throttle", 2.0, std::time::Duration::from_secs(1));
        let breakers: [Box<dyn Contender>; 3] = [Box::new(NoBreaker::new()), Box::new(quick()), Box::new(throttle)];
        for mut breaker in breakers {
            let first = run(&scenario, &mut *breaker);
            all_are_accounted_for(&first)?;
            nothing_is_too_full(&scenario, &first)?;
            prop_assert_eq!(first, run(&scenario, &mut *breaker));
        }
    }

    #[test]
    fn nothing_panics(text in hostile()) {
        let Ok(scenario) = Scenario::from_toml(&text) else { return Ok(()) };
        let tries = scenario.callers.retries.as_ref().map_or(1, |retries| retries.tries);
        let circuits = scenario.instances * scenario.dependency.targets;
        let steps = scenario.length().as_nanos() / scenario.step.as_nanos();
        let is_small = scenario.expected_calls() * f64::from(tries) < 3e4 && circuits < 1000 && steps < 10_000;
        if is_small {
            all_are_accounted_for(&run(&scenario, &mut NoBreaker::new()))?;
            all_are_accounted_for(&run(&scenario, &mut quick()))?;
        }
    }

    #[test]
    fn no_text_panics(text in "[a-z0-9=\\[\\]{}\"%. \\n\\-_]{0,80}") {
        let _ = Scenario::from_toml(&text);
    }
}

const TIMES: &[&str] = &[
    "\"0s\"",
    "\"1ns\"",
    "\"1s\"",
    "\"366d\"",
    "\"367d\"",
    "\"18446744073709551615s\"",
    "\"99999999999y\"",
    "\"\"",
    "3",
];
const SHARES: &[&str] = &[
    "0", "1", "-0.0", "1e-320", "\"100%\"", "\"nan%\"", "nan", "inf", "2",
];
const COUNTS: &[&str] = &[
    "0",
    "1",
    "3",
    "1_000_000",
    "1_000_001",
    "-1",
    "9223372036854775807",
];
const RATES: &[&str] = &["0", "1e-320", "1", "1e7", "1e308", "inf", "nan", "-1"];

/// Extremes of all kinds. Most values are likely to be accepted, so that some scenarios are.
fn hostile() -> impl Strategy<Value = String> {
    let callers = keys(&[
        ("patience", &["\"1ns\"", "\"366d\""]),
        ("workers", &["1", "2"]),
        ("timeout", &["\"1ns\"", "\"1s\"", "\"366d\""]),
        ("gives_up", &["\"1ns\"", "\"366d\""]),
        ("even", &["true"]),
    ]);
    let rate = select(
        &[
            "rate = 1e-320\n",
            "rate = 0.001\n",
            "rate = 1\n",
            "rate = 1e7\n",
            "clients = 2\n",
        ][..],
    );
    let retries = keys(&[
        ("wait", &["\"0s\"", "\"1ns\"", "\"366d\""]),
        ("factor", &["0", "1e6", "1e-320"]),
        ("jitter", &["true"]),
        ("budget", SHARES),
        ("burst", &["1", "1_000_000"]),
        ("rejected", &["true"]),
    ])
    .prop_map(|keys| format!("[callers.retries]\ntries = 60\n{keys}"));
    let dependency = keys(&[
        ("slots", &["1", "1_000_000"]),
        ("queue", &["1", "1_000_000"]),
        ("queue_timeout", &["\"1ns\"", "\"366d\""]),
        ("per_call", &["\"0s\"", "\"366d\""]),
        ("per_waiting", &["\"366d\""]),
        ("cancels", &["true"]),
        ("errors", &["1", "1e-320"]),
        ("errors_after", &["0", "1e-320", "1"]),
        ("endpoints", &["1", "1000"]),
        (
            "cache",
            &[
                "{ entries = 1, alpha = 1e-320, lifetime = \"1ns\" }",
                "{ entries = 1000, alpha = 10, capacity = 1, lifetime = \"366d\" }",
            ],
        ),
    ]);
    let spreads = select(&["fixed", "exponential", "log-normal"][..]);
    let latency = (spreads, select(&["1ns", "1s", "366d"][..])).prop_flat_map(
        |(spread, mean)| {
            select(&["1ns", "366d"][..]).prop_map(move |deviation| {
                format!("latency = {{ mean = \"{mean}\", deviation = \"{deviation}\", spread = \"{spread}\" }}\n")
            })
        },
    );
    let phase = keys(&[
        ("errors", &["0", "1"]),
        ("slower_by", &["\"1ns\"", "\"366d\""]),
        ("hangs", &["true"]),
        ("rate", &["1e-320", "1", "1e7"]),
        ("slots", &["1", "1_000_000"]),
        ("part", &["0", "1e-320"]),
    ]);
    let phase = (select(&["1ns", "1s", "100s", "366d"][..]), phase)
        .prop_map(|(lasts, keys)| format!("[[phases]]\nfor = \"{lasts}\"\n{keys}"));
    let wild = keys(&[("instances", COUNTS), ("step", TIMES), ("seed", COUNTS)]);
    let head =
        prop_oneof![3 => Just(String::new()), 3 => Just("step = \"1d\"\n".to_owned()), 1 => wild];
    let more = prop_oneof![
        6 => Just(String::new()),
        1 => keys(&[("for", TIMES), ("rate", RATES), ("errors", SHARES), ("targets", COUNTS)])
            .prop_map(|keys| format!("[[phases]]\n{keys}")),
    ];
    (head, rate, callers, option::of(retries), latency, dependency, vec(phase, 1..3), more).prop_map(
        |(head, rate, callers, retries, latency, dependency, phases, more)| {
            let retries = retries.unwrap_or_default();
            let phases = phases.concat();
            format!("{head}[callers]\n{rate}{callers}{retries}[dependency]\n{latency}{dependency}{phases}{more}")
        },
    )
}
