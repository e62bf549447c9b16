//! [`FleetStatus`]: what a process has to do with its fleet.

use super::store::StoreError;
use crate::circuit::followed::Sharing;

/// How a process stands to its fleet, for all its circuits together. From [`Fleet::status`](super::Fleet::status). For
/// one circuit, see [`Snapshot::fleet`](crate::Snapshot::fleet).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FleetStatus {
    /// Whether the store answers. With several shards: whether each of them does.
    pub sharing: Sharing,
    /// The last error of the store, whenever that was.
    pub last_error: Option<StoreError>,
    /// How many circuits belong to the fleet here and now.
    pub circuits: u64,
    /// How often the store was asked, and has answered.
    pub exchanges: u64,
    /// How many reports the store has got.
    pub reports: u64,
    /// How many decisions were proposed to the store.
    pub decisions: u64,
    /// How often the store has hinted that something has changed.
    pub hints: u64,
    /// How many answers of the store were refused, because they made no sense.
    pub refused: u64,
    /// How often the store was asked in vain.
    pub failures: u64,
}
