//! [`Target`]: what a request is for, and what a response names beside it.

use http::{
    HeaderMap, HeaderValue, Request, Uri,
    header::{CONTENT_LOCATION, HOST},
    uri::{Authority, PathAndQuery},
};

use super::key::{Key, Keys};

/// A URI, with the host that a header names if it does not.
#[derive(Debug)]
pub(super) struct Target {
    uri: Uri,
    host: Option<HeaderValue>,
}

impl Target {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        Self {
            uri: request.uri().clone(),
            host: request.headers().get(HOST).cloned(),
        }
    }

    /// Whether the `Content-Location` of a response names just this, byte for byte.
    pub(super) fn is_named_by(&self, response: &HeaderMap) -> bool {
        let mut values = response.get_all(CONTENT_LOCATION).iter();
        let reference = values.next().and_then(|value| value.to_str().ok());
        let whole = reference.filter(|reference| !reference.contains('#'));
        let path = whole.and_then(|reference| self.path_at(reference));
        let own = self.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        path.is_some_and(|path| path == own) && values.next().is_none()
    }

    /// The key of what a reference names, if that is of the same origin.
    pub(super) fn key_at(&self, reference: &str, keys: &Keys) -> Option<Key> {
        let (reference, _) = reference.split_once('#').unwrap_or((reference, ""));
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = Some(self.path_at(reference)?);
        let headers: HeaderMap = self.host.iter().map(|host| (HOST, host.clone())).collect();
        keys.of_target(&Uri::from_parts(parts).ok()?, &headers).ok()
    }

    /// The path of an absolute URI of the same origin, or one from the root. One that is relative to the request's path
    /// is left out: it is nothing that a service names in its headers.
    fn path_at(&self, reference: &str) -> Option<PathAndQuery> {
        let named: Uri = reference.parse().ok()?;
        let path = named.path_and_query()?.clone();
        let is_path = named.authority().is_none() && reference.starts_with('/');
        let is_own = is_path && !reference.starts_with("//") || self.is_of_this_origin(&named);
        is_own.then_some(path)
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
}
