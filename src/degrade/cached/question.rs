//! [`Question`]: what a request asks for, as far as the cache has to know it later.

use http::{
    HeaderMap, Method, Request,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use http_body::Body;

use super::{
    directives::Directives,
    headers::hop_by_hop,
    key::{Key, Keys},
};

/// A request that the cache may keep an answer for, or answer.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) target: Key,
    pub(super) is_head: bool,
    pub(super) headers: HeaderMap,
    pub(super) said: Directives,
}

impl Question {
    /// `None` for everything that the cache has nothing to do with.
    pub(super) fn of<B: Body>(request: &Request<B>, keys: &Keys) -> Option<Self> {
        let is_head = request.method() == Method::HEAD;
        let headers = request.headers();
        let has_body = announces_body(headers) || !is_empty(request.body());
        if !is_head && request.method() != Method::GET || has_body || has_headers_removed(headers)?
        {
            return None;
        }
        let said = Directives::read(headers).filter(|said| !said.no_store)?;
        Some(Self {
            target: keys.of_target(request.uri(), headers)?,
            is_head,
            headers: headers.clone(),
            said,
        })
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
