//! [`Key`]: which circuit a request belongs to.

use std::{fmt, str};

/// Says which circuit a request belongs to, by its name.
///
/// [`by`](super::by) has the usual ones, and makes one of a closure. A key of your own, for what a closure cannot do:
///
/// ```
/// use http::Request;
/// use tower_breaker::keyed::{Key, Scratch};
///
/// /// By shard: the first four characters of the tenant.
/// struct Shard;
///
/// impl<B> Key<Request<B>> for Shard {
///     fn of<'a>(&'a self, request: &'a Request<B>, scratch: &'a mut Scratch) -> Option<&'a str> {
///         let tenant = request.headers().get("x-tenant")?.to_str().ok()?;
///         scratch.write(format_args!("shard {}", tenant.get(..4)?))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no key of requests `{Req}`",
    label = "says nothing about the circuit of such a request",
    note = "the keys of `tower_breaker::keyed::by` are for an `http::Request` of http 1, and `by::authority` and \
            `by::header` with the feature `reqwest` for a request of reqwest 0.13; for any other request say \
            `by::closure(|request: &{Req}| ..)`"
)]
pub trait Key<Req> {
    /// The name of the request's circuit, from the request or written to `scratch`. `None` if it has none. A name of
    /// more than 256 bytes counts as none.
    fn of<'a>(&'a self, request: &'a Req, scratch: &'a mut Scratch) -> Option<&'a str>;
}

/// The longest name, in bytes.
const LONGEST: usize = 256;

/// A name that is not too long. Or whoever sends it would say how much is kept.
#[inline]
pub(crate) fn bounded(name: &str) -> Option<&str> {
    (name.len() <= LONGEST).then_some(name)
}

/// Where a name is put together that is not in the request as it is. It is on the stack, so nothing is allocated.
#[derive(Default)]
pub struct Scratch {
    /// Nothing until it is needed.
    written: Option<([u8; LONGEST], usize)>,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Writes a name. `None` if it has more than 256 bytes.
    ///
    /// ```
    /// use tower_breaker::keyed::Scratch;
    ///
    /// let mut scratch = Scratch::default();
    /// assert_eq!(scratch.write(format_args!("{} {}", "GET", "/users")), Some("GET /users"));
    /// assert_eq!(scratch.write("x".repeat(257)), None);
    /// ```
    pub fn write(&mut self, name: impl fmt::Display) -> Option<&str> {
        let mut writer = Writer {
            buffer: [0; LONGEST],
            length: 0,
        };
        fmt::write(&mut writer, format_args!("{name}")).ok()?;
        let (buffer, length) = self.written.insert((writer.buffer, writer.length));
        str::from_utf8(&buffer[..*length]).ok()
    }
}

struct Writer {
    buffer: [u8; LONGEST],
    length: usize,
}

impl fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let place = self.buffer.get_mut(self.length..end).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}
