//! Which requests a page of another site could have sent (rule L9).
//!
//! A browser sends along what lets a person in, whatever page asks it to. It says where the page is from, and without
//! being allowed to, no page of another site can send JSON: such a request is asked for beforehand, by `OPTIONS`.

use http::{HeaderMap, StatusCode, Uri, header, request::Parts, uri::Authority};

use super::answer::Json;
use crate::circuit::settings::ConfigError;

/// Where a page is from, as a browser says it: a scheme, a host, and a port that is not the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: String,
    host: String,
}

impl Origin {
    pub(super) fn new(said: &str) -> Result<Self, ConfigError> {
        Self::read(said).ok_or_else(|| {
            let allowed = "a scheme and a host, such as \"https://ops.example.org\"";
            ConfigError::new("origin", said, allowed)
        })
    }

    fn read(said: &str) -> Option<Self> {
        let uri: Uri = said.parse().ok()?;
        let scheme = uri.scheme_str().filter(|it| is_http(it))?;
        let host = host_of(scheme, uri.authority()?.as_str())?;
        let says_more = uri.path() != "/" || uri.query().is_some();
        (!says_more).then(|| Self {
            scheme: scheme.to_owned(),
            host,
        })
    }
}

fn is_http(scheme: &str) -> bool {
    matches!(scheme, "http" | "https")
}

/// Without the port that goes without saying.
fn host_of(scheme: &str, authority: &str) -> Option<String> {
    let authority: Authority = authority.parse().ok()?;
    let host = authority.as_str().to_ascii_lowercase();
    let port = if scheme == "https" { ":443" } else { ":80" };
    let is_host = !authority.host().is_empty() && !host.contains('@');
    is_host.then(|| host.strip_suffix(port).unwrap_or(&host).to_owned())
}

/// Refuses what a page of another site could have sent. `origins` are those that may; where there is none, it is the
/// host that was asked.
pub(super) fn check(request: &Parts, origins: &[Origin]) -> Result<(), Json> {
    let headers = &request.headers;
    let fetched_here = all_of(headers, "sec-fetch-site", |site| {
        matches!(site, "same-origin" | "none")
    });
    let comes_from_here = all_of(headers, header::ORIGIN, |said| {
        Origin::read(said).is_some_and(|origin| match origins {
            [] => host_asked(request, &origin.scheme) == Some(origin.host),
            origins => origins.contains(&origin),
        })
    });
    if !fetched_here || !comes_from_here {
        let why = "a page of another site has no say here";
        return Err(Json::error(StatusCode::FORBIDDEN, why));
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    match (types.next().and_then(|it| it.to_str().ok()), types.next()) {
        (Some(only), None) if is_json(only) => Ok(()),
        _ => {
            let why = "the body must be JSON, and its `Content-Type` `application/json`";
            Err(Json::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, why))
        }
    }
}

/// Whether all headers of this name are so. None is.
fn all_of(
    headers: &HeaderMap,
    name: impl header::AsHeaderName,
    is_so: impl Fn(&str) -> bool,
) -> bool {
    let mut values = headers.get_all(name).iter();
    values.all(|value| value.to_str().is_ok_and(&is_so))
}

/// Of HTTP/2 it is in the address.
fn host_asked(request: &Parts, scheme: &str) -> Option<String> {
    match request.uri.authority() {
        Some(authority) => host_of(scheme, authority.as_str()),
        None => host_of(scheme, request.headers.get(header::HOST)?.to_str().ok()?),
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        let origin = |scheme: &str, host: &str| {
            Some(Origin {
                scheme: scheme.to_owned(),
                host: host.to_owned(),
            })
        };
        for (said, read) in [
            (
                "https://ops.example.org",
                origin("https", "ops.example.org"),
            ),
            (
                "HTTPS://OPS.example.org:443/",
                origin("https", "ops.example.org"),
            ),
            ("http://[::1]:8080", origin("http", "[::1]:8080")),
            ("http://ops:443", origin("http", "ops:443")),
            ("https://ops.example.org/control", None),
            ("https://ops.example.org?", None),
            ("https://ops@example.org", None),
            ("ftp://ops.example.org", None),
            ("ops.example.org", None),
            ("https://:443", None),
            ("https://", None),
            ("null", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(Origin::read(said), read, "{said}");
        }
        let refused = Origin::new("*").expect_err("no origin");
        assert_eq!((refused.field(), refused.value()), ("origin", "\"*\""));
    }
}
