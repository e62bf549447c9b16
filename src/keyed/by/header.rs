//! A key in a header.

use http::{HeaderMap, HeaderName, Request};

use crate::keyed::{Key, Scratch};

/// The value of a header, as it is. For tenants and shards that the caller names. A request has no key if the header is
/// missing or is there twice, or if its value is not visible ASCII or is longer than 256 bytes.
///
/// **Watch out:** if strangers can choose the value, call
/// [`known_keys_only`](crate::keyed::KeyedLayer::known_keys_only) and name the good ones in the registry.
///
/// ```
/// use http::HeaderName;
/// use tower_breaker::keyed::by;
///
/// let key = by::header(HeaderName::from_static("x-shard"));
/// # let _ = key;
/// ```
///
/// [`keyed`](crate::keyed#watch-out) shows it with named tenants.
#[must_use]
pub fn header(name: HeaderName) -> Header {
    Header(name)
}

/// The value of a header. Made by [`header`].
#[derive(Clone, Debug)]
pub struct Header(HeaderName);

impl Header {
    fn value<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        only(headers, &self.0)
    }
}

/// The value of a header that is there once. Of two, either could be meant.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

impl<B> Key<Request<B>> for Header {
    fn of<'a>(&'a self, request: &'a Request<B>, _: &'a mut Scratch) -> Option<&'a str> {
        self.value(request.headers())
    }
}

#[cfg(feature = "reqwest")]
impl Key<reqwest::Request> for Header {
    fn of<'a>(&'a self, request: &'a reqwest::Request, _: &'a mut Scratch) -> Option<&'a str> {
        self.value(request.headers())
    }
}
