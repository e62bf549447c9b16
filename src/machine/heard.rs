//! Calls that somebody hears of (rule L2): each takes the paths on which its beginning and its end can be told.
//!
//! Those who hear cost nothing where there are none: of the two numbers that a call looks at anyway, one says then that
//! each call is timed, so that none is admitted by [`Core::admit_fast`] or recorded by [`Core::record_fast`], and the
//! other that no rejection is a usual one.

use super::{
    Answer, Core, HEARD, HEARD_CALLS, Nanos, Outcome, Ticket, WithTransition,
    record::{EndedCall, Verdict},
    totals::End,
};
use crate::machine::sync::Ordering;

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeardEnd {
    pub(crate) end: End,
    /// As the totals have it: of a call that has succeeded or failed (A3).
    pub(crate) slow: bool,
    /// Its era was over (C4).
    pub(crate) stale: bool,
    /// As far as slowness goes (A3); `None` if it was not timed.
    pub(crate) took: Option<Nanos>,
}

impl Core {
    /// Says whether somebody hears of calls. Those under way may be heard from their middle, or up to it.
    pub(crate) fn hear_calls(&self, heard: bool) {
        self.tunable.hold(|numbers| self.hint(numbers, heard));
    }

    /// Whether somebody hears of calls, or their durations are counted: then [`Core::record_heard`] and
    /// [`Core::abandon_heard`] are to end them.
    ///
    /// Relaxed: as in [`Core::admit_fast`].
    #[inline]
    pub(crate) fn hears_calls(&self) -> bool {
        self.judged_from.load(Ordering::Relaxed) == HEARD_CALLS
    }

    /// Whether somebody hears of rejections: whoever hears of calls.
    pub(super) fn hears_rejections(&self) -> bool {
        self.spread_retry_after.load(Ordering::Relaxed) & HEARD != 0
    }

    /// Records any outcome of any call, and says what it came to. `took`: how long it took, where that is less than it
    /// has run (A3).
    #[cold]
    pub(crate) fn record_heard(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        took: Option<Nanos>,
        now: u64,
    ) -> WithTransition<HeardEnd> {
        let call = self.ended_call(ticket, now, took);
        let verdict = call.verdict(outcome);
        self.end_heard(&call, verdict, verdict.end(), call.is_slow())
    }

    /// The same, of a call that was dropped before its outcome was known (A4).
    #[cold]
    pub(crate) fn abandon_heard(
        &self,
        ticket: Ticket,
        answer: Answer,
        took: Option<Nanos>,
        now: u64,
    ) -> WithTransition<HeardEnd> {
        let call = self.ended_call(ticket, now, took);
        let (verdict, end, slow) = self.judge_abandoned(&call, answer);
        self.end_heard(&call, verdict, end, slow)
    }

    fn end_heard(
        &self,
        call: &EndedCall,
        verdict: Verdict,
        end: End,
        slow: bool,
    ) -> WithTransition<HeardEnd> {
        self.count_duration(|| call.timed());
        self.count_end(end, slow);
        let transition = self.apply(call, verdict);
        WithTransition {
            answer: HeardEnd {
                end,
                slow: slow && end.can_be_slow(),
                stale: call.stale.get(),
                took: call.timed(),
            },
            transition,
        }
    }
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::machine::{
        AbandonedPolicy, CoreParts, Mode, Numbers, Plan, State, Totals, WindowKind,
    };

    const LIMIT: u64 = 10;

    fn numbers() -> Numbers {
        Numbers {
            consecutive_failures: 3,
            slow_call_duration: LIMIT,
            ..Numbers::default()
        }
    }

    fn core(numbers: Numbers) -> Core {
        let parts = CoreParts {
            totals: true,
            ..CoreParts::none()
        };
        let plan = Plan {
            window: WindowKind::Count(10),
            ..numbers.into()
        };
        Core::new(plan, parts, 0)
    }

    fn reconfigure(core: &Core, change: impl Fn(&mut Numbers)) {
        let changed = core.reconfigure(|mut numbers, _| {
            change(&mut numbers);
            Ok::<_, Infallible>(numbers)
        });
        assert!(changed.is_ok());
    }

    fn enter(core: &Core, now: u64) -> Ticket {
        core.admit_any(now).answer.expect("admitted")
    }

    fn record(core: &Core, ticket: Ticket, outcome: Outcome, now: u64) -> HeardEnd {
        core.record_heard(ticket, outcome, None, now).answer
    }

