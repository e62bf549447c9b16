//! [`MakeOutcome`]: what a call ends with that is to fail.

use std::time::Duration;

use http::{Response, StatusCode};

/// A call that is to fail, as [`MakeOutcome`] is told of it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct FaultyCall {
    /// The number of the call: the first of the layer is 1.
    pub number: u64,
    /// When it was made: the time since the layer was built, by tokio's clock.
    pub elapsed: Duration,
    /// A number by chance in `0..1`, to choose among several outcomes. The same seed has the same ones.
    pub chance: f64,
}

/// What a call ends with that is to fail. It is not made: the inner service is not asked.
///
/// A closure that takes a [`FaultyCall`] and returns a result is one, and so is [`Status`]. Name this trait
/// only for a function of yours that takes any [`ChaosLayer`](super::ChaosLayer).
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what a call that fails ends with, as `Result<{Response}, {Error}>`",
    note = "the default is a `Status`, which is for services with an `http::Response` whose body has a `Default`",
    note = "for any other, say it: `.outcome(|call| Err(…))`"
)]
pub trait MakeOutcome<Response, Error> {
    /// Makes the outcome of a call.
    ///
    /// # Errors
    ///
    /// As the test wants it.
    fn make_outcome(&self, call: FaultyCall) -> Result<Response, Error>;
}

// Otherwise the compiler says that a `Status` is no closure, and not what is above.
#[diagnostic::do_not_recommend]
impl<F, Response, Error> MakeOutcome<Response, Error> for F
where
    F: Fn(FaultyCall) -> Result<Response, Error>,
{
    fn make_outcome(&self, call: FaultyCall) -> Result<Response, Error> {
        self(call)
    }
}

/// A call that fails ends with a response of a status, without headers and with an empty body. Made by
/// [`ChaosBuilder::status`](super::ChaosBuilder::status).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub(super) StatusCode);

impl<B: Default, Error> MakeOutcome<Response<B>, Error> for Status {
    fn make_outcome(&self, _: FaultyCall) -> Result<Response<B>, Error> {
        let mut response = Response::new(B::default());
        *response.status_mut() = self.0;
        Ok(response)
    }
}
