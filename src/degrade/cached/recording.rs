//! [`Recording`]: a body that is kept if it comes to its end.

use super::shared::{Asked, Head, Place};

/// Records one body. Dropped before the end, it keeps nothing; but whoever knows the length of a body need not read the
/// end of it.
#[derive(Debug)]
pub(super) struct Recording(Option<Box<Tape>>);

#[derive(Debug)]
struct Tape {
    asked: Asked,
    head: Head,
    body: Vec<u8>,
    /// Given back with the rest.
    _place: Place,
}

impl Recording {
    pub(super) fn begin(asked: Asked, head: Head, place: Place) -> Self {
        let announced = head.storable.announced.unwrap_or(0);
        // It is below the limit already.
        let body = Vec::with_capacity(usize::try_from(announced).unwrap_or(0));
        Self(Some(Box::new(Tape {
            asked,
            head,
            body,
            _place: place,
        })))
    }

    /// Some more of the body.
    pub(super) fn add(&mut self, data: &[u8]) {
        if self.0.as_mut().is_some_and(|tape| !tape.add(data)) {
            self.give_up();
        }
    }

    /// The body is at its end.
    pub(super) fn end(&mut self) {
        if let Some(tape) = self.0.take() {
            tape.end();
        }
    }

    /// The body is nothing to keep.
    pub(super) fn give_up(&mut self) {
        self.0 = None;
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Some(tape) = self
            .0
            .take()
            .filter(|tape| tape.has_all_that_was_announced())
        {
            tape.end();
        }
    }
}

impl Tape {
    /// Whether there is room for it.
    fn add(&mut self, data: &[u8]) -> bool {
        let Self { asked, body, .. } = self;
        let (limit, length) = (asked.body_limit(), body.len() + data.len());
        if length > limit {
            return false;
        }
        if length > body.capacity() {
            // Twice as much, as ever, but no more than there may be.
            let room = (body.capacity() * 2).clamp(length, limit);
            body.reserve_exact(room - body.len());
        }
        body.extend_from_slice(data);
        true
    }

    fn has_all_that_was_announced(&self) -> bool {
        self.head.storable.announced == Some(self.body.len() as u64)
    }

    fn end(self) {
        if self.head.storable.announced.is_none() || self.has_all_that_was_announced() {
            self.asked.keep(self.head, self.body);
        }
    }
}
