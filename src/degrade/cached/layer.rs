//! [`CachedLayer`] and [`CachedService`].

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Method, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    Cached,
    body::CachedBody,
    changed::Changed,
    future::{CachedFuture, Task},
    question::Asks,
    shared::{Asked, Shared},
};
use crate::{
    circuit::classify::Classify,
    degrade::fallback::{BoxedErrors, CountedFor, Http, View},
    service::{check::ready_and_oneshot, classify::HttpClassifier},
};

/// A layer that gives the last good answer when the service inside has none. Made by [`Cached::layer`].
///
/// Put it around the breaker, and around whatever else rejects calls or cuts them off. Services that it makes share the
/// cache.
pub struct CachedLayer<C = HttpClassifier, V = Http> {
    cached: Cached,
    judge: Arc<Judge<C, V>>,
}

/// What is a failure, and for whom an answer is counted.
pub(super) struct Judge<C, V> {
    pub(super) classifier: Arc<C>,
    pub(super) counted: CountedFor,
    view: PhantomData<fn() -> V>,
}

impl<C, V> CachedLayer<C, V> {
    fn with<D, W>(self, classifier: Arc<D>) -> CachedLayer<D, W> {
        CachedLayer {
            judge: Arc::new(Judge {
                classifier,
                counted: self.judge.counted.clone(),
                view: PhantomData,
            }),
            cached: self.cached,
        }
    }

    /// Sets what a failure is, and so for which answers of the dependency a kept one is given. Use the breaker's
    /// classifier.
    ///
    /// Only successes are kept, and what is [answered](crate::Outcome::Answered), such as a 404.
    ///
    /// Default: [`HttpClassifier`].
    pub fn classify_with<D>(self, classifier: D) -> CachedLayer<D, V> {
        self.with(Arc::new(classifier))
    }

    /// Makes the layer fit services whose error is boxed: `Box<dyn Error + Send + Sync>`.
    ///
    /// Default: the error is a [`std::error::Error`].
    pub fn boxed_errors(self) -> CachedLayer<C, BoxedErrors<V>> {
        let classifier = self.judge.classifier.clone();
        self.with(classifier)
    }
}

impl CachedLayer {
    pub(super) fn new(cached: Cached, counted: CountedFor) -> Self {
        let judge = Judge {
            classifier: Arc::new(HttpClassifier::new()),
            counted,
            view: PhantomData,
        };
        Self {
            cached,
            judge: Arc::new(judge),
        }
    }
}

impl<C, V> Clone for CachedLayer<C, V> {
    fn clone(&self) -> Self {
        Self {
            cached: self.cached.clone(),
            judge: self.judge.clone(),
        }
    }
}

impl<C: fmt::Debug, V> fmt::Debug for CachedLayer<C, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedLayer")
            .field("classifier", &self.judge.classifier)
            .field("counted_for", &self.judge.counted)
            .finish_non_exhaustive()
    }
}

impl<S, C, V> Layer<S> for CachedLayer<C, V> {
    type Service = CachedService<S, C, V>;

    fn layer(&self, inner: S) -> Self::Service {
        CachedService {
            inner,
            cached: self.cached.clone(),
            judge: self.judge.clone(),
        }
    }
}

/// A service that gives the last good answers of the one inside. See [`CachedLayer`].
///
/// It is ready when the inner service is.
pub struct CachedService<S, C = HttpClassifier, V = Http> {
    inner: S,
    cached: Cached,
    judge: Arc<Judge<C, V>>,
}

ready_and_oneshot!(CachedService<S, C, V>);

impl<S, C, V> CachedService<S, C, V> {
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

impl<S: Clone, C, V> Clone for CachedService<S, C, V> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            cached: self.cached.clone(),
            judge: self.judge.clone(),
        }
    }
}

impl<S: fmt::Debug, C, V> fmt::Debug for CachedService<S, C, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, C, V, RB, B> Service<Request<RB>> for CachedService<S, C, V>
where
    RB: Body,
    S: Service<Request<RB>, Response = Response<B>>,
    C: Classify<Response<B>, S::Error>,
    V: View<Response<B>, S::Error>,
    B: Body,
{
    type Response = Response<CachedBody<B>>;
    type Error = S::Error;
    type Future = CachedFuture<S::Future, C, V>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<RB>) -> Self::Future {
        let task = task(&self.cached.0, &request);
        CachedFuture::new(self.inner.call(request), task, self.judge.clone())
    }
}

fn task<B: Body>(shared: &Arc<Shared>, request: &Request<B>) -> Task {
    let methods = &shared.rules.methods;
    if let Some(asks) = Asks::of(request, methods) {
        let asked = shared.counts.ok(Asked::begin(shared, request, asks));
        return asked.map_or(Task::Nothing, |asked| task_of(shared, Box::new(asked)));
    }
    shared.counts.add(Asks::why_not(request, methods));
    if is_safe(request.method()) {
        return Task::Nothing;
    }
    let changed = Changed::of(shared.clone(), request);
    changed.map_or(Task::Nothing, |changed| Task::Forget(Box::new(changed)))
}

fn task_of(shared: &Shared, asked: Box<Asked>) -> Task {
    let Some(why_not) = asked.why_not() else {
        return Task::Ask(asked);
    };
    shared.counts.add(why_not);
    Task::Heed(asked)
}

/// RFC 9110, section 9.2.1.
fn is_safe(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    )
}
