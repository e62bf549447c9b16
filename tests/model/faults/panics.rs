//! Whatever a circuit calls that is not its own may panic: at every one of its turns, in a script
//! that enters all of it, it does so once.
//!
//! Nobody picks the places. The script is played until no turn is left that has not panicked, so a
//! call to somebody else's code that is added tomorrow is in here from then on.

use std::{
    any::Any,
    collections::BTreeSet,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, SystemTime},
};

use tower::{Layer, Service};
use tower_breaker::{
    Circuit, CircuitBreaker, CircuitBreakerLayer, CircuitError, Classify, Mode, OpenFor, Outcome,
    Reject, Rejected, Snapshot, State, TimedOut, Totals, Transition,
    clock::{Clock, ManualClock},
};

const BREAK: Duration = Duration::from_secs(5);
const LONGER_THAN_ANY_BREAK: Duration = Duration::from_secs(100);

/// Where a circuit enters somebody else's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Readiness,
    Call,
    Poll,
    DropOfFuture,
    Classifier,
    Rejection,
    Answer,
    InnerError,
    Listener,
    EventListener,
    SettingsListener,
    CallListener,
    Waker,
    Policy,
    OpenTime,
    Clock,
    Change,
}

const PLACES: [Place; 17] = [
    Place::Readiness,
    Place::Call,
    Place::Poll,
    Place::DropOfFuture,
    Place::Classifier,
    Place::Rejection,
    Place::Answer,
    Place::InnerError,
    Place::Listener,
    Place::EventListener,
    Place::SettingsListener,
    Place::CallListener,
    Place::Waker,
    Place::Policy,
    Place::OpenTime,
    Place::Clock,
    Place::Change,
];

impl Place {
    /// A5: these are failures of the call.
    fn fails_the_call(self) -> bool {
        matches!(self, Self::Call | Self::Poll | Self::Classifier)
    }

    /// B7, C2, E4: nobody hears of a panic here.
    fn is_caught(self) -> bool {
        matches!(
            self,
            Self::Listener
                | Self::EventListener
                | Self::SettingsListener
                | Self::CallListener
                | Self::Waker
                | Self::Policy
                | Self::OpenTime
                | Self::Clock
        )
    }
}

/// What it panics with. Even that is somebody else's code: where nobody unpacks it, its drop panics.
struct Payload(Place);

impl Drop for Payload {
    fn drop(&mut self) {
        resume_unwind(Box::new("in the drop of a payload"));
    }
}

/// Counts the turns of somebody else's code, and panics at one of them.
#[derive(Default)]
struct Mine {
    turns_left: AtomicU64,
    asleep: AtomicBool,
    blown: Mutex<Option<Place>>,
}

impl Mine {
    fn turn(&self, place: Place) {
        // From zero it wraps, and will not be one again.
        if !self.asleep.load(SeqCst) && self.turns_left.fetch_sub(1, SeqCst) == 1 {
            *self.blown.lock().unwrap() = Some(place);
            // Unlike `panic!`, this prints nothing.
            resume_unwind(Box::new(Payload(place)));
        }
    }

    /// What a test looks at is no turn.
    fn asleep<T>(&self, look: impl FnOnce() -> T) -> T {
        let before = self.asleep.swap(true, SeqCst);
        let seen = look();
        self.asleep.store(before, SeqCst);
        seen
    }

    fn blown(&self) -> Option<Place> {
        *self.blown.lock().unwrap()
    }
}

impl Wake for Mine {
    fn wake(self: Arc<Self>) {
        self.turn(Place::Waker);
    }
}

// ---- somebody else's code ----------------------------------------------------------------------

/// What the inner service does with a call, and its caller with the future.
#[derive(Clone, Copy, PartialEq)]
enum Act {
    Succeed,
    Fail,
    Ignore,
    /// It hangs, and is dropped.
    Hang,
    /// It is dropped before its first poll.
    Unpolled,
    /// It is never ready for it.
    Unready,
}

#[derive(Clone)]
struct Inner {
    mine: Arc<Mine>,
    called: Arc<AtomicU64>,
    unready: Arc<AtomicBool>,
}

impl Service<Act> for Inner {
    type Response = ();
    type Error = &'static str;
    type Future = Work;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        self.mine.turn(Place::Readiness);
        Poll::Ready(match self.unready.swap(false, SeqCst) {
            true => Err("unready"),
            false => Ok(()),
        })
    }

    fn call(&mut self, act: Act) -> Work {
        self.called.fetch_add(1, SeqCst);
        self.mine.turn(Place::Call);
        Work::new(&self.mine, act)
    }
}

