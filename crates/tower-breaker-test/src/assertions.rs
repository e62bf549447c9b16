//! Assertions that print what happened. They take whatever has a [`Recorder`]: a [`TestCircuit`](crate::TestCircuit),
//! or a recorder of yours.

use std::{convert::Infallible, error::Error, fmt};

use http::Response;
use tower_breaker::{CircuitError, Rejected, State};

use crate::recorder::{Recorder, Transcript};

/// The circuit is closed. One that is disabled always is.
///
/// # Panics
///
/// If it is not, with the transcript.
#[track_caller]
pub fn assert_closed(recorded: &impl AsRef<Recorder>) {
    assert_state(recorded.as_ref(), State::Closed);
}

/// The circuit is open. It still is when its break (elsewhere: wait duration) is over and nobody has called yet. One
/// that is forced open is open, too. In shadow mode this is what it would be: it rejects nothing.
///
/// # Panics
///
/// If it is not, with the transcript.
#[track_caller]
pub fn assert_open(recorded: &impl AsRef<Recorder>) {
    assert_state(recorded.as_ref(), State::Open);
}

/// The circuit is half-open.
///
/// # Panics
///
/// If it is not, with the transcript.
#[track_caller]
pub fn assert_half_open(recorded: &impl AsRef<Recorder>) {
    assert_state(recorded.as_ref(), State::HalfOpen);
}

#[track_caller]
fn assert_state(recorder: &Recorder, expected: State) {
    let found = recorder.circuit().state();
    if found != expected {
        fail(
            recorder,
            &format_args!("{expected}"),
            &format_args!("{found}"),
        );
    }
}

/// The circuit went through exactly these states since the recorder began. The state in which it began is not among
/// them: `&[]` says that nothing has changed.
///
/// # Panics
///
/// If it went through others, with the transcript. Also if a transition was cut off
/// ([`RecorderBuilder::keep`](crate::RecorderBuilder::keep)), because nobody knows then.
#[track_caller]
pub fn assert_transitions(recorded: &impl AsRef<Recorder>, expected: &[State]) {
    let recorder = recorded.as_ref();
    let transcript = recorder.transcript();
    let found = transcript.transitions();
    let path = |through| Path(transcript.began(), through);
    if transcript.transitions_cut_off() > 0 {
        let unknown = "not known: transitions are cut off, so keep more (`RecorderBuilder::keep`)";
        fail_by(recorder, &transcript, &path(expected), &unknown);
    }
    if found != expected {
        fail_by(recorder, &transcript, &path(expected), &path(&found));
    }
}

/// The circuit rejected the call that ended so: a result of [`Circuit::call`](tower_breaker::Circuit::call) or of
/// [`try_acquire`](tower_breaker::Circuit::try_acquire), a response, an error; see [`Rejectable`].
///
/// A rejection says which circuit it is of by its name. One of a circuit of another name is none of this circuit.
///
/// **Watch out:** a response that came over a network has lost its mark, and what a
/// [fallback](tower_breaker::CircuitBreakerLayer::fallback) answers has none. Compare [`Recorder::rejected`] there.
///
/// # Panics
///
/// If it did not, with the transcript.
#[track_caller]
pub fn assert_rejected(recorded: &impl AsRef<Recorder>, answer: &impl Rejectable) {
    let recorder = recorded.as_ref();
    match answer.rejection() {
        None => fail(recorder, &"a rejection", &Unmarked(recorder.rejected())),
        Some(rejected) if !is_of(recorder, rejected) => {
            fail(
                recorder,
                &"a rejection",
                &format_args!("one of another circuit: {rejected}"),
            );
        }
        Some(_) => {}
    }
}

/// The circuit did not reject the call that ended so; the opposite of [`assert_rejected`]. It has nothing against a
/// rejection of another circuit.
///
/// **Watch out:** where a rejection has no mark, as in the answer of a
/// [fallback](tower_breaker::CircuitBreakerLayer::fallback), this passes. Compare [`Recorder::rejected`] there.
///
/// # Panics
///
/// If it did, with the transcript.
#[track_caller]
pub fn assert_not_rejected(recorded: &impl AsRef<Recorder>, answer: &impl Rejectable) {
    let recorder = recorded.as_ref();
    let rejection = answer.rejection();
    if let Some(rejected) = rejection.filter(|rejected| is_of(recorder, rejected)) {
        fail(recorder, &"no rejection", &format_args!("one: {rejected}"));
    }
}

/// A rejection carries nothing of its circuit but the name.
fn is_of(recorder: &Recorder, rejected: &Rejected) -> bool {
    rejected.circuit() == recorder.circuit().name()
}

/// An answer without a rejection in it, and how many calls were rejected all the same.
struct Unmarked(u64);

