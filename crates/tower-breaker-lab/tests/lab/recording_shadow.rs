//! Shadow mode: what a circuit heard without a say, replayed with settings that it did not have.

use std::{
    collections::BTreeMap,
    io::Write,
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use tower_breaker::{
    Circuit, CircuitBuilder, Mode, Settings, State,
    clock::{Clock, ManualClock},
};
use tower_breaker_lab::{
    CallWriter, Calls, Format, Ours, Reading, Recording, ReplayOptions, Replayed, replay,
};

const BEGINS: Duration = Duration::from_secs(1_764_309_600);

#[derive(Clone, Copy)]
enum End {
    Success,
    Failure,
    Ignored,
    Abandoned,
}

/// When calls begin, how long they take and how they end. The first one begins at once.
type Traffic = Vec<(Duration, Duration, End)>;

/// 40 s at 50 calls a second. From 10 s to 20 s nearly all fail, and take long.
fn traffic(seed: u64) -> Traffic {
    let mut state = seed;
    let mut below = |most: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    let mut at = Duration::ZERO;
    let mut calls = Vec::new();
    while at < Duration::from_secs(40) {
        let is_outage = (10..20).contains(&at.as_secs());
        let longest = if is_outage { 900_000_000 } else { 90_000_000 };
        let end = match below(100) {
            0..3 => End::Abandoned,
            3..6 => End::Ignored,
            chance if chance < 95 && is_outage => End::Failure,
            95 => End::Failure,
            _ => End::Success,
        };
        calls.push((at, Duration::from_nanos(below(longest)), end));
        at += Duration::from_nanos(1 + below(40_000_000));
    }
    calls
}

/// Makes these calls, each if it is admitted, and says which were.
fn make(circuit: &Circuit, clock: &ManualClock, traffic: &Traffic) -> Vec<bool> {
    let mut events = Vec::new();
    for (number, (at, took, _)) in traffic.iter().enumerate() {
        events.push((*at + *took, false, number));
        events.push((*at, true, number));
    }
    events.sort_unstable();
    let (mut guards, mut admitted) = (BTreeMap::new(), Vec::new());
    for (at, begins, number) in events {
        clock.advance(at - clock.now());
        if begins {
            let guard = circuit.clone().try_acquire_owned().ok();
            admitted.push(guard.is_some());
            guard.map(|guard| guards.insert(number, guard));
        } else if let Some(guard) = guards.remove(&number) {
            match traffic[number].2 {
                End::Success => guard.success(),
                End::Failure => guard.failure(),
                End::Ignored => guard.ignore(),
                End::Abandoned => drop(guard),
            }
        }
    }
    admitted
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a circuit with these settings writes of these calls.
fn recorded(settings: &Settings, mode: Mode, traffic: &Traffic) -> Recording {
    let (clock, output) = (ManualClock::new(), Shared::default());
    let (now, writer) = (clock.clone(), Mutex::new(CallWriter::new(output.clone())));
    let circuit = Circuit::builder("payments")
        .settings(settings)
        .mode(mode)
        .clock(clock.clone())
        .on_call(move |circuit, call| {
            let at = UNIX_EPOCH + BEGINS + now.now();
            let mut writer = writer.lock().expect("no panic");
            writer.write(at, circuit.name(), call).expect("memory");
        })
        .build()
        .expect("valid");
    make(&circuit, &clock, traffic);
    let lines = output.0.lock().expect("no panic").clone();
    let format = Format::Calls(Calls::new().circuit("payments"));
    Recording::read(&lines[..], &format, &Reading::new()).unwrap_or_else(|error| panic!("{error}"))
}

type Changes = Vec<(Duration, State, State)>;

/// What a circuit that had these settings from the start makes of these calls.
fn lived(settings: &Settings, mode: Mode, traffic: &Traffic) -> (Vec<bool>, Changes) {
    let clock = ManualClock::new();
    let changes = Arc::new(Mutex::new(Vec::new()));
    let (told, now) = (changes.clone(), clock.clone());
    let circuit = Circuit::builder("payments")
        .settings(settings)
        .mode(mode)
        .jitter_seed(1)
        .clock(clock.clone())
        .on_transition(move |_, transition| {
            let change = (now.now(), transition.from, transition.to);
            told.lock().expect("no panic").push(change);
        })
        .build()
        .expect("valid");
    let admitted = make(&circuit, &clock, traffic);
    let changes = changes.lock().expect("no panic").clone();
    (admitted, changes)
}

fn replayed(settings: &Settings, recording: &Recording) -> Replayed {
    let mut ours = Ours::new("others", settings.clone()).expect("valid");
    let options = ReplayOptions::new().step(Duration::from_millis(1));
    replay(recording, &options, &mut ours).expect("options")
}

fn settings(say: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Settings {
    let circuit = say(Circuit::builder("any")).build().expect("valid");
    circuit.settings().clone()
}

fn several() -> Vec<Settings> {
    let second = Duration::from_secs(1);
    vec![
        Settings::default(),
        settings(|it| it.consecutive_failures(3).open_for(second)),
        settings(|it| {
            it.failure_rate(0.3)
                .time_window(5 * second)
                .open_for(second)
        }),
        settings(|it| {
            it.slow_call_rate(0.5)
                .slow_call_duration(second / 5)
                .open_for(2 * second)
        }),
        settings(|it| {
            it.failure_rate(0.5)
                .count_window(20)
                .open_for(second)
                .probes(3, 5)
                .permits(2)
        }),
    ]
}

/// Whatever is recorded in shadow is whole: no call is missing. So the replay decides as the circuit would have, each
/// call and each transition, whatever it rejects.
#[test]
fn a_replay_decides_as_a_circuit_that_had_the_settings_from_the_start() {
    let mut trips = 0;
    for seed in 1..=4 {
        let traffic = traffic(seed);
        let before = settings(|it| it.consecutive_failures(5).open_for(Duration::from_secs(3)));
        let recording = recorded(&before, Mode::Shadow, &traffic);
        assert_eq!(recording.len(), traffic.len());
        assert_eq!(recording.unknown(), 0);
        for settings in several() {
            let (admitted, changes) = lived(&settings, Mode::Normal, &traffic);
            let replayed = replayed(&settings, &recording);
            let found: Changes = replayed
                .run
                .changes
                .iter()
                .map(|it| (it.at, it.from, it.to))
                .collect();
            assert_eq!(found, changes, "seed {seed}, {settings:?}");
            let rejected = |number: usize| traffic[number].0.as_millis();
            let rejected = (0..traffic.len()).filter(|it| !admitted[*it]).map(rejected);
            let mut expected = vec![0; replayed.run.steps.len()];
            rejected.for_each(|step| expected[usize::try_from(step).expect("small")] += 1);
            let found: Vec<u64> = replayed.run.steps.iter().map(|it| it.rejected).collect();
            assert_eq!(found, expected, "seed {seed}, {settings:?}");
            assert_eq!(replayed.drawn, 0);
            // So does one that had them from the start, but no say.
            assert_eq!(lived(&settings, Mode::Shadow, &traffic).1, changes);
            trips += changes.len();
        }
    }
    assert!(trips > 60, "{trips} transitions");
}

/// A circuit that had a say has rejected calls, and nobody knows how these would have ended. Until the first one of
/// them, the replay is exact. From there on it is one of those that might have been, and it says how many calls it has
/// made up.
#[test]
fn a_recording_with_rejections_is_exact_until_the_first() {
    let traffic = traffic(1);
    let before = settings(|it| it.consecutive_failures(5).open_for(Duration::from_secs(3)));
    let recording = recorded(&before, Mode::Normal, &traffic);
    let (admitted, _) = lived(&before, Mode::Normal, &traffic);
    let rejected = admitted.iter().filter(|it| !**it).count() as u64;
    assert!(rejected > 100, "{rejected}");
    assert_eq!(
        (recording.len(), recording.unknown()),
        (traffic.len(), rejected)
    );
    let first = admitted.iter().position(|it| !it).expect("one");
    let first = traffic[first].0;
    for settings in several() {
        let (_, mut changes) = lived(&settings, Mode::Normal, &traffic);
        changes.retain(|(at, ..)| *at < first);
        let replayed = replayed(&settings, &recording);
        let found = replayed
            .run
            .changes
            .iter()
            .map(|it| (it.at, it.from, it.to));
        let found: Changes = found.filter(|(at, ..)| *at < first).collect();
        assert_eq!(found, changes, "{settings:?}");
        assert!(replayed.drawn > 0);
        assert_eq!(replayed.drawn + replayed.drawn_rejected, rejected);
    }
}
