//! The host that a request is for.

use http::{Request, Uri};
use proptest::prelude::*;
use tower_breaker::keyed::{Key, Scratch, by};

use super::{key, with_headers};

fn key_of_uri(uri: &str) -> Option<String> {
    key(&by::authority(), &Request::get(uri).body(()).unwrap())
}

fn key_of_host(host: &[u8]) -> Option<String> {
    key(&by::authority(), &with_headers("host", &[host]))
}

// J1
#[test]
fn spellings_of_the_same_host_have_the_same_key() {
    let table = [
        ("http://example.com", "example.com"),
        ("http://example.com/", "example.com"),
        ("http://example.com/a/b?c=d", "example.com"),
        ("HTTP://example.com/", "example.com"),
        ("http://EXAMPLE.Com/", "example.com"),
        ("http://example.com./", "example.com"),
        ("http://EXAMPLE.com.:80/", "example.com"),
        // The port that goes without saying.
        ("http://example.com:80/", "example.com"),
        ("https://example.com:443/", "example.com"),
        ("ws://example.com:80/", "example.com"),
        ("wss://example.com:443/", "example.com"),
        ("http://example.com:/", "example.com"),
        ("http://example.com:080/", "example.com"),
        // Any other.
        ("http://example.com:8080/", "example.com:8080"),
        ("http://example.com.:8080/", "example.com:8080"),
        ("http://EXAMPLE.com:8080/", "example.com:8080"),
        ("http://example.com:08080/", "example.com:8080"),
        ("http://example.com:443/", "example.com:443"),
        ("https://example.com:80/", "example.com:80"),
        ("http://example.com:0/", "example.com:0"),
        ("http://example.com:00/", "example.com:0"),
        ("http://example.com:65535/", "example.com:65535"),
        ("ftp://example.com:80/", "example.com:80"),
        // Who asks is not whom it asks.
        ("http://user@example.com/", "example.com"),
        ("http://user:password@example.com/", "example.com"),
        ("http://user:password@EXAMPLE.com:81/", "example.com:81"),
        ("http://user@example.com:81/", "example.com:81"),
        ("http://example.com:81@example.com:82/", "example.com:82"),
        ("http://example.com:81@example.org:82/", "example.org:82"),
        // Addresses.
        ("http://10.0.0.1/", "10.0.0.1"),
        ("http://10.0.0.1:8080/", "10.0.0.1:8080"),
        ("http://[::1]/", "[::1]"),
        ("http://[::1]:80/", "[::1]"),
        ("http://[::1]:8080/", "[::1]:8080"),
        ("http://[2001:DB8::A]:8080/", "[2001:db8::a]:8080"),
        ("http://user@[::1]:8080/", "[::1]:8080"),
        // As DNS knows it.
        ("http://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        (
            "http://XN--BCHER-kva.example:81/",
            "xn--bcher-kva.example:81",
        ),
        // Where no scheme is named, it is that of http.
        ("example.com:80", "example.com"),
        ("example.com:443", "example.com:443"),
    ];
    for (uri, expected) in table {
        assert_eq!(key_of_uri(uri).as_deref(), Some(expected), "{uri}");
    }
}

// J1
#[test]
fn where_the_uri_names_no_host_its_header_does() {
    let table: [(&[u8], Option<&str>); 42] = [
        (b"example.com", Some("example.com")),
        (b"EXAMPLE.com.:80", Some("example.com")),
        (b"example.com:8080", Some("example.com:8080")),
        (b"example.com:443", Some("example.com:443")),
        (b"example.com:", Some("example.com")),
        (b"[::1]:8080", Some("[::1]:8080")),
        (b"[::1]:", Some("[::1]")),
        (b"[FE80::1%25en0]", Some("[fe80::1%25en0]")),
        (b"localhost", Some("localhost")),
        (b"under_score.example", Some("under_score.example")),
        (b"xn--bcher-kva.example", Some("xn--bcher-kva.example")),
        (b"user@example.com", Some("example.com")),
        (b"example.com:81@example.com:82", Some("example.com:82")),
        (b"a@b@example.com", Some("example.com")),
        // No hosts.
        (b"", None),
        (b".", None),
        (b"..", None),
        (b"example.com..", None),
        (b":80", None),
        (b".:80", None),
        (b"user@", None),
        (b"example.com:65536", None),
        (b"example.com:99999999999999999999", None),
        (b"example.com:+80", None),
        (b"example.com:-1", None),
        (b"example.com:80:80", None),
        (b"example.com:http", None),
        (b"example.com: 80", None),
        (b"example.com/path", None),
        (b"http://example.com", None),
        (b"example.com example.org", None),
        (b"example.com,example.org\t", None),
        (b"example.com?a", None),
        (b"example.com#a", None),
        (b"a\\b", None),
        (b"::1", None),
        (b"[]", None),
        (b"[::1", None),
        (b"[::1]x", None),
        (b"[::1]]", None),
        (b"example]", None),
        (b"b\xfccher.example", None),
    ];
    for (host, expected) in table {
        let shown = host.escape_ascii();
        assert_eq!(key_of_host(host).as_deref(), expected, "{shown}");
    }
    assert_eq!(key_of_host("b\u{fc}cher.example".as_bytes()), None);
    assert_eq!(key(&by::authority(), &Request::new(())), None);
}

