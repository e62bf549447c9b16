//! The circuit once more, so plain that it is obviously right: one struct, one thread, a list of
//! calls for a window, and the rules of the documentation written down one after the other.

use std::{collections::VecDeque, panic::catch_unwind, time::Duration};

use tower_breaker::{
    AbandonedPolicy, Cause, Mode, Outcome, Reason, State, Totals, WindowCounts,
    observe::{RatesOf, Threshold},
};

use crate::{
    config::{Break, Change, Config, Growth, HalfOpen, Shed, Spread, Window},
    history::Ending,
};

pub(crate) struct Reference {
    config: Config,
    now: Duration,
    mode: Mode,
    era: u64,
    since: Duration,
    attempt: u32,
    /// Opens in a row before this closed era, and the break before it.
    carried: Option<(u32, Duration)>,
    /// A probe that succeeded after its era: which era's, and how long it took.
    late: Option<(u64, Duration)>,
    closed_era: u64,
    mode_before_forced: Mode,
    ramp_admitted: Duration,
    /// How often a ramp or shedding was asked.
    asked: u64,
    stay: Stay,
    last_trip: Option<Trip>,
    /// What the window held when the circuit last left closed.
    left_closed_with: Option<WindowCounts>,
    totals: Totals,
    events: Vec<Event>,
    /// What is left to chance: what the circuit under test did.
    pub(crate) chance: Chance,
}

/// What only the state at hand needs.
enum Stay {
    Closed {
        streak: u64,
        streak_began: Duration,
        calls: VecDeque<Call>,
        ramping: bool,
        shedding: bool,
        /// Since when calls have found nothing to shed.
        found_nothing: Option<Duration>,
    },
    Open {
        open_for: Duration,
    },
    HalfOpen {
        rules: HalfOpen,
        patience: Duration,
        break_before: Duration,
        admitted_at: Duration,
        answered_at: Duration,
        /// How long probes have run that were abandoned, since the last answer.
        in_vain: Duration,
        in_flight: u64,
        succeeded: u64,
        failed: u64,
    },
}

struct Call {
    at: Duration,
    failed: bool,
    slow: bool,
}

/// A call that goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    started: Duration,
    /// `None` for a call that decides nothing.
    era: Option<u64>,
    /// How long its half-open era waits for it, if it is a probe.
    patience: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chance {
    /// Whether a call was admitted: a ramp admits a share, but does not say which calls.
    pub(crate) admitted: bool,
    /// The break that began: jitter has bounds, but does not say where in them.
    pub(crate) open_for: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Refused {
    pub(crate) reason: Reason,
    pub(crate) remaining: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) from: State,
    pub(crate) to: State,
    pub(crate) mode_before: Mode,
    pub(crate) mode: Mode,
    pub(crate) era: u64,
    pub(crate) cause: Cause,
    pub(crate) counts: Option<WindowCounts>,
    pub(crate) threshold: Option<Threshold>,
    pub(crate) shed_share: f64,
    pub(crate) attempt: u32,
    pub(crate) open_for: Option<Duration>,
}

/// Everything there is to see.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) state: State,
    pub(crate) mode: Mode,
    pub(crate) era: u64,
    pub(crate) time_in_state: Duration,
    pub(crate) remaining: Option<Duration>,
    pub(crate) attempt: u32,
    pub(crate) last_trip: Option<Trip>,
    pub(crate) rates_of: RatesOf,
    pub(crate) failure_rate: Option<f64>,
    pub(crate) slow_call_rate: Option<f64>,
    pub(crate) consecutive_failures: u64,
    pub(crate) window: Option<WindowCounts>,
    pub(crate) probes: Option<Probes>,
    pub(crate) totals: Option<Totals>,
}

/// How it last opened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trip {
    pub(crate) cause: Cause,
    pub(crate) era: u64,
    pub(crate) counts: Option<WindowCounts>,
    pub(crate) threshold: Option<Threshold>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Probes {
    pub(crate) in_flight: u64,
    pub(crate) permits: u64,
    pub(crate) successes_needed: u64,
    pub(crate) failures_allowed: u64,
}

/// What a call came to.
#[derive(Clone, Copy)]
enum Verdict {
    Success { slow: bool },
    Failure { slow: bool, floor: Duration },
    Neutral,
    Abandoned,
    Trip(Option<Duration>),
}

/// How long a break is to last.
enum Length {
    Exactly(Duration),
    AtLeast(Duration),
}

const EMPTY: Stay = Stay::Closed {
    streak: 0,
    streak_began: Duration::ZERO,
    calls: VecDeque::new(),
    ramping: false,
    shedding: false,
    found_nothing: None,
};

const TRICKLE: Duration = Duration::from_millis(100);
const LINGERS: Duration = Duration::from_secs(1);
const MILLION: u64 = 1_000_000;

