//! [`FallbackError`]: the error of a service whose fallback can fail.

use std::{convert::Infallible, error::Error, fmt};

use crate::degrade::{Because, because::write_chain};

type BoxError = Box<dyn Error + Send + Sync>;

/// The error of a service whose fallback can fail as well (rule M1).
///
/// [`Rejected::find`](crate::Rejected::find) finds the rejection for which the fallback was asked.
#[derive(Clone, Debug, PartialEq)]
pub enum FallbackError<E, F> {
    /// The call failed, and the fallback does not answer for that.
    Inner(E),
    /// The call came to nothing, and its fallback failed as well.
    Both {
        /// What the call came to.
        because: Because<E>,
        /// What the fallback came to.
        fallback: F,
    },
}

impl<E, F> FallbackError<E, F> {
    /// What the call came to, if the fallback was asked.
    pub fn because(&self) -> Option<&Because<E>> {
        match self {
            Self::Inner(_) => None,
            Self::Both { because, .. } => Some(because),
        }
    }

    /// What the fallback failed with, if it was asked.
    pub fn fallback(&self) -> Option<&F> {
        match self {
            Self::Inner(_) => None,
            Self::Both { fallback, .. } => Some(fallback),
        }
    }

    /// Boxes the error. For inner errors that are boxed already, and thus are not errors themselves.
    pub fn into_boxed(self) -> BoxError
    where
        E: Into<BoxError>,
        F: Error + Send + Sync + 'static,
    {
        match self {
            Self::Inner(error) => error.into(),
            Self::Both { because, fallback } => {
                let because = because.map_error(|error| Boxed(error.into()));
                FallbackError::Both { because, fallback }.into()
            }
        }
    }
}

/// Says what the fallback came to, with all of its sources; the source says what the call came to.
impl<E, F: Error> fmt::Display for FallbackError<E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inner(_) => f.write_str("the call failed"),
            Self::Both { fallback, .. } => {
                f.write_str("the fallback failed: ")?;
                write_chain(f, fallback)
            }
        }
    }
}

impl<E, F> Error for FallbackError<E, F>
where
    E: Error + 'static,
    F: Error + 'static,
{
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Inner(error) => Some(error),
            Self::Both { because, .. } => Some(because.as_error()),
        }
    }
}

/// What never happens, where neither the service nor its fallback can fail: as axum's routers ask for.
impl From<FallbackError<Infallible, Infallible>> for Infallible {
    fn from(error: FallbackError<Infallible, Infallible>) -> Self {
        match error {
            FallbackError::Inner(error) => error,
            FallbackError::Both { fallback, .. } => fallback,
        }
    }
}

/// A boxed error as an error, transparently.
struct Boxed(BoxError);

impl fmt::Debug for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Boxed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