/// Ready at its second poll.
struct Work {
    mine: Arc<Mine>,
    act: Act,
    polled: bool,
}

impl Work {
    fn new(mine: &Arc<Mine>, act: Act) -> Self {
        Self {
            mine: mine.clone(),
            act,
            polled: false,
        }
    }
}

impl Future for Work {
    type Output = Result<(), &'static str>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.mine.turn(Place::Poll);
        if !std::mem::replace(&mut self.polled, true) {
            return Poll::Pending;
        }
        match self.act {
            Act::Hang => Poll::Pending,
            Act::Fail => Poll::Ready(Err("failed")),
            Act::Ignore => Poll::Ready(Err("ignored")),
            Act::Succeed | Act::Unpolled | Act::Unready => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.mine.turn(Place::DropOfFuture);
    }
}

#[derive(Clone)]
struct Judge(Arc<Mine>);

impl Classify<(), &'static str> for Judge {
    fn classify(&self, result: Result<&(), &&'static str>) -> Outcome {
        self.0.turn(Place::Classifier);
        match result {
            Ok(()) => Outcome::Success,
            Err(&"ignored") => Outcome::Ignored,
            Err(_) => Outcome::Failure,
        }
    }
}

struct Refusal(Arc<Mine>);

impl Reject<Act, (), &'static str> for Refusal {
    type Error = CircuitError<&'static str>;
    type Future = Answer;

    fn reject(&self, rejected: Rejected, _: Act) -> Answer {
        self.0.turn(Place::Rejection);
        Answer(self.0.clone(), Some(rejected))
    }

    fn inner_error(&self, error: &'static str) -> Self::Error {
        self.0.turn(Place::InnerError);
        CircuitError::Inner(error)
    }

    fn timed_out(&self, _: TimedOut) -> Option<Result<(), Self::Error>> {
        None
    }
}

struct Answer(Arc<Mine>, Option<Rejected>);

impl Future for Answer {
    type Output = Result<(), CircuitError<&'static str>>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.turn(Place::Answer);
        let rejected = self.1.take().expect("polled once");
        Poll::Ready(Err(CircuitError::Rejected(rejected)))
    }
}

struct MinedClock(Arc<Mine>, ManualClock);

impl Clock for MinedClock {
    fn now(&self) -> Duration {
        self.0.turn(Place::Clock);
        self.1.now()
    }

    fn wall(&self) -> SystemTime {
        self.0.turn(Place::Clock);
        self.1.wall()
    }
}

// ---- the stage ---------------------------------------------------------------------------------

/// Whether anybody hears of calls, which take other paths then.
#[derive(Clone, Copy, PartialEq)]
enum Calls {
    Unheard,
    Heard,
}

struct Stage {
    mine: Arc<Mine>,
    clock: ManualClock,
    circuit: Circuit,
    inner: Inner,
    service: CircuitBreaker<Inner, Judge, Refusal>,
}

#[derive(Clone, Copy)]
enum Deed {
    /// Through the service.
    Call(Act),
    /// Through [`Circuit::call_with_classifier`].
    Apart(Act),
    /// Through a guard, which is dropped where there is no outcome.
    Guard(Option<Outcome>),
    /// So long that every break is over and every probe is late.
    Wait,
    Control(fn(&Circuit)),
    /// New numbers, by a closure that has its turn.
    Change,
}

impl Stage {
    fn new(mode: Mode, calls: Calls) -> Self {
        let mine = Arc::new(Mine::default());
        let clock = ManualClock::new();
        let mut builder = mined(&mine, &clock).mode(mode);
        if calls == Calls::Heard {
            let mine = mine.clone();
            builder = builder.on_call(move |_, _| mine.turn(Place::CallListener));
        }
        let circuit = builder.build().expect("valid");
        let inner = Inner {
            mine: mine.clone(),
            called: Arc::default(),
            unready: Arc::default(),
        };
        let layer = CircuitBreakerLayer::new(circuit.clone())
            .classifier(Judge(mine.clone()))
            .rejection(Refusal(mine.clone()));
        Self {
            service: layer.layer(inner.clone()),
            mine,
            clock,
            circuit,
            inner,
        }
    }

    fn look(&self) -> Snapshot {
        self.mine.asleep(|| self.circuit.snapshot())
    }

    fn totals(&self) -> Totals {
        self.look().totals.expect("counted")
    }