impl Reference {
    pub(crate) fn new(config: &Config) -> Self {
        let mut config = config.clone();
        config.fill_in_defaults();
        Self {
            now: Duration::ZERO,
            mode: config.mode,
            era: 0,
            since: Duration::ZERO,
            attempt: u32::from(config.mode == Mode::ForcedOpen),
            carried: None,
            late: None,
            closed_era: 0,
            mode_before_forced: Mode::Normal,
            ramp_admitted: Duration::ZERO,
            asked: 0,
            stay: match config.mode {
                Mode::ForcedOpen => Stay::Open {
                    open_for: Duration::MAX,
                },
                _ => EMPTY,
            },
            last_trip: None,
            left_closed_with: None,
            totals: Totals::default(),
            events: Vec::new(),
            chance: Chance::default(),
            config,
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    // ---- admission -------------------------------------------------------------------------

    pub(crate) fn acquire(&mut self) -> Result<Ticket, Refused> {
        match self.decide() {
            Ok(ticket) => Ok(ticket),
            // E1: shadow lets pass what it would have rejected.
            Err(_) if self.mode == Mode::Shadow => {
                self.totals.shadowed += 1;
                Ok(self.pass_without_permit())
            }
            Err(refused) => {
                self.count_rejection(refused.reason);
                Err(refused)
            }
        }
    }

    /// F4
    fn count_rejection(&mut self, reason: Reason) {
        let by = &mut self.totals.rejected_by;
        *match reason {
            Reason::Open => &mut by.open,
            Reason::HalfOpenFull => &mut by.half_open_full,
            Reason::ForcedOpen => &mut by.forced_open,
            Reason::Ramping => &mut by.ramping,
            Reason::Shedding => &mut by.shedding,
            _ => panic!("{reason:?} is not modelled"),
        } += 1;
        self.totals.rejected += 1;
    }

    fn decide(&mut self) -> Result<Ticket, Refused> {
        match (self.mode, &self.stay) {
            (Mode::Disabled, _) => Ok(self.pass_without_permit()),
            (Mode::ForcedOpen, _) => self.decide_forced(),
            (_, Stay::Closed { .. }) => self.decide_closed(),
            (_, Stay::Open { .. }) => self.decide_open(),
            (_, Stay::HalfOpen { .. }) => self.decide_half_open(),
        }
    }

    /// E2
    fn decide_forced(&mut self) -> Result<Ticket, Refused> {
        let left = self.time_left();
        if left != Some(Duration::ZERO) {
            return Err(refused(Reason::ForcedOpen, left));
        }
        self.turn(EMPTY, self.mode_before_forced, Cause::ForceExpired);
        self.decide()
    }

    /// D6
    fn decide_closed(&mut self) -> Result<Ticket, Refused> {
        let ramped_up = self.ramp_millionths() == MILLION;
        if let (true, Stay::Closed { ramping, .. }) = (ramped_up, &mut self.stay) {
            *ramping = false;
        }
        let unshed = MILLION - self.shed_millionths();
        if let (true, Stay::Closed { found_nothing, .. }) = (unshed < MILLION, &mut self.stay) {
            *found_nothing = None;
        }
        if ramped_up && unshed == MILLION {
            return Ok(self.permit());
        }
        self.asked += 1;
        if unshed < self.ramp_millionths() {
            return self.decide_shed(unshed);
        }
        let trickle = self.now - self.ramp_admitted >= TRICKLE;
        assert!(
            self.chance.admitted || !trickle,
            "a trickle was turned away"
        );
        if self.chance.admitted {
            self.ramp_admitted = self.now;
            return Ok(self.permit());
        }
        Err(refused(Reason::Ramping, Some(Duration::from_secs(1))))
    }

    /// B9: the multiples of the golden ratio fill everything from zero to one evenly.
    fn decide_shed(&mut self, unshed: u64) -> Result<Ticket, Refused> {
        let golden = 0x9e37_79b9_7f4a_7c15_u128;
        let of_one = (u128::from(self.asked - 1) * golden) & u128::from(u64::MAX);
        let passes = (of_one * u128::from(MILLION)) >> 64 < u128::from(unshed);
        assert_eq!(self.chance.admitted, passes, "of {unshed} millionths");
        if !passes {
            return Err(refused(Reason::Shedding, Some(Duration::from_secs(1))));
        }
        self.ramp_admitted = self.now;
        Ok(self.permit())
    }

    /// C1
    fn decide_open(&mut self) -> Result<Ticket, Refused> {
        let left = self.break_left();
        if left > Duration::ZERO {
            return Err(refused(Reason::Open, Some(left)));
        }
        self.half_open();
        Ok(self.permit_probe())
    }

    /// D1, D4
    fn decide_half_open(&mut self) -> Result<Ticket, Refused> {
        if self.admits_probe() {
            return Ok(self.permit_probe());
        }
        let left = self.patience_ends().saturating_sub(self.now);
        if left > Duration::ZERO {
            return Err(refused(Reason::HalfOpenFull, Some(Duration::from_secs(1))));
        }
        self.open(Cause::ProbesTimedOut, Length::AtLeast(Duration::ZERO));
        Err(refused(Reason::Open, Some(self.break_left())))
    }

    fn admits_probe(&self) -> bool {
        let Stay::HalfOpen {
            rules,
            in_flight,
            succeeded,
            failed,
            ..
        } = &self.stay
        else {
            return false;
        };
        *in_flight < rules.permits && in_flight + succeeded + failed < rules.of
    }

    fn permit_probe(&mut self) -> Ticket {
        let now = self.now;
        if let Stay::HalfOpen {
            in_flight,
            admitted_at,
            ..
        } = &mut self.stay
        {
            *in_flight += 1;
            *admitted_at = now;
        }
        self.permit()
    }

    fn permit(&self) -> Ticket {
        let patience = match &self.stay {
            Stay::HalfOpen { patience, .. } => Some(*patience),
            _ => None,
        };
        Ticket {
            started: self.now,
            era: Some(self.era),
            patience,
        }
    }

    fn pass_without_permit(&self) -> Ticket {
        Ticket {
            started: self.now,
            era: None,
            patience: None,
        }
    }

    // ---- the end of a call -----------------------------------------------------------------

    pub(crate) fn end(&mut self, ticket: Ticket, ending: Ending) {
        let verdict = match ending {
            Ending::Leaked => return,
            Ending::Dropped => self.abandon(ticket),
            Ending::Outcome(outcome) => self.judge_outcome(ticket, outcome),
        };
        match ticket.era {
            None => {}
            // C4
            Some(era) if era != self.era => {
                self.totals.stale += 1;
                self.learn(ticket, era, verdict);
            }
            Some(_) => self.apply(verdict, self.now - ticket.started),
        }
    }

    /// D4: a probe that succeeded after its era teaches how long an answer takes.
    fn learn(&mut self, ticket: Ticket, era: u64, verdict: Verdict) {
        let took = rounded(self.now - ticket.started);
        let known = self.late.unwrap_or_default();
        if ticket.patience.is_some() && self.proves_recovery(verdict) && (era, took) > known {
            self.late = Some((era, took));
        }
    }

    /// D3
    fn proves_recovery(&self, verdict: Verdict) -> bool {
        let watched = self.config.slow_rate.is_some();
        matches!(verdict, Verdict::Success { slow } if !(slow && watched))
    }

    /// A4
    fn abandon(&mut self, ticket: Ticket) -> Verdict {
        let ran = self.now - ticket.started;
        // Whether a probe that is over was late is nobody's business, unless slow calls are watched.
        let patience = ticket.patience.filter(|_| ticket.era == Some(self.era));
        let limit = self.config.slow_after.or(patience);
        let overdue = limit.is_some_and(|limit| ran > limit);
        let failed = match self.config.abandoned {
            AbandonedPolicy::Ignore => false,
            AbandonedPolicy::Failure => true,
            AbandonedPolicy::FailureAfter(limit) => ran >= limit,
            _ => overdue,
        };
        if failed {
            return self.judge_outcome(ticket, Outcome::Failure);
        }
        self.totals.abandoned += 1;
        Verdict::Abandoned
    }

    fn judge_outcome(&mut self, ticket: Ticket, outcome: Outcome) -> Verdict {
        let slow = self.is_slow(ticket);
        let is_probe = ticket.patience.is_some();
        let verdict = match outcome {
            Outcome::Success => Verdict::Success { slow },
            // A2: any answer proves that the dependency is back.
            Outcome::Answered if is_probe => Verdict::Success { slow },
            Outcome::Failure => Verdict::Failure {
                slow,
                floor: Duration::ZERO,
            },
            Outcome::FailureRetryAfter(floor) => Verdict::Failure { slow, floor },
            Outcome::TripNow => Verdict::Trip(None),
            Outcome::TripFor(time) => Verdict::Trip(Some(time)),
            _ => Verdict::Neutral,
        };
        self.count_end(verdict, slow);
        verdict
    }

    /// A3: strictly longer.
    fn is_slow(&self, ticket: Ticket) -> bool {
        let ran = self.now - ticket.started;
        self.config.slow_after.is_some_and(|limit| ran > limit)
    }

    fn count_end(&mut self, verdict: Verdict, slow: bool) {
        let totals = &mut self.totals;
        match verdict {
            Verdict::Success { .. } => totals.successful += 1,
            Verdict::Failure { .. } | Verdict::Trip(_) => totals.failed += 1,
            Verdict::Neutral => totals.ignored += 1,
            Verdict::Abandoned => {}
        }
        if slow && !matches!(verdict, Verdict::Neutral) {
            totals.slow += 1;
        }
    }

    fn apply(&mut self, verdict: Verdict, ran: Duration) {
        if matches!(self.stay, Stay::HalfOpen { .. }) {
            return self.apply_to_probes(verdict, ran);
        }
        match verdict {
            Verdict::Neutral | Verdict::Abandoned => {}
            Verdict::Trip(time) => self.trip_now(time),
            Verdict::Success { slow } => self.apply_to_closed(false, slow, Duration::ZERO),
            Verdict::Failure { slow, floor } => self.apply_to_closed(true, slow, floor),
        }
        let bad = matches!(
            verdict,
            Verdict::Failure { .. } | Verdict::Success { slow: true }
        );
        let own = matches!(verdict, Verdict::Success { .. } | Verdict::Failure { .. });
        self.look_at_shed(bad, u64::from(own));
    }

    /// B9: a bad call begins it, any call ends it.
    fn look_at_shed(&mut self, bad: bool, own: u64) {
        let (now, evident) = (self.now, self.evident_share() > 0);
        let counts = self.counts();
        let Stay::Closed {
            shedding,
            found_nothing,
            ..
        } = &mut self.stay
        else {
            return;
        };
        if !*shedding && evident && bad {
            (*shedding, *found_nothing) = (true, None);
            let mode = self.mode;
            return self.tell(State::Closed, mode, Cause::ShedBegan(counts), Some(counts));
        }
        if !*shedding || evident {
            *found_nothing = None;
            return;
        }
        let since = *found_nothing.get_or_insert(now);
        // Or what the window held is gone.
        if now - since >= LINGERS || counts.calls <= own {
            *shedding = false;
            let mode = self.mode;
            self.tell(State::Closed, mode, Cause::ShedEnded, None);
        }
    }

    /// A7
    fn trip_now(&mut self, time: Option<Duration>) {
        let length = time.map_or(Length::AtLeast(Duration::ZERO), Length::Exactly);
        self.open(Cause::TripNow, length);
    }

    // ---- closed ----------------------------------------------------------------------------

    fn apply_to_closed(&mut self, failed: bool, slow: bool, floor: Duration) {
        self.write_down(failed, slow);
        // B4: a fast success never opens a circuit.
        let cause = if failed || slow { self.cause() } else { None };
        if let Some(cause) = cause {
            self.open(cause, Length::AtLeast(floor));
        }
    }

    fn write_down(&mut self, failed: bool, slow: bool) {
        let at = self.now;
        let counts_streak = self.config.consecutive.is_some();
        let Stay::Closed {
            streak,
            streak_began,
            calls,
            ..
        } = &mut self.stay
        else {
            return;
        };
        // E5: one that comes while they are not counted neither goes on with the row nor ends it.
        *streak = match failed {
            true => *streak + u64::from(counts_streak),
            false => 0,
        };
        if *streak == 1 && counts_streak {
            *streak_began = at;
        }
        calls.push_back(Call { at, failed, slow });
        self.forget_old_calls();
    }

    /// B2, B3
    fn forget_old_calls(&mut self) {
        let (now, window) = (self.now, self.config.window);
        let Stay::Closed { calls, .. } = &mut self.stay else {
            return;
        };
        match window {
            None => calls.clear(),
            Some(Window::Calls(size)) => {
                while calls.len() > size {
                    calls.pop_front();
                }
            }
            Some(Window::Buckets { width, number }) => {
                let bucket = |at: Duration| at.as_nanos() / width.as_nanos();
                calls.retain(|call| bucket(call.at) + u128::from(number) > bucket(now));
            }
        }
    }

    /// B4, B5, B7, and B1 last.
    fn cause(&self) -> Option<Cause> {
        self.cause_in_window().or_else(|| {
            let Stay::Closed {
                streak,
                streak_began,
                ..
            } = self.stay
            else {
                return None;
            };
            let spans = self.now - streak_began >= self.config.span.unwrap_or_default();
            let reached = streak > 0 && streak >= self.config.consecutive? && spans;
            reached.then_some(Cause::ConsecutiveFailures(streak))
        })
    }

    fn cause_in_window(&self) -> Option<Cause> {
        self.config.window?;
        let counts = self.counts();
        let WindowCounts {
            calls,
            failed,
            slow,
            ..
        } = counts;
        if calls < self.config.minimum? {
            return None;
        }
        let reaches = |part, rate| part * 1000 >= calls * u64::from(rate);
        if self
            .config
            .failure_rate
            .is_some_and(|rate| reaches(failed, rate))
        {
            return Some(Cause::FailureRate { failed, calls });
        }
        if self
            .config
            .slow_rate
            .is_some_and(|rate| reaches(slow, rate))
        {
            return Some(Cause::SlowCallRate { slow, calls });
        }
        let custom = self.config.custom?;
        let trips = catch_unwind(|| custom.trips(&counts)).unwrap_or(false);
        trips.then_some(Cause::CustomPolicy(counts))
    }

    fn counts(&self) -> WindowCounts {
        let mut counts = WindowCounts::default();
        if let Stay::Closed { calls, .. } = &self.stay {
            for call in calls {
                counts.calls += 1;
                counts.failed += u64::from(call.failed);
                counts.slow += u64::from(call.slow);
            }
        }
        counts
    }

    // ---- half-open -------------------------------------------------------------------------

    /// D1 to D3
    fn apply_to_probes(&mut self, verdict: Verdict, ran: Duration) {
        let (now, proves_recovery) = (self.now, self.proves_recovery(verdict));
        let Stay::HalfOpen {
            rules,
            patience,
            answered_at,
            in_vain,
            in_flight,
            succeeded,
            failed,
            ..
        } = &mut self.stay
        else {
            return;
        };
        *in_flight -= 1;
        let silence = now - *answered_at;
        if matches!(verdict, Verdict::Abandoned) {
            *in_vain += ran;
        } else {
            (*answered_at, *in_vain) = (now, Duration::ZERO);
        }
        let mut floor = Duration::ZERO;
        match verdict {
            Verdict::Abandoned if silence >= *patience && *in_vain >= *patience => {
                return self.open(Cause::ProbesAbandoned, Length::AtLeast(Duration::ZERO));
            }
            Verdict::Neutral | Verdict::Abandoned => {}
            Verdict::Trip(time) => return self.trip_now(time),
            Verdict::Success { .. } if proves_recovery => *succeeded += 1,
            Verdict::Success { .. } => *failed += 1,
            Verdict::Failure { floor: asked, .. } => {
                *failed += 1;
                floor = asked;
            }
        }
        if *succeeded == rules.successes {
            self.recover();
        } else if *failed > rules.of - rules.successes {
            self.open(Cause::ProbeFailed, Length::AtLeast(floor));
        }
    }

    fn patience_ends(&self) -> Duration {
        match &self.stay {
            Stay::HalfOpen {
                patience,
                admitted_at,
                ..
            } => *admitted_at + *patience,
            _ => Duration::MAX,
        }
    }

    // ---- transitions -----------------------------------------------------------------------

    fn turn(&mut self, stay: Stay, mode: Mode, cause: Cause) {
        let (from, mode_before) = (self.state(), self.mode);
        self.forget_old_calls();
        let window = self.config.window.map(|_| self.counts());
        let break_before = match self.stay {
            Stay::HalfOpen { break_before, .. } => break_before,
            _ => Duration::ZERO,
        };
        if mode == Mode::ForcedOpen && mode_before != Mode::ForcedOpen {
            self.mode_before_forced = mode_before;
        }
        let carried = (cause == Cause::Recovered).then_some((self.attempt, break_before));
        self.stay = stay;
        self.mode = mode;
        self.era += 1;
        self.attempt = self.next_attempt(from);
        self.since = self.now;
        self.carried = carried;
        let leaves_closed = from == State::Closed && self.state() == State::Open;
        let counts = window.filter(|_| leaves_closed);
        let threshold = self.threshold(cause);
        match self.state() {
            State::Open => {
                if leaves_closed {
                    self.left_closed_with = counts;
                }
                self.last_trip = Some(Trip {
                    cause,
                    era: self.era,
                    counts: self.left_closed_with,
                    threshold,
                });
                self.totals.trips += 1;
            }
            State::Closed => self.closed_era = self.era,
            State::HalfOpen => {}
        }
        self.tell(from, mode_before, cause, counts);
    }

    /// B6
    fn threshold(&self, cause: Cause) -> Option<Threshold> {
        let rate = |thousandths: Option<u32>| {
            thousandths.map(|rate| Threshold::Rate(f64::from(rate) / 1000.0))
        };
        match cause {
            Cause::ConsecutiveFailures(_) => self.config.consecutive.map(Threshold::Failures),
            Cause::FailureRate { .. } => rate(self.config.failure_rate),
            Cause::SlowCallRate { .. } => rate(self.config.slow_rate),
            _ => None,
        }
    }

    fn tell(&mut self, from: State, mode_before: Mode, cause: Cause, counts: Option<WindowCounts>) {
        let open_for = match self.stay {
            Stay::Open { open_for } => Some(open_for).filter(|_| self.time_left().is_some()),
            _ => None,
        };
        let shed_share = match cause {
            Cause::ShedBegan(_) => self.evident_share() as f64 / 1e6,
            _ => 0.0,
        };
        self.events.push(Event {
            from,
            to: self.state(),
            mode_before,
            mode: self.mode,
            era: self.era,
            cause,
            counts,
            threshold: self.threshold(cause),
            shed_share,
            attempt: self.attempt,
            open_for,
        });
    }

    /// C2. Tripping what is open already makes the break another, not one more.
    fn next_attempt(&self, from: State) -> u32 {
        match (from, self.state()) {
            (_, State::Closed) => 0,
            (State::Closed, _) => self.attempts_before() + 1,
            (State::Open, _) => self.attempt,
            (State::HalfOpen, _) => self.attempt + 1,
        }
    }

    /// C2: forgotten once closed has lasted as long as the break before it.
    fn attempts_before(&self) -> u32 {
        match self.carried {
            Some((attempt, break_before)) if self.now - self.since < break_before => attempt,
            _ => 0,
        }
    }

    fn open(&mut self, cause: Cause, length: Length) {
        let open_for = match length {
            Length::Exactly(time) => time,
            Length::AtLeast(floor) => self.policy_break(floor),
        };
        self.turn(Stay::Open { open_for }, self.mode, cause);
    }

    /// C2, A7
    fn policy_break(&self, floor: Duration) -> Duration {
        let attempt = match self.state() {
            State::Open => self.attempt,
            State::Closed => self.attempts_before() + 1,
            State::HalfOpen => self.attempt + 1,
        };
        let (least, most) = self.config.open_for.bounds(attempt);
        let (least, most) = (least.max(floor), most.max(floor));
        if least == most {
            return least;
        }
        let drawn = self.chance.open_for.unwrap_or(most);
        // What has more than six digits is rounded up, by less than ten millionths.
        assert!(drawn >= least, "{drawn:?} is below {least:?}");
        assert!(
            drawn <= most + most / 100_000,
            "{drawn:?} is above {most:?}"
        );
        drawn
    }

    /// D4: the numbers that hold now hold for all of this era.
    fn half_open(&mut self) {
        let Stay::Open { open_for } = self.stay else {
            return;
        };
        let rules = self.config.half_open;
        let longest = open_for.max(Duration::from_secs(30));
        let patience = rules.timeout.unwrap_or(longest).max(self.learned());
        let stay = Stay::HalfOpen {
            rules,
            patience: rounded(patience),
            break_before: open_for,
            admitted_at: self.now,
            answered_at: self.now,
            in_vain: Duration::ZERO,
            in_flight: 0,
            succeeded: 0,
            failed: 0,
        };
        self.turn(stay, self.mode, Cause::WaitOver);
    }

    /// D4: twice as long as the newest late probe since the last close took, at most an hour.
    fn learned(&self) -> Duration {
        match self.late {
            Some((era, took)) if era > self.closed_era => (took * 2).min(Duration::from_secs(3600)),
            _ => Duration::ZERO,
        }
    }

    /// D5, D6
    fn recover(&mut self) {
        let stay = Stay::Closed {
            streak: 0,
            streak_began: Duration::ZERO,
            calls: VecDeque::new(),
            ramping: self.config.ramp.is_some(),
            shedding: false,
            found_nothing: None,
        };
        self.turn(stay, self.mode, Cause::Recovered);
    }

    // ---- control ---------------------------------------------------------------------------

    /// E2
    pub(crate) fn trip(&mut self, open_for: Duration) -> Result<(), Mode> {
        if matches!(self.mode, Mode::ForcedOpen | Mode::Disabled) {
            return Err(self.mode);
        }
        self.open(Cause::Manual, Length::Exactly(open_for));
        Ok(())
    }

    pub(crate) fn force_open_for(&mut self, open_for: Duration) -> bool {
        let same = matches!(self.stay, Stay::Open { open_for: before } if before == open_for);
        let holds = self.mode == Mode::ForcedOpen && same && self.since == self.now;
        if !holds {
            self.turn(Stay::Open { open_for }, Mode::ForcedOpen, Cause::Manual);
        }
        !holds
    }

    /// What is left of being open, if that ends by itself.
    fn time_left(&self) -> Option<Duration> {
        match self.stay {
            Stay::Open { open_for } if self.mode == Mode::ForcedOpen => {
                (open_for < Duration::MAX).then(|| self.break_left())
            }
            Stay::Open { .. } => Some(self.break_left()),
            _ => None,
        }
    }

    pub(crate) fn release(&mut self) -> bool {
        let forced = self.mode == Mode::ForcedOpen;
        if forced {
            self.turn(EMPTY, self.mode_before_forced, Cause::Manual);
        }
        forced
    }

    pub(crate) fn reset(&mut self) {
        let mode = match self.mode {
            Mode::ForcedOpen => self.mode_before_forced,
            mode => mode,
        };
        self.turn(EMPTY, mode, Cause::Manual);
    }

    /// E1
    pub(crate) fn set_mode(&mut self, mode: Mode) -> bool {
        let before = self.mode;
        let watching = |mode| matches!(mode, Mode::Normal | Mode::Shadow);
        let ends = before == Mode::ForcedOpen && self.time_left().is_some();
        if mode == before && !ends {
            return false;
        }
        if watching(mode) && watching(before) {
            self.mode = mode;
            self.tell(self.state(), before, Cause::Manual, None);
        } else if mode == Mode::ForcedOpen {
            let open_for = Duration::MAX;
            self.turn(Stay::Open { open_for }, mode, Cause::Manual);
        } else {
            self.turn(EMPTY, mode, Cause::Manual);
        }
        true
    }

    /// E5; whether the change was accepted.
    pub(crate) fn reconfigure(&mut self, change: &Change) -> bool {
        let changed = self.config.changed(change);
        let accepted = changed.is_some();
        self.config = changed.unwrap_or_else(|| self.config.clone());
        accepted
    }

    // ---- looking ---------------------------------------------------------------------------

    fn state(&self) -> State {
        match self.stay {
            Stay::Closed { .. } => State::Closed,
            Stay::Open { .. } => State::Open,
            Stay::HalfOpen { .. } => State::HalfOpen,
        }
    }

    fn break_ends(&self) -> Duration {
        match self.stay {
            Stay::Open { open_for } => self.since.saturating_add(open_for),
            _ => Duration::MAX,
        }
    }

    fn break_left(&self) -> Duration {
        self.break_ends().saturating_sub(self.now)
    }

    /// D6
    pub(crate) fn ramp_share(&self) -> f64 {
        self.ramp_millionths() as f64 / 1e6
    }

    fn ramp_millionths(&self) -> u64 {
        let (Stay::Closed { ramping: true, .. }, Some((time, from))) =
            (&self.stay, self.config.ramp)
        else {
            return MILLION;
        };
        let gone = self.now - self.since;
        if gone >= time {
            return MILLION;
        }
        let from = u64::from(from) * 1000;
        let grown = u128::from(MILLION - from) * gone.as_nanos() / time.as_nanos();
        from + u64::try_from(grown).expect("a share")
    }

    /// B9
    pub(crate) fn shed_share(&mut self) -> f64 {
        self.shed_millionths() as f64 / 1e6
    }

    /// What is refused.
    fn shed_millionths(&mut self) -> u64 {
        match self.stay {
            Stay::Closed { shedding: true, .. } => self.evident_share(),
            _ => 0,
        }
    }

    /// What the window says is to be refused.
    fn evident_share(&mut self) -> u64 {
        self.forget_old_calls();
        let (Stay::Closed { shedding, .. }, Some(shed)) = (&self.stay, self.config.shed) else {
            return 0;
        };
        let counts = self.counts();
        let floor = u64::from(shed.floor);
        let minimum = self.config.minimum.expect("there is a window");
        let needed = match shedding {
            true => (minimum * floor).div_ceil(1000).max(2).min(minimum),
            false => minimum,
        };
        if counts.calls < needed {
            return 0;
        }
        let bad = match self.config.slow_rate {
            Some(_) => counts.failed.max(counts.slow),
            None => counts.failed,
        };
        let let_through = u64::from(shed.multiplier) * (counts.calls - bad);
        let refused = (1000 * counts.calls).saturating_sub(let_through) * 1000;
        (refused / (counts.calls + 1)).min(MILLION - floor * 1000)
    }

    pub(crate) fn look(&mut self) -> Seen {
        self.forget_old_calls();
        let watches_slow = self.config.slow_after.is_some();
        Seen {
            state: self.state(),
            mode: self.mode,
            era: self.era,
            time_in_state: self.now - self.since,
            remaining: self.time_left(),
            attempt: self.attempt,
            last_trip: self.last_trip,
            rates_of: match self.state() {
                State::Closed => RatesOf::Now,
                _ => RatesOf::Trip,
            },
            failure_rate: self.rate(|counts| counts.failed),
            slow_call_rate: self.rate(|counts| counts.slow).filter(|_| watches_slow),
            consecutive_failures: match self.stay {
                Stay::Closed { streak, .. } => streak,
                _ => 0,
            },
            window: self.config.window.map(|_| self.counts()),
            probes: self.probes(),
            totals: Some(self.totals),
        }
    }

    /// Closed, of the calls in the window; else of those that were in it when it was last closed.
    fn rate(&self, part: impl Fn(&WindowCounts) -> u64) -> Option<f64> {
        let counts = match self.state() {
            State::Closed => self.config.window.map(|_| self.counts()),
            _ => self.left_closed_with,
        }?;
        let enough = counts.calls > 0 && counts.calls >= self.config.minimum?;
        enough.then(|| part(&counts) as f64 / counts.calls as f64)
    }

    fn probes(&self) -> Option<Probes> {
        let Stay::HalfOpen {
            rules,
            in_flight,
            succeeded,
            failed,
            ..
        } = &self.stay
        else {
            return None;
        };
        Some(Probes {
            in_flight: *in_flight,
            permits: rules.permits,
            successes_needed: rules.successes - succeeded,
            failures_allowed: rules.of - rules.successes - failed,
        })
    }

    /// When something is due, given the calls that go on.
    pub(crate) fn edges<'a>(&self, calls: impl Iterator<Item = &'a Ticket>) -> Vec<Duration> {
        let calls: Vec<&Ticket> = calls.collect();
        let mut edges = vec![self.break_ends(), self.patience_ends(), self.silence_ends()];
        edges.push(self.ramp_admitted + TRICKLE);
        edges.extend(
            self.carried
                .map(|(_, break_before)| self.since + break_before),
        );
        edges.extend(self.streak_spans());
        edges.extend(self.shed_ends());
        edges.extend(self.config.ramp.map(|(time, _)| self.since + time));
        edges.extend(self.bucket_edges());
        edges.extend(calls.iter().filter_map(|call| {
            let limit = self.config.slow_after.or(call.patience)?;
            Some(call.started + limit)
        }));
        if let AbandonedPolicy::FailureAfter(limit) = self.config.abandoned {
            edges.extend(calls.iter().map(|call| call.started + limit));
        }
        edges.retain(|edge| (self.now..Duration::MAX).contains(edge));
        edges.sort();
        edges.dedup();
        edges
    }

    fn silence_ends(&self) -> Duration {
        match &self.stay {
            Stay::HalfOpen {
                patience,
                answered_at,
                ..
            } => *answered_at + *patience,
            _ => Duration::MAX,
        }
    }

    fn shed_ends(&self) -> Option<Duration> {
        match self.stay {
            Stay::Closed { found_nothing, .. } => Some(found_nothing? + LINGERS),
            _ => None,
        }
    }

    fn streak_spans(&self) -> Option<Duration> {
        match self.stay {
            Stay::Closed { streak_began, .. } => Some(streak_began + self.config.span?),
            _ => None,
        }
    }

    fn bucket_edges(&self) -> Vec<Duration> {
        let Some(Window::Buckets { width, number }) = self.config.window else {
            return Vec::new();
        };
        let bucket = self.now.as_nanos() / width.as_nanos();
        let bucket = u32::try_from(bucket).unwrap_or(u32::MAX - number);
        vec![width * (bucket + 1), width * (bucket + number)]
    }

    pub(crate) fn now(&self) -> Duration {
        self.now
    }
}

/// A break of more than six digits is rounded up (C2).
fn rounded(time: Duration) -> Duration {
    let (mut digits, mut unit) = (time.as_nanos(), 1);
    while digits >= 1 << 20 {
        (digits, unit) = (digits.div_ceil(10), unit * 10);
    }
    Duration::from_nanos(u64::try_from(digits * unit).expect("years"))
}

fn refused(reason: Reason, remaining: Option<Duration>) -> Refused {
    Refused { reason, remaining }
}

impl Config {
    /// What holds where nothing is said.
    fn fill_in_defaults(&mut self) {
        let on_failures = self.failure_rate.is_some() || self.custom.is_some();
        let windowed = self.window.is_some();
        let on_rates = on_failures || self.slow_rate.is_some() || self.shed.is_some();
        if !windowed && (on_rates || self.consecutive.is_none()) {
            self.window = Some(Window::Calls(100));
        }
        if !on_failures && self.shed.is_none() && (windowed || self.consecutive.is_none()) {
            self.failure_rate = Some(500);
        }
        self.minimum = self.minimum.or(self.default_minimum());
    }

