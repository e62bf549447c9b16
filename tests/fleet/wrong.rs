//! N9: what `contract::check` refuses. A store that is wrong in one way is refused by the statement about that.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Mutex,
    time::Duration,
};

use tokio::time::sleep;
use tower_breaker::fleet::{
    Answer, Memory, Store, contract,
    wire::{
        Changed, Decide, Decided, Done, Exchange, Exchanged, How, LAST_COUNT, LAST_ERA,
        LAST_MILLIS, Lease, Look, MOST_LOOKS, Odd, Proposal, Report, Stamp, Standing, Stored,
        StoredMode, Sums, Text, Told,
    },
};

use crate::support::message_of;

/// What is wrong: what the store understands, or what it says.
#[derive(Clone, Copy)]
enum Wrong {
    Exchange(fn(&mut Exchange)),
    Exchanged(fn(&Exchange, &mut Exchanged)),
    /// Of each circuit that was looked at.
    Told(fn(&Look, &mut Told)),
    Decide(fn(&mut Decide)),
    Decided(fn(&Decide, &mut Decided)),
    /// It refuses what it has taken, if it comes once more.
    TakesNothingTwice,
    /// The last report says how long all of them count.
    CountsAsLongAsTheLast,
}

/// A store in memory that does that.
struct Faulty {
    memory: Memory,
    wrong: Wrong,
    proposed: Mutex<Option<Decide>>,
    /// When something was reported, and for how long it counts.
    reported: Mutex<(u64, u64)>,
}

impl Faulty {
    fn new(wrong: Wrong) -> Self {
        Self {
            memory: Memory::new(),
            wrong,
            proposed: Mutex::default(),
            reported: Mutex::default(),
        }
    }

    fn spoil_exchanged(&self, ask: &Exchange, told: &mut Exchanged) {
        match self.wrong {
            Wrong::Exchanged(spoil) => spoil(ask, told),
            Wrong::Told(spoil) => each(ask, told, spoil),
            Wrong::CountsAsLongAsTheLast => self.forget(ask, told),
            _ => {}
        }
    }

    fn forget(&self, ask: &Exchange, told: &mut Exchanged) {
        let mut reported = self.reported.lock().expect("a report");
        let mut reports = ask.circuits.iter().filter_map(|look| look.report.as_ref());
        if let Some(last) = reports.next_back() {
            *reported = (told.now, last.keep_for);
        }
        if told.now >= reported.0 + 2 * reported.1 {
            each(ask, told, |_, told| told.window = Sums::default());
        }
    }

    fn spoil_decided(&self, ask: &Decide, told: &mut Decided) {
        match self.wrong {
            Wrong::Decided(spoil) => spoil(ask, told),
            Wrong::TakesNothingTwice => {
                let last = self.proposed.lock().expect("one").replace(ask.clone());
                if last.as_ref() == Some(ask) {
                    told.done = Done::No;
                }
            }
            _ => {}
        }
    }
}

fn each(ask: &Exchange, told: &mut Exchanged, spoil: fn(&Look, &mut Told)) {
    for (look, told) in ask.circuits.iter().zip(&mut told.circuits) {
        if let Ok(told) = told {
            spoil(look, told);
        }
    }
}

impl Store for Faulty {
    fn exchange<'a>(&'a self, ask: &'a Exchange) -> Answer<'a, Exchanged> {
        Box::pin(async move {
            let mut asked = ask.clone();
            if let Wrong::Exchange(spoil) = self.wrong {
                spoil(&mut asked);
            }
            let mut told = self.memory.exchange(&asked).await?;
            self.spoil_exchanged(ask, &mut told);
            Ok(told)
        })
    }

    fn decide<'a>(&'a self, ask: &'a Decide) -> Answer<'a, Decided> {
        Box::pin(async move {
            let mut asked = ask.clone();
            if let Wrong::Decide(spoil) = self.wrong {
                spoil(&mut asked);
            }
            let mut told = self.memory.decide(&asked).await?;
            self.spoil_decided(ask, &mut told);
            Ok(told)
        })
    }

    fn hint(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.memory.hint()
    }
}

/// Checks each store, and which statement refuses it first. A number alone would fit whatever else has it one day.
#[track_caller]
fn refused(rows: &[(u32, &str, Wrong)]) {
    for (statement, what, wrong) in rows {
        let expected = format!("statement {statement}: {what}");
        let said = refusal(*wrong);
        assert!(said.contains(&expected), "{expected} not {said}");
    }
}

