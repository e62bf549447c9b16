//! What callers get when a dependency has no answer (rules M1 to M9).
#![cfg(feature = "degrade")]
