//! What becomes of a call that has ended (rule M8).

use std::time::{Duration, SystemTime};

use http::{Request, Response, StatusCode};
use tokio::time::Instant;
use tower::retry::Policy;

use super::{
    Retries,
    causes::{AnyError, is_callers, is_out_of_time, is_rejected},
    kept::Kept,
    repeat::Repeat,
    wait::Wait,
};
use crate::{
    circuit::{
        classify::Classify,
        error::{Rejected, TimedOut},
        parts::RetryDecision,
        settings::RetryLimits,
    },
    degrade::because::Degraded,
    machine::{Answer, Mode, Outcome, State},
    service::{
        deadline::{Deadline, TimeLeft},
        retry_after,
    },
};

/// What a call has come to, for one who might repeat it.
enum Heard {
    Success,
    /// Neither a success nor worth another try.
    Settled,
    /// Nobody was asked.
    Rejected,
    /// Its caller would not wait for longer.
    OutOfTime,
    /// It has failed, and not before that time it shall be made again.
    Failed(Duration),
}

impl<C, R, M, D, B, Res, E> Policy<Request<B>, Response<Res>, E> for Retries<C, R, M, D>
where
    B: Kept,
    C: Classify<Response<Res>, E>,
    D: Deadline<Request<B>>,
    E: AnyError<M>,
    R: Repeat<B>,
{
    type Future = Wait;

    fn retry(
        &mut self,
        request: &mut Request<B>,
        result: &mut Result<Response<Res>, E>,
    ) -> Option<Wait> {
        match self.hear(result) {
            Heard::Settled => None,
            Heard::Success => {
                self.rules.budget.deposit();
                None
            }
            failed => {
                let wait = self.repeat_after(failed)?;
                self.tell_time_left(request, wait);
                Some(Wait::of(wait))
            }
        }
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        if !self.rules.repeat.may_repeat(request) {
            return None;
        }
        // Called by what all calls go through before the first try, and then by the call itself, which has a clone.
        if self.repeats == 0 {
            self.ends = self.end_of(request);
        }
        Some(request.clone())
    }
}

impl<C, R, M, D> Retries<C, R, M, D> {
    fn end_of<B>(&self, request: &Request<B>) -> Option<Instant>
    where
        D: Deadline<Request<B>>,
    {
        let left = self.rules.deadline.left(request)?;
        Instant::now().checked_add(left)
    }

    fn tell_time_left<B>(&self, request: &mut Request<B>, wait: Duration) {
        if let Some(ends) = self.ends {
            let left = ends.saturating_duration_since(Instant::now() + wait);
            request.extensions_mut().insert(TimeLeft(left));
        }
    }

    fn hear<Res, E>(&self, result: &Result<Response<Res>, E>) -> Heard
    where
        C: Classify<Response<Res>, E>,
        E: AnyError<M>,
    {
        let marked = match result {
            Ok(response) => marked(response),
            Err(error) if is_rejected(error.as_error()) => Some(Heard::Rejected),
            Err(error) if is_out_of_time(error.as_error()) => Some(Heard::OutOfTime),
            Err(_) => None,
        };
        marked.unwrap_or_else(|| {
            let outcome = self.rules.classifier.classify(result.as_ref());
            let outcome = Answer::of(result).settle(outcome);
            judged(outcome, result.as_ref().ok())
        })
    }

    /// How long to wait before the call is repeated, if it is. Whichever it is, it is counted.
    #[cold]
    fn repeat_after(&mut self, failed: Heard) -> Option<Duration> {
        let circuit = &self.rules.circuit;
        match self.decide(failed) {
            Ok(wait) => {
                circuit.note_retry(RetryDecision::Retried);
                self.repeats += 1;
                self.waited += wait;
                Some(wait)
            }
            Err(decision) => {
                circuit.note_retry(decision);
                None
            }
        }
    }

    /// The budget comes last: what is not repeated takes nothing from it.
    fn decide(&self, failed: Heard) -> Result<Duration, RetryDecision> {
        let Heard::Failed(asked) = failed else {
            return Err(match failed {
                Heard::OutOfTime => RetryDecision::TooLong,
                _ => RetryDecision::Rejected,
            });
        };
        let limits = self.rules.circuit.settings().retries();
        let limits = &limits.ok_or(RetryDecision::Off)?;
        if self.repeats >= limits.at_most.into() {
            return Err(RetryDecision::Exhausted);
        }
        if !self.is_closed() {
            return Err(RetryDecision::NotClosed);
        }
        let wait = self.wait(limits, asked).ok_or(RetryDecision::TooLong)?;
        let may = self.rules.budget.withdraw();
        may.then_some(wait).ok_or(RetryDecision::NoBudget)
    }

    /// Whether the circuit has nothing against a retry. In shadow it has no say, unless it is there to gate them.
    fn is_closed(&self) -> bool {
        let now = self.rules.circuit.snapshot();
        let has_no_say = now.mode == Mode::Shadow && !self.rules.gate_only;
        let admits_all = now.ramp_share >= 1.0 && now.shed_share <= 0.0;
        has_no_say || now.state == State::Closed && admits_all
    }

    /// Not before the time that was asked for, and spread after it as far as there is room. `None`: longer than a call
    /// may wait.
    fn wait(&self, limits: &RetryLimits, asked: Duration) -> Option<Duration> {
        let left = limits.max_wait.saturating_sub(self.waited);
        let spread = self.rules.backoff.draw(self.repeats);
        let wait = match asked {
            Duration::ZERO => spread,
            asked => asked.saturating_add(spread).min(left).max(asked),
        };
        (wait <= left && self.ends_after(wait)).then_some(wait)
    }

    /// Whether the caller will still be there.
    fn ends_after(&self, wait: Duration) -> bool {
        let left = self
            .ends
            .map(|ends| ends.saturating_duration_since(Instant::now()));
        left.is_none_or(|left| wait < left)
    }
}

/// What a response says by its marks, whatever its status.
fn marked<Res>(response: &Response<Res>) -> Option<Heard> {
    let extensions = response.extensions();
    if extensions.get::<Rejected>().is_some() {
        return Some(Heard::Rejected);
    }
    // Another answer was found further in. A better one would not come of asking again.
    if extensions.get::<Degraded>().is_some() {
        return Some(Heard::Settled);
    }
    let timed_out = extensions.get::<TimedOut>();
    timed_out
        .filter(|timed_out| is_callers(timed_out))
        .map(|_| Heard::OutOfTime)
}

fn judged<Res>(outcome: Outcome, response: Option<&Response<Res>>) -> Heard {
    let asked = || retry_after::wait(response?.headers(), SystemTime::now);
    match outcome {
        Outcome::Success => Heard::Success,
        Outcome::InnerRejection => Heard::Rejected,
        Outcome::Failure | Outcome::TripNow => Heard::Failed(asked().unwrap_or_default()),
        Outcome::FailureRetryAfter(wait) | Outcome::TripFor(wait) => {
            Heard::Failed(asked().unwrap_or_default().max(wait))
        }
        Outcome::Ignored if response.is_some_and(is_told_to_come_back) => {
            asked().map_or(Heard::Settled, Heard::Failed)
        }
        Outcome::Answered | Outcome::Ignored | Outcome::RequiresEos => Heard::Settled,
    }
}

/// No failure of the dependency, perhaps, but no answer either; with a time, it is one to come back for.
fn is_told_to_come_back<Res>(response: &Response<Res>) -> bool {
    let status = response.status();
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    )
}
