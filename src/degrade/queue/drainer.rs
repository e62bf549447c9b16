//! [`Drainer`]: makes the calls that were kept, once their circuit admits them (rule M7).

use std::{
    error::Error,
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    attempt::{AttemptClassifier, Attempts},
    dead::{DeadLetter, DeadLetters},
    entry::Entry,
    held::Held,
    ledger::{count, show},
    outbox::{Dead, Leased, Outbox, Take},
    rate::Rate,
    verdict::Verdict,
};
use crate::{
    circuit::{bulkhead::Place, classify::Classify, handle::Circuit},
    machine::State,
    service::{
        breaker::CircuitBreaker, classify::HttpClassifier, layer::CircuitBreakerLayer,
        pending::admission, reject::RejectAsError,
    },
    util::{
        future::{First, either, first, yield_now},
        panic::catch_panic,
    },
};

/// No outbox makes it spin.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// After which a store that has failed is asked again.
const SECOND: Duration = Duration::from_secs(1);

/// No outbox has to reckon with times that nobody comes to.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

type BeforeEachTry = dyn Fn(&mut HeaderMap) + Send + Sync;

type OutboxError = dyn Fn(&(dyn Error + 'static)) + Send + Sync;

/// Makes the calls that were kept in an [`Outbox`], once their circuit admits them.
///
/// [`run`](Self::run) is one future, to be spawned. It makes one call at a time. If that is too slow, run another
/// drainer on the same outbox.
///
/// * **While the circuit rejects, it waits** without being polled. Nothing that is kept is touched, and no attempt is
///   used up.
/// * **It makes the probe itself.** When the break (wait duration) of an open circuit is over, the next entry is the
///   probe. So the circuit closes although nobody calls. If that probe fails, the drainer leaves the next probe to
///   others for the time of the first [`backoff`](Self::backoff). So an entry that always fails does not keep the
///   circuit open.
/// * It is under the ramp (slow start) and [shedding](crate::CircuitBuilder::shed) as any other call, and makes at most
///   one call in each [`interval`](Self::interval).
/// * **It takes a place in the circuit's [bulkhead](crate::CircuitBuilder::bulkhead)**, as any other call. While the
///   bulkhead is full, it waits in line, for however long, and uses up no attempt.
/// * Entries with the same [order key](Entry::order_key) are delivered in their order, never two at once. One that has
///   failed holds up those behind it, until it is delivered or dead.
///
/// What comes of a try:
///
/// | it ends in | the entry |
/// |---|---|
/// | a success, as the [classifier](Self::classify_with) sees it | is delivered, and goes |
/// | a rejection, by this circuit or by whatever else answers with a [`Rejected`](crate::Rejected) | goes back, as it was: that is no attempt. If it was another circuit, others go meanwhile |
/// | a failure, a panic, too long a wait ([`attempt_timeout`](Self::attempt_timeout)), or 408, 425, 429 | goes back for its next try, later each time, and not before a `Retry-After` in seconds |
/// | the [`max_attempts`](Self::max_attempts)-th of these | is dead |
/// | such a failure as a probe, of a circuit that is half-open | goes back, and waits: **an outage uses up no attempts**. The next probe is made with another, if there is one |
/// | an answer that says that it is the caller's fault: any other 4xx | is dead |
/// | 307 or 308, which a classifier takes for a success: nothing was done, and nobody follows | is dead |
/// | it is older than [`max_age`](Self::max_age), whatever it waits for | is dead |
///
/// What is dead is given up: it is [told](Self::dead_letter), and goes.
///
/// If a drainer is dropped, nothing is lost. What it has taken is back at once in [`Memory`](super::Memory), and
/// elsewhere when its lease ends. A call that was under way may have been made. It is made again, with the same key. So
/// calls are delivered *at least once*, and the dependency has to know by the `Idempotency-Key` what it has had
/// already.
///
/// It holds its circuit. So the circuit does not leave its registry while the drainer runs.
#[must_use = "a drainer does nothing until it runs"]
pub struct Drainer<O, S, C = HttpClassifier> {
    circuit: Circuit,
    outbox: O,
    client: S,
    classifier: Arc<C>,
    settings: Settings,
    hooks: Hooks,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    interval: Duration,
    attempt_timeout: Duration,
    max_attempts: u32,
    max_age: Duration,
    first_backoff: Duration,
    max_backoff: Duration,
    grace: Duration,
}

struct Hooks {
    dead_letters: DeadLetters,
    before_each_try: Option<Box<BeforeEachTry>>,
    outbox_error: Box<OutboxError>,
}

/// What a [`Drainer`] has done, and what it leaves.
#[must_use = "what is left of an outbox in memory is lost if nobody keeps it"]
#[derive(Debug)]
#[non_exhaustive]
pub struct Drained {
    /// How many entries were delivered.
    pub delivered: u64,
    /// How many entries were given up.
    pub dead: u64,
    /// What is left in an outbox that is [not durable](Outbox::DURABLE), the oldest first. That outbox accepts nothing
    /// any more.
    pub left: Vec<Entry>,
}

impl<O: Outbox, S> Drainer<O, S> {
    /// Makes a drainer that takes entries from `outbox` and calls `client` through `circuit`.
    ///
    /// `client` needs no breaker: the drainer puts the circuit around it. If it has one with the same circuit, that is
    /// the same call (rule D8).
    pub fn new(circuit: &Circuit, outbox: O, client: S) -> Self {
        show(circuit, &outbox);
        Self {
            circuit: circuit.clone(),
            outbox,
            client,
            classifier: Arc::new(HttpClassifier::new()),
            settings: Settings {
                interval: Duration::from_millis(100),
                attempt_timeout: Duration::from_secs(30),
                max_attempts: 10,
                max_age: Duration::from_secs(60 * 60),
                first_backoff: SECOND,
                max_backoff: Duration::from_secs(60),
                grace: Duration::from_secs(5),
            },
            hooks: Hooks {
                dead_letters: DeadLetters::default(),
                before_each_try: None,
                outbox_error: Box::new(|_| ()),
            },
        }
    }
}

impl<O, S, C> Drainer<O, S, C> {
    /// Sets the least time from one try to the next, of whatever key.
    ///
    /// Default: 100 ms, so that there are at most ten in a second.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.settings.interval = interval;
        self
    }

    /// Sets how long a try may take. One that takes longer is dropped, and has failed, for the circuit as well. A
    /// shorter [`call_timeout`](crate::CircuitBuilder::call_timeout) of the circuit holds for tries, too.
    ///
    /// A lease is more than twice as long, so that nobody else takes an entry that is still under way.
    ///
    /// Default: 30 seconds.
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.settings.attempt_timeout = limit;
        self
    }

    /// Sets how often an entry is tried. Rejections do not count, nor do probes that fail.
    ///
    /// Default: 10. There is always one.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.settings.max_attempts = attempts;
        self
    }

    /// Sets for how long an entry is kept at most. An older one is given up.
    ///
    /// Default: an hour.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.settings.max_age = age;
        self
    }

    /// Sets how long an entry waits after its first failure. With each further one it waits twice as long as before,
    /// and at most `max`.
    ///
    /// Default: a second, and at most 60.
    pub fn backoff(mut self, first: Duration, max: Duration) -> Self {
        (self.settings.first_backoff, self.settings.max_backoff) = (first, max);
        self
    }

    /// Sets for how long a call that is under way may go on when the drainer is to end. Then the call is dropped, and
    /// its entry goes back.
    ///
    /// Default: 5 seconds.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// Sets what a try means, for the circuit and for the entry. With [`Success`](crate::Outcome::Success), the entry
    /// is delivered. With [`Answered`](crate::Outcome::Answered), it is dead, as the caller's fault. If the classifier
    /// panics, the try has failed.
    ///
    /// Default: [`HttpClassifier`]. If the dependency answers with a 409 when it has had the key already, take that for
    /// a success:
    ///
    /// ```
    /// # use http::StatusCode;
    /// # use tower_breaker::{Circuit, ConfigError, classify::HttpClassifier, degrade::queue::{Drainer, Memory}};
    /// # fn drainer<S>(circuit: Circuit, client: S) {
    /// let drainer = Drainer::new(&circuit, Memory::new(), client)
    ///     .classify_with(HttpClassifier::new().successes([StatusCode::CONFLICT]));
    /// # let _ = drainer;
    /// # }
    /// ```
    pub fn classify_with<D>(self, classifier: D) -> Drainer<O, S, D> {
        Drainer {
            circuit: self.circuit,
            outbox: self.outbox,
            client: self.client,
            classifier: Arc::new(classifier),
            settings: self.settings,
            hooks: self.hooks,
        }
    }

    /// Calls `hook` with each entry that is given up, before it goes from the outbox. Keep it elsewhere, or tell
    /// somebody. The drainer waits for the hook, and delivers nothing meanwhile. So give it a time limit, well below
    /// that of a lease.
    ///
    /// The hook is called once for an entry. Only if it is dropped while it runs, the entry is still there, and it is
    /// called again. If it panics, that counts as called. A lease lasts twice the
    /// [`attempt_timeout`](Self::attempt_timeout) and ten seconds. If the hook takes longer, another drainer takes the
    /// entry.
    ///
    /// Default: nobody is told. They are counted: [`QueueNow::dead`](crate::observe::QueueNow::dead).
    pub fn dead_letter<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(DeadLetter) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.dead_letters = DeadLetters::new(hook);
        self
    }

    /// Changes the headers of each try before it is made. Add credentials here, which are not kept.
    ///
    /// If it panics, the try has failed, and is not made.
    ///
    /// **Watch out**: a try without credentials may be answered with a 401. Then its entry is dead.
    pub fn before_each_try(
        mut self,
        change: impl Fn(&mut HeaderMap) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.before_each_try = Some(Box::new(change));
        self
    }

    /// Calls `told` with each error of the outbox itself. The drainer asks the outbox again a second later.
    ///
    /// Default: nobody is told.
    pub fn on_outbox_error(
        mut self,
        told: impl Fn(&(dyn Error + 'static)) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.outbox_error = Box::new(told);
        self
    }
}

/// A drainer that runs.
struct Draining<'a, O, S, C> {
    outbox: &'a O,
    circuit: &'a Circuit,
    settings: &'a Settings,
    hooks: &'a Hooks,
    classifier: AttemptClassifier<C>,
    breaker: CircuitBreaker<Attempts<S>, AttemptClassifier<C>, RejectAsError>,
    rate: Rate,
    /// It was rejected: the next look is not before that.
    pause: Option<Instant>,
    /// Its last try was a probe, and has failed.
    steps_back: bool,
    delivered: u64,
    dead: u64,
}

