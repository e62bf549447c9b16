//! [`Changed`]: what a request changes if it goes well (RFC 9111, section 4.4).

use std::sync::Arc;

use http::{
    HeaderMap, HeaderValue, Request, Response, Uri,
    header::{CONTENT_LOCATION, HOST, LOCATION},
    uri::{Authority, PathAndQuery},
};

use super::{key::Key, shared::Shared};

/// A request that is not safe, whose answers are out of date if it goes well.
#[derive(Debug)]
pub(super) struct Changed {
    shared: Arc<Shared>,
    target: Key,
    uri: Uri,
    host: Option<HeaderValue>,
}

impl Changed {
    pub(super) fn of<B>(shared: Arc<Shared>, request: &Request<B>) -> Option<Self> {
        let (uri, headers) = (request.uri(), request.headers());
        Some(Self {
            target: shared.keys.of_target(uri, headers)?,
            shared,
            uri: uri.clone(),
            host: headers.get(HOST).cloned(),
        })
    }

    /// It has gone well. What its response names goes, too, if it is of the same origin.
    pub(super) fn forget<B>(self, response: &Response<B>) {
        let store = &self.shared.store;
        store.forget(self.target);
        for name in [LOCATION, CONTENT_LOCATION] {
            let values = response.headers().get_all(name).into_iter();
            for target in values.filter_map(|value| self.target_of(value.to_str().ok()?)) {
                store.forget(target);
            }
        }
    }

    /// An absolute URI, or a path from the root. One that is relative to the request's path is left out: it is nothing
    /// that a service names in these headers.
    fn target_of(&self, reference: &str) -> Option<Key> {
        let (reference, _) = reference.split_once('#').unwrap_or((reference, ""));
        let named: Uri = reference.parse().ok()?;
        let path = named.path_and_query()?.clone();
        let is_path = named.authority().is_none() && reference.starts_with('/');
        if is_path && !reference.starts_with("//") || self.is_of_this_origin(&named) {
            self.at(path)
        } else {
            None
        }
    }

    fn is_of_this_origin(&self, named: &Uri) -> bool {
        let host = self.host.as_ref().and_then(|host| host.to_str().ok());
        let own = self.uri.authority().map(Authority::as_str).or(host);
        let others = named.authority().map(Authority::as_str);
        let same_scheme = self
            .uri
            .scheme()
            .is_none_or(|scheme| named.scheme() == Some(scheme));
        own.zip(others)
            .is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
            && same_scheme
    }

    /// That path, of the same origin.
    fn at(&self, path: PathAndQuery) -> Option<Key> {
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = Some(path);
        let headers: HeaderMap = self.host.iter().map(|host| (HOST, host.clone())).collect();
        let uri = Uri::from_parts(parts).ok()?;
        self.shared.keys.of_target(&uri, &headers)
    }
}
