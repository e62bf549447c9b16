//! One instance of a service: it calls the upstream at a pace of its own, through a circuit that the fleet shares.
//!
//! It is told what to do line by line, and says what happens line by line, as JSON.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    time::{interval, sleep},
};
use tower_breaker::{
    Agreement, Circuit, CircuitError,
    fleet::{Fleet, Store},
    observe::{FleetNow, Heard, Sharing},
};

use super::upstream;

/// What the circuit is called, everywhere.
pub(crate) const CIRCUIT: &str = "payments";
/// So often does it look whether there is something new to say.
const LOOKS_EVERY: Duration = Duration::from_millis(50);

/// What an instance is started with.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) upstream: SocketAddr,
    /// Calls a second.
    pub(crate) rate: f64,
    /// Where the store is; nowhere, if it is in this process.
    pub(crate) redis: Option<String>,
    pub(crate) namespace: String,
    pub(crate) time_window: Duration,
    pub(crate) minimum_calls: u32,
    pub(crate) open_for: Duration,
    pub(crate) probe_timeout: Duration,
}

impl Plan {
    pub(crate) fn new(name: impl Into<String>, upstream: SocketAddr) -> Self {
        Self {
            name: name.into(),
            upstream,
            rate: 1.0,
            redis: None,
            namespace: "shop".into(),
            time_window: Duration::from_secs(5),
            minimum_calls: 10,
            open_for: Duration::from_millis(1_500),
            probe_timeout: Duration::from_secs(1),
        }
    }

    /// For another process.
    pub(crate) fn to_json(&self) -> String {
        let millis = |span: Duration| span.as_secs_f64() * 1e3;
        json!({
            "name": self.name,
            "upstream": self.upstream.to_string(),
            "rate": self.rate,
            "redis": self.redis,
            "namespace": self.namespace,
            "time_window_ms": millis(self.time_window),
            "minimum_calls": self.minimum_calls,
            "open_for_ms": millis(self.open_for),
            "probe_timeout_ms": millis(self.probe_timeout),
        })
        .to_string()
    }

    /// Of another process.
    pub(crate) fn from_json(text: &str) -> Option<Self> {
        let plan: Value = serde_json::from_str(text).ok()?;
        let millis = |name: &str| Some(Duration::from_secs_f64(plan[name].as_f64()? / 1e3));
        Some(Self {
            name: plan["name"].as_str()?.into(),
            upstream: plan["upstream"].as_str()?.parse().ok()?,
            rate: plan["rate"].as_f64()?,
            redis: plan["redis"].as_str().map(Into::into),
            namespace: plan["namespace"].as_str()?.into(),
            time_window: millis("time_window_ms")?,
            minimum_calls: plan["minimum_calls"].as_u64()?.try_into().ok()?,
            open_for: millis("open_for_ms")?,
            probe_timeout: millis("probe_timeout_ms")?,
        })
    }
}

/// What became of its calls, as the caller has it, and whether its own link is bad.
#[derive(Debug, Default)]
struct Calls {
    ok: AtomicU64,
    failed: AtomicU64,
    rejected: AtomicU64,
    link_is_bad: AtomicBool,
}

/// Says a line.
type Say = Arc<dyn Fn(Value) + Send + Sync>;

/// Runs until nobody tells it anything any more.
pub(crate) async fn run(
    plan: Plan,
    store: impl Store,
    mut orders: mpsc::UnboundedReceiver<String>,
    say: Say,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let fleet = Fleet::builder(plan.namespace.clone()).build()?;
    let circuit = circuit(&plan, &fleet, say.clone())?;
    let follows = tokio::spawn(fleet.run(store));

    let (pace, of_calls) = watch::channel(plan.rate);
    let calls = Arc::<Calls>::default();
    let caller = tokio::spawn(call(plan.clone(), circuit.clone(), calls.clone(), of_calls));
    let mut looks = interval(LOOKS_EVERY);
    let mut said = Value::Null;
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => obey(&order, &circuit, &fleet, &calls, &pace, &say).await,
                None => break,
            },
            _ = looks.tick() => (),
        }
        let now = state(&circuit, &fleet, &calls);
        if now != said {
            say(now.clone());
            said = now;
        }
    }
    caller.abort();
    follows.abort();
    Ok(())
}

/// The circuit: half of ten calls or more within five seconds. At a call a second no instance ever has as many.
fn circuit(plan: &Plan, fleet: &Fleet, say: Say) -> Result<Circuit, tower_breaker::ConfigError> {
    Circuit::builder(CIRCUIT)
        .time_window(plan.time_window)
        .failure_rate(0.5)
        .minimum_calls(plan.minimum_calls)
        .open_for(plan.open_for)
        .probe_timeout(plan.probe_timeout)
        .shared(Agreement::default())
        .fleet(fleet)
        .on_transition(move |_, transition| {
            say(json!({
                "at": now(),
                "from": transition.from.label(),
                "to": transition.to.label(),
                "cause": transition.cause.label(),
            }));
        })
        .build()
}

