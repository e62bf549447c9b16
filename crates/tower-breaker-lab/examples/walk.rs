//! From a circuit without a say to settings that are live: record, replay, pick, plan, apply, and see.
//!
//! ```text
//! cargo run -p tower-breaker-lab --example walk
//! ```
//!
//! The README goes the same way, with commands. Each step here is checked.

use std::{
    error::Error,
    fs,
    path::Path,
    process::ExitCode,
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use tower_breaker::{
    Circuit, Mode,
    clock::{Clock, ManualClock},
    config::Config,
    observe::Subscription,
    registry::Registry,
};
use tower_breaker_lab::{
    Axis, CallWriter, Calls, Candidate, Entry, Format, Reading, Recording, ReplayOptions, Report,
};

const SHADOW: &str = include_str!("shadow.toml");
const GRID: [&str; 2] = ["failure_rate=30%,60%", "open_for=3s,10s"];
/// 2025-11-28T06:00:00Z.
const BEGINS: Duration = Duration::from_secs(1_764_309_600);
/// A call comes every 50 ms. Of the 150 s, the outage is from 60 s to 90 s.
const CALLS: u32 = 3_000;
const OUTAGE: std::ops::Range<u32> = 1_200..1_800;
const EVERY: Duration = Duration::from_millis(50);
const TAKES: Duration = Duration::from_millis(10);

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A service, what it has written of its calls, and its time, which nobody waits for.
struct Service {
    registry: Registry,
    clock: ManualClock,
    written: Arc<Mutex<CallWriter<Vec<u8>>>>,
    /// Calls are heard until it is dropped.
    _hears: Subscription,
}

impl Service {
    fn new(config: &str) -> Outcome<Self> {
        let clock = ManualClock::new();
        let of_circuits = clock.clone();
        let registry = read(config)?
            .registry()
            .defaults(move |circuit| circuit.clock(of_circuits.clone()))
            .build()?;
        let written = Arc::new(Mutex::new(CallWriter::new(Vec::new())));
        let (writer, now) = (written.clone(), clock.clone());
        let hears = registry.subscribe_calls(move |circuit, call| {
            let at = UNIX_EPOCH + BEGINS + now.now();
            let mut writer = writer.lock().expect("no panic");
            writer.write(at, circuit.name(), call).expect("memory");
        });
        Ok(Self {
            _hears: hears,
            registry,
            clock,
            written,
        })
    }

    fn circuit(&self) -> Outcome<Circuit> {
        Ok(self.registry.try_get("payments")?)
    }

    /// Lives through an outage, and says after how much of it the first call was rejected, and how many were.
    fn serve(&self) -> Outcome<(Option<Duration>, u64)> {
        let circuit = self.circuit()?;
        let (mut first, mut rejected) = (None, 0);
        for number in 0..CALLS {
            self.clock.advance(EVERY - TAKES);
            let call = circuit.try_acquire();
            self.clock.advance(TAKES);
            match call {
                Ok(guard) if fails(number) => guard.failure(),
                Ok(guard) => guard.success(),
                Err(_) => {
                    rejected += 1;
                    first = first.or(Some(EVERY * number.saturating_sub(OUTAGE.start)));
                }
            }
        }
        Ok((first, rejected))
    }
}

/// Two in a hundred on a good day, and nine of ten in the outage.
fn fails(number: u32) -> bool {
    match OUTAGE.contains(&number) {
        true => number % 10 != 3,
        false => number % 50 == 7,
    }
}

fn read(config: &str) -> Outcome<Config> {
    Ok(Config::read(toml::Deserializer::parse(config)?)?)
}

/// 1. What the service writes while its circuit has no say.
fn record(service: &Service) -> Outcome<Vec<u8>> {
    let (_, rejected) = service.serve()?;
    assert_eq!(rejected, 0, "a circuit in shadow mode rejects nothing");
    let mut written = service.written.lock().expect("no panic");
    let written = std::mem::replace(&mut *written, CallWriter::new(Vec::new()));
    Ok(written.into_inner())
}

/// The recording of the first outage.
#[allow(dead_code, reason = "the test of the README replays it")]
pub(crate) fn recorded() -> Outcome<Vec<u8>> {
    record(&Service::new(SHADOW)?)
}

/// 2. Replays it with each of the grid.
fn replayed(calls: &[u8]) -> Outcome<Report> {
    let format = Format::Calls(Calls::new().circuit("payments"));
    let recording = Recording::read(calls, &format, &Reading::new())?;
    assert_eq!(recording.unknown(), 0, "nothing is missing");
    let axes = GRID.map(str::parse::<Axis>);
    let axes = axes.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut candidates = Candidate::from_grid(Some(SHADOW), &axes)?;
    let options = ReplayOptions::new();
    let progress = &mut |_: &str, _| {};
    let report =
        Report::of_recording("calls", "", &recording, &options, &mut candidates, progress)?;
    Ok(report)
}

/// 3. The best: as few as possible fail or are lost.
fn best(report: &Report) -> &Entry {
    let badness = |entry: &&Entry| entry.summary.failed() + entry.summary.lost();
    let entries = report.entries().iter();
    let best = entries.min_by(|one, other| badness(one).total_cmp(&badness(other)));
    best.expect("a grid has an entry")
}

/// The settings of its name, `payments failure_rate=30% open_for=3s`, as a configuration that has a say.
fn written(best: &Entry) -> String {
    let settings = best.run.breaker.split(' ').skip(1);
    let lines = settings.filter_map(|setting| setting.split_once('='));
    let lines = lines.map(|(key, value)| format!("{key} = \"{value}\"\n"));
    let live = SHADOW
        .replace("\"shadow\"", "\"normal\"")
        .replace("sees each call, and has no say yet", "decides");
    format!("{live}{}", lines.collect::<String>())
}

/// The command comes to the same numbers.
fn commanded(calls: &[u8], directory: &Path) -> Outcome<serde_json::Value> {
    let at = |name: &str| directory.join(name).display().to_string();
    fs::create_dir_all(directory)?;
    fs::write(at("calls.jsonl"), calls)?;
    fs::write(at("shadow.toml"), SHADOW)?;
    let (calls, settings, json) = (at("calls.jsonl"), at("shadow.toml"), at("report.json"));
    let command = [
        "breaker-lab",
        "replay",
        &calls,
        "--format",
        "calls",
        "--circuit",
        "payments",
        "--settings",
        &settings,
        "--grid",
        GRID[0],
        "--grid",
        GRID[1],
        "--against",
        "",
        "--json",
        &json,
    ];
    let code = tower_breaker_lab::cli::main(command.map(Into::into));
    assert_eq!(code, ExitCode::SUCCESS);
    Ok(serde_json::from_str(&fs::read_to_string(json)?)?)
}

/// All of it.
pub(crate) fn walk(directory: &Path) -> Outcome<()> {
    let service = Service::new(SHADOW)?;
    let calls = record(&service)?;
    let report = replayed(&calls)?;
    let by_library: serde_json::Value = serde_json::from_str(&report.json())?;
    let by_command = commanded(&calls, directory)?;
    assert_eq!(by_command["breakers"], by_library["breakers"]);
    let best = best(&report);
    println!("\nThe best: {}", best.run.breaker);

    // 4. What would change. Nothing does yet.
    let file = directory.join("live.toml");
    fs::write(&file, written(best))?;
    assert_eq!(
        written(best),
        include_str!("live.toml"),
        "the README shows it"
    );
    let live = read(&fs::read_to_string(&file)?)?;
    let plan = service.registry.plan(&live)?;
    println!("The plan:\n{plan}\n");
    assert!(!plan.is_refused());
    assert_eq!(service.registry.version(), 0);

    // 5. It is applied. Of a live circuit, the mode is changed by hand.
    service.registry.apply(&live)?;
    let circuit = service.circuit()?;
    circuit.set_mode(Mode::Normal);
    assert_eq!(Some(circuit.settings()), best.settings);

    // 6. The second outage is as the first one, and so is what the replay said of it.
    let said = best.summary.to_trip.ok_or("it trips in the replay")?.median;
    let (trips, rejected) = service.serve()?;
    let trips = trips.ok_or("it trips live")?;
    let said_rejected = best.summary.total.rejected;
    println!("Trips {said:?} into the outage by the replay, and rejects {said_rejected} calls.");
    println!("Rejects the first {trips:?} into the outage when live, and {rejected} calls.");
    assert!(trips.abs_diff(said) <= 2 * EVERY);
    assert!(rejected.abs_diff(said_rejected) <= said_rejected / 10);
    Ok(())
}

#[allow(dead_code, reason = "a test walks, too")]
fn main() -> Outcome<()> {
    let directory = std::env::temp_dir().join(format!("breaker-lab-walk-{}", std::process::id()));
    let walked = walk(&directory);
    fs::remove_dir_all(&directory)?;
    walked
}
