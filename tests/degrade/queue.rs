//! What is kept for later, by whom, and what its callers are told.

use tower_breaker::degrade::queue::{Memory, contract};

// M6
#[tokio::test(start_paused = true)]
async fn memory_is_an_outbox() {
    contract::check(async || Memory::bounded(10, 10 << 10)).await;
}
