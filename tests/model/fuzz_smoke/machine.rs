//! A circuit and a history of it, from bytes: step by step it does what the reference of `tests/model`
//! does.

use std::time::Duration;

use tower_breaker::{AbandonedPolicy, Mode, Outcome};

use super::bytes::Bytes;
use crate::{
    config::{Around, Break, Change, Config, Custom, Growth, HalfOpen, Shed, Spread, Window},
    history::{Edge, Ending, Step, Time},
    pair::{Tally, live_through},
};

/// Most circuits are in normal mode, and it is there that most happens.
const MODES: [Mode; 8] = [
    Mode::Normal,
    Mode::Normal,
    Mode::Normal,
    Mode::Normal,
    Mode::Shadow,
    Mode::Shadow,
    Mode::Disabled,
    Mode::ForcedOpen,
];
const MOST_STEPS: u64 = 300;
/// Each of them is compared, so they are what takes the time.
const MOST_CALLS: u64 = 3_000;

/// Lives through the history that the bytes tell, and gives what happened.
pub(crate) fn drive(data: &[u8]) -> Tally {
    let bytes = &mut Bytes::new(data);
    let config = config(bytes);
    let history = history(bytes);
    live_through(&config, &history)
}

fn millis(bytes: &mut Bytes<'_>, least: u64, most: u64) -> Duration {
    Duration::from_millis(bytes.between(least, most))
}

fn thousandths(bytes: &mut Bytes<'_>) -> u32 {
    u32::try_from(bytes.between(1, 1_000)).expect("small")
}

// ---- settings ----------------------------------------------------------------------------------

fn config(bytes: &mut Bytes<'_>) -> Config {
    let slow_after = bytes.maybe(|bytes| millis(bytes, 1, 20));
    let slow_rate = bytes.maybe(thousandths).filter(|_| slow_after.is_some());
    let config = Config {
        consecutive: bytes.maybe(|bytes| bytes.between(1, 6)),
        span: None,
        failure_rate: bytes.maybe(thousandths),
        slow_rate,
        custom: bytes.maybe(custom),
        minimum: bytes.maybe(|bytes| bytes.below(150)),
        window: bytes.maybe(window),
        slow_after,
        open_for: open_for(bytes),
        half_open: half_open(bytes),
        ramp: bytes.maybe(|bytes| (millis(bytes, 1, 1_000), thousandths(bytes))),
        abandoned: abandoned(bytes),
        mode: bytes.pick(&MODES),
        around: Around::default(),
        shed: bytes.maybe(shed),
    };
    config.with_possible_rate().with_possible_minimum()
}

fn shed(bytes: &mut Bytes<'_>) -> Shed {
    Shed {
        multiplier: 1_000 + 2 * thousandths(bytes),
        floor: 1 + thousandths(bytes) / 2,
    }
}

fn custom(bytes: &mut Bytes<'_>) -> Custom {
    match bytes.byte() % 4 {
        0 => Custom::Never,
        1 => Custom::Failed(bytes.between(1, 20)),
        2 => Custom::FailedOrSlow(bytes.between(1, 20)),
        _ => Custom::Panics,
    }
}

fn window(bytes: &mut Bytes<'_>) -> Window {
    match bytes.byte() % 3 {
        0 => Window::Calls(1 + bytes.index(12)),
        1 => Window::Calls(1 + bytes.index(150)),
        _ => Window::Buckets {
            width: millis(bytes, 1, 200),
            number: u32::from(bytes.byte() % 12) + 1,
        },
    }
}

fn open_for(bytes: &mut Bytes<'_>) -> Break {
    let first = match bytes.flag() {
        true => millis(bytes, 20_000, 90_000),
        false => millis(bytes, 1, 1_000),
    };
    let growth = match bytes.byte() % 3 {
        0 => Growth::None,
        1 => {
            let factor = u32::from(bytes.byte() % 4) + 1;
            Growth::Factor(factor, millis(bytes, 1_000, 100_000).max(first))
        }
        _ => Growth::Function,
    };
    let jitter = bytes.pick(&[Spread::None, Spread::Full, Spread::Equal, Spread::Fifth]);
    Break {
        first,
        growth,
        jitter,
    }
}

