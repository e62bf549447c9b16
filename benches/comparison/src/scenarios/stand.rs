//! Where a breaker is put to the test: calls whose end is decided by a script, one poll at a time.
//!
//! Nothing runs by itself: a call is polled when it starts and when its script says how it ends. So
//! the order of everything is known, and the same for each contender. Only the break is real time.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use tower::Service;

use crate::{
    contenders::{Contender, Plan},
    work::Broken,
};

/// How long a breaker of the scenarios stays open, unless it has to stay open.
pub(super) const BREAK: Duration = Duration::from_millis(60);
/// How many calls are made at once where many are made.
pub(super) const MANY: usize = 64;
/// How many breaks are waited for somebody to get in.
pub(super) const PATIENCE: usize = 10;

/// How a protected call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The work succeeded.
    Answered,
    /// The work failed.
    Failed,
    /// The breaker refused the call.
    Refused,
}

/// The future of a protected call.
pub type Flight = Pin<Box<dyn Future<Output = Ended>>>;
/// What the work comes to, when its script says so.
pub type Job = Pin<Box<dyn Future<Output = Result<(), Broken>> + Send>>;

/// A breaker around [`Scripted`].
pub trait Subject {
    /// A protected call; nothing happens before its first poll.
    fn call(&self, job: Job) -> Flight;
}

/// The protected service. It counts how often it is reached.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    reached: Arc<AtomicUsize>,
}

impl Scripted {
    /// A call that reaches the service when it is first polled, for breakers around futures.
    pub async fn later(mut self, job: Job) -> Result<(), Broken> {
        self.call(job).await
    }
}

impl Service<Job> for Scripted {
    type Response = ();
    type Error = Broken;
    type Future = Job;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, job: Job) -> Job {
        self.reached.fetch_add(1, Ordering::Relaxed);
        job
    }
}

/// A Tower service as a subject: a clone for each call.
pub struct TowerSubject<S: Service<Job>> {
    service: Mutex<S>,
    ended: fn(Result<S::Response, S::Error>) -> Ended,
}

impl<S: Service<Job>> TowerSubject<S> {
    /// `ended` knows the errors of the service.
    pub fn new(service: S, ended: fn(Result<S::Response, S::Error>) -> Ended) -> Self {
        Self {
            service: Mutex::new(service),
            ended,
        }
    }
}

impl<S> Subject for TowerSubject<S>
where
    S: Service<Job> + Clone + 'static,
{
    fn call(&self, job: Job) -> Flight {
        let (mut service, ended) = (self.service.lock().clone(), self.ended);
        Box::pin(async move {
            match poll_fn(|context| service.poll_ready(context)).await {
                Ok(()) => ended(service.call(job).await),
                Err(error) => ended(Err(error)),
            }
        })
    }
}

/// A breaker's own API as a subject.
pub struct CoreSubject<F>(pub F);

impl<F, Fut> Subject for CoreSubject<F>
where
    F: Fn(Job) -> Fut,
    Fut: Future<Output = Ended> + 'static,
{
    fn call(&self, job: Job) -> Flight {
        Box::pin((self.0)(job))
    }
}

/// How the script says that the work ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Success,
    Failure,
    Panic,
}

type Script = Arc<Mutex<Option<Verdict>>>;

fn job(script: Script) -> Job {
    Box::pin(poll_fn(move |_| match *script.lock() {
        None => Poll::Pending,
        Some(Verdict::Success) => Poll::Ready(Ok(())),
        Some(Verdict::Failure) => Poll::Ready(Err(Broken::Work)),
        // A panic that prints nothing.
        Some(Verdict::Panic) => resume_unwind(Box::new("scripted")),
    }))
}

/// A call that has started.
pub(super) struct Call {
    flight: Flight,
    script: Script,
    ended: Option<Ended>,
}

impl Call {
    pub(super) fn is_in(&self) -> bool {
        self.ended.is_none()
    }

    /// Ends the call, unless it was refused. A panic is a failure.
    pub(super) fn end(mut self, verdict: Verdict) -> Ended {
        *self.script.lock() = Some(verdict);
        let polled = catch_unwind(AssertUnwindSafe(|| self.poll()));
        match polled {
            Ok(()) => self.ended.expect("the script has said how it ends"),
            Err(_) => Ended::Failed,
        }
    }

    fn poll(&mut self) {
        if self.ended.is_some() {
            return;
        }
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(ended) = self.flight.as_mut().poll(&mut context) {
            self.ended = Some(ended);
        }
    }
}

/// A breaker, and what can be done with it.
pub(super) struct Stand {
    subject: Box<dyn Subject>,
    scripted: Scripted,
    break_for: Duration,
}

impl Stand {
    pub(super) fn new(contender: &Contender, plan: Plan) -> Self {
        let scripted = Scripted::default();
        Self {
            subject: (contender.subject)(plan, scripted.clone()),
            scripted,
            break_for: plan.break_for,
        }
    }

    /// A new breaker that has tripped, and whose break is over.
    pub(super) fn after_break(contender: &Contender, permits: u32) -> Self {
        let stand = Self::new(contender, plan(permits));
        stand.trip();
        stand.wait();
        stand
    }

    pub(super) fn start(&self) -> Call {
        let script = Script::default();
        let mut call = Call {
            flight: self.subject.call(job(script.clone())),
            script,
            ended: None,
        };
        call.poll();
        call
    }

    pub(super) fn call(&self, verdict: Verdict) -> Ended {
        self.start().end(verdict)
    }

    /// Starts calls until one is refused, or there are [`MANY`]. Those that got in.
    pub(super) fn start_many(&self) -> Vec<Call> {
        (0..MANY)
            .map(|_| self.start())
            .take_while(Call::is_in)
            .collect()
    }

    /// Fails until a call is refused.
    pub(super) fn trip(&self) {
        let failing = || self.call(Verdict::Failure);
        let tripped = (0..1_000).any(|_| failing() == Ended::Refused);
        assert!(tripped, "a thousand failures in a row trip");
    }

    /// Lets a break pass.
    pub(super) fn wait(&self) {
        thread::sleep(self.break_for * 3 / 2);
    }

    pub(super) fn reached(&self) -> usize {
        self.scripted.reached.load(Ordering::Relaxed)
    }

    /// Whether successful calls get in, and go on getting in.
    pub(super) fn lets_in(&self) -> bool {
        (0..MANY).all(|_| self.call(Verdict::Success) == Ended::Answered)
    }

    /// After how many breaks they do, if ever: none, if they did at once.
    pub(super) fn recovers(&self, at_once: bool) -> Option<usize> {
        if at_once {
            return Some(0);
        }
        (1..=PATIENCE).find(|_| {
            self.wait();
            self.lets_in()
        })
    }
}

/// A short break, and so many permits.
pub(super) fn plan(permits: u32) -> Plan {
    Plan {
        break_for: BREAK,
        permits,
        rated: false,
    }
}
