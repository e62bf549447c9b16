//! A recording once more, with another breaker.

mod neighbours;
mod options;

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use slab::Slab;

use self::neighbours::Neighbours;
pub use self::options::{ReplayError, ReplayOptions};
use super::{Call, Fate, Recording};
use crate::{
    breaker::{Breaker, Contender, End, Ticket},
    chance::{Chance, Of},
    circuits::Circuits,
    measure::{Run, Step},
};

/// What a breaker has made of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// What happened.
    pub run: Run,
    /// Calls that were let through, but had been rejected when the recording was made. Nobody knows how they would have
    /// ended, so each took the end and the duration of a call that began in the same second, by the seed; in a second
    /// without one, of the nearest. If these are many, do not trust the run.
    pub drawn: u64,
    /// Calls that were rejected then and now. Whether they are [lost](Step::lost) was drawn in the same way.
    pub drawn_rejected: u64,
}

/// Replays a recording with one breaker. The same recording, options and breaker give the same run, on any machine.
///
/// The loop is open: calls come when they came, whatever becomes of those before. A call that is let through takes its
/// recorded time, and ends as recorded. If the breaker has a [limit](crate::Breaker::limit), what takes longer fails
/// there.
///
/// **Watch out:** a replay does not know what calls would have done that were spared. If the dependency would have
/// recovered sooner under less load, the replay does not show it. For that, write a [`Scenario`](crate::Scenario).
///
/// * Answered and ignored calls are [told as such](crate::Breaker::answered). They are successes of the run, for their
///   callers have had an answer. An abandoned call is a failure of the run.
/// * In one instant, calls end before others begin. Of those that end, the one that began first is the first.
/// * The run ends with the last call of the recording.
///
/// ```
/// use tower_breaker::Settings;
/// use tower_breaker_lab::{
///     AccessLog, Format, Ours, Reading, Recording, ReplayOptions, Summary, replay,
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let log = &b"a - - [28/Nov/2026:06:00:00 +0000] \"GET /\" 200 1 0.5"[..];
/// let recording = Recording::read(log, &Format::AccessLog(AccessLog::nginx()), &Reading::new())?;
/// let options = ReplayOptions::new();
/// let mut defaults = Ours::new("the defaults", Settings::default())?;
/// let replayed = replay(&recording, &options, &mut defaults)?;
/// let summary = Summary::of(&recording.frame(&options), &replayed.run);
/// println!("{:.1} % were rejected", summary.rejected() * 100.0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// If the options make no sense for this recording: too many steps, no instance, or no call whose end is known.
pub fn replay(
    recording: &Recording,
    options: &ReplayOptions,
    contender: &mut dyn Contender,
) -> Result<Replayed, ReplayError> {
    options.check(recording)?;
    contender.begins();
    let mut player = Player::new(recording, options, contender);
    while let Some((now, event)) = player.next() {
        player.now = now;
        contender.time_is(now);
        player.happens(event);
    }
    Ok(player.over(contender.name()))
}

/// In the order in which they happen in one instant.
#[derive(Clone, Copy, Debug)]
enum Event {
    Step,
    Think,
    Ends,
    Comes,
}

/// A call that was let through.
#[derive(Debug)]
struct UnderWay {
    circuit: usize,
    ticket: Ticket,
    call: Call,
    /// Whether it ends at the breaker's limit.
    is_cut_off: bool,
}

struct Player<'a> {
    recording: &'a Recording,
    options: &'a ReplayOptions,
    neighbours: Neighbours<'a>,
    circuits: Circuits,
    outage: Option<(Duration, Duration)>,
    now: Duration,
    length: Duration,
    next_call: usize,
    next_step: Duration,
    next_think: Option<Duration>,
    under_way: Slab<UnderWay>,
    /// When each of them ends, its number, and where it is.
    ends: BinaryHeap<Reverse<(Duration, usize, usize)>>,
    steps: Vec<Step>,
    drawn: u64,
    drawn_rejected: u64,
}

impl<'a> Player<'a> {
    fn new(
        recording: &'a Recording,
        options: &'a ReplayOptions,
        contender: &dyn Contender,
    ) -> Self {
        let circuits = Circuits::new(u64::from(options.instances), options.seed, contender);
        Self {
            recording,
            options,
            neighbours: Neighbours::new(recording, options.seed),
            next_think: circuits.think_every(),
            circuits,
            outage: recording.outage(options.outage, options.step),
            now: Duration::ZERO,
            length: recording.length(),
            next_call: 0,
            next_step: Duration::ZERO,
            under_way: Slab::new(),
            ends: BinaryHeap::new(),
            steps: Vec::new(),
            drawn: 0,
            drawn_rejected: 0,
        }
    }

