//! The last good answer, when the dependency has none (rules M3, M4). Needs the feature `cached`.
//!
//! A page of an hour ago is often better than a 503. So while the dependency is well, its answers are kept. When a
//! circuit rejects a call, or the call takes too long or fails, the last good answer is given in its place. It says so:
//! in `Age`, in `Cache-Status` (with a negative `ttl` if it is stale), and by [`Degraded`](crate::degrade::Degraded) in
//! its extensions.
//!
//! **This is no cache that spares the dependency work.** Every call is made, and a kept answer is given only if the
//! call has brought nothing. But it keeps the rules for caches: above all, nobody gets what was meant for another.
//!
//! ```
//! use std::time::Duration;
//!
//! use axum::{Router, routing::get};
//! use tower_breaker::{Circuit, CircuitBreakerLayer, degrade::cached::Cached};
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let circuit = Circuit::builder("reviews").build()?;
//! // Most services do not say for how long their answers may be used in place of an error. So say it here.
//! let cached = Cached::builder().stale_if_error(Duration::from_secs(600)).build()?;
//!
//! let app: Router = Router::new()
//!     .route("/reviews", get(|| async { "five stars" }))
//!     .layer(CircuitBreakerLayer::new(circuit.clone()))
//!     .layer(cached.layer(&circuit)); // the outer one: it sees what the breaker answers
//! # let _: Router = app;
//! # Ok(())
//! # }
//! ```
//!
//! With limits of its own, and what comes of it:
//!
//! ```
//! # use std::{convert::Infallible, time::Duration};
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//! # use tower_breaker::{Circuit, CircuitBreakerLayer, degrade::cached::Cached};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let circuit = Circuit::builder("reviews").build()?;
//! # let reviews = service_fn(|_: Request<String>| async {
//! #     let stars = Full::new(bytes::Bytes::from("five stars"));
//! #     Ok::<_, Infallible>(Response::new(stars))
//! # });
//! let cached = Cached::builder()
//!     .stale_if_error(Duration::from_secs(600))
//!     .keep_for(Duration::from_secs(3_600))
//!     .entries(10_000)
//!     .bytes(64 << 20)
//!     .body_limit(256 << 10)
//!     .build()?;
//! let mut service = ServiceBuilder::new()
//!     .layer(cached.layer(&circuit))
//!     .layer(CircuitBreakerLayer::new(circuit.clone()))
//!     .service(reviews);
//!
//! let live = service.ready().await?.call(Request::default()).await?;
//! assert!(live.headers().get("cache-status").is_none());
//! // It is kept once it has been read to its end.
//! live.into_body().collect().await?;
//!
//! circuit.force_open();
//! let kept = service.ready().await?.call(Request::default()).await?;
//! assert_eq!(kept.headers()["cache-status"], "tower-breaker; hit; ttl=0; detail=circuit-forced-open");
//! assert_eq!(kept.into_body().collect().await?.to_bytes(), "five stars");
//! # Ok(())
//! # }
//! ```
//!
//! # Which answers are kept
//!
//! Answers to a GET are kept if they succeed, or are [answered](crate::Outcome::Answered) such as a 404, once their
//! body has been read to its end. **What is not understood to the letter is not kept.** Nor is
//!
//! | what is not kept | RFC 9111, if not said |
//! |---|---|
//! | an answer to a GET with a body, which is a part of the question then, announced or not | 9110, 9.3.1 |
//! | an answer to a request whose `Connection` names other headers: they are removed on the way | 9110, 7.6.1 |
//! | an answer to a request with a user or a password in its URI | 9110, 4.2.4 |
//! | an answer to another method, unless [told](CachedBuilder::also); a HEAD is answered from a GET | 9110, 9.2.3 |
//! | a status but 200, 203, 204, 300, 301, 308, 404, 410; with a lifetime 302, 307, 405, 414 | 9110, 15.1 |
//! | `no-store`, in the answer or the request | 5.2.2.5, 5.2.1.5 |
//! | `private`, with fields or without, unless [of one user](CachedBuilder::shared) | 5.2.2.7 |
//! | `no-cache`, with fields or without; `Pragma: no-cache` | 5.2.2.4 |
//! | `Set-Cookie`, whatever else it says | stricter than 7.3 |
//! | with credentials in the request, unless it says `public`, `s-maxage`, `must-revalidate` | 3.5 |
//! | `Vary: *`; more than 16 names in `Vary`, or 8 KiB in what they name | 4.1 |
//! | a header that decides and is not to the letter, not ASCII, or above 8 KiB | stricter than 4.2.1 |
//! | `Connection` that names a header that decides: so it was not meant for us | 9110, 7.6.1 |
//! | an answer to a request that names two hosts: another in its URI than in `Host`, as a gateway's may | 9110, 7.2 |
//! | a body that breaks off, has trailers, or another length than announced; `Content-Range` | 3.3 |
//! | a body above the [limit](CachedBuilder::body_limit), a head above 32 KiB | |
//! | what a fallback or a rejection further in has answered: it is not the dependency's | |
//! | what was asked for before something has changed there | 4.4 |
//!
//! Headers that decide are `Cache-Control`, `Vary`, `Pragma`, `Age`, `Connection` and `Content-Length`. If they say
//! something twice, the strictest holds. A cookie or an API key may also be named by `Vary` in place of the three
//! directives.
//!
//! ## Other methods
//!
//! The answer to a method of which the cache was [told](CachedBuilder::also) is kept only if
//!
//! * the request has no body, which is a part of the question, and overrides no method;
//! * the answer says for how long it is good: `max-age`, `s-maxage` or `Expires`; and
//! * its one `Content-Location` names what was asked for, byte for byte: as a path from the root, or absolute.
//!
//! The last two are what RFC 9110, 9.3.3 asks of the answer to a POST. Here they are asked of the answer to every such
//! method. An origin says both of what it was asked for, and neither of what it has only done. With that, the RFC lets
//! the answer be given to a GET, and never to another POST, which has to be written through. Neither is so here. No GET
//! gets it: another method is another question. Another POST gets it, because the cache was told for just that. But
//! like every call it is written through first, wherever the dependency can be asked at all.
//!
//! In all else, these answers are as those to a GET, except for conditions. A request with `If-None-Match` is given
//! nothing, as its answer would be a 412 (RFC 9110, 13.1.2). `If-Modified-Since` asks for nothing (13.1.3). A request
//! that changes something there makes these answers out of date, too.
//!
//! **Watch out:** none of this is an error, and nothing is logged. So a cache that is set up wrongly looks like one
//! that is never needed. [`Cached::usage`] counts, each by its reason:
//! * requests that the cache had nothing to do with ([`not_asked`](CacheUsage::not_asked));
//! * good answers that it did not keep ([`not_kept`](CacheUsage::not_kept));
//! * calls for which it had nothing to give when it was needed ([`not_given`](CacheUsage::not_given)).
//!
//! ```
//! # use std::convert::Infallible;
//! # use http::{Request, Response, header::HOST};
//! # use http_body_util::Full;
//! # use tower::{Service, ServiceExt, Layer, service_fn};
//! # use tower_breaker::{Circuit, degrade::cached::Cached};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let circuit = Circuit::builder("reviews").build()?;
//! # let cached = Cached::builder().build()?;
//! # let client = service_fn(|_: Request<String>| async {
//! #     Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::new())))
//! # });
//! # let mut service = cached.layer(&circuit).layer(client);
//! let request = Request::get("http://reviews.internal/").header(HOST, "shop.example"); // the visitor's
//! service.ready().await?.call(request.body(String::new())?).await?;
//! assert_eq!(cached.usage().not_asked.two_hosts, 1);
//! # Ok(())
//! # }
//! ```
//!
//! Of two hosts, the cache takes neither. An origin that is asked by HTTP/1 without a proxy sees only `Host`. So if the
//! URI's host counted, a visitor could send a `Host` of his own, and the answer to that would be kept for all.
//!
//! # Which answers are given
//!
//! A kept answer is given if the call was rejected (by a circuit or a bulkhead), took too long, or failed. And it must
//! be
//!
//! * *fresh*: younger than `s-maxage`, else `max-age`, else `Expires` less `Date` (RFC 9111, 4.2; no guess is made
//!   where nothing is said), or
//! * *stale*, for at most as long as `stale-if-error` of the answer or the request says, or `max-stale` of the request.
//!   Of several, the shortest holds (RFC 5861, 4; RFC 9111, 5.2.1.2). If none is said, for at most
//!   [`stale_if_error`](CachedBuilder::stale_if_error), which is not at all by default. An answer that does not say how
//!   long it is good is stale from when it came.
//!
//! | what is not given | RFC 9111 |
//! |---|---|
//! | a stale answer with `must-revalidate` | 4.2.4, 5.2.2.2 |
//! | a stale answer with `proxy-revalidate` or `s-maxage`, of a [shared](CachedBuilder::shared) cache | 5.2.2.8, .10 |
//! | anything older than [`keep_for`](CachedBuilder::keep_for) | |
//! | anything to a request with `no-cache`, `no-store`, `max-age=0` or `Pragma: no-cache` | 5.2.1.4, 5.4 |
//! | anything to a request whose `Cache-Control` is not understood | |
//! | what is older than the request's `max-age`, or not fresh for its `min-fresh` | 5.2.1.1, 5.2.1.3 |
//! | what is stale, to a request with `max-age` and neither `max-stale` nor `stale-if-error` | 5.2.1.1 |
//! | anything to a request with `Range`, `If-Range`, `If-Match` or `If-Unmodified-Since` | 4.3.2 |
//! | an answer to another credential, or with other values of what `Vary` names | 3.5, 4.1 |
//! | an answer to another method, but for a HEAD | stricter than 9110, 9.3.3 |
//!
//! If nothing is given, the caller gets the call's own result, untouched. `If-None-Match` and `If-Modified-Since` are
//! answered with a 304 if they match (RFC 9111, 4.3.2). `only-if-cached` is not obeyed: the dependency is asked.
//!
//! A kept answer has the status and the headers that it came with, in their order and with all repeats. Headers of one
//! connection are left out (RFC 9110, 7.6.1). `Date` stays, `Age` is new (RFC 9111, 5.1), and a line is appended to
//! `Cache-Status` (RFC 9211):
//!
//! | `tower-breaker;` … | when |
//! |---|---|
//! | `hit; ttl=12; detail=circuit-open` | the dependency was not asked; the answer is fresh for 12 seconds more |
//! | `hit; ttl=-30; detail=bulkhead-full` | the same, but the answer has been stale for 30 seconds |
//! | `fwd=stale; fwd-status=502; ttl=-30; detail=failed` | the dependency was asked, and answered with a 502 |
//! | `fwd=bypass; ttl=12; detail=timed-out` | it was asked, though there was a fresh answer, as ever here |
//!
//! # Whose answer
//!
//! An answer is given to another request only if that asks for the same. The scheme and the host, the path and the
//! query, byte for byte, and the method must be the same. The request must also have the same values, all of them in
//! the same order, of
//!
//! * every header that any answer from there has named in `Vary`;
//! * what says who asks: `Authorization`, `Proxy-Authorization`, `Cookie`, `Api-Key`, `X-Api-Key`, `X-Access-Token`,
//!   `X-Auth-Token`; and what a proxy says that has asked: `Remote-User`, `X-Remote-User`, `Client-Cert`,
//!   `X-Forwarded-User`, `-Email`, `-Access-Token` and `-Client-Cert`, `X-Auth-Request-User`, `-Email` and
//!   `-Access-Token`, and those of Amazon's, Cloudflare's, Google's and Microsoft's proxies. That is stricter than RFC
//!   9111, 3.5: even a `public` answer to one user is given to no other;
//! * what makes frameworks take a request for another, and what nobody names in `Vary`: `X-Forwarded-Host`, `-Proto`,
//!   `-Port`, `-Prefix` and `-Scheme`, `Forwarded` except `for` and `by`, `X-Original-URL`, `X-Rewrite-URL`, and those
//!   that override the method;
//! * every header of [`also_key_by`](CachedBuilder::also_key_by).
//!
//! Of all these, a hash of 128 bits is kept, under a key that is made anew for each cache. No credential is kept, and
//! no header of a request.
//!
//! **Watch out:** the cache knows only what stands in the request that comes to *its* layer.
//!
//! ```text
//! cached( add_credentials_of_the_user( breaker( client ) ) )   // wrong: all users look the same
//! add_credentials_of_the_user( cached( breaker( client ) ) )   // right
//! ```
//!
//! Some users are told apart by a client certificate, an address, an extension of the request or a header that is not
//! listed above. Such a user has to be in the key. Put a header into the request, in a layer further out, and name it
//! in `also_key_by`.
//!
//! If the dependency refuses somebody with credentials (401, 403 or 451), nothing from before is given to them any
//! more if they ask the same, not even what was on its way by then. RFC 9111 would allow that. Answers to what else
//! they have asked stay: one no to one thing says little of another.
//!
//! # What it costs
//!
//! *Of each GET*, a clone of the headers. *Of an answer that is kept*, a copy of its body, made piece by piece as it is
//! read: no frame is held back. What must not be kept is not copied. Every good answer is recorded anew, so that the
//! last one is there.
//!
//! *Memory* stays within [`bytes`](CachedBuilder::bytes), in which headers and all that is needed to find an answer are
//! counted, and within [`entries`](CachedBuilder::entries). What is used least goes first. What is being recorded comes
//! on top: 64 bodies at most. If all places are taken, a body that takes longer than ten seconds loses its own. An
//! answer that is too old is not given, but goes only when its place is needed, or with [`clear`](Cached::clear).
//!
//! *Of each call*, nothing waits for a lock but the look for an answer where there is no other, and the keeping of one.
//!
//! # Others
//!
//! `http-cache-semantics` decides much the same, and is not used. It does not see directives in capitals, compares only
//! the first value of a header, and keeps the credentials of requests. The tests of this crate compare what is kept
//! here with it.

