//! Who is on the scene, and the line that shows it: redrawn on a terminal, else printed each second if it
//! is another one.

use std::{
    io::{IsTerminal as _, Write as _, stdout},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::time::sleep;
use tower_breaker::fleet::Memory;

use crate::{
    handle::Instance,
    redis::RedisServer,
    upstream::{Answers, Upstream},
};

const LOOKS_EVERY: Duration = Duration::from_millis(50);

/// Where the fleet's state is.
#[derive(Debug)]
pub(crate) enum Store {
    /// On a server that the example has started.
    Own(RedisServer),
    /// On somebody's, by its URL.
    Other(String),
    /// In this process.
    Memory(Memory),
}

impl Store {
    pub(crate) fn url(&self) -> Option<String> {
        match self {
            Self::Own(server) => Some(server.url()),
            Self::Other(url) => Some(url.clone()),
            Self::Memory(_) => None,
        }
    }
}

/// All that is on the scene.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) store: Store,
    pub(crate) upstream: Upstream,
    pub(crate) instances: Vec<Instance>,
    /// From when on whoever comes to the upstream is a probe.
    pub(crate) probes_since: Option<Instant>,
    began: Instant,
    printed: Option<(Instant, String)>,
}

impl Scene {
    pub(crate) fn new(store: Store, upstream: Upstream) -> Self {
        Self {
            store,
            upstream,
            instances: Vec::new(),
            probes_since: None,
            began: Instant::now(),
            printed: None,
        }
    }

    pub(crate) fn is_memory(&self) -> bool {
        matches!(self.store, Store::Memory(_))
    }

    /// Whether all of them are so.
    pub(crate) fn all(&self, is_so: impl Fn(&Value) -> bool) -> bool {
        self.instances
            .iter()
            .all(|instance| is_so(&instance.state()))
    }

    /// Of a counter of each, the sum.
    pub(crate) fn sum(&self, counter: &str) -> u64 {
        let states = self.instances.iter().map(Instance::state);
        states.filter_map(|state| state[counter].as_u64()).sum()
    }

    /// How many probes the upstream has seen.
    pub(crate) fn probes(&self) -> usize {
        self.probes_since
            .map_or(0, |since| self.upstream.since(since).len())
    }

    /// What happens now.
    pub(crate) fn tell(&mut self, what: &str) {
        if stdout().is_terminal() && self.printed.is_some() {
            println!();
        }
        println!("\n{:5.1} s  {what}", self.began.elapsed().as_secs_f64());
        self.printed = None;
    }

    /// Shows the line until it is so, or for so long at most. Whether it was.
    pub(crate) async fn until(
        &mut self,
        limit: Duration,
        mut is_so: impl FnMut(&Self) -> bool,
    ) -> bool {
        let until = Instant::now() + limit;
        loop {
            let was = is_so(self);
            self.show(was);
            if was || Instant::now() > until {
                return was;
            }
            sleep(LOOKS_EVERY).await;
        }
    }

    /// Shows the line for so long.
    pub(crate) async fn watch(&mut self, time: Duration) {
        let until = Instant::now() + time;
        self.until(time * 2, |_| Instant::now() >= until).await;
    }

    fn show(&mut self, at_once: bool) {
        let line = self.line();
        let printed = self.printed.as_ref();
        if printed.is_some_and(|(_, before)| *before == line) {
            return;
        }
        if stdout().is_terminal() {
            print!("\r\x1b[2K{line}");
            drop(stdout().flush());
        } else if at_once || printed.is_none_or(|(at, _)| at.elapsed().as_secs() >= 1) {
            println!("         {line}");
        } else {
            return;
        }
        self.printed = Some((Instant::now(), line));
    }

    /// `redis up │ a closed b closed │ fleet closed, 2 instances, 0 agree │ upstream ok 2/s, failed 0/s, probes 0`.
    fn line(&self) -> String {
        let states: Vec<Value> = self.instances.iter().map(Instance::state).collect();
        let attached = states
            .iter()
            .filter(|state| state["fleet"]["attached"] == true)
            .count();
        let where_it_is = if self.is_memory() { "memory" } else { "redis" };
        let store = match attached {
            0 if states.iter().any(|state| state["fleet"].is_null()) => "beginning".to_owned(),
            0 => format!("{where_it_is} away, each alone"),
            all if all == states.len() => format!("{where_it_is} up"),
            some => format!("{where_it_is}: {some} of {} are there", states.len()),
        };
        let each: Vec<String> = self
            .instances
            .iter()
            .zip(&states)
            .map(|(instance, state)| format!("{} {}", instance.name, short(state)))
            .collect();
        let fleet = states
            .iter()
            .find(|state| state["fleet"]["attached"] == true);
        let fleet = fleet.map_or("no fleet".into(), |state| {
            let fleet = &state["fleet"];
            let state = if fleet["forced"] == true {
                "forced open"
            } else {
                word(&fleet["state"])
            };
            format!(
                "fleet {state}, {} with calls, {} agree",
                fleet["contributors"], fleet["agreeing"]
            )
        });
        let (ok, failed) = self.last_second();
        let probes = self.probes();
        let each = each.join("  ");
        format!(
            "{store} │ {each} │ {fleet} │ upstream ok {ok}/s, failed {failed}/s, probes {probes}"
        )
    }

    /// What the upstream has answered in the last second.
    fn last_second(&self) -> (usize, usize) {
        let second = Instant::now().checked_sub(Duration::from_secs(1));
        let seen = self.upstream.since(second.unwrap_or(self.began));
        let ok = seen
            .iter()
            .filter(|call| call.answered == Answers::Ok)
            .count();
        (ok, seen.len() - ok)
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn short(state: &Value) -> &str {
    if state["mode"] == "forced_open" {
        return "forced";
    }
    match word(&state["state"]) {
        "half_open" => "half",
        other => other,
    }
}
