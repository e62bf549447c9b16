//! Keys that closures find.

use std::fmt;

use crate::keyed::{Key, Scratch};

/// The key that a closure finds in the request, as it stands there. For a key that has to be put together, see
/// [`composed`].
///
/// The closure has to name the type of the request, as here. The body's type may be left open: `|request:
/// &Request<_>|`.
///
/// ```
/// use http::Request;
/// use tower_breaker::keyed::by;
///
/// let key = by::closure(|request: &Request<String>| request.uri().path().split('/').nth(1));
/// # let _ = key;
/// ```
pub fn closure<F, Req>(find: F) -> Closure<F>
where
    F: Fn(&Req) -> Option<&str>,
{
    Closure(find)
}

/// A key by a closure. Made by [`closure`].
#[derive(Clone, Copy)]
pub struct Closure<F>(F);

impl<F, Req> Key<Req> for Closure<F>
where
    F: Fn(&Req) -> Option<&str>,
{
    fn of<'a>(&'a self, request: &'a Req, _: &'a mut Scratch) -> Option<&'a str> {
        (self.0)(request)
    }
}

impl<F> fmt::Debug for Closure<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closure").finish_non_exhaustive()
    }
}

/// The key that a closure puts together. Write anything that can be displayed, such as `format_args!(…)`, to the second
/// argument, and return what that gives. It is `None` for a name of more than 256 bytes. The name is on the stack, so
/// nothing is allocated. As for [`closure`], the type of the request has to be named.
///
/// ```
/// use http::{Method, Request};
/// use tower_breaker::keyed::by;
///
/// // Reads and writes of a store fail apart from each other.
/// let key = by::composed(|request: &Request<String>, name| {
///     let kind = if request.method() == Method::GET { "read" } else { "write" };
///     name.write(format_args!("{kind} {}", request.uri().host()?))
/// });
/// # let _ = key;
/// ```
pub fn composed<F, Req>(write: F) -> Composed<F>
where
    F: for<'a> Fn(&'a Req, &'a mut Scratch) -> Option<&'a str>,
{
    Composed(write)
}

/// A key that a closure puts together. Made by [`composed`].
#[derive(Clone, Copy)]
pub struct Composed<F>(F);

impl<F, Req> Key<Req> for Composed<F>
where
    F: for<'a> Fn(&'a Req, &'a mut Scratch) -> Option<&'a str>,
{
    fn of<'a>(&'a self, request: &'a Req, scratch: &'a mut Scratch) -> Option<&'a str> {
        (self.0)(request, scratch)
    }
}

impl<F> fmt::Debug for Composed<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Composed").finish_non_exhaustive()
    }
}