    fn perform(&mut self, deed: Deed) {
        match deed {
            Deed::Call(act) => self.call(act),
            Deed::Apart(act) => self.call_apart(act),
            Deed::Guard(outcome) => {
                if let Ok(guard) = self.circuit.try_acquire() {
                    self.inner.called.fetch_add(1, SeqCst);
                    match outcome {
                        Some(outcome) => guard.finish(outcome),
                        None => drop(guard),
                    }
                }
            }
            Deed::Wait => self.clock.advance(LONGER_THAN_ANY_BREAK),
            Deed::Control(control) => control(&self.circuit),
            Deed::Change => self.change(),
        }
    }

    fn call(&mut self, act: Act) {
        self.inner.unready.store(act == Act::Unready, SeqCst);
        let context = &mut Context::from_waker(Waker::noop());
        let ready = self.service.poll_ready(context);
        // A rejection asks no readiness, so it was not used up.
        self.inner.unready.store(false, SeqCst);
        if matches!(ready, Poll::Ready(Ok(()))) {
            poll_through(self.service.call(act), act);
        }
    }

    fn call_apart(&self, act: Act) {
        let called = &self.inner.called;
        let mut work = pin!(Work::new(&self.mine, act));
        let mut entered = false;
        let work = std::future::poll_fn(|context| {
            called.fetch_add(u64::from(!std::mem::replace(&mut entered, true)), SeqCst);
            work.as_mut().poll(context)
        });
        let judge = Judge(self.mine.clone());
        poll_through(self.circuit.call_with_classifier(judge, work), act);
    }

    fn change(&self) {
        let change = self.circuit.reconfigure(|numbers| {
            self.mine.turn(Place::Change);
            // To something else each time, so that it is told.
            let before = numbers.slow_call_duration().unwrap_or(BREAK);
            let other = if before == BREAK { BREAK * 2 } else { BREAK };
            numbers.set_slow_call_duration(other)
        });
        change.expect("valid");
    }
}

fn mined(mine: &Arc<Mine>, clock: &ManualClock) -> tower_breaker::CircuitBuilder {
    let [policy, time, listener, events, settings] = [(); 5].map(|()| mine.clone());
    Circuit::builder("mined")
        .count_window(10)
        .minimum_calls(1)
        .trip_when(move |counts| {
            policy.turn(Place::Policy);
            counts.failed >= 2
        })
        .open_for(OpenFor::from_fn(move |_| {
            time.turn(Place::OpenTime);
            BREAK
        }))
        .slow_call_duration(BREAK)
        .probes(2, 3)
        .permits(2)
        .clock(MinedClock(mine.clone(), clock.clone()))
        .on_transition(move |_, _: &Transition| listener.turn(Place::Listener))
        .on_event(move |_, _| events.turn(Place::EventListener))
        .on_settings_change(move |_, _| settings.turn(Place::SettingsListener))
        .event_log(2)
}

fn poll_through(future: impl Future, act: Act) {
    let mut future = Box::pin(future);
    let context = &mut Context::from_waker(Waker::noop());
    let polls = if act == Act::Unpolled { 0 } else { 2 };
    for _ in 0..polls {
        if future.as_mut().poll(context).is_ready() {
            return;
        }
    }
}

// ---- the script --------------------------------------------------------------------------------

const TRIP: [Deed; 3] = [
    Deed::Call(Act::Succeed),
    Deed::Call(Act::Fail),
    Deed::Call(Act::Fail),
];

/// Trips, reopens, recovers, and everything else that a circuit can do.
fn script() -> Vec<Deed> {
    use Deed::{Apart, Call, Change, Control, Guard, Wait};
    let reopen = [Call(Act::Fail), Wait, Call(Act::Fail), Call(Act::Fail)];
    let recover = [
        Call(Act::Hang),
        Call(Act::Unpolled),
        Apart(Act::Ignore),
        Call(Act::Unready),
        Apart(Act::Succeed),
        Call(Act::Succeed),
    ];
    let closed = [
        Call(Act::Ignore),
        Call(Act::Hang),
        Call(Act::Unpolled),
        Apart(Act::Hang),
        Apart(Act::Unpolled),
        Apart(Act::Fail),
        Change,
        Call(Act::Unready),
    ];
    let guards = [
        None,
        Some(Outcome::Success),
        Some(Outcome::Ignored),
        Some(Outcome::TripNow),
        Some(Outcome::Failure),
    ];
    let controls: [fn(&Circuit); 5] = [
        |circuit| circuit.trip(BREAK).expect("allowed"),
        |circuit| assert_eq!(circuit.snapshot().mode, circuit.mode()),
        |circuit| assert!(circuit.force_open()),
        |circuit| {
            let forced = circuit.mode() == Mode::ForcedOpen;
            assert_eq!(circuit.release(), forced);
        },
        |circuit| circuit.reset(),
    ];
    let rejected = [Call(Act::Succeed), Apart(Act::Succeed)];
    let mut script = Vec::from(TRIP);
    script.extend(rejected.iter().chain(&reopen).chain([&Wait]));
    script.extend(recover.iter().chain(&closed));
    script.extend(guards.map(Guard));
    script.extend(controls.map(Control));
    script
}

