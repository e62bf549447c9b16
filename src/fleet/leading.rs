//! What a fleet sees of a circuit of this process, and does to it (rules N1, N5).

use std::time::Duration;

use super::{
    judge::Judge,
    local::{Apply, Ended, Here, Local, Rules, Trip},
    wire::{CAUSE_BYTES, Sums, Text, WHO_BYTES},
};
use crate::{
    circuit::{
        by::By,
        clock::CircuitClock,
        handle::Circuit,
        settings::{Agreement, share},
    },
    machine::{Cause, Numbers, State, View, WindowCounts, nanos},
};

/// For how long the calls of a window of counts count, and those of a circuit without one: 60 seconds.
const KEPT: Duration = Duration::from_secs(60);

/// No window counts for less: 10 seconds.
const SHORTEST_KEPT: Duration = Duration::from_secs(10);

/// What a lease has besides the limit of its probe, for what is around it.
const SPARE_TIME: Duration = Duration::from_secs(1);

/// Where nobody said how long probes may take.
const HALF_OPEN: Duration = Duration::from_secs(30);

/// Who has a seat has it for the next call. After so many times as long as calls are apart, none is to be expected.
const GAPS: u32 = 3;

/// However far apart they are.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What was last seen of a circuit's settings, and of which version it was; and how far apart its calls are.
#[derive(Debug, Default)]
pub(super) struct SeenRules {
    seen: Option<(u64, Rules)>,
    gaps: Gaps,
}

impl SeenRules {
    pub(super) fn of(&mut self, circuit: &Circuit) -> Rules {
        let version = circuit.settings_version();
        let mut rules = match self.seen {
            Some((seen, rules)) if seen == version => rules,
            _ => self.seen.insert((version, rules(circuit))).1,
        };
        // Else an instance with few calls would never use a seat; if all are such, nobody ever would.
        let wait = (self.gaps.usual() * GAPS).min(LONGEST_WAIT);
        if wait > SPARE_TIME {
            rules.life = rules.life.max(rules.limit.saturating_add(millis(wait)));
        }
        rules
    }

    /// Counts calls, of whatever kind. `now`: of the fleet's clock.
    pub(super) fn see_calls(&mut self, circuit: &Circuit, now: u64) {
        let totals = circuit.core().totals().unwrap_or_default();
        self.gaps.see(totals.ended() + totals.rejected, now);
    }

    /// How long a register counts, in milliseconds.
    pub(super) fn keep_for(&self) -> u64 {
        self.seen.map_or(0, |(_, rules)| rules.keep_for)
    }
}

/// How far apart calls are.
#[derive(Debug, Default)]
struct Gaps {
    calls: u64,
    /// When the last one was seen.
    at: Option<u64>,
    /// Before the last call, and before the one before. Of several that were seen at once, their mean.
    last: [Duration; 2],
}

impl Gaps {
    fn see(&mut self, calls: u64, now: u64) {
        let since = *self.at.get_or_insert(now);
        let more = calls.saturating_sub(self.calls);
        let Some(gap) = now.saturating_sub(since).checked_div(more) else {
            return;
        };
        let gap = Duration::from_nanos(gap);
        self.last = [gap, if more > 1 { gap } else { self.last[0] }];
        (self.calls, self.at) = (calls, Some(now));
    }

    /// After one pause alone, calls are as close together as before.
    fn usual(&self) -> Duration {
        self.last[0].min(self.last[1])
    }
}

fn rules(circuit: &Circuit) -> Rules {
    let numbers = circuit.core().numbers();
    let settings = circuit.settings();
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Rules {
        agreement: agreement(&numbers),
        permits: small(numbers.permits),
        need: small(numbers.successes),
        of: small(numbers.of),
        life: millis(life(&numbers)),
        limit: millis(probe_limit(&numbers).unwrap_or_default()),
        keep_for: millis(settings.time_window().unwrap_or(KEPT).max(SHORTEST_KEPT)),
        by_count: settings.count_window().is_some(),
        watches_streak: numbers.consecutive_failures > 0,
        settings: circuit.core().fingerprint(),
    }
}

