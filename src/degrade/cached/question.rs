//! [`Question`]: what a request asks for, as far as the cache has to know it later.

use http::{
    HeaderMap, Method, Request,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use http_body::Body;

use super::{
    counts::WhyNotAsked,
    directives::Directives,
    headers::hop_by_hop,
    key::{Key, Keys, OVERRIDES},
    target::Target,
};

/// A request that only asks.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) target: Key,
    pub(super) asks: Asks,
    pub(super) headers: HeaderMap,
    pub(super) said: Directives,
    /// Why the cache does not keep its answer, nor answers it.
    pub(super) why_not: Option<WhyNotAsked>,
}

impl Question {
    /// An error if nobody can say whose answer it is. Of all that is wrong, the first of
    /// [`NotAsked`](super::NotAsked) is told.
    pub(super) fn of<B>(
        request: &Request<B>,
        asks: Asks,
        keys: &Keys,
    ) -> Result<Self, WhyNotAsked> {
        let headers = request.headers();
        let said = Directives::read(headers);
        let why_not = why_not(said, headers);
        let target = keys.of_target(request.uri(), headers);
        Ok(Self {
            target: target.map_err(|why| match (why, why_not) {
                (WhyNotAsked::Other, Some(why_not)) => why_not,
                _ => why,
            })?,
            asks,
            headers: headers.clone(),
            said: said.unwrap_or_default(),
            why_not,
        })
    }
}

fn why_not(said: Option<Directives>, headers: &HeaderMap) -> Option<WhyNotAsked> {
    if said.is_some_and(|said| said.no_store) {
        return Some(WhyNotAsked::NoStore);
    }
    let is_other = said.is_none() || has_headers_removed(headers).unwrap_or(true);
    is_other.then_some(WhyNotAsked::Other)
}

/// How a request asks.
#[derive(Debug)]
pub(super) enum Asks {
    Get,
    Head,
    /// By another method, of which the cache was told, for this.
    Told(Method, Target),
}

impl Asks {
    /// `None` if it does not only ask, or if its body may belong to what it asks.
    pub(super) fn of<B: Body>(request: &Request<B>, told: &[Method]) -> Option<Self> {
        let (method, headers) = (request.method(), request.headers());
        match *method {
            _ if announces_body(headers) || !is_empty(request.body()) => None,
            Method::GET => Some(Self::Get),
            Method::HEAD => Some(Self::Head),
            _ if told.contains(method) && is_what_it_says(headers) => {
                Some(Self::Told(method.clone(), Target::of(request)))
            }
            _ => None,
        }
    }

    /// Why a request is [none](Self::of).
    pub(super) fn why_not<B>(request: &Request<B>, told: &[Method]) -> WhyNotAsked {
        let (method, headers) = (request.method(), request.headers());
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        if is_read || told.contains(method) && is_what_it_says(headers) {
            WhyNotAsked::Body
        } else {
            WhyNotAsked::Method
        }
    }

    /// That by which answers are told apart. A HEAD is answered from a GET.
    pub(super) fn method(&self) -> &Method {
        match self {
            Self::Get | Self::Head => &Method::GET,
            Self::Told(method, _) => method,
        }
    }

    pub(super) fn is_head(&self) -> bool {
        matches!(self, Self::Head)
    }

    pub(super) fn is_told(&self) -> bool {
        matches!(self, Self::Told(..))
    }
}

/// Whether the answer may depend on more than the head.
fn announces_body(headers: &HeaderMap) -> bool {
    let announced = headers.get_all(CONTENT_LENGTH);
    headers.contains_key(TRANSFER_ENCODING) || announced.iter().any(|length| length != "0")
}

/// Usually no header says so before the request is on the wire.
fn is_empty(body: &impl Body) -> bool {
    body.is_end_stream() || body.size_hint().exact() == Some(0)
}

/// These are about the connection, and nobody answers by them.
const OF_CONNECTIONS: [&str; 7] = [
    "close",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailers",
    "upgrade",
];

/// Whether `Connection` has other headers removed on the way (RFC 9110, section 7.6.1). Then the dependency answers a
/// request without them, which is not the one that the key is made of. `None` if it is not understood.
fn has_headers_removed(headers: &HeaderMap) -> Option<bool> {
    let names = hop_by_hop(headers)?;
    Some(
        names
            .iter()
            .any(|name| !OF_CONNECTIONS.contains(&name.as_str())),
    )
}

/// Whether no framework takes it for a request with another method.
fn is_what_it_says(headers: &HeaderMap) -> bool {
    !OVERRIDES.iter().any(|name| headers.contains_key(name))
}
