//! [`RegistryTotals`]: how many circuits came and went, and who found none.

/// What became of names and circuits, since the registry was built. From
/// [`Registry::totals`](super::Registry::totals).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistryTotals {
    /// Circuits that were made. Those that are there from the start count.
    pub created: u64,
    /// Circuits that have left because their place was needed (rule I5).
    pub evicted: u64,
    /// How often a circuit was asked for and could not be made, because the registry was full.
    pub refused: u64,
    /// Requests to [keyed layers](crate::keyed) of the registry that had no key, and so no circuit of their own (rule
    /// J7). [`KeyedLayer::without_key`](crate::keyed::KeyedLayer::without_key) has those of one layer.
    pub without_key: u64,
}