impl<O, S, C> Drainer<O, S, C>
where
    O: Outbox,
{
    /// Runs until `shutdown` is ready. Then a call that is under way has its [grace](Self::grace). What is left in an
    /// outbox that is not durable is handed back.
    ///
    /// The bodies of answers are not read.
    ///
    /// # Panics
    ///
    /// The future panics if there is no runtime of tokio with time enabled.
    pub async fn run<B, RB>(self, shutdown: impl Future<Output = ()>) -> Drained
    where
        S: Service<Request<B>, Response = Response<RB>>,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: From<Bytes>,
        C: Classify<Response<RB>, S::Error>,
    {
        let mut shutdown = pin!(shutdown);
        let client = Attempts::new(self.client, self.settings.attempt_timeout);
        let layer = CircuitBreakerLayer::new(self.circuit.clone())
            .classifier(AttemptClassifier::new(self.classifier.clone()))
            .reject_as_error();
        let mut draining = Draining {
            outbox: &self.outbox,
            circuit: &self.circuit,
            settings: &self.settings,
            hooks: &self.hooks,
            classifier: AttemptClassifier::new(self.classifier),
            breaker: layer.layer(client),
            rate: Rate::new(self.settings.interval),
            pause: None,
            steps_back: false,
            delivered: 0,
            dead: 0,
        };
        while let First::Other((held, place)) = first(shutdown.as_mut(), draining.next()).await {
            let mut delivery = pin!(draining.deliver(held, place));
            if let First::One(()) = first(shutdown.as_mut(), delivery.as_mut()).await {
                let _: Result<(), _> = timeout(self.settings.grace, delivery).await;
                break;
            }
        }
        Drained {
            delivered: draining.delivered,
            dead: draining.dead,
            left: self.outbox.hand_back().await,
        }
    }
}