// J1
#[test]
fn a_request_with_two_hosts_has_no_key() {
    let two = with_headers("host", &[b"example.com", b"example.org"]);
    assert_eq!(key(&by::authority(), &two), None);
    let twice = with_headers("host", &[b"example.com", b"example.com"]);
    assert_eq!(key(&by::authority(), &twice), None);
}

// J1
#[test]
fn the_host_of_the_uri_goes_before_that_of_the_header() {
    let mut request = with_headers("host", &[b"example.org:81"]);
    *request.uri_mut() = Uri::from_static("http://example.com:82/");
    assert_eq!(
        key(&by::authority(), &request).as_deref(),
        Some("example.com:82")
    );
    *request.uri_mut() = Uri::from_static("/a");
    assert_eq!(
        key(&by::authority(), &request).as_deref(),
        Some("example.org:81")
    );
    *request.uri_mut() = Uri::from_static("https://example.com:65536/");
    assert_eq!(
        key(&by::authority(), &request),
        None,
        "nor is another one taken"
    );
}

#[cfg(feature = "reqwest")]
fn key_of_url(url: &str) -> Option<String> {
    let request = reqwest::Request::new(reqwest::Method::GET, url.parse().ok()?);
    key(&by::authority(), &request)
}

// J1
#[cfg(feature = "reqwest")]
#[test]
fn a_request_of_reqwest_has_the_key_of_its_url() {
    let table = [
        ("http://example.com", Some("example.com")),
        ("http://EXAMPLE.com./a", Some("example.com")),
        ("https://example.com:443/", Some("example.com")),
        ("https://example.com:0443/", Some("example.com")),
        ("https://example.com:80/", Some("example.com:80")),
        ("http://example.com.:8080/", Some("example.com:8080")),
        (
            "http://user:password@example.com:8080/",
            Some("example.com:8080"),
        ),
        (
            "http://example.com:8080@example.com:81/",
            Some("example.com:81"),
        ),
        ("http://[::1]/", Some("[::1]")),
        ("http://[0:0::0001]:8080/", Some("[::1]:8080")),
        ("http://0x7f.1/", Some("127.0.0.1")),
        ("http://b\u{fc}cher.example/", Some("xn--bcher-kva.example")),
        (
            "http://B\u{dc}CHER.example:81/",
            Some("xn--bcher-kva.example:81"),
        ),
        ("http://ex%61mple.com/", Some("example.com")),
        ("file:///etc/hosts", None),
        ("data:text/plain,a", None),
        ("unix://./a", None),
    ];
    for (url, expected) in table {
        assert_eq!(key_of_url(url).as_deref(), expected, "{url}");
    }
}

// ---- what nobody picked by hand ----------------------------------------------------------------

/// A host, and what may stand around it.
#[derive(Clone, Debug)]
struct Spelling {
    scheme: Option<&'static str>,
    user: &'static str,
    host: String,
    capitals: bool,
    dot: bool,
    zeros: usize,
    port: Option<u16>,
    colon: bool,
}

impl Spelling {
    fn authority(&self) -> String {
        let host = match self.capitals {
            true => self.host.to_ascii_uppercase(),
            false => self.host.clone(),
        };
        let dot = if self.dot && !host.ends_with(']') {
            "."
        } else {
            ""
        };
        let port = match self.port {
            Some(port) => format!(":{}{port}", "0".repeat(self.zeros)),
            None if self.colon => ":".to_owned(),
            None => String::new(),
        };
        format!("{}{host}{dot}{port}", self.user)
    }