/// What the check says of it.
fn refusal(wrong: Wrong) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let check = || runtime.block_on(contract::check(async || Faulty::new(wrong), sleep));
    match catch_unwind(AssertUnwindSafe(check)) {
        Ok(()) => "nothing".into(),
        Err(panic) => message_of(&*panic),
    }
}

fn reports(ask: &mut Exchange, change: fn(&mut Report)) {
    let looks = ask.circuits.iter_mut();
    looks.filter_map(|it| it.report.as_mut()).for_each(change);
}

fn restores(ask: &mut Decide, change: fn(&mut Standing)) {
    if let Proposal::Restore(standing) = &mut ask.what {
        change(standing);
    }
}

// N9, N2: what the fleet's calls come to.
#[test]
fn a_store_that_counts_wrong_is_refused() {
    refused(&[
        (
            4,
            "nobody has said anything",
            Wrong::Told(|_, told| told.my_seq = told.my_seq.max(1)),
        ),
        (
            6,
            "what was said",
            Wrong::Exchange(|ask| reports(ask, |it| it.register.slow = 0)),
        ),
        (15, "which counts is told", Wrong::Told(a_copy_is_late)),
        (
            20,
            "a dead instance has left, by a look",
            Wrong::Exchange(|ask| reports(ask, |it| it.keep_for *= 100)),
        ),
        (23, "one length for all", Wrong::CountsAsLongAsTheLast),
        (
            26,
            "also if there was a success in it",
            Wrong::Exchange(|ask| reports(ask, |it| it.register.ok = false)),
        ),
        (
            29,
            "since it began",
            Wrong::Told(|_, told| told.window.streak_for = 0),
        ),
        (
            29,
            "since it began",
            Wrong::Told(|_, told| told.window.streak_for *= 2),
        ),
        (
            31,
            "one of two agrees",
            Wrong::Told(|_, told| told.window.agreeing = told.window.contributors),
        ),
        (
            33,
            "the first who said, to the digit",
            Wrong::Told(|_, told| {
                // As a number with 53 digits.
                if told.settings > 1 << 53 {
                    told.settings = u64::MAX;
                }
            }),
        ),
        (
            36,
            "by its era, or by its nonce",
            Wrong::Told(|_, told| {
                if told.how == How::Late {
                    told.how = How::Looked;
                }
            }),
        ),
        (
            43,
            "to the last digit",
            Wrong::Told(|_, told| told.window.calls = told.window.calls.min(LAST_COUNT)),
        ),
    ]);
}

fn a_copy_is_late(look: &Look, told: &mut Told) {
    let said = look.report.as_ref().map(|report| report.seq);
    if told.how == How::Counted && said != Some(told.my_seq) {
        told.how = How::Late;
    }
}

// N9, N4: one decision after the other.
#[test]
fn a_store_that_is_wrong_about_who_decides_is_refused() {
    refused(&[
        (
            46,
            "it was closed",
            Wrong::Decided(|ask, told| {
                if matches!(ask.what, Proposal::Open { .. }) {
                    told.done = Done::No;
                }
            }),
        ),
        (
            54,
            "it does not know the latest",
            Wrong::Decided(|_, told| {
                if told.done == Done::Late {
                    told.done = Done::No;
                }
            }),
        ),
        (
            61,
            "one of two decisions is made",
            Wrong::Decided(|_, told| {
                let lasts = matches!(told.standing.state, Stored::Open { left: 1.. });
                if lasts && told.done == Done::Late {
                    told.done = Done::Yes;
                }
            }),
        ),
    ]);
}

// N9, N3: a break, its length, its attempt and its cause.
#[test]
fn a_store_that_keeps_a_decision_wrong_is_refused() {
    refused(&[
        (
            48,
            "all of it",
            Wrong::Decided(|_, told| {
                if let Stored::Open { left } = &mut told.standing.state {
                    *left = 0;
                }
            }),
        ),
        (
            63,
            "the first is the first",
            Wrong::Decided(|ask, told| {
                if let Proposal::Open { attempt, .. } = ask.what {
                    told.standing.attempt = attempt;
                }
            }),
        ),
        (
            68,
            "it is not closed",
            Wrong::Decided(|_, told| {
                if matches!(told.standing.state, Stored::Open { .. }) {
                    told.standing.closed_for = Some(0);
                }
            }),
        ),
        (
            70,
            "to the byte",
            Wrong::Decided(|_, told| {
                let ascii = told
                    .standing
                    .cause
                    .as_str()
                    .replace(|it: char| !it.is_ascii(), "?");
                told.standing.cause = Text::of(&ascii);
            }),
        ),
    ]);
}

