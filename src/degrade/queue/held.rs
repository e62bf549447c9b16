//! [`Held`]: an entry that a drainer has taken. It is not lost, whatever becomes of the drainer.

use super::outbox::{Leased, Outbox};

/// Dropped without being [let go](Self::let_go), the entry is back at once, where the outbox can do that. Elsewhere its
/// lease ends by its time.
pub(super) struct Held<'a, O: Outbox> {
    outbox: &'a O,
    leased: Leased,
    is_held: bool,
}

impl<'a, O: Outbox> Held<'a, O> {
    pub(super) fn new(outbox: &'a O, leased: Leased) -> Self {
        Self {
            outbox,
            leased,
            is_held: true,
        }
    }

    pub(super) fn leased(&self) -> &Leased {
        &self.leased
    }

    /// The outbox knows what has become of it.
    pub(super) fn let_go(mut self) {
        self.is_held = false;
    }
}

impl<O: Outbox> Drop for Held<'_, O> {
    fn drop(&mut self) {
        if self.is_held {
            self.outbox.abandon(self.leased.lease);
        }
    }
}
