//! [`Question`]: what a request asks for, as far as the cache has to know it later.

use http::{
    HeaderMap, Method, Request,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};

use super::{
    directives::Directives,
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
    pub(super) fn of<B>(request: &Request<B>, keys: &Keys) -> Option<Self> {
        let is_head = request.method() == Method::HEAD;
        let headers = request.headers();
        if !is_head && request.method() != Method::GET || has_body(headers) {
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

/// Whose answer may depend on more than its head.
fn has_body(headers: &HeaderMap) -> bool {
    let announced = headers.get_all(CONTENT_LENGTH);
    headers.contains_key(TRANSFER_ENCODING) || announced.iter().any(|length| length != "0")
}
