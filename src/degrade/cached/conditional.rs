//! Requests with conditions (RFC 9111, section 4.3.2).

use http::{
    HeaderMap, HeaderName,
    header::{
        CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, IF_MATCH, IF_MODIFIED_SINCE,
        IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE, VARY,
    },
};

use super::{freshness::dates, question::Question};

/// What a request with conditions gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The answer, whole.
    Whole,
    /// A 304: it has that answer already.
    NotModified,
    /// Nothing from here: only the origin can tell.
    Nothing,
}

static ONLY_THE_ORIGIN: [HeaderName; 4] = [IF_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE];

/// Those of a 304 (RFC 9110, section 15.4.5), beside what is added to every answer.
pub(super) static OF_NOT_MODIFIED: [HeaderName; 6] =
    [CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, VARY];

pub(super) fn verdict(question: &Question, answer: &HeaderMap) -> Verdict {
    let request = &question.headers;
    if only_the_origin_can_tell(question) {
        return Verdict::Nothing;
    }
    let has_it = if question.asks.is_told() {
        // By other methods, a date asks for nothing (RFC 9110, section 13.1.3).
        false
    } else if request.contains_key(IF_NONE_MATCH) {
        has_tag(request, answer)
    } else {
        is_since(request, answer)
    };
    if has_it {
        Verdict::NotModified
    } else {
        Verdict::Whole
    }
}

/// To other methods, a tag that matches is answered with a 412 (RFC 9110, section 13.1.2).
fn only_the_origin_can_tell(question: &Question) -> bool {
    let mut names = ONLY_THE_ORIGIN.iter();
    names.any(|name| question.headers.contains_key(name))
        || question.asks.is_told() && question.headers.contains_key(IF_NONE_MATCH)
}

/// By the weak comparison. A list that is not understood matches nothing, nor does a tag that is empty.
fn has_tag(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let strong = |tag: &str| {
        tag.trim_matches([' ', '\t'])
            .trim_start_matches("W/")
            .to_owned()
    };
    let Some(tag) = answer
        .get(ETAG)
        .and_then(|tag| tag.to_str().ok())
        .map(strong)
        .filter(|tag| !tag.is_empty())
    else {
        return false;
    };
    // A tag with a comma in it is not found. Then the answer is whole, which is never wrong.
    let lines = request.get_all(IF_NONE_MATCH).iter();
    let mut tags = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    tags.any(|one| strong(one) == tag)
}

fn is_since(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let mut since = dates(request, &IF_MODIFIED_SINCE);
    let modified = dates(answer, &LAST_MODIFIED).max();
    match (since.next(), since.next(), modified) {
        (Some(since), None, Some(modified)) => modified <= since,
        _ => false,
    }
}
