//! A test kit for code that has a [`tower_breaker`] circuit in it.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod assertions;
pub mod chaos;
pub mod circuits;
mod recorder;
#[cfg(feature = "server")]
#[cfg_attr(docsrs, doc(cfg(feature = "server")))]
pub mod server;

pub use self::{
    assertions::{
        Rejectable, assert_called, assert_closed, assert_half_open, assert_not_called,
        assert_not_rejected, assert_open, assert_rejected, assert_transitions,
    },
    circuits::TestCircuit,
    recorder::{Call, Entry, Recorded, Recorder, RecorderBuilder, Transcript},
};
