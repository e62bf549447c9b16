//! [`Keep`]: what is kept of a request, for the answer.

use std::fmt;

use http::Request;

use crate::circuit::handle::Circuit;

/// What is kept of a request while the dependency is asked, for the answer (rule M1).
///
/// It is made before each call, also before those that need no other answer.
///
/// It is implemented by this crate only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept of a request `{Req}`",
    label = "this request cannot be kept like this",
    note = "`keeping_request()` needs a request that is `Clone`, which one with a body that streams is not: \
            `keeping_head()` keeps the head of an `http::Request`, and `keeping(..)` what a closure takes of any"
)]
pub trait Keep<Req>: sealed::Sealed {
    /// What is kept.
    type Kept;

    /// What is kept for those who count.
    #[doc(hidden)]
    type CircuitOf: CircuitOf;

    /// Takes it.
    fn keep(&self, request: &Req) -> Self::Kept;

    #[doc(hidden)]
    fn circuit_of(&self, request: &Req) -> Self::CircuitOf;
}

/// Which circuit a request belongs to.
#[doc(hidden)]
pub trait CircuitOf {
    /// Once the call is over.
    fn find(self) -> Option<Circuit>;
}

/// That is not looked for.
impl CircuitOf for () {
    fn find(self) -> Option<Circuit> {
        None
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Nothing {}
    impl Sealed for super::Head {}
    impl Sealed for super::Whole {}
    impl<F> Sealed for super::By<F> {}
    #[cfg(feature = "registry")]
    impl<K, Key> Sealed for super::super::by_key::ByKey<K, Key> {}
}

/// Nothing is kept: the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

/// Method, URI, version and headers are kept, as a request without a body and without extensions. See
/// [`keeping_head`](super::FallbackLayer::keeping_head).
#[derive(Clone, Copy, Debug, Default)]
pub struct Head;

/// A clone of the whole request is kept. See [`keeping_request`](super::FallbackLayer::keeping_request).
#[derive(Clone, Copy, Debug, Default)]
pub struct Whole;

/// What a closure takes is kept. See [`keeping`](super::FallbackLayer::keeping).
#[derive(Clone, Copy)]
pub struct By<F>(pub(super) F);

impl<Req> Keep<Req> for Nothing {
    type Kept = ();
    type CircuitOf = ();

    fn keep(&self, _: &Req) {}

    fn circuit_of(&self, _: &Req) {}
}

impl<B> Keep<Request<B>> for Head {
    type Kept = Request<()>;
    type CircuitOf = ();

    fn keep(&self, request: &Request<B>) -> Request<()> {
        let mut head = Request::new(());
        head.method_mut().clone_from(request.method());
        head.uri_mut().clone_from(request.uri());
        *head.version_mut() = request.version();
        head.headers_mut().clone_from(request.headers());
        head
    }

    fn circuit_of(&self, _: &Request<B>) {}
}

#[diagnostic::do_not_recommend]
impl<Req: Clone> Keep<Req> for Whole {
    type Kept = Req;
    type CircuitOf = ();

    fn keep(&self, request: &Req) -> Req {
        request.clone()
    }

    fn circuit_of(&self, _: &Req) {}
}

#[diagnostic::do_not_recommend]
impl<F, Req, T> Keep<Req> for By<F>
where
    F: Fn(&Req) -> T,
{
    type Kept = T;
    type CircuitOf = ();

    fn keep(&self, request: &Req) -> T {
        (self.0)(request)
    }

    fn circuit_of(&self, _: &Req) {}
}

impl<F> fmt::Debug for By<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("By(_)")
    }
}
