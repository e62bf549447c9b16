//! What a rejection tells as its source.
//!
//! A transparent wrapper (`#[error(transparent)]` of thiserror, as many libraries have one) is no link in a chain
//! of errors: it tells the source of what it wraps as its own, and so skips it. If a rejection had no source, it
//! could not be found behind such a wrapper. So it has one that knows the rejection, and that says what its
//! message leaves out.

use std::{error::Error, fmt, sync::OnceLock};

use super::error::Rejected;

/// Made when it is first asked for, because rejecting allocates nothing (rule F3).
#[derive(Default)]
pub(crate) struct LazySource(OnceLock<Box<WhenToRetry>>);

/// When to come back, with the rejection that it is the source of.
#[derive(Debug)]
pub(crate) struct WhenToRetry(Rejected);

impl LazySource {
    pub(crate) fn of(&self, rejected: &Rejected) -> &WhenToRetry {
        self.0
            .get_or_init(|| Box::new(WhenToRetry(rejected.clone())))
    }
}

impl WhenToRetry {
    pub(crate) fn rejected(&self) -> &Rejected {
        &self.0
    }
}

/// Says nothing about the rejection itself.
impl Clone for LazySource {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Whether it has been asked for makes no difference.
impl PartialEq for LazySource {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for LazySource {}

impl fmt::Display for WhenToRetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.retry_after_secs() {
            Some(seconds) => write!(f, "worth trying again in {seconds} s"),
            None => f.write_str("not worth trying again before somebody releases it"),
        }
    }
}

impl Error for WhenToRetry {}
