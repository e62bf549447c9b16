//! Some users, an origin that writes each one's secret into what he gets, and headers that say whose that is in every
//! way but a plain one.
//!
//! An answer is *guarded* if the origin has said in any way that it is for one user, or if he came with credentials. A
//! guarded secret comes to nobody else. What the origin does not guard may come to all: that is seen to happen, so that
//! a leak would be.
//!
//! The cache was told that a POST only asks. What is kept is given to the same method only, and is no answer to a body.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use http_body_util::BodyExt;

use super::{
    bytes::Bytes,
    stage::{Got, HOUR, Question, Stage},
};

/// What a case may come to. Each of them happens.
pub(crate) const OUTCOMES: [&str; 5] =
    ["own", "another's, for all", "nothing", "stale", "to a POST"];

/// How a user says who he is.
const CREDENTIALS: [&str; 4] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
];
const PLAIN: [&str; 2] = ["x-user", "accept-language"];

/// What may stand before, after and between what guards an answer.
const NOISE: [&str; 18] = [
    "",
    "public",
    "max-age=60",
    "max-age=0",
    "s-maxage=60",
    "stale-if-error=600",
    "max-age=99999999999999999999",
    "x=\"a, public, b\"",
    "x=\"\\\", public, \\\\\"",
    "private-ish",
    "no-storey",
    "immutable",
    "max-age=\"60\"",
    "must-understand",
    "proxy-revalidate",
    "must-revalidate",
    "PUBLIC",
    "x=",
];

const OTHER_NAMES: [&str; 14] = [
    "connection",
    "age",
    "date",
    "expires",
    "pragma",
    "etag",
    "content-length",
    "cache-status",
    "warning",
    "x-forwarded-host",
    "host",
    "vary",
    "content-location",
    "x-http-method-override",
];

const OTHER_VALUES: [&str; 14] = [
    "cache-control",
    "vary, set-cookie",
    "close",
    "0",
    "6",
    "18446744073709551615",
    "Thu, 01 Jan 1970 02:30:00 GMT",
    "Thu, 01 Jan 1970 02:40:00 GMT",
    "no-cache",
    "accept",
    "\"tag\"",
    "here",
    "*",
    "x-user",
];

struct Play<'a> {
    bytes: Bytes<'a>,
    stage: Stage,
    /// The header by which users differ.
    identity: &'static str,
    /// On which line of it.
    shape: u64,
    told: Vec<&'static str>,
}

/// What a request asks for, but for who asks.
struct Asked {
    path: String,
    /// With its body, or what a header says is one.
    by: String,
    /// What may be given to it.
    kept_by: &'static str,
}

impl Asked {
    fn by(request: &Question) -> Self {
        let lengths = request.headers().get_all("content-length");
        let is_empty = lengths.iter().all(|length| length == "0");
        let body = if is_empty && is_over(request.body()) {
            ""
        } else {
            " with a body"
        };
        Self {
            path: request.uri().path().to_owned(),
            by: format!("{}{body}", request.method()),
            kept_by: match *request.method() {
                Method::POST => "POST",
                _ => "GET",
            },
        }
    }
}

fn is_over(body: &impl BodyExt) -> bool {
    body.is_end_stream()
}

/// What has happened.
pub(crate) fn drive(data: &[u8]) -> Vec<&'static str> {
    let mut bytes = Bytes::new(data);
    let identities: Vec<_> = CREDENTIALS.into_iter().chain(PLAIN).chain(PLAIN).collect();
    let mut play = Play {
        identity: bytes.pick(&identities),
        shape: bytes.below(4),
        stage: Stage::with(|cached| cached.stale_if_error(HOUR).entries(64).also(Method::POST)),
        bytes,
        told: Vec::new(),
    };
    let users = play.bytes.between(2, 4);
    while play.bytes.are_left() {
        play.step(users);
    }
    play.told
}