impl<'a, O: Outbox, S, C> Draining<'a, O, S, C> {
    /// Waits for an entry, and for the circuit to admit its call and have a place for it. Who waits has taken nothing.
    async fn next(&mut self) -> (Held<'a, O>, Place) {
        loop {
            // What is always ready must not keep others from running.
            yield_now().await;
            // Before the look, so that nothing that happens after it is missed.
            let changed = self.outbox.changed();
            let expires_in = self.bury_the_old().await;
            // Whatever is put meanwhile is not too old before that.
            let First::One(place) = first(self.place(), sleep(expires_in)).await else {
                continue;
            };
            self.pause = None;
            match self.outbox.take(self.lease()).await {
                Ok(Take::One(leased)) if leased.age > self.settings.max_age => {
                    // Whoever buries it takes the time that it takes.
                    drop(place);
                    let held = Held::new(self.outbox, leased);
                    self.bury(held, Dead::TooOld, 0).await;
                }
                Ok(Take::One(leased)) => return (Held::new(self.outbox, leased), place),
                Ok(Take::Nothing(left)) => {
                    drop(place);
                    let left = left.map_or(expires_in, |left| left.min(expires_in));
                    // Also one that says all the time that something has changed.
                    sleep(SHORTEST_WAIT).await;
                    either(changed, sleep(left.saturating_sub(SHORTEST_WAIT))).await;
                }
                Err(error) => {
                    drop(place);
                    self.outbox_failed(&error).await;
                }
            }
        }
    }

