//! [`View`]: where a response or an error says that it is a rejection, a time-out, or another answer already.

use std::error::Error;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

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
    /// The response as a fallback's answer: whether it is one, and not a refusal; then it has the mark.
    #[doc(hidden)]
    fn mark(response: &mut Res, mark: Mark<'_>) -> bool;
    /// Removes a header of which only a fallback may make use from what is no fallback's answer.
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

/// Responses are `http::Response`, errors are [`Error`]: the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Http;

/// Responses are of any type: a rejection or a time-out is looked for in errors only, and answers are counted, but not
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

#[diagnostic::do_not_recommend]
impl<B, E: Error + 'static> View<Response<B>, E> for Http {
    fn note_in_response(response: &Response<B>) -> Note {
        let extensions = response.extensions();
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

    fn note_in_error(error: &E) -> Note {
        note_in(error)
    }

    fn status(response: &Response<B>) -> Option<StatusCode> {
        Some(response.status())
    }

    fn mark(response: &mut Response<B>, mark: Mark<'_>) -> bool {
        let says_no = says_no(response);
        let extensions = response.extensions_mut();
        // A rejection that another circuit has made is no good answer, and a good answer is no rejection (H3).
        if extensions.get::<Rejected>().is_some() && says_no {
            extensions.remove::<Degraded>();
            if let Some(name) = mark.header {
                response.headers_mut().remove(name);
            }
            return false;
        }
        extensions.remove::<Rejected>();
        if let Some(rejected) = mark.refusal {
            extensions.insert(rejected.clone());
        }
        extensions.insert(mark.degraded);
        if let Some(name) = mark.header {
            write(response.headers_mut(), name, mark.degraded);
        }
        true
    }

    fn clean(response: &mut Response<B>, header: &HeaderName) {
        if response.extensions().get::<Degraded>().is_none() {
            response.headers_mut().remove(header);
        }
    }
}

/// Over HTTP, or over gRPC.
fn says_no<B>(response: &Response<B>) -> bool {
    let (status, code) = (response.status(), response.headers().get("grpc-status"));
    status.is_client_error() || status.is_server_error() || code.is_some_and(|code| code != "0")
}

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
