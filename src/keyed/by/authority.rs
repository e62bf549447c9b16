//! The host that a request is for.

use http::{Request, header::HOST};

use super::header::only;
use crate::keyed::{Key, Scratch};

/// The host that a request is for, and its port if that is not the default one: `api.example.com`, `10.0.0.1:8080`,
/// `[::1]:8080`.
///
/// It is taken from the request's URI, or from its `Host` if the URI names none. Spellings of the same host have the
/// same key. Capital letters are made small. A dot at the end, a user and a password are left out. So is the default
/// port of the scheme (of `http`, if the request names no scheme). What is no host has no key, nor has a request with
/// two `Host`s. An international name is the one that DNS knows (`xn--…`), which is what a URI has and what clients
/// make of it.
///
/// In a registry and in a file, spell a host the same way, without scheme or default port. `"*.internal"` is a pattern
/// for the hosts of a domain, and `db1.internal:5432` has a circuit of its own.
///
/// With reqwest, a redirect is followed inside of the call. It counts for the host that was asked first.
///
/// **Watch out:** on a server, the host of a request is whatever its sender has put there. Name yours in the registry,
/// and call [`known_keys_only`](crate::keyed::KeyedLayer::known_keys_only), or take `route`.
#[must_use]
pub fn authority() -> Authority {
    Authority(())
}

/// The host that a request is for. Made by [`authority`].
#[derive(Clone, Copy, Debug)]
pub struct Authority(());

impl<B> Key<Request<B>> for Authority {
    fn of<'a>(&'a self, request: &'a Request<B>, scratch: &'a mut Scratch) -> Option<&'a str> {
        let uri = request.uri();
        let authority = match uri.authority() {
            Some(authority) => authority.as_str(),
            None => only(request.headers(), &HOST)?,
        };
        let default_port = default_port(uri.scheme_str().unwrap_or("http"));
        Parts::of(authority)?.key(default_port, scratch)
    }
}

#[cfg(feature = "reqwest")]
impl Key<reqwest::Request> for Authority {
    fn of<'a>(
        &'a self,
        request: &'a reqwest::Request,
        scratch: &'a mut Scratch,
    ) -> Option<&'a str> {
        let url = request.url();
        let parts = Parts {
            host: url.host_str()?,
            port: url.port(),
            spelled: "",
        };
        parts.key(default_port(url.scheme()), scratch)
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

struct Parts<'a> {
    host: &'a str,
    port: Option<u16>,
    /// Both, as they stand in the request; empty if they do not stand there together.
    spelled: &'a str,
}

impl<'a> Parts<'a> {
    /// `None` if this is no host.
    fn of(authority: &'a str) -> Option<Self> {
        let host_and_port = authority.rsplit('@').next()?;
        let after_host = match host_and_port.strip_prefix('[') {
            // Its colons are its own.
            Some(address) => 1 + address.find(']')? + 1,
            None => host_and_port.find(':').unwrap_or(host_and_port.len()),
        };
        let (host, port) = host_and_port.split_at(after_host);
        let port = match port {
            "" | ":" => None,
            port => Some(number(port.strip_prefix(':')?)?),
        };
        is_host(host).then_some(Self {
            host,
            port,
            spelled: host_and_port,
        })
    }

    /// As it is spelled, if that is how it is spelled here.
    fn key(self, default_port: Option<u16>, scratch: &'a mut Scratch) -> Option<&'a str> {
        let host = self.host.strip_suffix('.').unwrap_or(self.host);
        let port = self.port.filter(|port| Some(*port) != default_port);
        let is_small = !host.bytes().any(|byte| byte.is_ascii_uppercase());
        match port {
            _ if host.is_empty() || host.ends_with('.') => None,
            None if is_small => Some(host),
            Some(_) if is_small && spelled_in_full(self.spelled, host) => Some(self.spelled),
            None => scratch.write(Small(host)),
            Some(port) => scratch.write(format_args!("{}:{port}", Small(host))),
        }
    }
}

/// Whether this is the host, a colon, and a port without a zero before it.
fn spelled_in_full(spelled: &str, host: &str) -> bool {
    let port = spelled
        .strip_prefix(host)
        .and_then(|rest| rest.strip_prefix(':'));
    port.is_some_and(|port| !port.starts_with('0'))
}

/// Digits only: `str::parse` takes a plus as well.
fn number(port: &str) -> Option<u16> {
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|_| is_number)
}

fn is_host(host: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte);
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match address {
        Some(address) => {
            address.contains(':') && address.bytes().all(|byte| is_usual(byte) || byte == b':')
        }
        None => host.bytes().all(is_usual),
    }
}

/// In small letters.
struct Small<'a>(&'a str);

impl std::fmt::Display for Small<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::fmt::Write;
        let mut small = self.0.bytes().map(|byte| byte.to_ascii_lowercase().into());
        small.try_for_each(|character| f.write_char(character))
    }
}