mod body;
mod builder;
mod changed;
mod conditional;
mod counts;
mod directives;
mod entry;
mod forgotten;
mod freshness;
mod future;
mod grammar;
mod headers;
mod key;
mod layer;
mod question;
mod recording;
mod recordings;
mod servable;
mod shared;
mod storable;
mod store;
mod target;
mod vary;

use std::{fmt, sync::Arc};

use self::shared::Shared;
pub use self::{
    body::{CachedBody, otherwise},
    builder::CachedBuilder,
    counts::{NotAsked, NotGiven, NotKept},
    future::CachedFuture,
    layer::{CachedLayer, CachedService},
};
use super::fallback::CountedFor;

/// A cache of the last good answers of a dependency. Clones are the same cache.
#[derive(Clone)]
pub struct Cached(Arc<Shared>);

/// What a [`Cached`] holds, and what it did not keep or give, and why. From [`Cached::usage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheUsage {
    /// How many answers are kept.
    pub answers: u64,
    /// How many bytes they take at most, with all that is needed to find them.
    pub bytes: u64,
    /// How many bodies are being recorded.
    pub recording: u64,
    /// How many requests the cache had nothing to do with, since it was built. Some of these calls may have failed.
    /// [`Snapshot::parts`](crate::Snapshot::parts) does not count them.
    pub not_asked: NotAsked,
    /// How many good answers were not kept, since the cache was built.
    pub not_kept: NotKept,
    /// How many calls were rejected, took too long or failed, and were given nothing, since the cache was built.
    pub not_given: NotGiven,
}

