//! What an answer depends on besides its URI (RFC 9111, section 4.1).

use http::{HeaderMap, HeaderName, header::VARY};

use super::grammar::read_list;

/// An answer that depends on more headers is not kept.
const MAX_NAMES: usize = 16;
/// Nor is one for a request that says more in them.
const MAX_BYTES: usize = 8 * 1024;

/// The names in `Vary`, sorted, each once. `None` if nobody knows what it depends on: for `*`, and for what is not
/// understood.
pub(super) fn names(headers: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    read_list(headers, &VARY, |element| {
        let named = element.name != "*" && element.argument.is_none();
        names.push(
            HeaderName::from_bytes(element.name.as_bytes())
                .ok()
                .filter(|_| named)?,
        );
        Some(())
    })?;
    join(names, &[])
}

/// Both sorts of names, sorted, each once. `None` if that is too many.
pub(super) fn join(mut names: Vec<HeaderName>, more: &[HeaderName]) -> Option<Vec<HeaderName>> {
    names.extend_from_slice(more);
    names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    (names.len() <= MAX_NAMES).then_some(names)
}

/// Whether what a request says in these headers is short enough to tell answers apart by it.
pub(super) fn is_short(request: &HeaderMap, names: &[HeaderName]) -> bool {
    let values = names.iter().flat_map(|name| request.get_all(name));
    values.map(http::HeaderValue::len).sum::<usize>() <= MAX_BYTES
}