    /// Whether calls are admitted, and their successes recorded, where nobody hears of it.
    fn is_fast(core: &Core) -> bool {
        let fast = core.admit_fast(|| 1).map(|ticket| {
            let recorded = core.record_fast(ticket, Outcome::Success, || 1);
            if !recorded {
                core.record_any(ticket, Outcome::Success, || 1);
            }
        });
        fast.is_some()
    }

    // L2, E5: live, and whatever is changed of the numbers.
    #[test]
    fn calls_are_heard_until_nobody_hears_them() {
        for numbers in [
            Numbers {
                slow_call_duration: 0,
                ..numbers()
            },
            numbers(),
        ] {
            let core = core(numbers);
            assert!(is_fast(&core) && !core.hears_calls());
            core.hear_calls(true);
            assert!(!is_fast(&core));
            for duration in [7, 0] {
                reconfigure(&core, |numbers| {
                    numbers.slow_call_duration = duration;
                    numbers.spread_retry_after = duration;
                });
                assert!(!is_fast(&core) && core.hears_calls());
            }
            assert!(!core.record_fast(enter(&core, 0), Outcome::Success, || 0));
            core.hear_calls(false);
            assert!(is_fast(&core) && !core.hears_calls());
            reconfigure(&core, |numbers| numbers.spread_retry_after = 3);
            assert!(is_fast(&core) && !core.hears_calls());
        }
    }

    // L2: nor is a rejection a usual one, and it spreads no more for it; a disabled circuit tells the time of its
    // calls.
    #[test]
    fn rejections_and_bypasses_are_heard_too() {
        let core = core(numbers());
        core.trip(std::time::Duration::from_nanos(100), 0)
            .expect("normal mode");
        let refusal = core.refuse_open(1).expect("open");
        assert!(core.usual_rejection(refusal).is_some());
        core.hear_calls(true);
        assert_eq!(core.usual_rejection(refusal), None);
        assert_eq!(core.spread_out(Nanos::new(99)), Nanos::new(99));

        core.set_mode(Mode::Disabled, 1);
        assert!(core.admit_without_clock().is_none());
        let end = record(&core, enter(&core, 2), Outcome::Failure, 5);
        assert_eq!((end.took, end.stale), (Some(Nanos::new(3)), false));
    }

    // L2, A3: a number that is as large as can be is no flag, and a heard call is slow by the same limit as any other.
    #[test]
    fn the_flag_is_no_part_of_the_limit() {
        let slow = |core: &Core, now| {
            let end = record(core, enter(core, 0), Outcome::Success, now);
            let also = core.record_any(enter(core, 0), Outcome::Success, || now);
            assert!(also.is_none());
            end.slow
        };
        let core_of = |slow_call_duration| {
            core(Numbers {
                slow_call_duration,
                ..numbers()
            })
        };
        for limit in [LIMIT, u64::MAX] {
            let core = core_of(limit);
            assert!(!core.hears_calls());
            core.hear_calls(true);
            let over = [LIMIT, LIMIT + 1].map(|now| slow(&core, now));
            assert_eq!(over, [false, limit == LIMIT]);
            let slow = core.totals().expect("on").slow;
            assert_eq!(slow, if limit == LIMIT { 2 } else { 0 });
        }
        let waits = core(Numbers {
            slow_call_duration: 0,
            abandoned: AbandonedPolicy::FailureAfter(std::time::Duration::from_secs(1)),
            ..numbers()
        });
        assert!(!waits.hears_calls() && is_fast(&waits));
    }

    // L2: what is told of a call is what is counted of it, and what comes of it is what comes of one that nobody hears.
    #[test]
    fn what_is_told_is_what_is_counted() {
        let heard = core(numbers());
        let unheard = core(numbers());
        heard.hear_calls(true);
        let outcomes = [
            Outcome::Success,
            Outcome::Failure,
            Outcome::Answered,
            Outcome::Ignored,
            Outcome::InnerRejection,
            Outcome::TripNow,
        ];
        let mut told = Totals::default();
        let mut tell = |end: HeardEnd| {
            match end.end {
                End::Successful => told.successful += 1,
                End::Failed => told.failed += 1,
                End::Ignored => told.ignored += 1,
                End::Abandoned => told.abandoned += 1,
            }
            told.slow += u64::from(end.slow);
            told.stale += u64::from(end.stale);
        };
        for (outcome, took) in outcomes
            .into_iter()
            .flat_map(|it| [(it, 1), (it, LIMIT + 1)])
        {
            let tickets = [enter(&heard, 0), enter(&unheard, 0)];
            let heard_end = heard.record_heard(tickets[0], outcome, None, took);
            assert_eq!(heard_end.answer.took, Some(Nanos::new(took)));
            assert_eq!(
                heard_end.transition,
                unheard.record_any(tickets[1], outcome, || took)
            );
            tell(heard_end.answer);
            // Of an era that is over by now, if it has tripped.
            for answer in [Answer::None, Answer::Response] {
                let end = heard.abandon_heard(tickets[0], answer, None, took);
                assert_eq!(end.transition, unheard.abandon(tickets[1], answer, || took));
                tell(end.answer);
            }
            for core in [&heard, &unheard] {
                if core.state() != State::Closed {
                    core.reset(took);
                }
            }
        }
        let totals = heard.totals().expect("on");
        assert_eq!(Some(totals), unheard.totals());
        assert_eq!(
            (told.ended(), told.slow, told.stale),
            (totals.ended(), totals.slow, totals.stale)
        );
        assert_eq!(
            (told.successful, told.failed, told.ignored),
            (totals.successful, totals.failed, totals.ignored)
        );
        assert!(told.stale > 0 && told.slow > 0 && told.abandoned > 0);
    }