/// Successes and of how many.
fn probes(bytes: &mut Bytes<'_>) -> (u64, u64) {
    let of = match bytes.flag() {
        true => bytes.between(1, 63),
        false => bytes.between(1, 5),
    };
    (bytes.between(1, of), of)
}

fn half_open(bytes: &mut Bytes<'_>) -> HalfOpen {
    let (successes, of) = probes(bytes);
    HalfOpen {
        permits: bytes.between(1, of),
        successes,
        of,
        timeout: bytes.maybe(|bytes| millis(bytes, 1, 2_000)),
    }
}

fn abandoned(bytes: &mut Bytes<'_>) -> AbandonedPolicy {
    bytes.pick(&[
        AbandonedPolicy::FailureIfSlow,
        AbandonedPolicy::Ignore,
        AbandonedPolicy::Failure,
        AbandonedPolicy::FailureAfter(Duration::from_millis(5)),
    ])
}

fn change(bytes: &mut Bytes<'_>) -> Change {
    Change {
        consecutive: bytes.maybe(|bytes| bytes.maybe(|bytes| bytes.between(1, 6))),
        failure_rate: bytes.maybe(|bytes| bytes.maybe(thousandths)),
        slow_rate: bytes.maybe(|bytes| bytes.maybe(thousandths)),
        minimum: bytes.maybe(|bytes| bytes.maybe(|bytes| bytes.between(1, 20))),
        open_for: bytes.maybe(|bytes| millis(bytes, 1, 1_000)),
        permits: bytes.maybe(|bytes| bytes.maybe(|bytes| bytes.between(1, 5))),
        probes: bytes.maybe(|bytes| bytes.maybe(probes)),
        timeout: bytes.maybe(|bytes| bytes.maybe(|bytes| millis(bytes, 1, 2_000))),
        around: None,
        shed: bytes.maybe(|bytes| bytes.maybe(shed)),
    }
}

// ---- history -----------------------------------------------------------------------------------

fn history(bytes: &mut Bytes<'_>) -> Vec<Step> {
    let (mut history, mut calls) = (Vec::new(), 0);
    for _ in 0..MOST_STEPS {
        if !bytes.are_left() || calls > MOST_CALLS {
            break;
        }
        let step = step(bytes);
        if let Step::Calls(number, _) = step {
            calls += number as u64;
        }
        history.push(step);
    }
    history
}

fn step(bytes: &mut Bytes<'_>) -> Step {
    match bytes.byte() % 32 {
        0..=7 => Step::Begin,
        8..=15 => Step::End(bytes.index(256), ending(bytes)),
        16..=18 => Step::Calls(1 + bytes.index(3), ending(bytes)),
        19 => Step::Calls(1 + bytes.index(200), ending(bytes)),
        20..=27 => Step::Pass(time(bytes)),
        28 => Step::Reconfigure(change(bytes)),
        _ => control(bytes),
    }
}

fn control(bytes: &mut Bytes<'_>) -> Step {
    match bytes.byte() % 6 {
        0 => Step::Trip(millis(bytes, 0, 60_000)),
        1 => Step::ForceOpen,
        2 => Step::Reset,
        3 => Step::SetMode(bytes.pick(&MODES)),
        _ => Step::Release,
    }
}

fn ending(bytes: &mut Bytes<'_>) -> Ending {
    let outcome = match bytes.byte() % 16 {
        0..=4 => Outcome::Success,
        5..=9 => Outcome::Failure,
        10 => bytes.pick(&[Outcome::Ignored, Outcome::Answered]),
        11 => Outcome::FailureRetryAfter(millis(bytes, 0, 3_000)),
        12 => Outcome::TripNow,
        13 => Outcome::TripFor(millis(bytes, 0, 3_000)),
        14 => return Ending::Dropped,
        _ => return Ending::Leaked,
    };
    Ending::Outcome(outcome)
}

fn time(bytes: &mut Bytes<'_>) -> Time {
    let edge = match bytes.byte() % 8 {
        0 => return Time::For(Duration::from_nanos(bytes.below(2_000))),
        1 => return Time::For(millis(bytes, 0, 500)),
        2 => return Time::For(Duration::from_secs(bytes.below(100))),
        3 => Edge::Before,
        4 => Edge::After,
        _ => Edge::Exactly,
    };
    Time::Until(bytes.index(256), edge)
}