/// Whether it is half-open, and that was proposed.
fn on_results(ask: &Decide, told: &Decided) -> bool {
    let results = matches!(ask.what, Proposal::Results { .. });
    results && matches!(told.standing.state, Stored::HalfOpen { .. })
}

// N9, N5: seats for probes.
#[test]
fn a_store_that_gives_seats_wrong_is_refused() {
    refused(&[
        (
            72,
            "it is closed",
            Wrong::Decided(|ask, told| {
                let closed = matches!(told.standing.state, Stored::Closed { .. });
                if closed && matches!(ask.what, Proposal::Lease { .. }) {
                    told.done = Done::Yes;
                }
            }),
        ),
        (
            85,
            "a look tells it, too",
            Wrong::Told(|_, told| told.lease = None),
        ),
        (
            88,
            "until the first of them is over",
            Wrong::Decided(|_, told| {
                if matches!(told.done, Done::Full { .. }) {
                    told.done = Done::Full { next: 0 };
                }
            }),
        ),
    ]);
}

// N9, N5: what has become of the probes.
#[test]
fn a_store_that_takes_results_wrong_is_refused() {
    refused(&[
        (
            95,
            "what became of the first counts no more",
            Wrong::Decided(|ask, told| {
                if on_results(ask, told) {
                    told.done = Done::Yes;
                }
            }),
        ),
        (
            99,
            "and why",
            Wrong::Decided(|ask, told| {
                let closed = matches!(told.standing.state, Stored::Closed { .. });
                if closed && matches!(ask.what, Proposal::Results { .. }) {
                    told.standing.cause = Text::default();
                }
            }),
        ),
        (
            104,
            "the next of a row",
            Wrong::Decided(|ask, told| {
                let open = matches!(told.standing.state, Stored::Open { .. });
                if open && matches!(ask.what, Proposal::Results { .. }) {
                    told.standing.attempt = 1;
                }
            }),
        ),
        (106, "it is so", Wrong::TakesNothingTwice),
        (
            113,
            "somebody has been told since that it is free",
            Wrong::Decided(|ask, told| {
                let success = matches!(ask.what, Proposal::Results { failed: 0, .. });
                if success && on_results(ask, told) {
                    told.done = Done::Yes;
                }
            }),
        ),
        (
            115,
            "once",
            Wrong::Decide(|ask| {
                if let Proposal::Results { unused, .. } = &mut ask.what {
                    *unused = 0;
                }
            }),
        ),
    ]);
}

// N9, N6: what a person does.
#[test]
fn a_store_that_does_not_do_as_a_person_says_is_refused() {
    refused(&[
        (
            124,
            "who did it",
            Wrong::Decided(|ask, told| {
                if matches!(ask.what, Proposal::Force { .. }) {
                    told.standing.who = Text::default();
                }
            }),
        ),
        (
            130,
            "forced for a time",
            Wrong::Decide(|ask| {
                if let Proposal::Force { at_most, .. } = &mut ask.what {
                    *at_most = None;
                }
            }),
        ),
        (
            136,
            "since now",
            Wrong::Decided(|_, told| {
                if told.done == Done::Late {
                    told.standing.closed_for = None;
                }
            }),
        ),
        (
            137,
            "forced, without knowing the latest",
            Wrong::Decided(|ask, told| {
                let person = matches!(ask.what, Proposal::Force { .. });
                if person && ask.seen == Stamp::default() && told.standing.stamp.era > 1 {
                    told.done = Done::Late;
                }
            }),
        ),
        (
            141,
            "closed before, and cleared",
            Wrong::Decided(|_, told| {
                if told.standing.state == (Stored::Closed { reset: true }) {
                    told.standing.state = Stored::Closed { reset: false };
                }
            }),
        ),
        (
            145,
            "its probes count no more",
            Wrong::Decided(|ask, told| {
                let cleared = told.standing.state == Stored::Closed { reset: true };
                if cleared && matches!(ask.what, Proposal::Results { .. }) {
                    told.done = Done::Yes;
                }
            }),
        ),
    ]);
}

