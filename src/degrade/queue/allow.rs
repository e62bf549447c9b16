//! [`AllowedHeaders`]: which headers are kept at all.

use std::{error::Error, fmt};

use http::{
    HeaderMap, HeaderName,
    header::{
        ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH,
        CONTENT_TYPE, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE,
    },
};

use super::entry::IDEMPOTENCY_KEY;

/// Who asks, in one way or another.
const CREDENTIALS: [HeaderName; 4] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE];

/// Which headers of a request are kept with it. All others are left out.
///
/// Usually: `accept`, `accept-language`, `content-encoding`, `content-language`, `content-length`, `content-type`,
/// `idempotency-key`, `traceparent` and `tracestate`.
#[derive(Clone, Debug)]
pub(super) struct AllowedHeaders(Vec<HeaderName>);

impl Default for AllowedHeaders {
    fn default() -> Self {
        Self(vec![
            ACCEPT,
            ACCEPT_LANGUAGE,
            CONTENT_ENCODING,
            CONTENT_LANGUAGE,
            CONTENT_LENGTH,
            CONTENT_TYPE,
            IDEMPOTENCY_KEY,
            HeaderName::from_static("traceparent"),
            HeaderName::from_static("tracestate"),
        ])
    }
}

impl AllowedHeaders {
    pub(super) fn allow(&mut self, name: HeaderName) -> Result<(), CredentialHeader> {
        if CREDENTIALS.contains(&name) {
            return Err(CredentialHeader(name));
        }
        self.0.push(name);
        Ok(())
    }

    /// What is kept of these.
    pub(super) fn of(&self, headers: &HeaderMap) -> HeaderMap {
        let kept = headers.iter().filter(|(name, _)| self.0.contains(name));
        kept.map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

/// A header with credentials was to be kept. Credentials are not kept: they would lie around, and be too old when they
/// are needed. A drainer can [add its own](super::Drainer::before_each_try).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialHeader(HeaderName);

impl CredentialHeader {
    /// Which.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        &self.0
    }
}

impl fmt::Display for CredentialHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` has credentials, which are not kept", self.0)
    }
}

impl Error for CredentialHeader {}
