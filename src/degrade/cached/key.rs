//! Whose answer to what: the keys of the store.
//!
//! A key is a hash of 128 bits under two keys of SipHash, which are made anew for each cache. So no credential, no
//! cookie and no value that an answer depends on is kept, and nobody can look for two that are the same.

use std::hash::{BuildHasher, Hasher, RandomState};

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{AUTHORIZATION, COOKIE, FORWARDED, HOST, PROXY_AUTHORIZATION},
    uri::{Authority, Scheme},
};

use super::{counts::WhyNotAsked, question::Question};

/// Headers that say who asks, whatever `Vary` says: by the user itself, or by a proxy that has asked.
pub(super) static CREDENTIALS: [HeaderName; 26] = [
    AUTHORIZATION,
    PROXY_AUTHORIZATION,
    COOKIE,
    HeaderName::from_static("api-key"),
    HeaderName::from_static("cf-access-jwt-assertion"),
    HeaderName::from_static("client-cert"),
    HeaderName::from_static("remote-user"),
    HeaderName::from_static("x-access-token"),
    HeaderName::from_static("x-amzn-oidc-accesstoken"),
    HeaderName::from_static("x-amzn-oidc-data"),
    HeaderName::from_static("x-amzn-oidc-identity"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-auth-request-access-token"),
    HeaderName::from_static("x-auth-request-email"),
    HeaderName::from_static("x-auth-request-user"),
    HeaderName::from_static("x-auth-token"),
    HeaderName::from_static("x-forwarded-access-token"),
    HeaderName::from_static("x-forwarded-client-cert"),
    HeaderName::from_static("x-forwarded-email"),
    HeaderName::from_static("x-forwarded-user"),
    HeaderName::from_static("x-goog-authenticated-user-email"),
    HeaderName::from_static("x-goog-authenticated-user-id"),
    HeaderName::from_static("x-goog-iap-jwt-assertion"),
    HeaderName::from_static("x-ms-client-principal"),
    HeaderName::from_static("x-ms-client-principal-id"),
    HeaderName::from_static("x-remote-user"),
];

/// Headers by which frameworks take a request for another, which nobody names in `Vary`. If they were not in the key,
/// a stranger could have an answer kept for all that none of them has asked for.
static REWRITES: [HeaderName; 7] = [
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
];

/// Of those, the ones by which they take it for one with another method.
pub(super) static OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u64, u64);

impl Key {
    /// One of so many places.
    pub(super) fn place(self, of: usize) -> usize {
        usize::try_from(self.0 % of as u64).expect("less than a usize")
    }
}

/// What makes keys.
#[derive(Debug)]
pub(super) struct Keys {
    secrets: [RandomState; 2],
    /// Further headers that are in each key.
    also: Vec<HeaderName>,
}

impl Keys {
    pub(super) fn new(also: Vec<HeaderName>) -> Self {
        let secrets = [RandomState::new(), RandomState::new()];
        Self { secrets, also }
    }

    /// What is asked for, whoever asks. An error if nobody can say: for two hosts.
    pub(super) fn of_target(&self, uri: &Uri, headers: &HeaderMap) -> Result<Key, WhyNotAsked> {
        let authority = authority(uri, headers)?;
        let scheme = uri.scheme().map_or("", Scheme::as_str);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(self.hash(|hash| {
            for part in [scheme, &*authority, path] {
                hash.add(part.as_bytes());
            }
        }))
    }

    /// Whose answer to that, and to which method: by credentials, and by all values of all headers that the answer
    /// depends on.
    pub(super) fn of_variant(
        &self,
        question: &Question,
        generation: u64,
        depends_on: &[HeaderName],
    ) -> Key {
        let Question {
            target,
            asks,
            headers,
            ..
        } = question;
        let rewrites = REWRITES.iter().chain(&OVERRIDES);
        let names = CREDENTIALS.iter().chain(rewrites).chain(&self.also);
        self.hash(|hash| {
            hash.add(asks.method().as_str().as_bytes());
            for number in [target.0, target.1, generation] {
                hash.add_number(number);
            }
            for name in names.chain(depends_on) {
                hash.add_values(name, headers);
            }
            // Last: how many there are is not said.
            hash.add_forwarded(headers);
        })
    }