/// Performs one deed, and checks what must hold after it, panic or not.
fn perform_and_check(stage: &mut Stage, deed: Deed) {
    let before = (stage.inner.called.load(SeqCst), stage.totals());
    let blown_before = stage.mine.blown();

    let mut watch = stage.circuit.watch();
    let mut changed = pin!(watch.changed());
    let waker = Waker::from(stage.mine.clone());
    let _ = changed.as_mut().poll(&mut Context::from_waker(&waker));
    let mut events = stage.circuit.events();
    let mut next = pin!(events.next());
    assert!(
        next.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let panic = catch_unwind(AssertUnwindSafe(|| stage.perform(deed))).err();

    let blown = stage.mine.blown().filter(|_| blown_before.is_none());
    assert_eq!(place_of(panic), blown.filter(|place| !place.is_caught()));
    let called = stage.inner.called.load(SeqCst) - before.0;
    assert_accounted(stage, deed, called, &before.1, blown);
}

fn place_of(panic: Option<Box<dyn Any + Send>>) -> Option<Place> {
    let payload = panic?
        .downcast::<Payload>()
        .expect("a mine and nothing else");
    let place = payload.0;
    std::mem::forget(payload);
    Some(place)
}

/// F4: whoever was admitted has ended, once, and holds no seat any more.
fn assert_accounted(stage: &Stage, deed: Deed, called: u64, before: &Totals, blown: Option<Place>) {
    let after = stage.totals();
    let ended = after.ended() - before.ended();
    let unready = u64::from(matches!(deed, Deed::Call(Act::Unready)));
    assert!((called..=called + unready).contains(&ended));
    let probes = stage.look().probes;
    assert_eq!(probes.map_or(0, |probes| probes.in_flight), 0);
    if blown.is_some_and(Place::fails_the_call) {
        assert_eq!(after.failed - before.failed, 1, "A5: it has failed");
    }
}

/// Once time passes and calls succeed, the circuit is closed; and it can still trip.
fn assert_goes_on(stage: &mut Stage) {
    stage.mine.asleep.store(true, SeqCst);
    stage.circuit.release();
    stage.circuit.set_mode(Mode::Normal);
    for _ in 0..10 {
        stage.call(Act::Succeed);
        stage.clock.advance(LONGER_THAN_ANY_BREAK);
    }
    assert_eq!(stage.circuit.state(), State::Closed, "wedged");
    stage.circuit.reset();
    TRIP.into_iter().for_each(|deed| stage.perform(deed));
    assert_eq!(stage.circuit.state(), State::Open, "it trips no more");
}

/// Plays the script with a mine at the given turn. Gives where it went off, if it did.
fn play(mode: Mode, calls: Calls, turn: u64) -> Option<Place> {
    let mut stage = Stage::new(mode, calls);
    stage.mine.turns_left.store(turn, SeqCst);
    for deed in script() {
        perform_and_check(&mut stage, deed);
    }
    let blown = stage.mine.blown();
    assert_goes_on(&mut stage);
    blown
}

fn play_every_turn(mode: Mode, calls: Calls) {
    let mut places = BTreeSet::new();
    for turn in 1.. {
        let Some(place) = play(mode, calls, turn) else {
            break;
        };
        places.insert(place);
    }
    let entered = |place: &Place| match place {
        Place::CallListener => calls == Calls::Heard,
        place => mode == Mode::Normal || *place < Place::Rejection,
    };
    for place in PLACES.iter().filter(|place| entered(place)) {
        assert!(places.contains(place), "never entered: {place:?}");
    }
}

// A5, A6, B7, C2, E4, F4
#[test]
fn whatever_panics_at_whatever_turn_every_call_ends_once_and_the_circuit_goes_on() {
    play_every_turn(Mode::Normal, Calls::Unheard);
}

// A5, A6, B7, C2, E4, F4, L2
#[test]
fn whatever_panics_where_calls_are_heard_every_call_ends_once_and_the_circuit_goes_on() {
    play_every_turn(Mode::Normal, Calls::Heard);
    play_every_turn(Mode::Shadow, Calls::Heard);
}

// A5, B7, E1, E4
#[test]
fn whatever_panics_at_whatever_turn_in_shadow_every_call_ends_once_and_the_circuit_goes_on() {
    play_every_turn(Mode::Shadow, Calls::Unheard);
}
