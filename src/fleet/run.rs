//! The task: moves what the pilot says to the store, and what the store answers to the pilot (rule N7).

use std::sync::Arc;

use super::{fleet::Common, store::Store};

pub(super) async fn run<S: Store>(common: Arc<Common>, store: S) {
    let _ = (common, store);
}
