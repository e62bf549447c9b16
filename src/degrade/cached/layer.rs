//! [`CachedLayer`] and [`CachedService`].

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, Method, Request, Response, Uri, header};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    Cached,
    body::CachedBody,
    future::{CachedFuture, Task},
    key::Key,
    shared::{Asked, Shared},
};
use crate::{
    circuit::{classify::Classify, handle::Circuit},
    service::classify::HttpClassifier,
};

/// Gives the last good answer when the service inside has none: [`Cached::layer`].
///
/// It goes around the breaker, and around whatever else rejects calls or cuts them off. Services that it makes share
/// the cache.
#[derive(Debug)]
pub struct CachedLayer<C = HttpClassifier> {
    cached: Cached,
    judge: Judge<C>,
}

/// What is a failure, and for whom an answer is counted.
#[derive(Debug)]
pub(super) struct Judge<C> {
    pub(super) classifier: Arc<C>,
    pub(super) circuit: Option<Circuit>,
}

impl<C> Clone for Judge<C> {
    fn clone(&self) -> Self {
        Self {
            classifier: self.classifier.clone(),
            circuit: self.circuit.clone(),
        }
    }
}

impl<C> Clone for CachedLayer<C> {
    fn clone(&self) -> Self {
        Self {
            cached: self.cached.clone(),
            judge: self.judge.clone(),
        }
    }
}

impl CachedLayer {
    pub(super) fn new(cached: Cached) -> Self {
        let judge = Judge {
            classifier: Arc::new(HttpClassifier::new()),
            circuit: None,
        };
        Self { cached, judge }
    }
}

impl<C> CachedLayer<C> {
    /// Says what a failure is, and so for which answers of the dependency a kept one is given. Take the breaker's.
    ///
    /// Only successes are kept, and what is [answered](crate::Outcome::Answered), such as a 404.
    ///
    /// Default: [`HttpClassifier`].
    pub fn classify_with<D>(self, classifier: D) -> CachedLayer<D> {
        CachedLayer {
            cached: self.cached,
            judge: Judge {
                classifier: Arc::new(classifier),
                circuit: self.judge.circuit,
            },
        }
    }

    /// Counts what is given from here for this circuit, in [`Snapshot::parts`](crate::Snapshot::parts), and tells those
    /// who hear of its calls: as an answer if there was one to give, else as one that failed as well.
    ///
    /// Default: nothing is counted.
    #[must_use]
    pub fn counted_for(mut self, circuit: &Circuit) -> Self {
        self.judge.circuit = Some(circuit.clone());
        self
    }
}

impl<S, C> Layer<S> for CachedLayer<C> {
    type Service = CachedService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        CachedService {
            inner,
            cached: self.cached.clone(),
            judge: self.judge.clone(),
        }
    }
}

/// A service with the last good answers of the one inside: see [`CachedLayer`].
pub struct CachedService<S, C = HttpClassifier> {
    inner: S,
    cached: Cached,
    judge: Judge<C>,
}

impl<S, C> CachedService<S, C> {
    /// The service inside.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service inside.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, C> Clone for CachedService<S, C> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            cached: self.cached.clone(),
            judge: self.judge.clone(),
        }
    }
}

impl<S: fmt::Debug, C> fmt::Debug for CachedService<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedService")
            .field("inner", &self.inner)
            .field("cached", &self.cached)
            .finish_non_exhaustive()
    }
}

impl<S, C, RB, B> Service<Request<RB>> for CachedService<S, C>
where
    S: Service<Request<RB>, Response = Response<B>>,
    S::Error: 'static,
    C: Classify<Response<B>, S::Error>,
    B: Body,
{
    type Response = Response<CachedBody<B>>;
    type Error = S::Error;
    type Future = CachedFuture<S::Future, C>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<RB>) -> Self::Future {
        let task = task(&self.cached.0, &request);
        CachedFuture::new(self.inner.call(request), task, self.judge.clone())
    }
}

fn task<B>(shared: &Arc<Shared>, request: &Request<B>) -> Task {
    if !is_safe(request.method()) {
        let changed = Changed::of(shared.clone(), request);
        return changed.map_or(Task::Nothing, Task::Forget);
    }
    Asked::begin(shared, request).map_or(Task::Nothing, |asked| Task::Ask(Box::new(asked)))
}

/// RFC 9110, section 9.2.1.
fn is_safe(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    )
}

/// What a request changes if it goes well (RFC 9111, section 4.4).
#[derive(Debug)]
pub(super) struct Changed {
    shared: Arc<Shared>,
    target: Key,
    uri: Uri,
    host: Option<http::HeaderValue>,
}

impl Changed {
    fn of<B>(shared: Arc<Shared>, request: &Request<B>) -> Option<Self> {
        Some(Self {
            target: shared.keys.of_target(request.uri(), request.headers())?,
            shared,
            uri: request.uri().clone(),
            host: request.headers().get(header::HOST).cloned(),
        })
    }

    /// It has gone well. What its response names goes, too, if it is of the same origin.
    pub(super) fn forget<B>(self, response: &Response<B>) {
        let store = &self.shared.store;
        store.forget(self.target);
        for name in [header::LOCATION, header::CONTENT_LOCATION] {
            let values = response.headers().get_all(name).into_iter();
            for target in values.filter_map(|value| self.target_of(value.to_str().ok()?)) {
                store.forget(target);
            }
        }
    }

    /// Relative to the request, but not relative to its path: that has no slash before it, and is left out.
    fn target_of(&self, reference: &str) -> Option<Key> {
        let reference = reference.split('#').next()?;
        let same_origin = if reference.starts_with('/') && !reference.starts_with("//") {
            reference
        } else {
            let absolute: Uri = reference.parse().ok()?;
            let authority = absolute.authority()?.as_str();
            let own = self.uri.authority().map(http::uri::Authority::as_str);
            let host = self.host.as_ref().and_then(|host| host.to_str().ok());
            let same = own.or(host)?.eq_ignore_ascii_case(authority);
            let scheme = self
                .uri
                .scheme()
                .is_none_or(|scheme| Some(scheme) == absolute.scheme());
            let path = absolute.path_and_query().filter(|_| same && scheme)?;
            return self.at(path.clone());
        };
        self.at(same_origin.parse().ok()?)
    }

    /// That path, of the same origin.
    fn at(&self, path: http::uri::PathAndQuery) -> Option<Key> {
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = Some(path);
        let headers: HeaderMap = self
            .host
            .iter()
            .map(|host| (header::HOST, host.clone()))
            .collect();
        self.shared
            .keys
            .of_target(&Uri::from_parts(parts).ok()?, &headers)
    }
}