    // L2, E1: whatever has become of the circuit by the time it is told.
    #[test]
    fn a_ticket_knows_in_which_state_and_era_its_call_was_let_pass() {
        let core = core(numbers());
        core.set_mode(Mode::Shadow, 0);
        core.trip(std::time::Duration::from_nanos(9), 0)
            .expect("in shadow");
        let tell = |now, admitted: Ticket| {
            core.set_mode(Mode::Disabled, now);
            (
                admitted.state(),
                admitted.era().number(),
                admitted.is_shadowed(),
                admitted.is_probe(),
            )
        };
        assert_eq!(tell(1, enter(&core, 0)), (State::Open, 1, true, false));
        let disabled = enter(&core, 1);
        core.set_mode(Mode::Shadow, 1);
        assert_eq!(tell(1, disabled), (State::Closed, 2, false, false));
        core.set_mode(Mode::Shadow, 1);
        core.trip(std::time::Duration::from_nanos(9), 1)
            .expect("in shadow");
        assert_eq!(
            tell(10, enter(&core, 10)),
            (State::HalfOpen, 7, false, true)
        );
    }

    // L2, E1: one that finds probes timed out meets what comes of that.
    #[test]
    fn what_shadow_lets_pass_is_of_the_era_that_it_has_begun() {
        let core = core(Numbers {
            half_open_timeout: 5,
            open_first: 100,
            ..numbers()
        });
        core.set_mode(Mode::Shadow, 0);
        core.trip(std::time::Duration::from_nanos(9), 0)
            .expect("in shadow");
        assert!(enter(&core, 9).is_probe());
        let (full, late) = (enter(&core, 10), enter(&core, 14));
        let seen = [full, late].map(|call| (call.state(), call.era().number(), call.is_shadowed()));
        assert_eq!(seen, [(State::HalfOpen, 2, true), (State::Open, 3, true)]);
    }

    // L2, C4: also of one whose era is found to be over late, a probe, and one whose trip another has made.
    #[test]
    fn a_call_of_an_older_era_is_told_as_stale() {
        let core = core(numbers());
        core.hear_calls(true);
        let tickets = [(); 3].map(|()| enter(&core, 0));
        assert!(!record(&core, tickets[0], Outcome::TripNow, 1).stale);
        assert!(record(&core, tickets[1], Outcome::TripNow, 1).stale);
        core.trip(std::time::Duration::from_nanos(1), 1)
            .expect("normal mode");
        let probe = enter(&core, 2);
        core.reset(2);
        assert!(record(&core, probe, Outcome::Success, 3).stale);
        assert!(
            core.abandon_heard(tickets[2], Answer::None, None, 3)
                .answer
                .stale
        );
        assert!(!record(&core, enter(&core, 3), Outcome::Success, 3).stale);
    }

    // A3, A4: what the dependency took of it, to the nanosecond.
    #[test]
    fn a_call_fails_that_is_abandoned_after_so_long() {
        let core = core(Numbers {
            abandoned: AbandonedPolicy::FailureAfter(std::time::Duration::from_nanos(LIMIT)),
            ..numbers()
        });
        for (took, end) in [(LIMIT - 1, End::Abandoned), (LIMIT, End::Failed)] {
            let took = Some(Nanos::new(took));
            let ended = core.abandon_heard(enter(&core, 0), Answer::None, took, 5 * LIMIT);
            assert_eq!(ended.answer.end, end);
        }
    }
}
