//! [`Kept`]: bodies of which a copy can be kept.

/// A body of which a copy can be kept, to send it again: whatever is `Clone`, such as a `String`, `Bytes`, and the
/// `Empty` and `Full` of http-body-util. Not a stream, which is gone once it is sent.
#[diagnostic::on_unimplemented(
    message = "a request with a body `{Self}` cannot be repeated: no copy of it can be kept",
    label = "this body is not `Clone`",
    note = "a stream can be sent once: collect it before the retries (`http_body_util::BodyExt::collect`), \
            or leave them out on this way"
)]
pub trait Kept: Clone {}

// Or the compiler would ask for `Clone` and not say what for.
#[diagnostic::do_not_recommend]
impl<B: Clone> Kept for B {}