    /// Waits until another call may be made, and has a place in the bulkhead then. It waits first for what the drainer
    /// itself has to wait for, then for the circuit, and for the place last. In line, it is there only while the
    /// circuit admits calls.
    async fn place(&mut self) -> Place {
        if let Some(pause) = self.pause {
            either(self.circuit.observers().changed(), sleep_until(pause)).await;
        }
        self.rate.wait().await;
        loop {
            self.admission().await;
            let place = self.circuit.wait_in_line().await;
            // Whoever had the place may have opened the circuit, right before giving it back.
            if let Some(place) = place.filter(|_| !self.circuit.would_refuse()) {
                return place;
            }
        }
    }

    /// Exclusively, so that the client need not be `Sync`.
    async fn admission(&mut self) {
        loop {
            admission(self.circuit.clone()).await;
            if !self.steps_back || self.circuit.state() == State::Closed {
                return;
            }
            // If what is kept is what fails, nobody could find out that all else is well: others go first.
            let changed = self.circuit.observers().changed();
            if let First::Other(()) = first(changed, sleep(self.settings.backoff(1))).await {
                return;
            }
        }
    }

    /// Longer than anything that is done with an entry.
    fn lease(&self) -> Duration {
        let attempt = self.settings.attempt_timeout;
        attempt.saturating_mul(2).saturating_add(SECOND * 10)
    }

    /// Gives up what has been there for too long; returns when there may be something again.
    async fn bury_the_old(&mut self) -> Duration {
        let max_age = self.settings.max_age;
        loop {
            match self.outbox.take_older_than(max_age, self.lease()).await {
                Ok(Take::One(leased)) => {
                    self.bury(Held::new(self.outbox, leased), Dead::TooOld, 0)
                        .await;
                }
                Ok(Take::Nothing(left)) => {
                    return left.unwrap_or(max_age).min(max_age).max(SHORTEST_WAIT);
                }
                Err(error) => self.outbox_failed(&error).await,
            }
        }
    }

    /// After `more` attempts than are known.
    async fn bury(&mut self, held: Held<'a, O>, why: Dead, more: u32) {
        let mut letter = DeadLetter::new(held.leased(), why);
        letter.attempts = letter.attempts.saturating_add(more);
        self.hooks.dead_letters.tell(letter).await;
        match self.outbox.bury(held.leased().lease, why).await {
            Ok(was_held) => {
                held.let_go();
                if was_held {
                    self.dead += 1;
                    count(&self.outbox.ledger().totals.dead);
                }
            }
            Err(error) => self.outbox_failed(&error).await,
        }
    }