    fn next(&self) -> Option<(Duration, Event)> {
        let call = self.next_call;
        let comes = (call < self.recording.len()).then(|| self.recording.call(call).at);
        let ends = self.ends.peek().map(|Reverse((at, ..))| *at);
        let events = [
            (Some(self.next_step), Event::Step),
            (self.next_think, Event::Think),
            (ends, Event::Ends),
            (comes, Event::Comes),
        ];
        // Of those in one instant, the first.
        let next = events
            .into_iter()
            .filter_map(|(at, event)| Some((at?, event)))
            .min_by_key(|(at, _)| *at);
        next.filter(|(at, _)| *at <= self.length)
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Step => self.step_begins(),
            Event::Think => {
                self.circuits.think(self.now, self.is_healthy());
                let every = self.circuits.think_every();
                self.next_think = every.map(|every| self.now.saturating_add(every));
            }
            Event::Ends => self.ends(),
            Event::Comes => self.comes(),
        }
    }

    fn is_healthy(&self) -> bool {
        let is_outage = |(begins, ends)| (begins..ends).contains(&self.now);
        !self.outage.is_some_and(is_outage)
    }

    fn step(&mut self) -> &mut Step {
        // The first event of all is a step.
        self.steps.last_mut().expect("a step")
    }

    fn step_begins(&mut self) {
        self.step_ends();
        self.steps.push(Step::default());
        self.next_step = self.now.saturating_add(self.options.step);
    }

    fn step_ends(&mut self) {
        let load = self.under_way.len() as u64;
        let (open, half_open) = self.circuits.open();
        if let Some(step) = self.steps.last_mut() {
            (step.load, step.open, step.half_open) = (load, open, half_open);
            step.shed = self.circuits.shed();
        }
    }

    fn comes(&mut self) {
        let number = self.next_call;
        self.next_call += 1;
        self.step().offered += 1;
        let mut chance = Chance::new(self.options.seed, Of::Instances, number as u64);
        let circuit = chance.one_of(self.options.instances) as usize;
        let was_closed = self.circuits.is_closed(circuit);
        let limit = self.circuits.limit(circuit).unwrap_or(Duration::MAX);
        let call = self.neighbours.fate(number);
        let was_rejected = u64::from(self.recording.call(number).fate == Fate::Unknown);
        let healthy = self.is_healthy();
        let Some(ticket) = self.circuits.ask(circuit, self.now, healthy) else {
            self.drawn_rejected += was_rejected;
            return self.is_rejected(call, limit);
        };
        self.drawn += was_rejected;
        let step = self.step();
        step.admitted += 1;
        step.probes += u64::from(!was_closed);
        let at = self.now.saturating_add(call.took.min(limit));
        let place = self.under_way.insert(UnderWay {
            circuit,
            ticket,
            call,
            is_cut_off: call.took > limit,
        });
        self.ends.push(Reverse((at, number, place)));
    }

    fn is_rejected(&mut self, call: Call, limit: Duration) {
        let would_succeed = is_answer(call.fate) && call.took <= limit;
        let step = self.step();
        step.rejected += 1;
        step.lost += u64::from(would_succeed);
    }

    fn ends(&mut self) {
        let Some(Reverse((_, _, place))) = self.ends.pop() else {
            return;
        };
        let UnderWay {
            circuit,
            ticket,
            call,
            is_cut_off,
        } = self.under_way.remove(place);
        let fate = if is_cut_off { Fate::Failed } else { call.fate };
        let (now, healthy) = (self.now, self.is_healthy());
        self.circuits.tell(circuit, now, healthy, |breaker| {
            ended(breaker, ticket, fate, now);
        });
        let is_slow = self
            .options
            .slow_after
            .is_some_and(|limit| call.took > limit);
        let step = self.step();
        step.timed_out += u64::from(is_cut_off);
        match is_answer(fate) {
            true => {
                step.succeeded += 1;
                step.slow += u64::from(is_slow);
            }
            false => step.failed += 1,
        }
    }

    fn over(mut self, breaker: &str) -> Replayed {
        self.step_ends();
        let run = Run {
            breaker: breaker.to_owned(),
            step: self.options.step,
            circuits: self.circuits.many(),
            steps: self.steps,
            under_way: self.under_way.len() as u64,
            changes: self.circuits.changes,
            changes_not_kept: self.circuits.not_kept,
        };
        Replayed {
            run,
            drawn: self.drawn,
            drawn_rejected: self.drawn_rejected,
        }
    }
}

fn ended(breaker: &mut dyn Breaker, ticket: Ticket, fate: Fate, now: Duration) {
    match fate {
        Fate::Succeeded => breaker.ended(ticket, End::Success, now),
        Fate::Failed => breaker.ended(ticket, End::Failure, now),
        Fate::Answered => breaker.answered(ticket, now),
        Fate::Ignored => breaker.ignored(ticket, now),
        Fate::Abandoned | Fate::Unknown => breaker.ended(ticket, End::Abandoned, now),
    }
}

/// Whether a caller has had an answer that is no failure.
fn is_answer(fate: Fate) -> bool {
    matches!(fate, Fate::Succeeded | Fate::Answered | Fate::Ignored)
}