    fn default_minimum(&self) -> Option<u64> {
        match self.window? {
            Window::Calls(size) => Some(20.min(size as u64)),
            Window::Buckets { .. } => Some(20),
        }
    }

    /// E5, B8: the configuration after `change`, unless it is refused.
    fn changed(&self, change: &Change) -> Option<Self> {
        let mut new = self.clone();
        new.consecutive = change.consecutive.unwrap_or(self.consecutive);
        new.failure_rate = change.failure_rate.unwrap_or(self.failure_rate);
        new.slow_rate = change.slow_rate.unwrap_or(self.slow_rate);
        new.shed = change.shed.unwrap_or(self.shed);
        new.minimum = change.minimum.unwrap_or(self.minimum);
        new.minimum = new.minimum.or(self.default_minimum());
        new.half_open.timeout = change.timeout.unwrap_or(self.half_open.timeout);
        if let Some(permits) = change.permits {
            new.half_open.permits = permits.unwrap_or(1);
        }
        if let Some(probes) = change.probes {
            (new.half_open.successes, new.half_open.of) = probes.unwrap_or((1, 1));
        }
        if let Some(first) = change.open_for {
            new.open_for = Break::constant(first);
        }
        let closure = self.open_for.growth == Growth::Function;
        let possible = new.is_possible() && !(closure && change.open_for.is_some());
        possible.then_some(new)
    }