/// Calls at its pace, and never waits for one before the next.
async fn call(plan: Plan, circuit: Circuit, calls: Arc<Calls>, mut pace: watch::Receiver<f64>) {
    let mut wait = Duration::from_secs_f64(phase(&plan.name) / plan.rate.max(0.01));
    loop {
        tokio::select! {
            () = sleep(wait) => {
                let rate = *pace.borrow();
                tokio::spawn(call_once(plan.clone(), circuit.clone(), calls.clone()));
                wait = Duration::from_secs_f64(1.0 / rate.max(0.001));
            }
            changed = pace.changed() => {
                if changed.is_err() { return }
                wait = Duration::ZERO;
            }
        }
    }
}

/// Between 0 and 1, so that not all call at the same instant.
fn phase(name: &str) -> f64 {
    let step = |hash: u32, byte: u8| {
        (hash ^ u32::from(byte))
            .wrapping_mul(0x9E37_79B1)
            .rotate_left(15)
    };
    f64::from(name.bytes().fold(0, step)) / f64::from(u32::MAX)
}

async fn call_once(plan: Plan, circuit: Circuit, calls: Arc<Calls>) {
    let bad = calls.link_is_bad.load(Relaxed);
    let called = circuit
        .call_owned(async move {
            if bad {
                return Err(std::io::Error::other("a bad link"));
            }
            upstream::call(plan.upstream, &plan.name).await
        })
        .await;
    let counter = match called {
        Ok(()) => &calls.ok,
        Err(CircuitError::Rejected(_)) => &calls.rejected,
        Err(_) => &calls.failed,
    };
    counter.fetch_add(1, Relaxed);
}

/// Does what a line says. `here` before it: for this instance alone.
async fn obey(
    order: &str,
    circuit: &Circuit,
    fleet: &Fleet,
    calls: &Calls,
    pace: &watch::Sender<f64>,
    say: &Say,
) {
    let words: Vec<&str> = order.split_whitespace().collect();
    match words[..] {
        ["rate", rate] => drop(rate.parse().map(|rate| pace.send_replace(rate))),
        ["bad", "on"] => calls.link_is_bad.store(true, Relaxed),
        ["bad", "off"] => calls.link_is_bad.store(false, Relaxed),
        ["pause"] => fleet.pause(),
        ["resume"] => fleet.resume(),
        ["here", "force"] => drop(circuit.here().force_open()),
        ["here", "release"] => drop(circuit.here().release()),
        ["here", "reset"] => circuit.here().reset(),
        ["force"] => heard(circuit.force_open(), circuit, say).await,
        ["release"] => heard(circuit.release(), circuit, say).await,
        ["reset"] => {
            circuit.reset();
            heard(true, circuit, say).await;
        }
        _ => say(json!({ "at": now(), "odd": order })),
    }
}

/// By how many.
async fn heard(acted: bool, circuit: &Circuit, say: &Say) {
    let heard = match circuit.heard().await {
        Heard::By(instances) => json!(instances),
        Heard::OnlyHere(why) => json!(format!("only here: {}", why.label())),
        other => json!(format!("{other:?}")),
    };
    say(json!({ "at": now(), "acted": acted, "heard": heard }));
}

/// Milliseconds, the same for all processes of a machine.
pub(crate) fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64() * 1e3
}

/// All that is to be seen, but for times, which change always.
fn state(circuit: &Circuit, fleet: &Fleet, calls: &Calls) -> Value {
    let snapshot = circuit.snapshot();
    json!({
        "state": snapshot.state.label(),
        "mode": snapshot.mode.label(),
        "ok": calls.ok.load(Relaxed),
        "failed": calls.failed.load(Relaxed),
        "rejected": calls.rejected.load(Relaxed),
        "fleet": snapshot.fleet.as_ref().map(fleet_now),
        "last_error": fleet.status().last_error.map(|error| error.to_string()),
    })
}

fn fleet_now(fleet: &FleetNow) -> Value {
    let why = match fleet.sharing {
        Sharing::Attached { .. } => None,
        Sharing::Detached { why, .. } => Some(why.label()),
        _ => Some("unknown"),
    };
    json!({
        "attached": why.is_none(),
        "why": why,
        "stamp": [fleet.stamp.0, fleet.stamp.1],
        "state": fleet.state.label(),
        "forced": fleet.forced,
        "who": fleet.who.as_ref().map(|who| who.as_str()),
        "contributors": fleet.contributors,
        "agreeing": fleet.agreeing,
        "calls": fleet.window.calls,
        "refused": fleet.refused,
        "mismatch": fleet.mismatch,
    })
}
