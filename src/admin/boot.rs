//! Which run of the process this is.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::OnceLock,
};

/// A word that another run of the process does not have: ids of events begin anew with each.
pub(super) fn boot() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| format!("{:016x}", RandomState::new().build_hasher().finish()))
}
