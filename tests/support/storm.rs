//! Hundreds of clients on many connections, while a circuit trips and recovers.
//!
//! Every answer is counted and held against what the circuit and the handlers counted.

#![allow(dead_code, reason = "no test file uses all of it")]

use std::{
    ops::AddAssign,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    sync::{Mutex, MutexGuard},
    task::JoinSet,
};
use tower_breaker::{State, Transition};

use crate::{
    sockets::{Answer, Browser, Dependency, Server, Version, patiently, until},
    support::Fixture,
};

/// A process may have 1024 files open, and each storm takes some hundred.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

const ROUNDS: usize = 5;

/// What is told of one round.
const TRIP_AND_RECOVER: [&str; 5] = [
    "closed -> open: 3 consecutive failures, open for 5s",
    "open -> half-open: the wait is over, the next call is a probe",
    "half-open -> open: a probe failed, open for 5s",
    "open -> half-open: the wait is over, the next call is a probe",
    "half-open -> closed: the probes succeeded",
];

pub(crate) struct Storm {
    fixture: Fixture,
    dependency: Dependency,
    clients: Vec<Browser>,
    server: Server,
    tally: Tally,
    _alone: MutexGuard<'static, ()>,
}

/// Answers by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    ok: u64,
    failed: u64,
    rejected: u64,
    /// Those that were sent and answered within one stay in open or in closed.
    certain: u64,
}

impl Storm {
    /// HTTP/1 clients have a connection each; six HTTP/2 clients share one.
    pub(crate) async fn new(
        version: Version,
        fixture: Fixture,
        dependency: Dependency,
        server: Server,
    ) -> Self {
        let (connections, each) = match version {
            Version::Http1 => (180, 1),
            Version::Http2 => (50, 6),
        };
        let browsers = (0..connections).map(|_| Browser::new(version, &server));
        let clients = browsers.flat_map(|browser| vec![browser; each]).collect();
        Self {
            fixture,
            dependency,
            clients,
            server,
            tally: Tally::default(),
            _alone: ONE_AT_A_TIME.lock().await,
        }
    }

    fn len(&self) -> u64 {
        self.clients.len() as u64
    }

    /// One act after another, each begun when the last one's answers are in. So it is known, to the
    /// call, how many handlers may be entered.
    pub(crate) async fn in_acts(mut self) {
        let all = self.len();
        assert_eq!(
            self.everybody(3).await,
            Tally {
                ok: 3 * all,
                ..Tally::default()
            }
        );

        // It trips somewhere in here. Calls that were already on their way fail, too.
        self.dependency.fail();
        let entered = self.dependency.entered();
        let tripping = self.everybody(3).await;
        self.fixture
            .tells(&["closed -> open: 3 consecutive failures, open for 5s"]);
        assert!(tripping.failed >= 3, "{tripping:?}");
        assert_eq!(tripping.ok, 0);
        assert_eq!(tripping.failed, self.dependency.entered() - entered);

        // The dependency is well again, but nobody asks it.
        self.dependency.heal();
        let entered = self.dependency.entered();
        assert_eq!(
            self.everybody(3).await,
            Tally {
                rejected: 3 * all,
                ..Tally::default()
            }
        );
        assert_eq!(self.dependency.entered(), entered);

        self.everybody_while_a_probe_hangs().await;
        assert_eq!(
            self.everybody(3).await,
            Tally {
                ok: 3 * all,
                ..Tally::default()
            }
        );
        self.fixture.tells_nothing();
        self.account();
    }

    /// Half-open lets one in, and everybody else is answered while that one hangs.
    async fn everybody_while_a_probe_hangs(&mut self) {
        let entered = self.dependency.entered();
        self.fixture.wait_out();
        self.dependency.hold();
        let mut asking = self.start(1);
        let mut others = Tally::default();
        for _ in 1..self.len() {
            others += patiently(asking.join_next())
                .await
                .expect("a client")
                .expect("no panic");
        }
        assert_eq!(
            others,
            Tally {
                rejected: self.len() - 1,
                ..Tally::default()
            }
        );
        assert_eq!(self.dependency.entered(), entered + 1);
        self.fixture.is(State::HalfOpen);

        self.dependency.let_go();
        let probe = patiently(asking.join_next())
            .await
            .expect("the probe")
            .expect("no panic");
        assert_eq!(
            probe,
            Tally {
                ok: 1,
                ..Tally::default()
            }
        );
        self.fixture.tells(&[
            "open -> half-open: the wait is over, the next call is a probe",
            "half-open -> closed: the probes succeeded",
        ]);
        self.tally += others;
        self.tally += probe;
    }

