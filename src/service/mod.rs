//! Tower's face: the layer, the service and its future, and what HTTP makes of a call.

pub(crate) mod breaker;
pub mod classify;
pub(crate) mod follow;
pub(crate) mod future;
pub(crate) mod give_back;
#[cfg(feature = "grpc")]
pub(crate) mod grpc_code;
pub(crate) mod hold;
pub(crate) mod layer;
pub(crate) mod noted;
pub mod plumbing;
pub mod readiness;
pub mod reject;
#[cfg(feature = "retry-after")]
#[cfg_attr(docsrs, doc(cfg(feature = "retry-after")))]
pub mod retry_after;
pub(crate) mod waiting;
