//! [`Entry`]: one answer at rest.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header::CONTENT_LENGTH};

use super::{
    conditional::{self, Verdict},
    freshness::Freshness,
    headers::{self, KeptHeaders},
    question::Question,
    servable::Served,
};
use crate::degrade::Because;

/// What the store itself needs for one answer, and the answer beside its headers and body: measured, and rounded up.
const OVERHEAD: usize = 320;

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) status: StatusCode,
    pub(super) headers: KeptHeaders,
    pub(super) body: Bytes,
    pub(super) freshness: Freshness,
    /// By the cache's clock, in nanoseconds.
    pub(super) asked_at: u64,
}

impl Entry {
    /// At most how much memory it takes, all in all.
    pub(super) fn bytes(&self) -> usize {
        OVERHEAD + self.headers.bytes() + self.body.len()
    }

    /// The answer once more. `None` if only the origin can answer.
    pub(super) fn answer(
        &self,
        question: &Question,
        served: Served,
        because: &Because<()>,
    ) -> Option<Response<Bytes>> {
        let kept = self.headers.restore();
        let (status, mut headers, body) = match conditional::verdict(question, &kept) {
            Verdict::Nothing => return None,
            Verdict::NotModified if self.status == StatusCode::OK => (
                StatusCode::NOT_MODIFIED,
                of_not_modified(&kept),
                Bytes::new(),
            ),
            _ if question.asks.is_head() => (self.status, self.with_length(kept), Bytes::new()),
            _ => (self.status, kept, self.body.clone()),
        };
        headers::mark(&mut headers, served, because);
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Some(response)
    }

    /// A body that is not sent has a length all the same, if it has one.
    fn with_length(&self, mut headers: HeaderMap) -> HeaderMap {
        if self.status != StatusCode::NO_CONTENT {
            headers
                .entry(CONTENT_LENGTH)
                .or_insert(self.body.len().into());
        }
        headers
    }
}

fn of_not_modified(kept: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in &conditional::OF_NOT_MODIFIED {
        for value in kept.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    headers
}
