//! All that can happen between a few instances and their store, searched to its end.

mod search;
