//! [`FleetStatus`]: what a process has to do with its fleet.

use super::store::StoreError;
use crate::circuit::followed::Sharing;

/// What a process has to do with its fleet, all its circuits together: [`Fleet::status`](super::Fleet::status). How one
/// circuit stands is in [`Snapshot::fleet`](crate::Snapshot::fleet).
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
    /// How many reports it has got.
    pub reports: u64,
    /// How many decisions were proposed to it.
    pub decisions: u64,
    /// How often it has hinted that something has changed.
    pub hints: u64,
    /// How many answers were refused, because they made no sense.
    pub refused: u64,
    /// How often it was asked in vain.
    pub failures: u64,
}