    async fn deliver<B, RB>(&mut self, held: Held<'a, O>, place: Place)
    where
        S: Service<Request<B>, Response = Response<RB>>,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: From<Bytes>,
        C: Classify<Response<RB>, S::Error>,
    {
        let (verdict, was_probe) = self.attempt(held.leased()).await;
        drop(place);
        self.steps_back = was_probe && matches!(verdict, Verdict::Failed(_));
        match verdict {
            Verdict::Delivered => self.delivered(held).await,
            Verdict::NotAsked(pause) => {
                self.pause = Some(Instant::now() + pause);
                let attempts = held.leased().attempts;
                self.give_back(held, attempts, Duration::ZERO).await;
            }
            Verdict::NotAskedElsewhere(wait) => {
                let attempts = held.leased().attempts;
                self.give_back(held, attempts, wait).await;
            }
            Verdict::Failed(wait) if was_probe => {
                let attempts = held.leased().attempts;
                // Another makes the next probe, if there is one: its turn comes first.
                let backoff = self.settings.backoff(1);
                self.give_back(held, attempts, wait.unwrap_or_default().max(backoff))
                    .await;
            }
            Verdict::Failed(wait) => self.failed(held, wait).await,
            Verdict::Unwanted(status) => self.bury(held, Dead::Answered(status), 1).await,
        }
    }

    /// One try, and whether it was a probe.
    async fn attempt<B, RB>(&mut self, leased: &Leased) -> (Verdict, bool)
    where
        S: Service<Request<B>, Response = Response<RB>>,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: From<Bytes>,
        C: Classify<Response<RB>, S::Error>,
    {
        self.rate.gone();
        let Some(request) = catch_panic(|| self.hooks.request(&leased.entry)) else {
            return (Verdict::Failed(None), false);
        };
        let breaker = &mut self.breaker;
        let mut was_probe = self.circuit.state() != State::Closed;
        let result = match poll_fn(|context| breaker.poll_ready(context)).await {
            Ok(()) => {
                let answer = self.breaker.call(request);
                was_probe = self.circuit.state() == State::HalfOpen;
                answer.await
            }
            Err(error) => Err(error),
        };
        let own = self.circuit.name();
        (Verdict::of(&self.classifier, own, result), was_probe)
    }

    async fn delivered(&mut self, held: Held<'a, O>) {
        match self.outbox.done(held.leased().lease).await {
            Ok(was_held) => {
                held.let_go();
                if was_held {
                    self.delivered += 1;
                    count(&self.outbox.ledger().totals.delivered);
                }
            }
            Err(error) => self.outbox_failed(&error).await,
        }
    }

    async fn failed(&mut self, held: Held<'a, O>, wait: Option<Duration>) {
        let attempts = held.leased().attempts.saturating_add(1);
        if attempts >= self.settings.max_attempts {
            return self.bury(held, Dead::TooManyAttempts, 1).await;
        }
        let backoff = self.settings.backoff(attempts);
        let wait = wait.unwrap_or_default().max(backoff);
        self.give_back(held, attempts, wait).await;
    }

    async fn give_back(&mut self, held: Held<'a, O>, attempts: u32, wait: Duration) {
        let wait = wait.min(YEAR);
        let back = self.outbox.give_back(held.leased().lease, attempts, wait);
        match back.await {
            Ok(_) => held.let_go(),
            Err(error) => self.outbox_failed(&error).await,
        }
    }

    /// The store itself has failed: it is asked again, and meanwhile it has time.
    async fn outbox_failed(&mut self, error: &O::Error) {
        let _: Option<()> = catch_panic(|| (self.hooks.outbox_error)(error));
        sleep(SECOND).await;
    }
}

impl Hooks {
    /// The next try of this entry.
    fn request<B: From<Bytes>>(&self, entry: &Entry) -> Request<B> {
        let mut request = entry.to_request::<B>();
        if let Some(change) = &self.before_each_try {
            change(request.headers_mut());
        }
        request
    }
}

impl Settings {
    /// After so many failures.
    fn backoff(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let backoff = self.first_backoff.saturating_mul(1 << doublings);
        backoff.min(self.max_backoff)
    }
}

impl<O, S, C> fmt::Debug for Drainer<O, S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drainer")
            .field("circuit", &self.circuit)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
