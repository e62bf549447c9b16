//! Numbers in headers.

/// A number that is nothing but digits; `parse` would take a sign, too.
pub(crate) fn number(value: &str) -> Option<u64> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| value.parse().ok())?
}
