//! [`Shared`]: what all layers of one cache have in common. [`Asked`]: a question on its way.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Body;

use super::{
    builder::Rules,
    counts::{Counts, WhyNotAsked, WhyNotGiven, WhyNotKept},
    entry::Entry,
    freshness,
    headers::KeptHeaders,
    key::Keys,
    question::{Asks, Question},
    recording::Recording,
    recordings::{Place, Recordings},
    servable::{servable, why_not_servable},
    storable::{Storable, storable},
    store::{Store, ToKeep},
};
use crate::{circuit::clock::CircuitClock, degrade::Because};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) keys: Keys,
    pub(super) rules: Rules,
    clock: Clock,
    pub(super) recordings: Recordings,
    pub(super) counts: Counts,
}

struct Clock(CircuitClock);

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl Shared {
    pub(super) fn new(store: Store, keys: Keys, rules: Rules, clock: CircuitClock) -> Self {
        Self {
            store,
            keys,
            rules,
            clock: Clock(clock),
            recordings: Recordings::new(),
            counts: Counts::default(),
        }
    }
}

/// A question that was asked, and when.
#[derive(Debug)]
pub(super) struct Asked {
    shared: Arc<Shared>,
    question: Question,
    begun: u64,
    asked_at: u64,
}

impl Asked {
    /// An error if nobody can say whose answer it is.
    pub(super) fn begin<B: Body>(
        shared: &Arc<Shared>,
        request: &Request<B>,
        asks: Asks,
    ) -> Result<Self, WhyNotAsked> {
        let question = Question::of(request, asks, &shared.keys)?;
        Ok(Self {
            begun: shared.store.begin(),
            asked_at: shared.clock.0.now(),
            shared: shared.clone(),
            question,
        })
    }

    /// Why the cache does not keep the answer, nor gives another.
    pub(super) fn why_not(&self) -> Option<WhyNotAsked> {
        self.question.why_not
    }

    /// The dependency has answered, whatever it is. Whoever it says no to is given nothing from before.
    pub(super) fn heed(&self, status: StatusCode) {
        let Shared { store, keys, .. } = &*self.shared;
        if says_no(status) && keys.says_who(&self.question.headers) {
            store.forget_own(keys, &self.question);
        }
    }

    /// A good answer has come: records its body, if it is one to keep, and there is room.
    pub(super) fn record(self, status: StatusCode, headers: &HeaderMap) -> Option<Recording> {
        let shared = self.shared.clone();
        if self.question.asks.is_head() {
            return None;
        }
        shared.counts.ok(self.begin_recording(status, headers))
    }

    fn begin_recording(
        self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Recording, WhyNotKept> {
        let shared = self.shared.clone();
        let received = shared.clock.0.wall();
        let storable = storable(&self.question, status, headers, &shared.rules, received)?;
        let room = usize::try_from(storable.announced.unwrap_or(0));
        let room = room.map_err(|_| WhyNotKept::TooLarge)?;
        // Who passes a response on has to date it (RFC 9110, section 6.6.1).
        let date =
            freshness::write_date(received).and_then(|date| HeaderValue::try_from(date).ok());
        let date = date.ok_or(WhyNotKept::Other)?;
        let head = Head {
            status,
            headers: KeptHeaders::keep(headers, &date).ok_or(WhyNotKept::TooLarge)?,
            storable,
        };
        // Last: nobody loses a place to what is not kept.
        let place = Place::take(&shared, shared.clock.0.now(), room).ok_or(WhyNotKept::NoPlace)?;
        Ok(Recording::begin(self, head, place))
    }

    /// Keeps an answer that has come to its end.
    pub(super) fn keep(self, head: Head, body: Vec<u8>) {
        let Storable {
            freshness,
            depends_on,
            ..
        } = head.storable;
        let entry = Entry {
            status: head.status,
            headers: head.headers,
            // Exactly so long, as it is weighed.
            body: body.into_boxed_slice().into(),
            freshness,
            asked_at: self.asked_at,
        };
        let to_keep = ToKeep {
            question: &self.question,
            begun: self.begun,
            depends_on,
        };
        let Shared {
            store,
            keys,
            counts,
            ..
        } = &*self.shared;
        counts.ok(store.keep(keys, to_keep, entry));
    }

    /// Counts an answer that is not kept. Nobody expects that of one to a HEAD.
    pub(super) fn is_not_kept(&self, why: WhyNotKept) {
        if !self.question.asks.is_head() {
            self.shared.counts.add(why);
        }
    }

    /// There is no other answer: the last good one, if there is one that may be given.
    pub(super) fn answer(&self, because: &Because<()>) -> Option<Response<Bytes>> {
        self.shared.counts.ok(self.find_answer(because))
    }

    fn find_answer(&self, because: &Because<()>) -> Result<Response<Bytes>, WhyNotGiven> {
        let Shared {
            store,
            keys,
            rules,
            clock,
            ..
        } = &*self.shared;
        let question = &self.question;
        let entry = store.find(keys, question).ok_or(WhyNotGiven::None)?;
        let residence = Duration::from_nanos(clock.0.now().saturating_sub(entry.asked_at));
        let (freshness, wishes) = (&entry.freshness, &question.said);
        let served = servable(freshness, wishes, residence, rules)
            .ok_or_else(|| why_not_servable(freshness, wishes, residence))?;
        let answer = entry.answer(question, served, because);
        answer.ok_or(WhyNotGiven::Refused)
    }
}

/// To him who asks, and not to all.
fn says_no(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 451)
}

/// The head of an answer that is being recorded.
#[derive(Debug)]
pub(super) struct Head {
    status: StatusCode,
    headers: KeptHeaders,
    pub(super) storable: Storable,
}
