//! A service that calls a dependency through one real circuit, in time that is simulated: one instance of the service,
//! one event after another.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use tower_breaker::{Circuit, OwnedGuard, State, clock::ManualClock};

/// Nanoseconds since the world began.
type Time = u64;

pub(super) fn secs(seconds: f64) -> Time {
    u64::try_from(Duration::from_secs_f64(seconds).as_nanos()).expect("a few days")
}

pub(super) fn in_secs(time: Time) -> f64 {
    Duration::from_nanos(time).as_secs_f64()
}

/// Chances that are the same in every run (`splitmix64`).
#[derive(Clone)]
pub(super) struct Chances(pub(super) u64);

impl Chances {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Evenly from 0 to 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn is(&mut self, chance: f64) -> bool {
        self.share() < chance
    }

    /// Exponentially spread around a mean, as times between calls are that know nothing of each other.
    pub(super) fn around(&mut self, mean: f64) -> Time {
        secs(-(1.0 - self.share()).ln() * mean)
    }
}

/// How the dependency is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Health {
    Well,
    /// It refuses everything at once.
    Refuses,
    /// It answers nothing.
    Hangs,
    /// It refuses this share at once, and answers the rest.
    Partly(f64),
}

/// Who calls, in one instance.
#[derive(Clone, Copy, Debug)]
pub(super) enum Callers {
    /// So many calls a second, that know nothing of each other.
    Calls { per_second: f64 },
    /// So many that each keep a stream, which lasts so many seconds on average. Who has lost it tries again a second
    /// later, more or less.
    Streams { subscribers: u32, last: f64 },
}

/// What is known of the calls of one instance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) callers: Callers,
    /// The share that fails while all is well.
    pub(super) errors: f64,
    /// How many seconds an answer takes, or the first message of a stream.
    pub(super) takes: f64,
    /// After how many seconds a call is given up by whoever makes it.
    pub(super) timeout: f64,
    /// Whether that is within the breaker, where it is a failure, or around it, where the call is dropped.
    pub(super) is_within: bool,
    /// The share of streams that have nothing to say at first.
    pub(super) quiet: f64,
}

impl Known {
    /// While all is well.
    pub(super) fn per_second(&self) -> f64 {
        match self.callers {
            Callers::Calls { per_second } => per_second,
            Callers::Streams { subscribers, last } => f64::from(subscribers) / last,
        }
    }
}

/// What has become of the calls since the last look.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// Admitted while the circuit was closed, and failed or given up; without streams that had begun well.
    pub(super) lost: u64,
    /// Made as probes.
    pub(super) probes: u64,
    pub(super) admitted: u64,
    pub(super) rejected: u64,
    /// Admitted in each second of the world.
    pub(super) each_second: Vec<u32>,
}

enum Event {
    Comes,
    /// The first message of the stream with this number.
    Speaks(usize),
    Ends(usize, End),
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Good,
    Bad,
    /// Dropped by its caller, who waits no longer.
    GivenUp,
}

struct Call {
    guard: Option<OwnedGuard>,
    is_probe: bool,
}

pub(super) struct World {
    known: Known,
    /// After how many seconds a call ends that is not answered.
    limit: f64,
    circuit: Circuit,
    clock: ManualClock,
    now: Time,
    health: Health,
    chances: Chances,
    events: BinaryHeap<Reverse<(Time, u64)>>,
    /// By the number that is in `events`.
    what: Vec<Option<Event>>,
    calls: Vec<Option<Call>>,
    /// Streams before this one say nothing while the dependency hangs, and do not end.
    stalled: usize,
    pub(super) seen: Seen,
    /// All that the circuit did, and when.
    pub(super) states: Vec<(Time, State)>,
}