fn agreement(numbers: &Numbers) -> Agreement {
    Agreement::of(u32::try_from(numbers.shared).unwrap_or(u32::MAX))
        .share(share(numbers.shared_share))
        .revision(numbers.shared_revision)
        .with_flags(numbers.shared_flags)
}

fn said(limit: u64) -> Option<Duration> {
    (limit > 0).then(|| Duration::from_nanos(limit))
}

/// How long a probe may take.
fn probe_limit(numbers: &Numbers) -> Option<Duration> {
    said(numbers.probe_timeout).or(said(numbers.call_timeout))
}

/// How long a seat is kept: as long as its probe may take, and somewhat more.
fn life(numbers: &Numbers) -> Duration {
    let half_open = said(numbers.half_open_timeout).unwrap_or_else(|| {
        let longest = Duration::from_nanos(numbers.open_first);
        longest.max(HALF_OPEN)
    });
    probe_limit(numbers).map_or(half_open, |limit| {
        limit.saturating_add(SPARE_TIME).min(half_open)
    })
}

/// Rounded up.
pub(super) fn millis(time: Duration) -> u64 {
    let millis = time.as_nanos().div_ceil(1_000_000);
    u64::try_from(millis).unwrap_or(u64::MAX)
}

/// The circuit at this instant. `now`: of its own clock.
pub(super) fn look(circuit: &Circuit, rules: Rules) -> Local<'_> {
    let core = circuit.core();
    loop {
        let view = core.view(|| circuit.now());
        let here = here(circuit, &view);
        // What leads it may be of another era.
        if core.era() == view.era {
            return local(circuit, &view, here, rules);
        }
    }
}

fn here(circuit: &Circuit, view: &View) -> Here {
    match view.state {
        State::Closed => Here::Closed,
        State::Open => Here::Open {
            led: circuit.core().is_led(),
            left: nanos(view.remaining.unwrap_or(Duration::MAX)),
        },
        State::HalfOpen => Here::HalfOpen(circuit.core().tally()),
    }
}

fn local<'a>(circuit: &'a Circuit, view: &View, state: Here, rules: Rules) -> Local<'a> {
    let ended = circuit.core().totals().unwrap_or_default();
    Local {
        state,
        mode: view.mode,
        window: view.counts,
        streak: view.consecutive_failures,
        ended: Ended {
            successful: ended.successful,
            failed: ended.failed,
            slow: ended.slow,
        },
        trip: own_trip(circuit),
        rules,
        judge: circuit,
    }
}

/// The last trip that was none of the fleet's.
fn own_trip(circuit: &Circuit) -> Option<Trip> {
    let trip = circuit.observers().latest().trip()?;
    if trip.cause == Cause::Shared {
        return None;
    }
    let cause = trip.began.map_or(trip.cause, |began| began.cause);
    let counts = trip.counts.unwrap_or_default();
    Some(Trip {
        era: trip.era,
        calls: counts.calls,
        failed: counts.failed,
        slow: counts.slow,
        streak: match cause {
            Cause::ConsecutiveFailures(streak) => streak,
            _ => 0,
        },
        at_once: cause == Cause::TripNow,
    })
}

impl Judge for Circuit {
    fn trips(&self, all: &Sums) -> Option<Text<CAUSE_BYTES>> {
        let mut counts = WindowCounts::default();
        (counts.calls, counts.failed, counts.slow) = (all.calls, all.failed, all.slow);
        let streak_for = Duration::from_millis(all.streak_for);
        let cause = self.core().judge_foreign(&counts, all.streak, streak_for)?;
        Some(Text::of(&cause.to_string()))
    }

    fn reaches(&self, own: &WindowCounts, streak: u64) -> bool {
        self.core().reaches_alone(own, streak)
    }

    fn break_of(&self, attempt: u32, era: u64) -> u64 {
        millis(self.core().break_of(attempt, era))
    }
}

