//! The work that every contender protects: next to nothing, so that what is measured is the breaker.

use std::{
    fmt,
    future::{Ready, ready},
    hint::black_box,
    task::{Context, Poll},
};

use tower::Service;

/// Asks for a success or a failure.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Whether the work is to fail.
    pub fails: bool,
}

/// Why a call came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The work failed.
    Work,
    /// The breaker refused, for breakers whose error type is that of the work.
    Refused,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Work => "the work failed",
            Self::Refused => "the breaker refused",
        })
    }
}

impl std::error::Error for Broken {}

/// The work itself.
///
/// # Errors
///
/// If the request asks for it.
#[inline]
pub fn work(request: Request) -> Result<u64, Broken> {
    match black_box(request.fails) {
        false => Ok(1),
        true => Err(Broken::Work),
    }
}

/// The work as a service: ready at once, done at once.
#[derive(Clone, Debug)]
pub struct Bare;

impl Service<Request> for Bare {
    type Response = u64;
    type Error = Broken;
    type Future = Ready<Result<u64, Broken>>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        ready(work(request))
    }
}

/// What the breaker is put through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Closed, and every call succeeds.
    Success,
    /// Closed, and one call in a hundred fails.
    OneInAHundred,
    /// Open, and every call is refused.
    Open,
}

impl Path {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 3] = [Self::Success, Self::OneInAHundred, Self::Open];

    /// For the head of a column.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "closed",
            Self::OneInAHundred => "1 % fail",
            Self::Open => "open",
        }
    }
}

/// Says of each call whether it is to fail.
#[derive(Debug)]
pub struct Pace {
    every: u32,
    left: u32,
}

impl Pace {
    /// The pace of a path.
    #[must_use]
    pub fn new(path: Path) -> Self {
        let every = match path {
            Path::OneInAHundred => 100,
            Path::Success | Path::Open => u32::MAX,
        };
        Self { every, left: every }
    }

    /// The next call.
    #[inline]
    pub fn request(&mut self) -> Request {
        self.left -= 1;
        let fails = self.left == 0;
        if fails {
            self.left = self.every;
        }
        // A call in four billion fails on the paths without failures. No table will show it.
        Request { fails }
    }
}
