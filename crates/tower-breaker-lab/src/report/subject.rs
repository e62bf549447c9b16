//! What runs were of: a scenario, or a recording. The rest of a report does not ask which.

use std::time::{Duration, SystemTime};

use super::svg::shaded;
use crate::{
    recording::{Fate, Notes, Recording, ReplayOptions},
    scenario::Scenario,
    summary::Frame,
};

/// A picture of an instant would have no width.
const SHORTEST: Duration = Duration::from_millis(1);

#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) name: String,
    /// How it was written, or what was asked for.
    pub(super) text: String,
    pub(super) seed: u64,
    pub(super) length: Duration,
    pub(super) frame: Frame,
    /// What pictures show as an outage: from and to, as shares of the length.
    pub(super) shaded: Vec<(f64, f64)>,
    pub(super) calls: Calls,
    pub(super) of: Of,
}

#[derive(Clone, Debug)]
pub(super) enum Of {
    Scenario(Box<Scenario>),
    Recording(Facts),
}

/// What there is to tell of a recording, without its calls.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) begins: SystemTime,
    pub(super) calls: u64,
    /// How many of them had been rejected.
    pub(super) unknown: u64,
    pub(super) notes: Notes,
}

/// What calls are like while nothing is wrong, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    /// Of all instances, a second.
    pub(super) rate: Option<f64>,
    /// The share that fails.
    pub(super) errors: f64,
    pub(super) took: Duration,
    pub(super) timeout: Option<Duration>,
    pub(super) gives_up: Option<Duration>,
    pub(super) workers: Option<u32>,
    /// Whether calls hang in some phase.
    pub(super) hang: bool,
}

impl Subject {
    pub(super) fn scenario(scenario: &Scenario, text: &str) -> Self {
        Self {
            name: scenario.name.clone(),
            text: text.to_owned(),
            seed: scenario.seed,
            length: scenario.length(),
            frame: Frame::from(scenario),
            shaded: shaded(scenario),
            calls: Calls::of_scenario(scenario),
            of: Of::Scenario(Box::new(scenario.clone())),
        }
    }

    pub(super) fn recording(
        name: &str,
        text: &str,
        recording: &Recording,
        options: &ReplayOptions,
    ) -> Self {
        let length = recording.length().max(SHORTEST);
        let frame = recording.frame(options);
        let share = |at: Duration| (at.as_secs_f64() / length.as_secs_f64()).min(1.0);
        let shaded = frame.outage.map(|(from, to)| (share(from), share(to)));
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            seed: options.seed,
            length,
            frame,
            shaded: shaded.into_iter().collect(),
            calls: Calls::of_recording(recording, &frame),
            of: Of::Recording(Facts {
                begins: recording.begins(),
                calls: recording.len() as u64,
                unknown: recording.unknown(),
                notes: recording.notes(),
            }),
        }
    }

    /// What it is, for sentences.
    pub(super) fn what(&self) -> &'static str {
        match self.of {
            Of::Scenario(_) => "scenario",
            Of::Recording(_) => "recording",
        }
    }
}

impl Calls {
    fn of_scenario(scenario: &Scenario) -> Self {
        let (callers, dependency) = (&scenario.callers, &scenario.dependency);
        Self {
            rate: callers.rate,
            errors: dependency.errors.get(),
            took: dependency.latency.mean,
            timeout: callers.timeout,
            gives_up: callers.gives_up,
            workers: callers.workers,
            hang: scenario.phases.iter().any(|phase| phase.hangs),
        }
    }

    /// Counted outside of the outage.
    fn of_recording(recording: &Recording, frame: &Frame) -> Self {
        let is_wrong = |at| frame.outage.is_some_and(|(from, to)| from <= at && at < to);
        let (mut all, mut known, mut failed, mut took) = (0_u64, 0_u64, 0_u64, 0.0);
        for call in recording.calls().filter(|call| !is_wrong(call.at)) {
            all += 1;
            if call.fate != Fate::Unknown {
                known += 1;
                failed += u64::from(call.fate == Fate::Failed);
                took += call.took.as_secs_f64();
            }
        }
        let healthy = frame.healthy.as_secs_f64();
        let many = known.max(1) as f64;
        Self {
            rate: (healthy > 0.0 && all > 0).then(|| all as f64 / healthy),
            errors: failed as f64 / many,
            took: Duration::try_from_secs_f64(took / many).unwrap_or_default(),
            ..Self::default()
        }
    }
}