    /// By its parts, and not by how it is written.
    fn key(&self) -> String {
        let default = match self.scheme {
            Some("https") => 443,
            _ => 80,
        };
        match self.port {
            Some(port) if port != default => format!("{}:{port}", self.host),
            _ => self.host.clone(),
        }
    }

    fn is_as_its_key(&self) -> bool {
        self.authority() == self.key()
    }
}

fn port() -> impl Strategy<Value = Option<u16>> {
    prop_oneof![
        Just(None),
        Just(Some(80)),
        Just(Some(443)),
        any::<u16>().prop_map(Some)
    ]
}

fn spelling() -> impl Strategy<Value = Spelling> {
    let host = prop_oneof![
        "[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\\.[a-z][a-z0-9-]{0,5}[a-z0-9]){0,3}",
        Just("10.0.0.1".to_owned()),
        Just("[::1]".to_owned()),
        Just("[2001:db8::a]".to_owned()),
    ];
    let scheme = prop_oneof![Just(None), Just(Some("http")), Just(Some("https"))];
    let user = prop_oneof![4 => Just(""), 1 => Just("user@"), 1 => Just("a.example:81@")];
    let spelled = (any::<bool>(), any::<bool>(), 0..3_usize, any::<bool>());
    (scheme, user, host, port(), spelled).prop_map(
        |(scheme, user, host, port, (capitals, dot, zeros, colon))| Spelling {
            scheme,
            user,
            host,
            capitals,
            dot,
            zeros,
            port,
            colon,
        },
    )
}

/// Whether the key is a part of the request, and was not written.
fn is_borrowed(request: &Request<()>) -> bool {
    let authority = request.uri().authority().expect("a host").as_str();
    let key = by::authority();
    let mut scratch = Scratch::default();
    let found = key.of(request, &mut scratch).expect("a key");
    let range = authority.as_bytes().as_ptr_range();
    range.contains(&found.as_ptr())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    // J1
    #[test]
    fn a_key_is_that_of_the_parts_however_they_are_spelled(spelling in spelling()) {
        let (authority, expected) = (spelling.authority(), spelling.key());
        let request = match spelling.scheme {
            None => with_headers("host", &[authority.as_bytes()]),
            Some(scheme) => Request::get(format!("{scheme}://{authority}/a")).body(()).unwrap(),
        };
        prop_assert_eq!(key(&by::authority(), &request), Some(expected));
        // One that needs no change costs nothing to find.
        if spelling.scheme.is_some() && spelling.is_as_its_key() {
            prop_assert!(is_borrowed(&request));
        }
    }

    // J1
    #[cfg(feature = "reqwest")]
    #[test]
    fn both_clients_find_the_same_key(spelling in spelling()) {
        let uri = format!("{}://{}/a", spelling.scheme.unwrap_or("http"), spelling.authority());
        let url: Result<reqwest::Url, _> = uri.parse();
        // What is an address to a URL, such as `7` or `1.0xa`, is a name to a URI.
        let host = url.as_ref().ok().and_then(|url| url.host_str()).unwrap_or_default();
        if host.trim_end_matches('.') == spelling.host {
            prop_assert_eq!(key_of_url(&uri), key_of_uri(&uri));
        }
    }

    // J1: whoever sends it, and whatever it is.
    #[test]
    fn what_a_stranger_sends_as_its_host_is_a_host_or_no_key(
        host in prop_oneof![
            "[ -~]{0,20}".prop_map(String::into_bytes),
            "[aA1.:@\\[\\]%0-]{0,12}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>().prop_filter("no control", |b| *b >= 32 && *b != 127), 0..300),
        ]
    ) {
        let Some(found) = key_of_host(&host) else { return Ok(()) };
        prop_assert!(!found.is_empty());
        prop_assert!(!found.contains(['@', '/', ' ']) && !found.starts_with(':'));
        prop_assert!(!found.bytes().any(|byte| byte.is_ascii_uppercase()));
        // It is the host's name: whoever sends that has the same key.
        prop_assert_eq!(key_of_host(found.as_bytes()), Some(found));
    }
}
