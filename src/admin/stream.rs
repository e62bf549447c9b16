//! What happens, as it happens: server-sent events (rule L3).
//!
//! A stream has no queue. It has two places, one in the ring of events and one among the passes of the sampler, and
//! reads on from there when its client is ready for more. Nobody wakes it: it looks four times a second.

use std::{
    convert::Infallible,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use serde_json::json;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::{
    frame::frame,
    places::Place,
    ring::{self, Kept},
    sampler::{self, Looked, Sampler},
};
use crate::{
    circuit::{handle::Circuit, name::Name},
    machine::Era,
};

/// How often it looks.
const TICK: Duration = Duration::from_millis(250);

/// After so long without a word it says that it is still there, so that nobody in between takes it for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Whether streams shall end.
pub(super) type EndsWhen = dyn Fn() -> bool + Send + Sync;

/// Where a client was, as it says.
#[derive(Default)]
pub(super) struct From {
    /// The id of the last event that it was told.
    pub(super) last_event_id: Option<String>,
    /// The era of the last transition that it knows of, of the one circuit that it asks for.
    pub(super) since_era: Option<u64>,
}

/// The body of a stream.
pub(super) struct Stream {
    sampler: Arc<Sampler>,
    ends_when: Option<Arc<EndsWhen>>,
    place: Place,
    only: Option<Name>,
    stage: Stage,
    /// The place in the ring of events; until there is one, it is that of the list.
    event: Option<u64>,
    /// The last pass that was told.
    pass: u64,
    tick: Interval,
    told_at: Instant,
    /// Whether it is its turn to look at circuits.
    looks: bool,
    is_over: bool,
}

/// What is to be told next.
enum Stage {
    /// How long to wait before another try, and, with a reason, that what was known is worth nothing.
    Begin(Option<&'static str>),
    Reset(&'static str),
    /// Every circuit.
    List,
    /// What happens.
    Live,
}

impl Stream {
    pub(super) fn new(
        sampler: Arc<Sampler>,
        ends_when: Option<Arc<EndsWhen>>,
        place: Place,
        only: Option<&Circuit>,
        from: &From,
    ) -> Self {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (event, reset) = match resume(&sampler, only, from) {
            Ok(event) => (event, None),
            Err(why) => (None, Some(why)),
        };
        Self {
            sampler,
            ends_when,
            place,
            only: only.map(Circuit::shared_name),
            stage: Stage::Begin(reset),
            event,
            pass: 0,
            tick,
            told_at: Instant::now(),
            looks: false,
            is_over: false,
        }
    }

    /// What there is to tell now.
    fn next(&mut self, now: Instant) -> Option<Bytes> {
        loop {
            match self.stage {
                Stage::Begin(reset) => {
                    self.stage = reset.map_or(Stage::List, Stage::Reset);
                    return Some(Bytes::from_static(b"retry: 1000\n\n"));
                }
                Stage::Reset(why) => {
                    self.stage = Stage::List;
                    return Some(frame("reset", &json!({ "why": why })));
                }
                Stage::List => {
                    let looked = self.sampler.list(self.only.as_ref(), now);
                    let (pass, list) = self.come_of(looked)?;
                    (self.pass, self.stage) = (pass.number, Stage::Live);
                    self.event.get_or_insert(pass.events);
                    return Some(list);
                }
                Stage::Live => match self.next_event().or_else(|| self.next_update()) {
                    Some(bytes) => return Some(bytes),
                    // It was told of too few passes: it needs all of it again.
                    None if matches!(self.stage, Stage::List) => {}
                    None => return self.sign_of_life(now),
                },
            }
        }
    }

    /// What there is after a look, if it is done. Else there is another turn.
    fn come_of<T>(&mut self, looked: Looked<T>) -> Option<T> {
        match looked {
            Looked::Done(done) => return Some(done),
            Looked::More => self.looks = true,
            Looked::Busy => {}
            Looked::Gone => self.is_over = true,
        }
        None
    }

    fn next_event(&mut self) -> Option<Bytes> {
        let place = self.event.get_or_insert(0);
        loop {
            match self.sampler.ring.at(*place) {
                ring::Next::Event(kept) => {
                    *place += 1;
                    if concerns(self.only.as_ref(), &kept) {
                        return Some(kept.frame());
                    }
                }
                ring::Next::Lost(lost) => {
                    *place += lost;
                    self.stage = Stage::List;
                    return Some(frame("lagged", &json!({ "lost": lost })));
                }
                ring::Next::Nothing => return None,
            }
        }
    }

    fn next_update(&mut self) -> Option<Bytes> {
        loop {
            match self.sampler.after(self.pass) {
                sampler::Next::Pass(pass) => {
                    self.pass = pass.number;
                    let told = match &self.only {
                        None => Some(pass.update()),
                        Some(only) => pass.update_of(only),
                    };
                    if told.is_some() {
                        return told;
                    }
                }
                sampler::Next::Missed => {
                    self.stage = Stage::List;
                    return None;
                }
                sampler::Next::Nothing => return None,
            }
        }
    }

    fn sign_of_life(&self, now: Instant) -> Option<Bytes> {
        let silent = now.saturating_duration_since(self.told_at);
        (silent >= KEEP_ALIVE).then(|| Bytes::from_static(b":\n\n"))
    }

    fn ends(&self, now: Instant) -> bool {
        let ends = self.ends_when.as_ref().is_some_and(|ends| ends());
        ends || self.is_over || !self.place.keep(now)
    }
}

fn concerns(only: Option<&Name>, kept: &Kept) -> bool {
    only.is_none_or(|name| *name == kept.event.circuit)
}

/// The place to go on from, if the client says where it was; or why there is none.
fn resume(
    sampler: &Sampler,
    only: Option<&Circuit>,
    from: &From,
) -> Result<Option<u64>, &'static str> {
    if let Some(last) = &from.last_event_id {
        let known = "it is of another run of the service, or older than what is kept";
        return sampler.ring.behind(last).map(Some).ok_or(known);
    }
    let (Some(circuit), Some(era)) = (only, from.since_era) else {
        return Ok(None);
    };
    let (era, now) = (Era::new(era), circuit.core().era());
    if era == Era::new(now) {
        return Ok(None);
    }
    // The next era of the circuit is there, and with it all that came after.
    let next = era.next().number();
    let name = circuit.full_name();
    let place = sampler
        .ring
        .find(|event| event.circuit == *name && event.era == next);
    place
        .map(Some)
        .ok_or("that era is of another circuit, or older than what is kept")
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        loop {
            let now = Instant::now();
            if this.ends(now) {
                return Poll::Ready(None);
            }
            if mem::take(&mut this.looks) {
                let looked = this.sampler.tick(now);
                this.come_of(looked);
            }
            if let Some(bytes) = this.next(now) {
                this.told_at = now;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if this.looks {
                // Others first.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !this.is_over {
                ready!(this.tick.poll_tick(cx));
                this.looks = true;
            }
        }
    }
}