impl Cached {
    /// Begins to build a cache. See [`CachedBuilder`] for its limits.
    pub fn builder() -> CachedBuilder {
        CachedBuilder::new()
    }

    /// Makes a layer that keeps answers in this cache, and gives them from it.
    ///
    /// `counted_for` is usually the circuit: see [`CountedFor`]. In [`Snapshot::parts`](crate::Snapshot::parts), it
    /// counts a kept answer as answered. A call for which there was none to give is counted as failed. A request that
    /// the cache has nothing to do with, such as a POST or one that names two hosts, is not counted there, but in
    /// [`CacheUsage::not_asked`].
    ///
    /// One cache may serve the layers of several services, as long as the same URI means the same in all of them.
    #[must_use]
    pub fn layer(&self, counted_for: impl Into<CountedFor>) -> CachedLayer {
        CachedLayer::new(self.clone(), counted_for.into())
    }

    /// Forgets all answers, also those that are on their way.
    pub fn clear(&self) {
        self.0.store.clear();
    }

    /// What is kept now, and how often something was not kept or not given, by reason. It looks at every answer.
    #[must_use]
    pub fn usage(&self) -> CacheUsage {
        let Shared { store, counts, .. } = &*self.0;
        let (answers, bytes) = store.usage();
        CacheUsage {
            answers: answers as u64,
            bytes: bytes as u64,
            recording: self.0.recordings.count() as u64,
            not_asked: counts.not_asked(),
            not_kept: counts.not_kept(),
            not_given: counts.not_given(),
        }
    }
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").finish_non_exhaustive()
    }
}
