//! Tower's face: the layer, the service and its future, and what HTTP makes of a call.

pub(crate) mod answer;
pub(crate) mod breaker;
pub(crate) mod bulkhead;
pub(crate) mod by_request;
pub(crate) mod check;
pub mod classify;
pub mod deadline;
pub(crate) mod future;
pub(crate) mod give_back;
#[cfg(feature = "grpc")]
pub(crate) mod grpc_code;
mod held;
pub(crate) mod layer;
pub(crate) mod limited;
pub(crate) mod oneshot;
pub mod pending;
pub(crate) mod ready;
pub mod reject;
#[cfg(feature = "retry-after")]
#[cfg_attr(docsrs, doc(cfg(feature = "retry-after")))]
pub mod retry_after;
pub(crate) mod scope;
pub(crate) mod shared;
pub(crate) mod striped;
pub(crate) mod time_out;
pub mod types;
pub(crate) mod waiting;
