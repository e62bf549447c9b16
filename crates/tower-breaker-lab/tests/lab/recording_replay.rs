//! That a recording is replayed as it was, with another breaker.

use std::{fmt::Write, time::Duration};

use tower_breaker::{Circuit, Settings};
use tower_breaker_lab::{
    Calls, Format, Frame, NoBreaker, Ours, Outage, Recording, ReplayOptions, Scenario,
    SemianAdaptive, Share, Summary, replay, run,
};

use crate::recording::{json, read};

const BEGINS: u64 = 1_764_309_600;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// 20 calls a second for so many seconds each, which have this status.
fn recorded(phases: &[(u64, u16)]) -> Recording {
    let (mut text, mut call) = (String::new(), 0_u64);
    for (seconds, status) in phases {
        for _ in 0..seconds * 20 {
            let at = BEGINS * 1_000 + call * 50;
            call += 1;
            let line = r#""duration":0.02}"#;
            writeln!(text, "{{\"time\":{},\"status\":{status},{line}", at + 20).expect("memory");
        }
    }
    read(&text, &json())
}

fn outage() -> Recording {
    recorded(&[(60, 200), (30, 503), (60, 200)])
}

fn ours() -> Ours {
    Ours::new("ours", Settings::default()).expect("valid")
}

#[test]
fn without_a_breaker_all_is_as_recorded() {
    let recording = outage();
    let replayed = replay(&recording, &ReplayOptions::new(), &mut NoBreaker::new());
    let replayed = replayed.expect("options");
    assert_eq!((replayed.drawn, replayed.drawn_rejected), (0, 0));
    let total = replayed.run.total();
    assert_eq!((total.offered, total.admitted), (3_000, 3_000));
    assert_eq!(
        (total.succeeded, total.failed, total.rejected),
        (2_400, 600, 0)
    );
    let step = &replayed.run.steps[70];
    assert_eq!((step.offered, step.failed, step.load), (20, 20, 0));
    assert_eq!(replayed.run.steps.len(), 150);
}

#[test]
fn the_outage_is_found() {
    let recording = outage();
    let options = ReplayOptions::new();
    assert_eq!(recording.frame(&options).outage, Some((secs(60), secs(90))));
    let healthy = recording.frame(&options).healthy;
    assert_eq!(healthy, recording.length() - secs(30));
    let all = Outage::Longest(Share::ALL);
    assert_eq!(recording.outage(all, secs(1)), None);
    assert_eq!(recording.outage(Outage::None, secs(1)), None);
    let given = Outage::Between(secs(1), secs(2));
    assert_eq!(recording.outage(given, secs(1)), Some((secs(1), secs(2))));
}

/// Of several outages the longest; ignored calls are no failures; a pause does not end one.
#[test]
fn the_longest_stretch_is_the_outage() {
    let outage = Outage::default();
    let two = recorded(&[(5, 500), (5, 200), (6, 502), (5, 404)]);
    assert_eq!(two.outage(outage, secs(1)), Some((secs(10), secs(16))));
    let line = |second: u64| format!("{{\"time\":{second}.5,\"status\":500,\"duration\":0}}\n");
    let paused = read(&(line(BEGINS) + &line(BEGINS + 9)), &json());
    assert_eq!(paused.outage(outage, secs(1)), Some((secs(0), secs(10))));
}

#[test]
fn a_summary_is_made_of_a_replay() {
    let recording = outage();
    let options = ReplayOptions::new().instances(2);
    let replayed = replay(&recording, &options, &mut ours()).expect("options");
    let summary = Summary::of(&recording.frame(&options), &replayed.run);
    let to_trip = summary.to_trip.expect("it opens");
    // 50 of the last 100 calls at most, of 10 a second.
    assert_eq!(to_trip.circuits, 2);
    assert!(to_trip.p95 < secs(12), "{to_trip:?}");
    assert_eq!((summary.false_trips, summary.not_closed), (0, 0));
    assert!(summary.to_recover.is_some());
    let total = &summary.total;
    assert_eq!(
        total.offered,
        total.succeeded + total.failed + total.rejected
    );
    assert!(total.failed < 600 && total.rejected > 100, "{total:?}");
    // Those after the outage, until the break was over.
    assert!(total.lost > 0 && total.lost < total.rejected, "{total:?}");
}