impl World {
    /// `circuit` has this clock.
    pub(super) fn new(known: Known, circuit: Circuit, clock: ManualClock, seed: u64) -> Self {
        let own = circuit.settings().call_timeout();
        let own = own.map_or(f64::INFINITY, |limit| limit.as_secs_f64());
        let mut world = Self {
            known,
            limit: own.min(known.timeout),
            circuit,
            clock,
            now: 0,
            health: Health::Well,
            chances: Chances(seed),
            events: BinaryHeap::new(),
            what: Vec::new(),
            calls: Vec::new(),
            stalled: 0,
            seen: Seen::default(),
            states: Vec::new(),
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        match self.known.callers {
            Callers::Calls { .. } => self.next_comes(),
            Callers::Streams { subscribers, last } => {
                // They do not come together: each is somewhere in its stream already.
                for _ in 0..subscribers {
                    let after = secs(self.chances.share() * last);
                    self.after(after, Event::Comes);
                }
            }
        }
    }

    fn after(&mut self, time: Time, event: Event) {
        self.events
            .push(Reverse((self.now + time, self.what.len() as u64)));
        self.what.push(Some(event));
    }

    fn next_comes(&mut self) {
        if let Callers::Calls { per_second } = self.known.callers {
            let after = self.chances.around(1.0 / per_second);
            self.after(after, Event::Comes);
        }
    }

    /// The caller of a stream comes again: at once, or after having failed.
    fn comes_again(&mut self, end: End) {
        if matches!(self.known.callers, Callers::Streams { .. }) {
            let wait = match end {
                End::Good => 0.0,
                End::Bad | End::GivenUp => 0.5 + self.chances.share(),
            };
            self.after(secs(wait), Event::Comes);
        }
    }

    /// From now on.
    pub(super) fn becomes(&mut self, health: Health) {
        self.health = health;
        match (health, self.known.callers) {
            (Health::Refuses, _) => self.break_streams(1.0),
            (Health::Hangs, Callers::Streams { .. }) => self.stalled = self.calls.len(),
            _ => {}
        }
    }

    /// So large a share of the streams breaks off at this instant, as with a connection that they share.
    pub(super) fn break_streams(&mut self, share: f64) {
        if !matches!(self.known.callers, Callers::Streams { .. }) {
            return;
        }
        let lost = self.seen.lost;
        for number in 0..self.calls.len() {
            if self.calls[number].is_some() && self.chances.is(share) {
                self.ends(number, End::Bad);
                self.look();
            }
        }
        // Nobody could have kept these.
        self.seen.lost = lost;
    }

    /// Goes on until then.
    pub(super) fn run_until(&mut self, seconds: f64) {
        let until = secs(seconds);
        while let Some(Reverse((time, number))) = self.events.peek().copied() {
            if time > until {
                break;
            }
            self.events.pop();
            self.move_to(time);
            let number = usize::try_from(number).expect("an index");
            match self.what[number].take().expect("happens once") {
                Event::Comes => self.comes(),
                Event::Speaks(call) => self.speaks(call),
                Event::Ends(call, end) => self.ends(call, end),
            }
            self.look();
        }
        self.move_to(until);
    }

    fn move_to(&mut self, time: Time) {
        self.clock.advance(Duration::from_nanos(time - self.now));
        self.now = time;
    }

    fn look(&mut self) {
        let state = self.circuit.state();
        if self.states.last().is_none_or(|(_, last)| *last != state) {
            self.states.push((self.now, state));
        }
    }

    fn comes(&mut self) {
        self.next_comes();
        let was_closed = self.circuit.state() == State::Closed;
        let Ok(guard) = self.circuit.clone().try_acquire_owned() else {
            self.seen.rejected += 1;
            self.comes_again(End::Bad);
            return;
        };
        self.seen.admitted += 1;
        self.seen.probes += u64::from(!was_closed);
        self.count_second();
        let call = self.calls.len();
        self.calls.push(Some(Call {
            guard: Some(guard),
            is_probe: !was_closed,
        }));
        self.answer(call);
    }

    fn count_second(&mut self) {
        let second = usize::try_from(self.now / 1_000_000_000).expect("an index");
        let seconds = &mut self.seen.each_second;
        seconds.resize(seconds.len().max(second + 1), 0);
        seconds[second] += 1;
    }

    /// What the dependency makes of it.
    fn answer(&mut self, call: usize) {
        let takes = self.chances.around(self.known.takes);
        let refuses = match self.health {
            Health::Refuses => 1.0,
            Health::Partly(share) => share,
            _ => 0.0,
        };
        match self.health {
            Health::Hangs => self.gives_up(call),
            _ if self.chances.is(refuses) => self.after(secs(0.01), Event::Ends(call, End::Bad)),
            _ if takes > secs(self.limit) => self.gives_up(call),
            _ => self.answers(call, takes),
        }
    }

    /// By the circuit's own limit it is a failure, and by a caller's that is within the breaker. One around it drops
    /// the call.
    fn gives_up(&mut self, call: usize) {
        let is_failure = self.known.is_within || self.limit < self.known.timeout;
        let end = if is_failure { End::Bad } else { End::GivenUp };
        self.after(secs(self.limit), Event::Ends(call, end));
    }

    fn answers(&mut self, call: usize, takes: Time) {
        let end = match self.chances.is(self.known.errors) {
            true => End::Bad,
            false => End::Good,
        };
        let Callers::Streams { last, .. } = self.known.callers else {
            return self.after(takes, Event::Ends(call, end));
        };
        let lasts = self.chances.around(last);
        if !self.chances.is(self.known.quiet) {
            self.after(takes, Event::Speaks(call));
        }
        self.after(takes + lasts, Event::Ends(call, end));
    }

    /// A probe has succeeded with its first message. It goes on, and says nothing more.
    fn speaks(&mut self, call: usize) {
        if let Some(call) = &mut self.calls[call]
            && call.is_probe
            && let Some(guard) = call.guard.take()
        {
            guard.success();
        }
    }

    fn ends(&mut self, call: usize, end: End) {
        if self.health == Health::Hangs && call < self.stalled && end == End::Good {
            return;
        }
        // It may have broken off before.
        let Some(call) = self.calls[call].take() else {
            return;
        };
        let is_lost = end != End::Good && !call.is_probe;
        self.seen.lost += u64::from(is_lost);
        match (call.guard, end) {
            (Some(guard), End::Good) => guard.success(),
            (Some(guard), End::Bad) => guard.failure(),
            (guard, _) => drop(guard),
        }
        self.comes_again(end);
    }
}

/// How often these calls open a circuit while all is well, of so many: one after another, each over before the next.
pub(super) fn false_trips(
    known: &Known,
    circuit: &Circuit,
    clock: &ManualClock,
    calls: u64,
) -> u64 {
    let mut chances = Chances(7);
    let apart = Duration::from_secs_f64(1.0 / known.per_second());
    let mut trips = 0;
    for _ in 0..calls {
        clock.advance(apart);
        let Ok(guard) = circuit.try_acquire() else {
            circuit.reset();
            trips += 1;
            continue;
        };
        match chances.is(known.errors) {
            true => guard.failure(),
            false => guard.success(),
        }
    }
    trips
}
