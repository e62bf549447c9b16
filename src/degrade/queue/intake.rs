//! [`Intake`]: which calls are kept, and what of them.

use std::{error::Error, fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header::CONTENT_TYPE};

use super::{
    allow::{AllowedHeaders, CredentialHeader},
    entry::{Entry, IDEMPOTENCY_KEY},
    key::{MadeHere, new_key},
    outbox::Id,
};

/// With whatever comes after it.
const GRPC: &[u8] = b"application/grpc";

/// A call that was kept. It is in the extensions of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// The number of its entry.
    pub id: Id,
    /// The order key of its entry.
    pub order_key: Arc<str>,
    /// The key that it is sent with, each time.
    pub idempotency_key: HeaderValue,
    /// Whether it outlives the process.
    pub durable: bool,
}

type OrderBy = dyn Fn(&Request<()>) -> String + Send + Sync;
type AnswerHeaders = dyn Fn(&Accepted, &mut HeaderMap) + Send + Sync;
type OutboxError = dyn Fn(&(dyn Error + 'static)) + Send + Sync;

/// Which calls are kept, and what of them.
#[derive(Clone)]
pub(super) struct Intake {
    pub(super) methods: Vec<Method>,
    pub(super) allowed: AllowedHeaders,
    pub(super) order_by: Arc<OrderBy>,
    pub(super) body_limit: u64,
    pub(super) on_failure: bool,
    pub(super) answer_headers: Option<Arc<AnswerHeaders>>,
    pub(super) outbox_error: Option<Arc<OutboxError>>,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            methods: vec![Method::POST, Method::PUT, Method::PATCH, Method::DELETE],
            allowed: AllowedHeaders::default(),
            order_by: Arc::new(address),
            body_limit: 64 << 10,
            on_failure: false,
            answer_headers: None,
            outbox_error: None,
        }
    }
}

/// What is sent to the same place is in order.
fn address(head: &Request<()>) -> String {
    let uri = head.uri();
    let to = uri.authority().map_or("", |to| to.as_str());
    let host = to.rsplit_once('@').map_or(to, |(_, host)| host);
    format!("{host}{}", uri.path())
}

impl Intake {
    pub(super) fn takes<B>(&self, request: &Request<B>) -> bool {
        let content_type = request.headers().get(CONTENT_TYPE);
        let is_grpc = |content_type: &HeaderValue| {
            let content_type = content_type.as_bytes();
            content_type.len() >= GRPC.len()
                && content_type[..GRPC.len()].eq_ignore_ascii_case(GRPC)
        };
        self.methods.contains(request.method()) && !content_type.is_some_and(is_grpc)
    }

    pub(super) fn allow(&mut self, name: HeaderName) -> Result<(), CredentialHeader> {
        self.allowed.allow(name)
    }

    /// What is kept of a request, but for its body.
    pub(super) fn entry(&self, head: &Request<()>) -> Entry {
        let order_key = (self.order_by)(head);
        Entry::of_head(head, &self.allowed, order_key.into())
    }
}

impl Intake {
    /// The key that a request is sent with, the first time as well; one that it has is left. An empty one is none: no
    /// dependency knows a call by it.
    pub(super) fn ensure_key<B>(&self, request: &mut Request<B>) -> HeaderValue {
        let sent = request.headers().get(IDEMPOTENCY_KEY);
        if let Some(key) = sent.filter(|key| !key.is_empty()) {
            return key.clone();
        }
        let key = new_key();
        request.headers_mut().insert(IDEMPOTENCY_KEY, key.clone());
        // Where failures are kept, it is said that the dependency knows a call by its key.
        if cfg!(feature = "retries") && !self.on_failure {
            request.extensions_mut().insert(MadeHere);
        }
        key
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake")
            .field("methods", &self.methods)
            .field("allowed", &self.allowed)
            .field("body_limit", &self.body_limit)
            .field("on_failure", &self.on_failure)
            .finish_non_exhaustive()
    }
}