/// With the same outage said to be none, its trips are false ones.
#[test]
fn trips_outside_of_the_outage_are_false() {
    let recording = outage();
    let options = ReplayOptions::new().outage(Outage::None);
    let replayed = replay(&recording, &options, &mut ours()).expect("options");
    let summary = Summary::of(&recording.frame(&options), &replayed.run);
    assert_eq!((summary.to_trip, summary.false_trips), (None, 1));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let recording = outage();
    let run = |seed| {
        let options = ReplayOptions::new().instances(5).seed(seed);
        replay(&recording, &options, &mut ours()).expect("options")
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_breaker_that_thinks_by_itself_does() {
    let recording = outage();
    let mut adaptive = SemianAdaptive::new("adaptive");
    let replayed = replay(&recording, &ReplayOptions::new(), &mut adaptive).expect("options");
    assert!(
        replayed.run.total().rejected > 100,
        "{:?}",
        replayed.run.total()
    );
}

/// Calls of 20 ms, cut off after 10.
#[test]
fn what_takes_longer_than_the_limit_fails_there() {
    let recording = recorded(&[(1, 200)]);
    let circuit = Circuit::builder("a").call_timeout(Duration::from_millis(10));
    let circuit = circuit.minimum_calls(100).build().expect("valid");
    let mut limited = Ours::new("limited", circuit.settings()).expect("valid");
    let replayed = replay(&recording, &ReplayOptions::new(), &mut limited).expect("options");
    let total = replayed.run.total();
    assert_eq!(
        (total.timed_out, total.failed, total.succeeded),
        (20, 20, 0)
    );
    let slow = ReplayOptions::new().slow_after(Duration::from_millis(10));
    let replayed = replay(&recording, &slow, &mut NoBreaker::new()).expect("options");
    assert_eq!(
        (replayed.run.total().slow, replayed.run.total().succeeded),
        (20, 20)
    );
}

/// A call of 10 s, with a limit of 1 s.
#[test]
fn what_is_cut_off_ends_at_the_limit() {
    let line = format!("{{\"time\":{BEGINS}.5,\"status\":200,\"duration\":10}}\n");
    let recording = read(&line, &json());
    let circuit = Circuit::builder("a")
        .call_timeout(secs(1))
        .build()
        .expect("valid");
    let mut limited = Ours::new("limited", circuit.settings()).expect("valid");
    let replayed = replay(&recording, &ReplayOptions::new(), &mut limited).expect("options");
    let steps = replayed.run.steps.iter();
    let failed: Vec<u64> = steps.map(|step| step.failed).collect();
    assert_eq!(failed, [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

/// The second call begins in the instant in which the first one has opened the circuit.
#[test]
fn in_one_instant_calls_end_before_others_begin() {
    let line = |at: u64, took: u64| {
        format!(
            "{{\"time\":{},\"status\":500,\"duration\":{took}}}\n",
            BEGINS * 1_000 + at
        )
    };
    let recording = read(&(line(1_000, 1) + &line(2_000, 1)), &json());
    let circuit = Circuit::builder("a")
        .consecutive_failures(1)
        .build()
        .expect("valid");
    let mut ours = Ours::new("ours", circuit.settings()).expect("valid");
    let replayed = replay(&recording, &ReplayOptions::new(), &mut ours).expect("options");
    let total = replayed.run.total();
    assert_eq!((total.failed, total.rejected), (1, 1));
}

fn call(ms: u64, end: &str) -> String {
    let at = humantime::format_rfc3339_nanos(
        std::time::UNIX_EPOCH + secs(BEGINS) + Duration::from_millis(ms),
    );
    let rest = match end {
        "rejected" => r#""kind":"rejected","reason":"open""#.to_owned(),
        end => format!(r#""kind":"call","end":"{end}","took_seconds":0"#),
    };
    format!("{{\"at\":\"{at}\",\"circuit\":\"a\",{rest}}}\n")
}

/// In the first second all succeed, in the second all fail, and in the tenth nobody knows.
#[test]
fn what_was_rejected_ends_as_its_neighbours() {
    let mut text = String::new();
    for ms in 0..100 {
        text += &call(ms, "success");
        text += &call(ms, "rejected");
        text += &call(1_000 + ms, "rejected");
        text += &call(1_000 + ms, "failure");
    }
    text += &call(10_000, "rejected");
    let recording = read(&text, &Format::Calls(Calls::new()));
    let replayed = replay(&recording, &ReplayOptions::new(), &mut NoBreaker::new());
    let replayed = replayed.expect("options");
    assert_eq!((replayed.drawn, replayed.drawn_rejected), (201, 0));
    let ends = |second: usize| {
        let step = &replayed.run.steps[second];
        (step.succeeded, step.failed)
    };
    assert_eq!((ends(0), ends(1), ends(10)), ((200, 0), (0, 200), (0, 1)));
    // The circuit opens, so that some are rejected once more.
    let replayed = replay(&recording, &ReplayOptions::new(), &mut ours()).expect("options");
    assert!(replayed.drawn_rejected > 0, "{replayed:?}");
    assert_eq!(replayed.drawn + replayed.drawn_rejected, 201);
}

/// A 404 closes a half-open circuit, and a 429 does not (rule A2).
#[test]
fn an_answered_probe_closes_and_an_ignored_one_does_not() {
    let settings = Circuit::builder("a")
        .consecutive_failures(5)
        .open_for(secs(2));
    let settings = settings.build().expect("valid").settings();
    for (status, not_closed) in [(200, 0), (404, 0), (429, 1), (499, 1)] {
        let recording = recorded(&[(1, 500), (5, status)]);
        let mut ours = Ours::new("ours", settings.clone()).expect("valid");
        let options = ReplayOptions::new();
        let replayed = replay(&recording, &options, &mut ours).expect("options");
        let summary = Summary::of(&recording.frame(&options), &replayed.run);
        assert_eq!(summary.not_closed, not_closed, "{status}");
    }
}

/// A long call that was abandoned is a slow failure (rule A4), and an ignored one is nothing.
#[test]
fn an_ignored_call_is_no_abandoned_one() {
    let slow = Circuit::builder("a")
        .consecutive_failures(5)
        .open_for(secs(2));
    let slow = slow
        .slow_call_duration(Duration::from_millis(10))
        .build()
        .expect("valid");
    for (status, trips) in [(499, 1), (404, 0), (429, 0)] {
        let mut ours = Ours::new("ours", slow.settings()).expect("valid");
        let options = ReplayOptions::new();
        let replayed = replay(&recorded(&[(1, status)]), &options, &mut ours).expect("options");
        assert_eq!(replayed.run.changes.len(), trips, "{status}");
    }
}

/// In the middle of the outage a breaker was open, so that nobody knows.
#[test]
fn a_break_does_not_end_an_outage() {
    let ends = ["failure", "rejected", "failure", "success", "failure"];
    let calls = (0..).step_by(1_000).zip(ends);
    let text: String = calls.map(|(ms, end)| call(ms, end)).collect();
    let recording = read(&text, &Format::Calls(Calls::new()));
    let found = recording.outage(Outage::default(), secs(1));
    assert_eq!(found, Some((secs(0), secs(3))));
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let recording = outage();
    let rejected = read(&call(0, "rejected"), &Format::Calls(Calls::new()));
    for (recording, options, expected) in [
        (
            &recording,
            ReplayOptions::new().step(Duration::ZERO),
            "step: a time that is longer than none",
        ),
        (
            &recording,
            ReplayOptions::new().step(Duration::from_micros(100)),
            "step: 1499701 steps are more than 1000000; let a step be longer",
        ),
        (
            &recording,
            ReplayOptions::new().instances(0),
            "instances: from 1 to 1000000",
        ),
        (
            &rejected,
            ReplayOptions::new(),
            "all calls of the recording were rejected: nobody knows how they would have ended",
        ),
    ] {
        let found = replay(recording, &options, &mut NoBreaker::new());
        assert_eq!(found.expect_err("refused").to_string(), expected);
    }
}

#[test]
fn a_frame_is_made_of_a_scenario() {
    let text = r#"
        [callers]
        rate = 100
        [dependency]
        latency = { mean = "50ms" }
        [[phases]]
        for = "20s"
        [[phases]]
        for = "10s"
        errors = "100%"
        [[phases]]
        for = "40s"
    "#;
    let scenario = Scenario::from_toml(text).expect("valid");
    let frame = Frame::from(&scenario);
    assert_eq!(frame, Frame::new(Some((secs(20), secs(30))), secs(60)));
    let run = run(&scenario, &mut ours());
    assert_eq!(Summary::of(&frame, &run), Summary::new(&scenario, &run));
}
