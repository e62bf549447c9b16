//! [`View`]: where a response or an error says that it is a rejection, a time-out, or another answer already.

use std::error::Error;

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::{
    circuit::error::{Rejected, TimedOut},
    degrade::Degraded,
};

/// How a fallback looks at what a call came to: [`Http`] as usual.
///
/// It is implemented by this crate only.
#[diagnostic::on_unimplemented(
    message = "a fallback of `{Self}` cannot look into response `{Res}` and error `{E}`",
    label = "not a service for this fallback",
    note = "as usual, responses are `http::Response` and errors are `std::error::Error`; around a service whose error \
            is boxed say `boxed_errors()`, around one that is not HTTP `any_response()`"
)]
pub trait View<Res, E>: sealed::Sealed {
    #[doc(hidden)]
    fn note_in_response(response: &Res) -> Note;
    #[doc(hidden)]
    fn note_in_error(error: &E) -> Note;
    #[doc(hidden)]
    fn status(response: &Res) -> Option<StatusCode>;
    /// Marks the response as a fallback's answer. Returns whether it is one: a refusal is none, and gets no mark.
    #[doc(hidden)]
    fn mark(response: &mut Res, mark: Mark<'_>) -> bool;
    /// Removes a header that only a fallback may set from a response that is no fallback's answer.
    #[doc(hidden)]
    fn clean(response: &mut Res, header: &HeaderName);
}

/// What a response or an error says of itself.
#[derive(Debug)]
#[doc(hidden)]
pub enum Note {
    /// Nothing.
    None,
    /// Another answer already.
    Degraded,
    Rejected(Rejected),
    TimedOut(TimedOut),
}

/// What an answer is marked with.
#[derive(Debug)]
#[doc(hidden)]
pub struct Mark<'a> {
    pub(super) degraded: Degraded,
    /// The rejection, where the answer says no because of it.
    pub(super) refusal: Option<&'a Rejected>,
    pub(super) header: Option<&'a HeaderName>,
}

mod sealed {
    pub trait Sealed {}
}

/// Responses are `http::Response`, or `reqwest::Response` with the feature `reqwest`; errors are [`Error`]: the
/// default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Http;

/// Responses are of any type. A rejection or a time-out is looked for in errors only. Answers are counted, but not
/// marked. See [`any_response`](super::FallbackLayer::any_response).
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyResponse;

/// As `V` says, but errors are boxed. See [`boxed_errors`](super::FallbackLayer::boxed_errors).
#[derive(Clone, Copy, Debug, Default)]
pub struct BoxedErrors<V>(pub(super) V);

impl sealed::Sealed for Http {}
impl sealed::Sealed for AnyResponse {}
impl<V> sealed::Sealed for BoxedErrors<V> {}

/// What is behind an error, however far.
fn note_in(error: &(dyn Error + 'static)) -> Note {
    if let Some(rejected) = Rejected::find(error) {
        return Note::Rejected(rejected.clone());
    }
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(timed_out) = error.downcast_ref::<TimedOut>() {
            return Note::TimedOut(timed_out.clone());
        }
        next = error.source();
    }
    Note::None
}

/// A response of HTTP, whoever's type that is.
trait Head {
    fn status(&self) -> StatusCode;
    fn headers(&mut self) -> &mut HeaderMap;
    fn extensions(&self) -> &Extensions;
    fn extensions_mut(&mut self) -> &mut Extensions;

    fn note(&self) -> Note {
        let extensions = self.extensions();
        if extensions.get::<Degraded>().is_some() {
            Note::Degraded
        } else if let Some(rejected) = extensions.get::<Rejected>() {
            Note::Rejected(rejected.clone())
        } else if let Some(timed_out) = extensions.get::<TimedOut>() {
            Note::TimedOut(timed_out.clone())
        } else {
            Note::None
        }
    }