impl Play<'_> {
    fn step(&mut self, users: u64) {
        let user = self.bytes.below(users);
        let request = self.request(user);
        let asked = Asked::by(&request);
        self.stage
            .clock
            .advance(HOUR * self.bytes.pick(&[0, 0, 0, 1, 40]) / 60);
        let open = self.bytes.flag();
        let got = if open {
            self.stage.ask_while_open(request)
        } else {
            let response = self.response(user, &asked);
            self.stage.says(response);
            self.stage.ask(request)
        };
        self.check(user, &asked, &got);
    }

    /// No secret of anybody else that was guarded.
    fn check(&mut self, user: u64, asked: &Asked, got: &Got) {
        let text = format!("{:?} {:?}", got.head.headers, got.body);
        for other in (0..4).filter(|other| *other != user) {
            let guarded = format!("secret-{other}-guarded");
            assert!(!text.contains(&guarded), "{user} has got {text}");
        }
        if got.is_kept() {
            assert_eq!(
                got.header("x-asked-by"),
                asked.kept_by,
                "{user} has got {text}"
            );
            if asked.kept_by == "POST" {
                self.told.push("to a POST");
            }
            let own = text.contains(&format!("secret-{user}-"));
            self.told
                .push(if own { "own" } else { "another's, for all" });
            if got.header("cache-status").contains("ttl=-") {
                self.told.push("stale");
            }
        } else if got.head.status == 503 {
            self.told.push("nothing");
        }
    }

    fn request(&mut self, user: u64) -> Question {
        let mut request = Question::default();
        *request.method_mut() = match self.bytes.below(12) {
            0 => Method::HEAD,
            1..=3 => Method::POST,
            _ => Method::GET,
        };
        *request.uri_mut() = self
            .bytes
            .pick(&["/a", "/a", "/a", "/b"])
            .parse()
            .expect("a URI");
        let identity = HeaderName::from_static(self.identity);
        let headers = request.headers_mut();
        // All lines but one are the same for all, or all but a part of one.
        let me = format!("user-{user}");
        let lines = match self.shape {
            0 => vec!["same".to_owned(), me],
            1 => vec![me, "same".to_owned()],
            2 => vec![format!("a=\"1, 2\", {me}")],
            _ => vec![me],
        };
        for line in lines {
            headers.append(&identity, line.try_into().expect("a value"));
        }
        let lengths: &[&str] = match *request.method() {
            Method::POST => &["", "", "", "", "0", "0", "4"],
            _ => &["", "", "", "", "", "0", "4"],
        };
        let length = self.bytes.pick(lengths);
        if !length.is_empty() {
            append(request.headers_mut(), "content-length", length.as_bytes());
        }
        if self.bytes.below(8) == 0 {
            *request.body_mut() = "mine".into();
        }
        if self.bytes.below(6) == 0 {
            let line = self.list("max-stale");
            append(request.headers_mut(), "cache-control", &line);
        }
        if self.bytes.below(8) == 0 {
            self.add_noise(request.headers_mut());
        }
        request
    }

    fn response(&mut self, user: u64, asked: &Asked) -> Response<bytes::Bytes> {
        let mut headers = HeaderMap::new();
        append(&mut headers, "x-asked-by", asked.by.as_bytes());
        if asked.by.starts_with("POST") && self.bytes.below(4) != 0 {
            append(&mut headers, "content-location", asked.path.as_bytes());
            append(&mut headers, "cache-control", b"max-age=60");
        }
        let mut guarded = CREDENTIALS.contains(&self.identity);
        if guarded && self.bytes.flag() {
            append(&mut headers, "cache-control", b"public");
        }
        if !guarded || self.bytes.below(4) == 0 {
            guarded |= self.guard(&mut headers);
        }
        if self.bytes.below(3) == 0 {
            let line = self.list("max-age=60");
            append(&mut headers, "cache-control", &line);
        }
        if self.bytes.below(6) == 0 {
            self.add_noise(&mut headers);
        }
        let secret = format!("secret-{user}-{}", if guarded { "guarded" } else { "open" });
        append(&mut headers, "x-secret", secret.as_bytes());
        let mut response = Response::new(secret.into());
        *response.status_mut() = self
            .bytes
            .pick(&[200, 200, 200, 404, 302, 500])
            .try_into()
            .expect("a status");
        *response.headers_mut() = headers;
        response
    }

    /// Says that the answer is for one user; or nothing, one time in eight.
    fn guard(&mut self, headers: &mut HeaderMap) -> bool {
        let (name, value) = match self.bytes.below(8) {
            0 => return false,
            1 => ("cache-control", self.list("no-store")),
            2 => ("cache-control", self.list("private")),
            3 => ("cache-control", self.list("no-cache")),
            4 => ("set-cookie", b"id=7".to_vec()),
            5 => {
                let name = self.any_case(self.identity);
                let around = [
                    "accept, {}",
                    "{}",
                    "{} , x-other",
                    ",, {},",
                    "\t{}\t",
                    "accept,{},accept",
                ];
                (
                    "vary",
                    self.bytes.pick(&around).replace("{}", &name).into_bytes(),
                )
            }
            6 => (
                "vary",
                self.bytes.pick(&["*", "accept, *", " *", "*,*"]).into(),
            ),
            _ => {
                // Not to the letter, so that it may have meant anything.
                let directive = self.bytes.pick(&["no-store", "private", "no-cache"]);
                let byte = self.bytes.pick(&[0x80, 0xff, b';', b'"', b'(']);
                let mut line = self.list(directive);
                line.push(byte);
                ("cache-control", line)
            }
        };
        append(headers, name, &value);
        if self.bytes.below(6) == 0 {
            append(headers, "connection", self.any_case(name).as_bytes());
        }
        true
    }

    /// A list with this in it, and noise around it.
    fn list(&mut self, element: &str) -> Vec<u8> {
        let mut elements = vec![self.any_case(element)];
        if element != "max-age=60" && self.bytes.below(4) == 0 {
            elements[0].push_str(
                self.bytes
                    .pick(&["=\"set-cookie\"", "=\"x, public\"", "=1"]),
            );
        }
        for _ in 0..self.bytes.below(3) {
            let at = self.bytes.index(elements.len() + 1);
            // What is not to the letter would make the whole not understood, and nothing be tested.
            elements.insert(at, self.bytes.pick(&NOISE[..17]).to_owned());
        }
        let comma = self.bytes.pick(&[",", ", ", "\t,", " , ", ",,"]);
        elements.join(comma).into_bytes()
    }

    fn any_case(&mut self, word: &str) -> String {
        match self.bytes.below(3) {
            0 => word.to_owned(),
            1 => word.to_ascii_uppercase(),
            _ => {
                let mut upper = true;
                let each = |letter: char| {
                    upper = !upper;
                    if upper {
                        letter.to_ascii_uppercase()
                    } else {
                        letter
                    }
                };
                word.chars().map(each).collect()
            }
        }
    }

    fn add_noise(&mut self, headers: &mut HeaderMap) {
        for _ in 0..=self.bytes.below(2) {
            let name = self.bytes.pick(&OTHER_NAMES);
            let mut value = self.bytes.pick(&OTHER_VALUES).as_bytes().to_vec();
            if self.bytes.below(8) == 0 {
                value.push(self.bytes.byte());
            }
            append(headers, name, &value);
        }
    }
}

/// Unless it is no value at all.
fn append(headers: &mut HeaderMap, name: &'static str, value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.append(HeaderName::from_static(name), value);
    }
}
