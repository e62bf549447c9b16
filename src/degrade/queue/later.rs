//! [`Later`]: a service whose rejected calls are kept.

use std::{
    fmt,
    marker::PhantomData,
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use tower_service::Service;

use super::{
    collect::{CollectError, collect, known_length, ready},
    entry::{Entry, IDEMPOTENCY_KEY},
    future::QueueFuture,
    intake::{Accepted, Intake},
    ledger::{Room, count},
    outbox::{Outbox, Put},
};
use crate::{
    circuit::{
        call_event::FellBack,
        handle::Circuit,
        nesting,
        parts::{FallbackCause, FallbackKind},
    },
    degrade::{
        Degraded,
        fallback::{Http, Note, View},
    },
    machine::Refusal,
    service::{check::ready_and_oneshot, reject::service_unavailable},
};

/// Says in the answer how the call is kept: `in-memory` or `durably`.
const KEPT: HeaderName = HeaderName::from_static("x-kept");

/// A service whose rejected calls are kept, and made later. Made by a [`DeferLayer`](super::DeferLayer), with
/// [`Memory`](super::Memory) for `O`, or by an [`OutboxLayer`](super::OutboxLayer).
#[must_use = "services do nothing unless called"]
pub struct Later<S, O, V = Http> {
    inner: S,
    plan: Arc<Plan<O>>,
    view: PhantomData<fn() -> V>,
}

ready_and_oneshot!(Later<S, O, V>);

pub(super) struct Plan<O> {
    pub(super) circuit: Circuit,
    pub(super) outbox: O,
    pub(super) intake: Intake,
}

impl<S, O, V> Later<S, O, V> {
    pub(super) fn new(inner: S, plan: Plan<O>) -> Self {
        Self {
            inner,
            plan: Arc::new(plan),
            view: PhantomData,
        }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, O, V, B, RB> Service<Request<B>> for Later<S, O, V>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    O: Outbox,
    V: View<Response<RB>, S::Error> + 'static,
    B: Body<Data: Send> + From<Bytes> + Send + 'static,
    RB: Default + Send,
{
    type Response = Response<RB>;
    type Error = S::Error;
    type Future = QueueFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if !self.plan.intake.takes(&request) {
            return QueueFuture::through(self.inner.call(request));
        }
        self.plan.look_where_it_is();
        let key = self.plan.intake.ensure_key(&mut request);
        // What was found ready goes along, and a clone stays.
        let fresh = self.inner.clone();
        let inner = mem::replace(&mut self.inner, fresh);
        let plan = self.plan.clone();
        QueueFuture::boxed(
            async move { plan.call_or_keep::<S, V, B, RB>(inner, request, key).await },
        )
    }
}

/// What becomes of a request that may be kept, before it is sent.
enum Way {
    /// As it is: it cannot be kept.
    Through,
    /// It has room, for a body of so many bytes.
    Keepable(Room, u64),
}

impl<O: Outbox> Plan<O> {
    /// A breaker further out rejects calls before this is asked, so that nobody would see why nothing is kept.
    fn look_where_it_is(&self) {
        if nesting::is_any() && nesting::is_called(self.circuit.identity()) {
            self.circuit.note_misplaced();
        }
    }

    async fn call_or_keep<S, V, B, RB>(
        &self,
        mut inner: S,
        request: Request<B>,
        key: HeaderValue,
    ) -> Result<Response<RB>, S::Error>
    where
        S: Service<Request<B>, Response = Response<RB>>,
        V: View<Response<RB>, S::Error>,
        B: Body + From<Bytes>,
        RB: Default,
    {
        let (head, body) = split(request);
        // It is known before it is read whether it would be rejected, and it is read only then if it has no length.
        let refusal = self.circuit.refusal();
        let entry = self.intake.entry(&head);
        let way = self.way(&entry, known_length(&body), refusal);
        let Way::Keepable(room, limit) = way else {
            ready(&mut inner).await?;
            let result = inner.call(join(head, body)).await;
            if let Some(cause) = self.cause::<V, _, _>(&result) {
                self.refused(cause);
            }
            return result;
        };
        let body = match collect(body, limit).await {
            Ok(body) => body,
            Err(error) => return Ok(self.not_read(error, refusal)),
        };
        ready(&mut inner).await?;
        let result = inner.call(join(head, B::from(body.clone()))).await;
        let Some(cause) = self.cause::<V, _, _>(&result) else {
            return result;
        };
        match self.keep(entry.with_body(body), room, key).await {
            Some(accepted) => {
                drop(result);
                self.note(cause, true);
                Ok(self.accepted(accepted, cause))
            }
            None => {
                self.refused(cause);
                result
            }
        }
    }

    fn way(&self, entry: &Entry, length: Option<u64>, refusal: Option<Refusal>) -> Way {
        let limit = self.intake.body_limit;
        let may_be = match length {
            Some(length) => (length <= limit).then_some(length),
            None => refusal.map(|_| limit),
        };
        let with_room = |length| {
            let room = self.outbox.ledger().reserve(entry.bytes_with_body(length));
            room.map(|room| Way::Keepable(room, length))
        };
        may_be.and_then(with_room).unwrap_or(Way::Through)
    }

    /// Why it is kept, if it is to be.
    fn cause<V, RB, E>(&self, result: &Result<Response<RB>, E>) -> Option<FallbackCause>
    where
        V: View<Response<RB>, E>,
    {
        let (note, has_failed) = match result {
            Ok(response) => {
                let has_failed = response.status().is_server_error();
                (V::note_in_response(response), has_failed)
            }
            Err(error) => (V::note_in_error(error), true),
        };
        let failed = |cause| (self.intake.on_failure && has_failed).then_some(cause);
        match note {
            Note::Rejected(rejected) => Some(FallbackCause::Rejected(rejected.reason())),
            Note::TimedOut(_) => failed(FallbackCause::TimedOut),
            Note::None => failed(FallbackCause::Failed),
            Note::Degraded => None,
        }
    }

    async fn keep(&self, entry: Entry, mut room: Room, key: HeaderValue) -> Option<Accepted> {
        let entry = entry.on_its_own();
        room.shrink_to(entry.bytes());
        let order_key = entry.shared_order_key().clone();
        match self.outbox.put(entry, room).await {
            Ok(Put::Kept(id)) => Some(Accepted {
                id,
                order_key,
                idempotency_key: key,
                durable: O::DURABLE,
            }),
            Ok(Put::Closed) => None,
            Err(error) => {
                if let Some(told) = &self.intake.outbox_error {
                    told(&error);
                }
                None
            }
        }
    }

    /// 202, with all that there is to say.
    fn accepted<RB: Default>(&self, accepted: Accepted, cause: FallbackCause) -> Response<RB> {
        let mut response = Response::new(RB::default());
        *response.status_mut() = StatusCode::ACCEPTED;
        let how = if O::DURABLE { "durably" } else { "in-memory" };
        let headers = response.headers_mut();
        headers.insert(KEPT, HeaderValue::from_static(how));
        headers.insert(IDEMPOTENCY_KEY, accepted.idempotency_key.clone());
        if let Some(add) = &self.intake.answer_headers {
            add(&accepted, headers);
        }
        response.extensions_mut().insert(accepted);
        Degraded::new(kind::<O>(), cause).mark_response(response)
    }

    /// Its body was not there.
    fn not_read<RB: Default>(&self, error: CollectError, refusal: Option<Refusal>) -> Response<RB> {
        match (error, refusal) {
            (CollectError::TooLong, Some(refusal)) => {
                let rejected = self.circuit.rejected_cold(refusal);
                self.refused(FallbackCause::Rejected(rejected.reason()));
                service_unavailable(rejected)
            }
            _ => {
                let mut response = Response::new(RB::default());
                *response.status_mut() = StatusCode::BAD_REQUEST;
                response
            }
        }
    }

    /// It is not kept, and its caller gets what the call came to.
    #[cold]
    fn refused(&self, cause: FallbackCause) {
        count(&self.outbox.ledger().totals.refused);
        self.note(cause, false);
        self.circuit.note_refused_by_queue();
    }

    fn note(&self, cause: FallbackCause, answered: bool) {
        self.circuit.note_fallback(FellBack {
            kind: kind::<O>(),
            cause,
            answered,
        });
    }
}

fn kind<O: Outbox>() -> FallbackKind {
    match O::DURABLE {
        true => FallbackKind::Outbox,
        false => FallbackKind::Defer,
    }
}

fn split<B>(request: Request<B>) -> (Request<()>, B) {
    let (head, body) = request.into_parts();
    (Request::from_parts(head, ()), body)
}

fn join<B>(head: Request<()>, body: B) -> Request<B> {
    head.map(|()| body)
}

impl<S: Clone, O, V> Clone for Later<S, O, V> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            plan: self.plan.clone(),
            view: PhantomData,
        }
    }
}

impl<S: fmt::Debug, O, V> fmt::Debug for Later<S, O, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later")
            .field("inner", &self.inner)
            .field("circuit", &self.plan.circuit)
            .field("intake", &self.plan.intake)
            .finish_non_exhaustive()
    }
}