    /// Who asks that, whatever else the answer depends on.
    pub(super) fn of_asker(&self, question: &Question) -> Key {
        let Key(one, other) = question.target;
        self.hash(|hash| {
            hash.add(question.asks.method().as_str().as_bytes());
            hash.add_number(one);
            hash.add_number(other);
            for name in CREDENTIALS.iter().chain(&self.also) {
                hash.add_values(name, &question.headers);
            }
        })
    }

    /// Whether a request says who asks.
    pub(super) fn says_who(&self, request: &HeaderMap) -> bool {
        let mut names = CREDENTIALS.iter().chain(&self.also);
        names.any(|name| request.contains_key(name))
    }

    fn hash(&self, add: impl FnOnce(&mut Hashing<'_>)) -> Key {
        let [mut one, mut other] = self.secrets.each_ref().map(RandomState::build_hasher);
        add(&mut Hashing(&mut one, &mut other));
        Key(one.finish(), other.finish())
    }
}

struct Hashing<'a>(&'a mut dyn Hasher, &'a mut dyn Hasher);

impl Hashing<'_> {
    fn add_number(&mut self, number: u64) {
        self.0.write_u64(number);
        self.1.write_u64(number);
    }

    /// With its length, so that no two lists look the same.
    fn add(&mut self, bytes: &[u8]) {
        self.add_number(bytes.len() as u64);
        self.0.write(bytes);
        self.1.write(bytes);
    }

    /// All of them, in their order. None is another thing than an empty one.
    fn add_values(&mut self, name: &HeaderName, headers: &HeaderMap) {
        let values = headers.get_all(name);
        self.add(name.as_str().as_bytes());
        self.add_number(values.iter().count() as u64);
        for value in values {
            self.add(value.as_bytes());
        }
    }

    /// What `Forwarded` says but for whom (RFC 7239): some take the host from there, too.
    fn add_forwarded(&mut self, headers: &HeaderMap) {
        let lines = headers.get_all(FORWARDED).iter();
        // What is within quotes is not told apart: so there are more pieces, and none is missed.
        let pieces = lines.flat_map(|line| line.as_bytes().split(|byte| b",;".contains(byte)));
        let pieces = pieces
            .map(<[u8]>::trim_ascii)
            .filter(|piece| !says_for_whom(piece));
        pieces.for_each(|piece| self.add(piece));
    }
}

/// Whether it says only between whom a request was forwarded. In that, clients differ.
fn says_for_whom(piece: &[u8]) -> bool {
    let piece = piece.to_ascii_lowercase();
    let has = |part: &[u8]| piece.windows(part.len()).any(|there| there == part);
    (piece.starts_with(b"for=") || piece.starts_with(b"by=")) && !has(b"host") && !has(b"proto")
}

/// Empty for a request that names no host. An error for one that names two, or a user.
///
/// Of two hosts, neither is the one. A proxy and HTTP/2 send that of the URI, and the origin goes by it (RFC 9112,
/// section 3.2.2; RFC 9113, section 8.3.1). A client that connects itself, by HTTP/1, sends only `Host`. Then a visitor
/// could send another one. The answer that is made of it, with links to where he likes, would be kept for all.
fn authority(uri: &Uri, headers: &HeaderMap) -> Result<String, WhyNotAsked> {
    let in_uri = uri.authority().map(Authority::as_str);
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(WhyNotAsked::TwoHosts);
    }
    let host = host.map(HeaderValue::to_str).transpose();
    let host = host.map_err(|_| WhyNotAsked::Other)?;
    let disagree = in_uri
        .zip(host)
        .is_some_and(|(one, other)| !one.eq_ignore_ascii_case(other));
    if disagree {
        return Err(WhyNotAsked::TwoHosts);
    }
    let authority = in_uri.or(host).unwrap_or_default();
    // With a user, it says who asks; and of a password, the case matters.
    if authority.contains('@') {
        return Err(WhyNotAsked::Other);
    }
    Ok(authority.to_ascii_lowercase())
}