    /// Over HTTP, or over gRPC.
    fn says_no(&mut self) -> bool {
        let status = self.status();
        let code = self.headers().get("grpc-status");
        status.is_client_error() || status.is_server_error() || code.is_some_and(|code| code != "0")
    }

    fn mark(&mut self, mark: Mark<'_>) -> bool {
        // A rejection that another circuit has made is no good answer, and a good answer is no rejection (H3).
        if self.extensions().get::<Rejected>().is_some() && self.says_no() {
            self.extensions_mut().remove::<Degraded>();
            if let Some(name) = mark.header {
                self.headers().remove(name);
            }
            return false;
        }
        let extensions = self.extensions_mut();
        extensions.remove::<Rejected>();
        if let Some(rejected) = mark.refusal {
            extensions.insert(rejected.clone());
        }
        extensions.insert(mark.degraded);
        if let Some(name) = mark.header {
            write(self.headers(), name, mark.degraded);
        }
        true
    }

    fn clean(&mut self, header: &HeaderName) {
        if self.extensions().get::<Degraded>().is_none() {
            self.headers().remove(header);
        }
    }
}

/// Both have methods of these names.
macro_rules! has_head {
    ($response:ty $(, $body:ident)?) => {
        impl $(<$body>)? Head for $response {
            fn status(&self) -> StatusCode {
                self.status()
            }

            fn headers(&mut self) -> &mut HeaderMap {
                self.headers_mut()
            }

            fn extensions(&self) -> &Extensions {
                self.extensions()
            }

            fn extensions_mut(&mut self) -> &mut Extensions {
                self.extensions_mut()
            }
        }

        #[diagnostic::do_not_recommend]
        impl<$($body,)? E: Error + 'static> View<$response, E> for Http {
            fn note_in_response(response: &$response) -> Note {
                response.note()
            }

            fn note_in_error(error: &E) -> Note {
                note_in(error)
            }

            fn status(response: &$response) -> Option<StatusCode> {
                Some(response.status())
            }

            fn mark(response: &mut $response, mark: Mark<'_>) -> bool {
                response.mark(mark)
            }

            fn clean(response: &mut $response, header: &HeaderName) {
                response.clean(header);
            }
        }
    };
}

has_head!(Response<B>, B);
#[cfg(feature = "reqwest")]
has_head!(reqwest::Response);

/// `cached; cause=open`
fn write(headers: &mut HeaderMap, name: &HeaderName, degraded: Degraded) {
    let (kind, cause) = (degraded.kind.label(), degraded.cause.label());
    if let Ok(value) = HeaderValue::try_from(format!("{kind}; cause={cause}")) {
        headers.insert(name.clone(), value);
    }
}

#[diagnostic::do_not_recommend]
impl<Res, E: Error + 'static> View<Res, E> for AnyResponse {
    fn note_in_response(_: &Res) -> Note {
        Note::None
    }

    fn note_in_error(error: &E) -> Note {
        note_in(error)
    }

    fn status(_: &Res) -> Option<StatusCode> {
        None
    }

    fn mark(_: &mut Res, _: Mark<'_>) -> bool {
        true
    }

    fn clean(_: &mut Res, _: &HeaderName) {}
}

type BoxError = Box<dyn Error + Send + Sync>;

#[diagnostic::do_not_recommend]
impl<V, Res> View<Res, BoxError> for BoxedErrors<V>
where
    V: View<Res, std::convert::Infallible>,
{
    fn note_in_response(response: &Res) -> Note {
        V::note_in_response(response)
    }

    fn note_in_error(error: &BoxError) -> Note {
        note_in(&**error)
    }

    fn status(response: &Res) -> Option<StatusCode> {
        V::status(response)
    }

    fn mark(response: &mut Res, mark: Mark<'_>) -> bool {
        V::mark(response, mark)
    }

    fn clean(response: &mut Res, header: &HeaderName) {
        V::clean(response, header);
    }
}