impl fmt::Display for Unmarked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer that is none")?;
        match self.0 {
            0 => Ok(()),
            rejected => write!(f, ", though the circuit rejected {}", Calls(rejected)),
        }
    }
}

/// So many calls.
struct Calls(u64);

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 call"),
            calls => write!(f, "{calls} calls"),
        }
    }
}

/// The circuit admitted no call since the recorder began, so the dependency was not called through it.
///
/// # Panics
///
/// If it did, with the transcript.
#[track_caller]
pub fn assert_not_called(recorded: &impl AsRef<Recorder>) {
    assert_called(recorded, 0);
}

/// The circuit admitted so many calls since the recorder began, probes included. A call within a call of the same
/// circuit is part of that one.
///
/// # Panics
///
/// If it admitted another number, with the transcript.
#[track_caller]
pub fn assert_called(recorded: &impl AsRef<Recorder>, times: u64) {
    let recorder = recorded.as_ref();
    let found = recorder.admitted();
    if found != times {
        let rejected = recorder.rejected();
        fail(
            recorder,
            &format_args!("{} admitted", Calls(times)),
            &format_args!("{found} admitted, {rejected} rejected"),
        );
    }
}

#[track_caller]
fn fail(recorder: &Recorder, expected: &dyn fmt::Display, found: &dyn fmt::Display) -> ! {
    fail_by(recorder, &recorder.transcript(), expected, found);
}

/// The same, by a transcript that was looked at.
#[track_caller]
fn fail_by(
    recorder: &Recorder,
    transcript: &Transcript,
    expected: &dyn fmt::Display,
    found: &dyn fmt::Display,
) -> ! {
    let circuit = recorder.circuit();
    let transcript = transcript.to_string().replace('\n', "\n    ");
    panic!(
        "circuit `{}`\nexpected: {expected}\nfound:    {found}\nnow:      {}\nwhat happened:\n    {transcript}",
        circuit.name(),
        circuit.snapshot(),
    );
}

/// From a state through others.
struct Path<'a>(State, &'a [State]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(began, through) = self;
        write!(f, "{began}")?;
        match through {
            [] => f.write_str(", and no transition"),
            through => through.iter().try_for_each(|state| write!(f, " → {state}")),
        }
    }
}

/// How a call ends that may have been rejected, for [`assert_rejected`].
///
/// Implement it for an error of yours by [`Rejected::find`]. Of a response of reqwest, give the mark in its extensions:
/// `&response.extensions().get()`.
#[diagnostic::on_unimplemented(
    message = "nobody can tell whether `{Self}` is a rejection",
    note = "it is known of `http::Response`, of `CircuitError`, `Rejected` and boxed errors, and of results with those",
    note = "of a result that has a boxed error and no response, give the error",
    note = "of a response of reqwest, give the mark: `&response.extensions().get()`",
    note = "for another error, implement `Rejectable` by `Rejected::find(self)`"
)]
pub trait Rejectable {
    /// The rejection, if it was one.
    fn rejection(&self) -> Option<&Rejected>;
}

impl Rejectable for Rejected {
    fn rejection(&self) -> Option<&Rejected> {
        Some(self)
    }
}

/// The mark of a response whose type is not known here: `&response.extensions().get()`.
impl Rejectable for Option<&Rejected> {
    fn rejection(&self) -> Option<&Rejected> {
        *self
    }
}

/// By the mark in its extensions.
impl<B> Rejectable for Response<B> {
    fn rejection(&self) -> Option<&Rejected> {
        self.extensions().get()
    }
}

/// What its own circuit said. What is in an inner error is not looked for: for a circuit further in, give the inner
/// error.
impl<E> Rejectable for CircuitError<E> {
    fn rejection(&self) -> Option<&Rejected> {
        self.rejected()
    }
}

impl Rejectable for Box<dyn Error + Send + Sync> {
    fn rejection(&self) -> Option<&Rejected> {
        Rejected::find(&**self)
    }
}

impl<T> Rejectable for Result<T, Rejected> {
    fn rejection(&self) -> Option<&Rejected> {
        self.as_ref().err()
    }
}

/// As of the error. A response is not looked at: for a circuit further in, give the response.
impl<T, E> Rejectable for Result<T, CircuitError<E>> {
    fn rejection(&self) -> Option<&Rejected> {
        self.as_ref().err()?.rejection()
    }
}

impl<B> Rejectable for Result<Response<B>, Infallible> {
    fn rejection(&self) -> Option<&Rejected> {
        self.as_ref().ok()?.rejection()
    }
}

/// By its mark if it is a response, and by what caused it if it is an error.
impl<B> Rejectable for Result<Response<B>, Box<dyn Error + Send + Sync>> {
    fn rejection(&self) -> Option<&Rejected> {
        match self {
            Ok(response) => response.rejection(),
            Err(error) => error.rejection(),
        }
    }
}