    fn is_possible(&self) -> bool {
        let window = match self.window {
            None => {
                self.failure_rate.is_none()
                    && self.slow_rate.is_none()
                    && self.shed.is_none()
                    && self.minimum.is_none()
            }
            Some(Window::Calls(size)) => self.minimum.is_none_or(|minimum| minimum <= size as u64),
            Some(Window::Buckets { .. }) => true,
        };
        let slow = self.slow_rate.is_none() || self.slow_after.is_some();
        let on_failures =
            self.failure_rate.is_some() || self.consecutive.is_some() || self.custom.is_some();
        let on_failures = on_failures || self.shed.is_some();
        let opens_later = |shed: Shed| self.failure_rate.is_none_or(|rate| shed.comes_before(rate));
        let sheds = self.shed.is_none_or(opens_later);
        let span = self.span.is_none() || self.consecutive.is_some();
        window
            && slow
            && on_failures
            && sheds
            && span
            && self.half_open.permits <= self.half_open.of
    }
}

impl Break {
    fn constant(first: Duration) -> Self {
        Self {
            first,
            growth: Growth::None,
            jitter: Spread::None,
        }
    }

    /// What no jitter goes beyond.
    fn longest(self, time: Duration) -> Duration {
        match self.growth {
            Growth::Factor(_, max) => max.max(time),
            Growth::None | Growth::Function => Duration::MAX,
        }
    }

    /// C2: the shortest and the longest break of this attempt.
    fn bounds(self, attempt: u32) -> (Duration, Duration) {
        let time = match self.growth {
            Growth::None => self.first,
            Growth::Function => self.first * attempt.min(5),
            Growth::Factor(factor, max) => factor
                .checked_pow(attempt - 1)
                .and_then(|growth| self.first.checked_mul(growth))
                .map_or(max, |grown| grown.min(max)),
        };
        match self.jitter {
            Spread::None => (time, time),
            Spread::Full => (Duration::ZERO, time),
            Spread::Equal => (time / 2, time),
            Spread::Fifth => (time - time / 5, (time + time / 5).min(self.longest(time))),
        }
    }
}
