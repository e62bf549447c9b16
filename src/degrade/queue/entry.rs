//! [`Entry`]: a request that is kept.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    uri::{Authority, Parts as UriParts},
};

use super::allow::AllowedHeaders;

/// The header that says which requests are the same one, so that a server does not do it twice.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What an entry takes beside what is in it: a round number for maps, counts and times.
const OVERHEAD: u64 = 256;

/// A request that is kept, to be made later.
///
/// It has no more than it needs to be made. Of the headers, it has only those that [are
/// allowed](super::OutboxLayer::allow_header). It has no user and no password of the authority, and no extensions.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    order_key: Arc<str>,
}

impl Entry {
    /// Makes an entry of these parts, for an [`Outbox`](super::Outbox) that reads it from somewhere.
    #[must_use]
    pub fn new(
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
        order_key: impl Into<Arc<str>>,
    ) -> Self {
        Self {
            method,
            uri,
            headers,
            body,
            order_key: order_key.into(),
        }
    }

    /// What may be kept of a head. The body is added when it is there.
    pub(super) fn of_head(
        head: &Request<()>,
        allowed: &AllowedHeaders,
        order_key: Arc<str>,
    ) -> Self {
        Self {
            method: head.method().clone(),
            uri: without_user(head.uri()),
            headers: allowed.of(head.headers()),
            body: Bytes::new(),
            order_key,
        }
    }

    pub(super) fn with_body(self, body: Bytes) -> Self {
        Self { body, ..self }
    }

    /// The same in memory of its own. What comes from a connection is a part of what was read there, all of which would
    /// stay as long as the entry does.
    pub(super) fn on_its_own(self) -> Self {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), copied(value)));
        Self {
            uri: self.uri.to_string().parse().unwrap_or(self.uri),
            headers: headers.collect(),
            body: Bytes::copy_from_slice(&self.body),
            ..self
        }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Where it goes to.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The headers that are kept.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The order key. Entries with the same one are delivered in the order in which they came, and never two at once.
    #[must_use]
    pub fn order_key(&self) -> &str {
        &self.order_key
    }

    pub(super) fn shared_order_key(&self) -> &Arc<str> {
        &self.order_key
    }

    /// The [`Idempotency-Key`](IDEMPOTENCY_KEY), which goes out with each try.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&HeaderValue> {
        self.headers.get(IDEMPOTENCY_KEY)
    }

    /// How many bytes it takes, about: what is in it, and something for what is around that.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes_with_body(count(self.body.len()))
    }

    /// The same, with a body of so many.
    pub(super) fn bytes_with_body(&self, body: u64) -> u64 {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| count(name.as_str().len() + value.len()));
        let uri = self.uri.path().len()
            + self.uri.query().map_or(0, str::len)
            + self.uri.authority().map_or(0, |to| to.as_str().len());
        let head = count(uri + self.order_key.len()) + headers.sum::<u64>();
        OVERHEAD.saturating_add(head).saturating_add(body)
    }

    /// Makes the request of this entry.
    #[must_use]
    pub fn to_request<B: From<Bytes>>(&self) -> Request<B> {
        let mut request = Request::new(B::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

fn copied(value: &HeaderValue) -> HeaderValue {
    let copy = HeaderValue::from_bytes(value.as_bytes());
    let mut copy = copy.unwrap_or_else(|_| value.clone());
    copy.set_sensitive(value.is_sensitive());
    copy
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// No credentials at rest: those before the host are none of the address.
fn without_user(uri: &Uri) -> Uri {
    let host_of = |authority: &Authority| {
        let (_, host) = authority.as_str().rsplit_once('@')?;
        host.parse::<Authority>().ok()
    };
    let Some(host) = uri.authority().and_then(host_of) else {
        return uri.clone();
    };
    let mut parts = UriParts::from(uri.clone());
    parts.authority = Some(host);
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

/// What is in it may be nobody's business.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("method", &self.method)
            .field("path", &self.uri.path())
            .field("order_key", &self.order_key)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // M6
    #[test]
    fn no_user_and_no_password_are_kept() {
        for (given, kept) in [
            ("http://ann:secret@shop/a?b=c", "http://shop/a?b=c"),
            ("http://a@b@shop:80/", "http://shop:80/"),
            ("http://ann@[::1]:80/x", "http://[::1]:80/x"),
            ("http://shop/ann@home", "http://shop/ann@home"),
            ("/orders", "/orders"),
        ] {
            // What is no address at all never gets here.
            let Ok(given) = given.parse::<Uri>() else {
                continue;
            };
            assert_eq!(without_user(&given), kept);
        }
    }
}
