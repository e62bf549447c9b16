//! [`Repeat`]: which requests may be made twice.

use http::{HeaderName, Request};

use crate::degrade::queue::MadeHere;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says which requests may be made twice: a closure `|request: &http::Request<B>| -> bool`, or [`Idempotent`].
///
/// It is asked before the call, and only of a request that may be repeated a copy is kept.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say which `http::Request<{B}>` may be repeated",
    label = "neither `Idempotent` nor a closure `|request: &http::Request<{B}>| -> bool`"
)]
pub trait Repeat<B> {
    /// Whether this request may be made twice.
    fn may_repeat(&self, request: &Request<B>) -> bool;
}

// Or the compiler would say of every other type that it is no closure.
#[diagnostic::do_not_recommend]
impl<F, B> Repeat<B> for F
where
    F: Fn(&Request<B>) -> bool,
{
    fn may_repeat(&self, request: &Request<B>) -> bool {
        self(request)
    }
}

/// The default: repeats requests that mean the same when they are made twice (RFC 9110, section 9.2.2). These are every
/// safe method, PUT and DELETE. So is any other request with an `Idempotency-Key`, by which the server recognises it.
///
/// A key that a [`DeferLayer`](crate::degrade::queue::DeferLayer) or an
/// [`OutboxLayer`](crate::degrade::queue::OutboxLayer) further out has made does not count, unless that layer also
/// keeps what has failed. Such a layer alone is no reason to make calls twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Idempotent;

impl<B> Repeat<B> for Idempotent {
    fn may_repeat(&self, request: &Request<B>) -> bool {
        let key = request.headers().get(IDEMPOTENCY_KEY);
        let is_own = || request.extensions().get::<MadeHere>().is_some();
        let has_key = key.is_some_and(|key| !key.is_empty()) && !is_own();
        request.method().is_idempotent() || has_key
    }
}