/// Does it to the circuit. Returns what is not a matter of the circuit's.
pub(super) fn apply(
    circuit: &Circuit,
    what: Apply,
    who: &Text<WHO_BYTES>,
    fleet: &CircuitClock,
) -> Option<Apply> {
    // From the fleet's clock to the circuit's, which is read before: who is stopped between the two finds that less is
    // left, and never more.
    let now = circuit.now();
    let fleet_now = fleet.now();
    let at = |instant: u64| now.saturating_add(instant.saturating_sub(fleet_now));
    let who = who.as_str();
    let by = (!who.is_empty()).then(|| By::who(who.to_owned()));
    match what {
        Apply::Hold { until } => circuit.core().hold(at(until)),
        Apply::Open { left } => drop(circuit.open_as_fleet(left)),
        Apply::Lead { seats, until, life } => {
            // Those calls are gone; the next ones have the seats.
            circuit.core().take_wanted();
            circuit.seat(seats, at(until), life);
        }
        Apply::Close { clear } => drop(circuit.close_as_fleet(clear, by.as_ref())),
        Apply::Force { left } => drop(circuit.force_as_fleet(left, by.as_ref())),
        Apply::Release => drop(circuit.release_as_fleet(by.as_ref())),
        Apply::Alone(plan) => circuit.go_alone(plan),
        Apply::Heard(_) | Apply::News(_) | Apply::NewInstance | Apply::Again => return Some(what),
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Circuit, SeenRules};

    const SECOND: u64 = 1_000_000_000;

    /// The life of a seat, in seconds, after so many calls with so long between them.
    fn life(circuit: &Circuit, calls: u32, apart: Duration) -> u64 {
        let mut rules = SeenRules::default();
        let apart = u64::try_from(apart.as_nanos()).expect("short");
        for call in 1..=u64::from(calls) {
            rules.see_calls(circuit, call * apart - 1);
            circuit.try_acquire().expect("closed").success();
            rules.see_calls(circuit, call * apart);
        }
        rules.of(circuit).life / 1_000
    }

    // N5: it is for the next call, which has to come within it. If no instance has that many, nobody would ever probe.
    #[test]
    fn a_seat_lasts_until_the_next_call_can_be_expected() {
        let builder = || Circuit::builder("payments").probe_timeout(Duration::from_secs(2));
        let circuit = builder().build().expect("settings");
        for (apart, expected) in [
            (Duration::from_millis(10), 3),
            (Duration::from_millis(300), 3),
            (Duration::from_secs(5), 2 + 15),
            (Duration::from_secs(3_600), 2 + 60),
        ] {
            assert_eq!(life(&circuit, 20, apart), expected, "{apart:?}");
        }
        // Of those that nobody has seen come, nothing is known.
        assert_eq!(SeenRules::default().of(&circuit).life, 3_000);
        // Where nobody has said how long a probe may take, a seat lasts as long as half-open anyway.
        let circuit = Circuit::builder("payments").build().expect("settings");
        for (apart, expected) in [(5, 30), (15, 45)] {
            assert_eq!(life(&circuit, 20, Duration::from_secs(apart)), expected);
        }
    }

    // N3: only who watches for failures in a row sees it by one.
    #[test]
    fn who_watches_for_failures_in_a_row_is_who_was_told_to() {
        let watches = |circuit: Circuit| SeenRules::default().of(&circuit).watches_streak;
        let builder = || Circuit::builder("payments");
        let watching = builder().consecutive_failures(1).build();
        assert!(watches(watching.expect("settings")));
        let others = builder().count_window(10).failure_rate(0.5).build();
        assert!(!watches(others.expect("settings")));
    }

    // N5: of several that came at once, their mean; and a pause is none that is usual.
    #[test]
    fn gaps_are_those_that_are_usual() {
        let mut gaps = super::Gaps::default();
        let mut usual = |calls, now| {
            gaps.see(calls, now);
            gaps.usual()
        };
        assert_eq!(usual(0, 0), Duration::ZERO);
        let tenth = Duration::from_millis(100);
        assert_eq!(usual(10, SECOND), tenth);
        assert_eq!(usual(10, 2 * SECOND), tenth, "nobody has called");
        assert_eq!(usual(11, 9 * SECOND), tenth, "a pause");
        assert_eq!(usual(12, 14 * SECOND), Duration::from_secs(5));
        assert_eq!(usual(13, 14 * SECOND + 1), Duration::from_nanos(1));
    }
}