    /// Every client asks so many times, all at once.
    async fn everybody(&mut self, times: usize) -> Tally {
        let mut asking = self.start(times);
        let mut sum = Tally::default();
        while let Some(tally) = patiently(asking.join_next()).await {
            sum += tally.expect("no panic");
        }
        self.tally += sum;
        sum
    }

    fn start(&self, times: usize) -> JoinSet<Tally> {
        let ask = |browser: &Browser| {
            let browser = browser.clone();
            async move {
                let mut tally = Tally::default();
                for _ in 0..times {
                    tally.count(&browser.get("/").await);
                }
                tally
            }
        };
        self.clients.iter().map(ask).collect()
    }

    /// Nobody waits for anybody: the circuit trips, reopens and recovers, over and over, in the
    /// middle of everything.
    pub(crate) async fn at_once(mut self) {
        let stop = Arc::new(AtomicBool::new(false));
        let mut asking = self.start_until(&stop);
        for _ in 0..ROUNDS {
            self.trip_and_recover().await;
        }
        stop.store(true, Ordering::SeqCst);
        while let Some(tally) = patiently(asking.join_next()).await {
            self.tally += tally.expect("no panic");
        }
        assert!(self.tally.certain > 0, "{:?}", self.tally);
        self.account();

        let mut told = self.fixture.told();
        told.sort_by_key(|transition| transition.era);
        let told: Vec<String> = told.iter().map(Transition::to_string).collect();
        assert_eq!(told, TRIP_AND_RECOVER.repeat(ROUNDS));
    }

    /// One round: a trip, a probe that fails, a probe that succeeds.
    async fn trip_and_recover(&self) {
        let mut watch = self.fixture.circuit.watch();
        self.dependency.fail();
        assert!(patiently(watch.wait_for(State::Open)).await);
        self.rejections(100).await;

        let era = self.fixture.look().era;
        self.fixture.wait_out();
        until(|| self.fixture.look().era >= era + 2).await;
        self.rejections(100).await;

        self.dependency.heal();
        self.fixture.wait_out();
        assert!(patiently(watch.wait_for(State::Closed)).await);
        let successful = self.fixture.totals().successful;
        until(|| self.fixture.totals().successful >= successful + 100).await;
    }

    /// Waits for so many more of them.
    async fn rejections(&self, more: u64) {
        let rejected = self.fixture.totals().rejected;
        until(|| self.fixture.totals().rejected >= rejected + more).await;
    }

    fn start_until(&self, stop: &Arc<AtomicBool>) -> JoinSet<Tally> {
        let ask = |browser: &Browser| {
            let (browser, stop) = (browser.clone(), stop.clone());
            let circuit = self.fixture.circuit.clone();
            async move {
                let mut tally = Tally::default();
                while !stop.load(Ordering::SeqCst) {
                    let before = circuit.snapshot();
                    let answer = browser.get("/").await;
                    if circuit.snapshot().era == before.era {
                        tally.count_certain(&answer, before.state);
                    }
                    tally.count(&answer);
                }
                tally
            }
        };
        self.clients.iter().map(ask).collect()
    }

    /// Every answer is accounted for, and a handler was entered for each that was not a rejection
    /// and for no other.
    fn account(&self) {
        let (tally, totals) = (self.tally, self.fixture.totals());
        assert_eq!(totals.successful, tally.ok);
        assert_eq!(totals.failed, tally.failed);
        assert_eq!(totals.rejected, tally.rejected);
        assert_eq!((totals.ignored, totals.abandoned), (0, 0));
        assert_eq!(self.dependency.entered(), tally.ok + tally.failed);
        assert!(
            self.server.connections() >= 50,
            "{}",
            self.server.connections()
        );
    }
}

impl Tally {
    fn count(&mut self, answer: &Answer) {
        match answer.status {
            200 => self.ok += 1,
            500 => self.failed += 1,
            503 => self.rejected += 1,
            other => panic!("nobody answers {other}"),
        }
        // The clock stands still, but for the jump to the end of a break; half-open waits for 30
        // seconds.
        let told = matches!(answer.retry_after, Some(1 | 5 | 30)) && answer.body.is_empty();
        assert_eq!(told, answer.status == 503, "{answer:?}");
    }

    /// Of an answer whose request began and ended in one era, there is no doubt what it must be.
    fn count_certain(&mut self, answer: &Answer, state: State) {
        match state {
            State::Open => assert_eq!(answer.status, 503),
            State::Closed => assert_ne!(answer.status, 503),
            State::HalfOpen => return,
        }
        self.certain += 1;
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.ok += other.ok;
        self.failed += other.failed;
        self.rejected += other.rejected;
        self.certain += other.certain;
    }
}
