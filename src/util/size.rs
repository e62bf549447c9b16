//! Counts, which people say as `u32`, as sizes of what is in memory.

const _: () = assert!(usize::BITS >= u32::BITS, "a count has to be a size");

/// So many places.
#[inline]
pub(crate) const fn size(count: u32) -> usize {
    count as usize
}
