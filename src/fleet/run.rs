//! The task: moves what the pilot says to the store, and what the store answers to the pilot (rule N7).

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{sleep, timeout};

use super::{
    fleet::{Common, lock},
    pilot::{Ask, Pilot, Reply},
    store::{Store, StoreError},
};
use crate::{
    circuit::{builder::random_seed, followed::Why},
    util::{future::yield_now, panic::catch_panic},
};

/// No clock makes it spin.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// No timer has to reckon with times that nobody comes to.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

type Answer = Result<Reply, StoreError>;

/// What one shard is asked.
struct Flight<'a> {
    shard: usize,
    answer: Pin<Box<dyn Future<Output = Answer> + Send + 'a>>,
}

/// Why it goes on.
enum Woken {
    Answer(usize, Answer),
    Hint,
    /// It is time to, or somebody has said that there is something to look at.
    Look,
}

pub(super) async fn run<S: Store>(common: Arc<Common>, store: S) {
    let now = common.clock.now();
    let Some(mut running) = Running::begin(common.clone(), now) else {
        let text = "the fleet runs already: another future of `run` does";
        *lock(&common.last_error) = Some(StoreError::new(Why::NotRunning, text));
        return;
    };
    let mut flights = Vec::new();
    let mut hints = Hints::new(&store, &common);
    while !common.ended.load(Ordering::Acquire) {
        // A store that always has its answer at once must not keep others from running.
        yield_now().await;
        let now = common.clock.now();
        let pilot = &mut running.pilot;
        pilot.turn(now);
        for shard in 0..pilot.shards() {
            if let Some(ask) = pilot.ask(shard, now) {
                flights.push(fly(&store, shard, ask, common.pace.timeout()));
            }
        }
        let wait = Duration::from_nanos(pilot.next().saturating_sub(now));
        let wait = wait.clamp(SHORTEST_WAIT, LONGEST_WAIT);
        let woken = woken(&mut flights, &mut hints, &common, wait).await;
        let now = common.clock.now();
        match woken {
            Woken::Answer(shard, answer) => running.pilot.answered(shard, answer, now),
            Woken::Hint => running.pilot.hinted(now),
            Woken::Look => {}
        }
    }
}

/// Asks the store, which may take its time, fail, and panic.
fn fly<S: Store>(store: &S, shard: usize, ask: Ask, limit: Duration) -> Flight<'_> {
    let answer = async move {
        match ask {
            Ask::Exchange(ask) => store.exchange(&ask).await.map(Reply::Exchanged),
            Ask::Decide(ask) => store.decide(&ask).await.map(Reply::Decided),
        }
    };
    let caught = Caught(Some(Box::pin(answer)));
    let answer = async move {
        let late = || StoreError::new(Why::TimedOut, "no answer in time");
        let panicked = || StoreError::new(Why::Nonsense, "the store has panicked");
        let answer = timeout(limit, caught).await.map_err(|_| late())?;
        answer.unwrap_or_else(|| Err(panicked()))
    };
    Flight {
        shard,
        answer: Box::pin(answer),
    }
}

async fn woken<S: Store>(
    flights: &mut Vec<Flight<'_>>,
    hints: &mut Hints<'_, S>,
    common: &Common,
    wait: Duration,
) -> Woken {
    let mut stirred = pin!(common.wake.notified());
    let mut sleep = pin!(sleep(wait));
    poll_fn(|context| {
        if let Some((shard, answer)) = answered(flights, context) {
            return Poll::Ready(Woken::Answer(shard, answer));
        }
        if hints.poll(context).is_ready() {
            return Poll::Ready(Woken::Hint);
        }
        let woken = stirred.as_mut().poll(context).is_ready();
        match woken || sleep.as_mut().poll(context).is_ready() {
            true => Poll::Ready(Woken::Look),
            false => Poll::Pending,
        }
    })
    .await
}

fn answered(flights: &mut Vec<Flight<'_>>, context: &mut Context<'_>) -> Option<(usize, Answer)> {
    for at in 0..flights.len() {
        let flight = &mut flights[at];
        if let Poll::Ready(answer) = flight.answer.as_mut().poll(context) {
            return Some((flights.swap_remove(at).shard, answer));
        }
    }
    None
}

/// Somebody else's future, whose panics harm nobody: `None`.
struct Caught<'a, T>(Option<Pin<Box<dyn Future<Output = T> + Send + 'a>>>);

impl<T> Future for Caught<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let Some(future) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let polled = catch_panic(|| future.as_mut().poll(context));
        if let Some(Poll::Pending) = polled {
            return Poll::Pending;
        }
        self.end();
        match polled {
            Some(Poll::Ready(output)) => Poll::Ready(Some(output)),
            _ => Poll::Ready(None),
        }
    }
}

impl<T> Caught<'_, T> {
    /// Its drop is somebody else's, too.
    fn end(&mut self) {
        let future = self.0.take();
        catch_panic(|| drop(future));
    }
}

impl<T> Drop for Caught<'_, T> {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the store hints at. After each hint there is an interval without one: a store that always has one is as good as
/// one that has none.
struct Hints<'a, S> {
    store: &'a S,
    interval: Duration,
    waits: Caught<'a, ()>,
    /// It is the interval that is waited for.
    pauses: bool,
}

impl<'a, S: Store> Hints<'a, S> {
    fn new(store: &'a S, common: &Common) -> Self {
        Self {
            store,
            interval: common.pace.interval,
            waits: hint(store),
            pauses: false,
        }
    }

    /// Ready if there is a hint.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let Poll::Ready(_) = Pin::new(&mut self.waits).poll(context) else {
                return Poll::Pending;
            };
            self.pauses = !self.pauses;
            if self.pauses {
                self.waits = Caught(Some(Box::pin(sleep(self.interval))));
                return Poll::Ready(());
            }
            self.waits = hint(self.store);
        }
    }
}

fn hint<S: Store>(store: &S) -> Caught<'_, ()> {
    Caught(Some(Box::pin(async { store.hint().await })))
}

/// That it runs. There is one at a time.
struct Running {
    common: Arc<Common>,
    pilot: Pilot,
}

impl Running {
    fn begin(common: Arc<Common>, now: u64) -> Option<Self> {
        let running: &AtomicBool = &common.running;
        let taken = running.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire);
        taken.is_ok().then(|| Self {
            pilot: Pilot::new(common.clone(), random_seed(), now),
            common,
        })
    }
}

/// Nothing is lost: the circuits are alone when their holds lapse.
impl Drop for Running {
    fn drop(&mut self) {
        self.pilot.end(self.common.clock.now());
        self.common.running.store(false, Ordering::Release);
    }
}