// N9, N4: what it had forgotten.
#[test]
fn a_store_that_takes_back_wrong_is_refused() {
    refused(&[
        (
            146,
            "the store knows nothing",
            Wrong::Decided(|ask, told| {
                if matches!(ask.what, Proposal::Restore(_)) {
                    told.done = Done::No;
                }
            }),
        ),
        (
            152,
            "for so long",
            Wrong::Decide(|ask| {
                restores(ask, |it| it.closed_for = it.closed_for.map(|_| 0));
            }),
        ),
        (
            155,
            "not even of those that are known",
            Wrong::Decided(|ask, told| {
                let Proposal::Restore(asked) = &ask.what else {
                    return;
                };
                if matches!(asked.state, Stored::HalfOpen { .. }) {
                    told.lease = Some(Lease { seats: 1, left: 1 });
                }
            }),
        ),
        (
            157,
            "forced for a time",
            Wrong::Decide(|ask| restores(ask, |it| it.mode = StoredMode::Normal)),
        ),
        (
            162,
            "never more than its length",
            Wrong::Decided(|ask, told| {
                let Proposal::Restore(asked) = &ask.what else {
                    return;
                };
                if let (Stored::Open { left: 5_001.. }, Stored::Open { .. }) =
                    (asked.state, told.standing.state)
                {
                    told.standing.state = asked.state;
                }
            }),
        ),
        (
            163,
            "it is believed",
            Wrong::Decide(|ask| {
                restores(ask, |it| it.stamp.era = it.stamp.era.min(LAST_ERA - 1));
            }),
        ),
    ]);
}

// N9, N4, N8: what has changed, and whose it is.
#[test]
fn a_store_that_tells_wrong_is_refused() {
    refused(&[
        (
            169,
            "since it was seen, each once, in order",
            Wrong::Exchanged(|_, told| {
                if let Changed::Names(names) = &mut told.changed {
                    names.reverse();
                }
            }),
        ),
        (
            170,
            "and up to where",
            Wrong::Exchanged(|ask, told| {
                if ask.seen > 0 {
                    told.newest = ask.seen;
                }
            }),
        ),
        (
            172,
            "a hundred are told",
            Wrong::Exchanged(|_, told| {
                if matches!(&told.changed, Changed::Names(names) if names.len() > 50) {
                    told.changed = Changed::All;
                }
            }),
        ),
        (
            174,
            "what was seen is no more",
            Wrong::Exchanged(|ask, told| {
                if ask.seen > told.newest {
                    told.changed = Changed::Names(Vec::new());
                }
            }),
        ),
        (
            177,
            "closed in another shard",
            Wrong::Decide(|ask| ask.place.shard = 0),
        ),
        (
            180,
            "if it can count, it counts who listens",
            Wrong::Decided(|_, told| told.heard = told.heard.map(|_| 0)),
        ),
    ]);
}

// N9, N8: what no store takes.
#[test]
fn a_store_that_takes_what_makes_no_sense_is_refused() {
    refused(&[
        (
            186,
            "and nothing else is",
            Wrong::Exchanged(|_, told| {
                if told.circuits.iter().any(Result::is_err) {
                    let all = told.circuits.iter_mut();
                    all.for_each(|it| *it = Err(Odd::default()));
                }
            }),
        ),
        (
            188,
            "refused",
            Wrong::Decide(|ask| {
                if let Proposal::Open { attempt, .. } = &mut ask.what {
                    *attempt = (*attempt).max(1);
                }
            }),
        ),
        (
            188,
            "refused",
            Wrong::Decide(|ask| {
                restores(ask, |it| it.stamp.era = it.stamp.era.min(LAST_ERA));
            }),
        ),
        (
            188,
            "refused",
            Wrong::Decide(|ask| {
                restores(ask, |it| it.length = it.length.min(LAST_MILLIS));
            }),
        ),
        (
            194,
            "more are not",
            Wrong::Exchange(|ask| ask.circuits.truncate(MOST_LOOKS)),
        ),
    ]);
}

// N9: a server keeps what was there before.
#[tokio::test(start_paused = true)]
async fn all_statements_may_be_checked_with_one_store() {
    let memory = Memory::new();
    contract::check(async || memory.clone(), sleep).await;
}

// N9: a clock that goes by itself, whenever it is begun, is always a little ahead.
#[tokio::test(start_paused = true)]
async fn a_clock_that_goes_by_itself_is_no_fault() {
    const AHEAD: Duration = Duration::from_millis(200);
    for begun in 0..16 {
        let make = async || {
            let memory = Memory::new();
            sleep(Duration::from_millis(begun * 250)).await;
            memory
        };
        contract::check(make, async |time| sleep(time + AHEAD).await).await;
    }
}
