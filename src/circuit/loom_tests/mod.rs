//! Models of a whole circuit under loom, as those of the [machine](crate::machine).

mod bulkhead;
mod calls;
mod events;
